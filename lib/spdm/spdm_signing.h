/*
 * What an SPDM 1.2 signature covers (DSP0274 1.2, clause 15): a 100-byte context naming version
 * and role, then the transcript hash. ECDSA hashes that once more, so a signature made for one
 * role or version never serves in another.
 */
#ifndef NUSEC_SPDM_SPDM_SIGNING_H
#define NUSEC_SPDM_SPDM_SIGNING_H

#include "crypto/crypto.h"

enum spdm_signing_role {
    SPDM_SIGN_CHALLENGE,
    SPDM_SIGN_MEASUREMENTS,
    SPDM_SIGN_KEY_EXCHANGE,
    SPDM_SIGN_FINISH,
};

/* The digest to be given to crypto_p256_sign or _verify. */
void spdm_signing_digest(enum spdm_signing_role role,
                         const uint8_t transcript_hash[CRYPTO_DIGEST_SIZE],
                         uint8_t digest[CRYPTO_DIGEST_SIZE]);

#endif
