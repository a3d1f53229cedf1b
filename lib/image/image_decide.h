/*
 * HARDENED against fault injection: the one decision whether an image is what the OEM signed.
 *
 * Called by image_verify with everything read and computed; a stage asks image_verify, and holds
 * its answer with image_is_accepted before it jumps.
 */
#ifndef NUSEC_IMAGE_IMAGE_DECIDE_H
#define NUSEC_IMAGE_IMAGE_DECIDE_H

#include "crypto/crypto.h"
#include "image/image_hardened.h"
#include "image/image_reason.h"

struct image_evidence {
    const uint8_t *computed_digest; /* over what lies in the slot */
    const uint8_t *stated_digest;   /* its SHA256 TLV */
    const uint8_t *public_key;      /* X || Y */
    const uint8_t *key_hash;        /* SHA-256 of the only X || Y that may sign */
    const uint8_t *signature;       /* r || s */
    uint32_t counter;
    uint32_t counter_minimum;
    uint32_t counter_maximum;
};

/* IMAGE_ACCEPTED, or the first check that failed: HASH, KEY, SIGNATURE, COUNTER_*. */
MUST_USE enum image_reason image_decide(const struct image_evidence *evidence);

/* For the last look before the jump: image_verify's two answers, which must both be the good one.
 */
MUST_USE enum hardened image_is_accepted(enum status status, enum image_reason reason);

#endif
