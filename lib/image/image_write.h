/*
 * Making images: for servers and desks; nothing here is linked into firmware.
 *
 *     image_write_body       header, payload, protected TLVs, and the digest to be signed:
 *                            the same for every device
 *     image_write_tlvs       hash, key, signature, wrapped content key: per device
 *     image_write_slot_end   only for an image that is programmed as a whole slot
 *
 * The entries come in imgtool's order, which MCUboot needs: the key before the signature.
 */
#ifndef NUSEC_IMAGE_IMAGE_WRITE_H
#define NUSEC_IMAGE_IMAGE_WRITE_H

#include "image/image_encrypt.h"
#include "image/image_trailer.h"

struct image_dependency {
    uint8_t image;
    struct image_version minimum;
};

/* What is signed beside the payload. */
struct image_plan {
    struct image_version version;
    uint32_t security_counter;
    uint16_t header_size;     /* the vector table's alignment, at least 32 */
    uint8_t content_key_size; /* 0: plain; 16 or 32: flagged as encrypted */
    const struct image_dependency *dependencies;
    size_t dependency_count;
};

/* Signs a digest: r || s. An HSM, or crypto_p256_sign. */
typedef enum status image_sign_function(void *context, const uint8_t digest[CRYPTO_DIGEST_SIZE],
                                        uint8_t signature[CRYPTO_SIGNATURE_SIZE]);

enum image_key_form {
    IMAGE_KEY_FULL, /* the key itself, for stages that hold its hash (MCUBOOT_HW_KEY) */
    IMAGE_KEY_HASH, /* its hash, for stages that hold the key */
};

struct image_signer {
    enum image_key_form form;
    uint8_t public_key[CRYPTO_PUBLIC_KEY_SIZE];
    image_sign_function *sign;
    void *context;
};

/*
 * Appends header, payload and protected TLVs, and gives the digest to sign. An image flagged as
 * encrypted is padded with zeros to whole AES blocks, as imgtool does. `content_key` encrypts the
 * payload after it was hashed; empty leaves it plain: for a plain image, or for the first image of
 * an encrypting product, which lies in the primary slot (imgtool --clear).
 *
 * INVALID if the plan contradicts itself or the key is not of the plan's size, NO_SPACE.
 */
MUST_USE enum status image_write_body(struct writer *image, const struct image_plan *plan,
                                      struct bytes payload, struct bytes content_key,
                                      uint8_t digest[CRYPTO_DIGEST_SIZE]);

/* Appends the unprotected TLVs; `wrapped_key` (image_wrap_content_key) is empty in plain images. */
MUST_USE enum status image_write_tlvs(struct writer *image,
                                      const uint8_t digest[CRYPTO_DIGEST_SIZE],
                                      const struct image_signer *signer, struct bytes wrapped_key);

enum image_slot_end {
    IMAGE_SLOT_UPGRADE,           /* secondary slot: ask for a test swap */
    IMAGE_SLOT_UPGRADE_PERMANENT, /* secondary slot: ask for a permanent swap */
};

/*
 * Fills up to the slot's size with erased bytes and writes the trailer. `image` must hold exactly
 * the image, from offset 0. NO_SPACE if the image reaches into what swap-move needs.
 */
MUST_USE enum status image_write_slot_end(struct writer *image,
                                          const struct image_trailer_layout *layout,
                                          enum image_slot_end end);

#endif
