/*
 * The transcripts of SPDM as running hashes: nothing is stored to be hashed later.
 *
 *   vca           GET_VERSION .. ALGORITHMS; every other transcript starts as a fork of it
 *   challenge     M1/M2: vca, then clear DIGESTS and CERTIFICATE exchanges, CHALLENGE (10.8.3)
 *   measurements  L1/L2: vca, then MEASUREMENTS exchanges; one outside and one inside the session,
 *                 which must never be mixed (10.11.2)
 *   exchange      TH: vca, chain hash, KEY_EXCHANGE, ... FINISH_RSP (10.14)
 *
 * Order of calls: spdm_transcript_reset; append the negotiation to `vca`;
 * spdm_transcript_negotiated once; then the others may be appended to, digested and started again
 * at will.
 */
#ifndef NUSEC_SPDM_SPDM_TRANSCRIPT_H
#define NUSEC_SPDM_SPDM_TRANSCRIPT_H

#include "crypto/crypto.h"

/* Index of the measurement transcripts. */
#define SPDM_OUTSIDE 0
#define SPDM_INSIDE  1

struct spdm_transcript {
    struct crypto_sha256 vca;
    struct crypto_sha256 challenge;
    struct crypto_sha256 measurements[2];
    struct crypto_sha256 exchange;
};

void spdm_transcript_reset(struct spdm_transcript *transcript);

/* Starts every other transcript from `vca`. */
void spdm_transcript_negotiated(struct spdm_transcript *transcript);

/* Digest so far; the hash goes on. */
void spdm_transcript_digest(const struct crypto_sha256 *running,
                            uint8_t digest[CRYPTO_DIGEST_SIZE]);

#endif
