/*
 * What a chip says of itself in SPDM measurements (docs/formats/devauth.md, "Measurements"), as one
 * struct: written by every stage that has an identity, read by server and programmer from a record
 * that spdm_measurement_verify or the session has authenticated.
 */
#ifndef NUSEC_ATTEST_ATTEST_H
#define NUSEC_ATTEST_ATTEST_H

#include "devauth/devauth.h"

#define ATTEST_DIGEST_SIZE 32
/* All seven blocks. */
#define ATTEST_RECORD_MAX 384

struct attest {
    uint8_t image[ATTEST_DIGEST_SIZE]; /* of the stage that answers */
    uint8_t otp[ATTEST_DIGEST_SIZE];   /* of the public OTP entries */
    uint8_t life_cycle;                /* enum hal_life_cycle */
    uint8_t flags;                     /* DEVAUTH_FLAG_* */
    uint8_t bl2[ATTEST_DIGEST_SIZE];   /* 32 zeros: no accepted image */
    uint8_t bl3[ATTEST_DIGEST_SIZE];
    struct devauth_measured_keys keys;
    struct devauth_measured_versions versions;
};

/* Appends the blocks, index ascending. */
void attest_write(struct writer *blocks, const struct attest *attest);

/* Exactly these blocks, each once, of the right type and size, in order: else INVALID or
 * TRUNCATED, and `attest` is zeroed. */
MUST_USE enum status attest_read(struct bytes record, struct attest *attest);

#endif
