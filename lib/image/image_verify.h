/*
 * Whether the image in a slot is one this stage may start or install (docs/formats/image.md).
 *
 * The payload must be readable in plaintext: an encrypted slot is verified through the decrypting
 * source of image_encrypt.h. Everything is read through the source; TLV values that decide are
 * copied once, so that a second look at flash cannot show something else.
 *
 * Stricter than MCUboot: every entry at most once, nothing unknown in the unprotected area, exact
 * sizes, exactly one key and one signature after it, no compression, no RAM load.
 */
#ifndef NUSEC_IMAGE_IMAGE_VERIFY_H
#define NUSEC_IMAGE_IMAGE_VERIFY_H

#include "crypto/crypto.h"
#include "image/image_decide.h"
#include "image/image_tlv.h"

/* A version a dependency can be met with. */
struct image_installed {
    uint8_t image; /* number of the image, as in the DEPENDENCY entry */
    struct image_version version;
};

struct image_policy {
    /* SHA-256 of X || Y of the only key that may sign: what OTP holds. */
    uint8_t key_hash[CRYPTO_DIGEST_SIZE];
    /*
     * The key itself, or NULL. Only needed for images that carry the hash of their key instead of
     * the key; it is checked against key_hash like a key from an image.
     */
    const uint8_t *public_key;
    uint32_t counter_minimum; /* from the chip's counter */
    uint32_t counter_maximum; /* the most that counter can reach */
    uint32_t reserved_size;   /* bytes at the end of the slot that no image may use */
    uint16_t header_size;     /* exactly this, because the stage jumps behind it; 0: any (desk) */
    uint8_t content_key_size; /* 0: must not be encrypted; 16 or 32: must be, with that key size */
    const struct image_installed *installed;
    size_t installed_count;
};

/* Also filled for a refused image, as far as it was read; zero elsewhere. */
struct image_report {
    enum image_reason reason;
    struct image_header header;
    uint32_t counter;                   /* security counter as stated */
    uint32_t image_size;                /* header to last TLV */
    uint8_t digest[CRYPTO_DIGEST_SIZE]; /* computed */
};

/*
 * OK only with report->reason IMAGE_ACCEPTED; check both with image_is_accepted. Else the status of
 * the check that failed, and the reason for the log.
 */
MUST_USE enum status image_verify(const struct image_source *source,
                                  const struct image_policy *policy, struct image_report *report);

/* The header of the image in a slot; NOT_FOUND if there is none. */
MUST_USE enum status image_read_header(const struct image_source *source,
                                       struct image_header *header);

#endif
