/*
 * Encrypted images: the content key wrapped for one device (ENC_EC256), and the payload under it.
 *
 * A device:  image_unwrap_content_key (its private key stays behind `agree`), then either
 *            image_payload_crypt piece by piece, or image_decrypting_source to verify a slot that
 *            holds ciphertext. Wipe the key.
 * A server:  one random content key per image, image_payload_crypt once, image_wrap_content_key for
 *            each device.
 *
 * The wrap is ECIES: ephemeral P-256 agreement, HKDF-SHA256, AES-CTR, HMAC-SHA256 over the
 * ciphertext; docs/formats/image.md has every byte. It is not bound to the image: a key of another
 * image unwraps and then gives a wrong hash. The payload counter starts at zero for every image, so
 * a content key must never be used for a second one.
 */
#ifndef NUSEC_IMAGE_IMAGE_ENCRYPT_H
#define NUSEC_IMAGE_IMAGE_ENCRYPT_H

#include "crypto/crypto.h"
#include "image/image_tlv.h"

/* Ephemeral point and MAC in front of the encrypted content key. */
#define IMAGE_WRAPPED_KEY_OVERHEAD (65 + CRYPTO_DIGEST_SIZE)
#define IMAGE_WRAPPED_KEY_MAX      (IMAGE_WRAPPED_KEY_OVERHEAD + IMAGE_CONTENT_KEY_MAX)

/* The X coordinate of own private key times `peer` (X || Y): hal key_agree with HAL_KEY_ENC. */
typedef enum status image_agree_function(void *context, const uint8_t peer[CRYPTO_PUBLIC_KEY_SIZE],
                                         uint8_t shared[32]);

/*
 * Wraps a content key of 16 or 32 bytes for the device with public key `device`; appends
 * IMAGE_WRAPPED_KEY_OVERHEAD + content_key.size bytes. UNSUPPORTED for another size, INVALID if
 * `device` is not on the curve, NO_SPACE.
 */
MUST_USE enum status image_wrap_content_key(struct bytes content_key,
                                            const uint8_t device[CRYPTO_PUBLIC_KEY_SIZE],
                                            struct writer *wrapped);

/*
 * `key` has `key_size` bytes, 16 or 32; `wrapped` must have exactly the size that goes with it
 * (INVALID). BAD_SIGNATURE if it was not wrapped for this device; `key` is then zeroed.
 */
MUST_USE enum status image_unwrap_content_key(struct bytes wrapped, image_agree_function *agree,
                                              void *context, uint8_t *key, size_t key_size);

/*
 * Finds the wrapped key of the image in a slot and unwraps it. NOT_FOUND if there is none, NO_SPACE
 * if it has not the size that goes with the header's flag; `key` is zeroed on any status but OK.
 */
MUST_USE enum status image_read_content_key(const struct image_source *source,
                                            const struct image_header *header,
                                            image_agree_function *agree, void *context,
                                            uint8_t key[IMAGE_CONTENT_KEY_MAX]);

/* Encrypts or decrypts, in place, `size` bytes that start `offset` bytes into the payload. */
MUST_USE enum status image_payload_crypt(struct bytes content_key, uint32_t offset, uint8_t *data,
                                         size_t size);

/* A view of a slot with its payload decrypted. Wipe it after use: it holds the content key. */
struct image_decrypting_source {
    const struct image_source *inner;
    uint32_t payload_start;
    uint32_t payload_end;
    size_t key_size;
    uint8_t key[IMAGE_CONTENT_KEY_MAX];
};

/* Sets up `view`, which must outlive the source returned and be wiped by the caller. */
struct image_source image_decrypting_source_of(struct image_decrypting_source *view,
                                               const struct image_source *inner,
                                               const struct image_header *header,
                                               struct bytes content_key);

#endif
