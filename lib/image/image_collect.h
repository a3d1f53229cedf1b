/*
 * What the TLVs of an image state, each entry checked for place, size and number, and copied once.
 * For image_verify; nothing here is authenticated yet.
 */
#ifndef NUSEC_IMAGE_IMAGE_COLLECT_H
#define NUSEC_IMAGE_IMAGE_COLLECT_H

#include "image/image_verify.h"

enum {
    IMAGE_SEEN_DIGEST = 0x01,
    IMAGE_SEEN_KEY = 0x02,
    IMAGE_SEEN_SIGNATURE = 0x04,
    IMAGE_SEEN_COUNTER = 0x08,
    IMAGE_SEEN_CONTENT_KEY = 0x10,
    IMAGE_SEEN_REQUIRED =
        IMAGE_SEEN_DIGEST | IMAGE_SEEN_KEY | IMAGE_SEEN_SIGNATURE | IMAGE_SEEN_COUNTER,
};

struct image_stated {
    unsigned seen;
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    uint8_t public_key[CRYPTO_PUBLIC_KEY_SIZE]; /* zero if the image names one we do not know */
    uint8_t signature[CRYPTO_SIGNATURE_SIZE];
    uint32_t counter;
    uint16_t content_key_tlv_size;
    bool dependency_unmet;
    bool signature_before_key; /* MCUboot looks for the key first, and would not find it */
};

/* IMAGE_ACCEPTED so far, or TLV_*, READ. `policy` for its key and installed versions. */
MUST_USE enum image_reason image_collect(struct image_tlv_iterator *iterator,
                                         const struct image_policy *policy,
                                         struct image_stated *stated);

#endif
