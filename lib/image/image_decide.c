/* HARDENED against fault injection: see the headers. Change nothing here for speed or brevity. */
#include "image/image_decide.h"

/*
 * Each check that held adds its own number; acceptance needs the sum of all. A skipped check is a
 * missing number, however the program got to the end.
 */
enum {
    STEP_HASH = 0x0B42E5A1,
    STEP_KEY = 0x13579BD5,
    STEP_SIGNATURE = 0x21C6A94F,
    STEP_COUNTER = 0x0A9D5E33,
    STEPS = STEP_HASH + STEP_KEY + STEP_SIGNATURE + STEP_COUNTER,
};

static enum image_reason counter_reason(const struct image_evidence *evidence) {
    return evidence->counter < evidence->counter_minimum ? IMAGE_REASON_COUNTER_LOW
                                                         : IMAGE_REASON_COUNTER_HIGH;
}

/*
 * The signature is verified once: it costs a second on a chip without accelerator, and its answer
 * is a distant constant that is looked at twice here and once more through the step sum.
 */
enum image_reason image_decide(const struct image_evidence *evidence) {
    volatile uint32_t steps = 0;
    volatile enum status signature = STATUS_BAD_SIGNATURE;
    uint8_t key_hash[CRYPTO_DIGEST_SIZE] = {0};
    if (image_hardened_equal(evidence->computed_digest, evidence->stated_digest,
                             CRYPTO_DIGEST_SIZE) != HARDENED_YES) {
        return IMAGE_REASON_HASH;
    }
    steps += STEP_HASH;
    crypto_sha256(bytes_of(evidence->public_key, CRYPTO_PUBLIC_KEY_SIZE), key_hash);
    if (image_hardened_equal(key_hash, evidence->key_hash, CRYPTO_DIGEST_SIZE) != HARDENED_YES) {
        return IMAGE_REASON_KEY;
    }
    steps += STEP_KEY;
    signature =
        crypto_p256_verify(evidence->public_key, evidence->computed_digest, evidence->signature);
    if (image_hardened_is_ok(signature) != HARDENED_YES) {
        return IMAGE_REASON_SIGNATURE;
    }
    steps += STEP_SIGNATURE;
    if (image_hardened_in_range(evidence->counter, evidence->counter_minimum,
                                evidence->counter_maximum) != HARDENED_YES) {
        return counter_reason(evidence);
    }
    steps += STEP_COUNTER;
    if (steps != STEPS || image_hardened_is_ok(signature) != HARDENED_YES) {
        return IMAGE_REASON_SIGNATURE;
    }
    return IMAGE_ACCEPTED;
}

enum hardened image_is_accepted(enum status status, enum image_reason reason) {
    volatile uint32_t first = (uint32_t)reason;
    volatile uint32_t second = ~(uint32_t)reason;
    if (image_hardened_is_ok(status) != HARDENED_YES || first != (uint32_t)IMAGE_ACCEPTED) {
        return HARDENED_NO;
    }
    return second == ~(uint32_t)IMAGE_ACCEPTED ? HARDENED_YES : HARDENED_NO;
}
