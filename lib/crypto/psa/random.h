/*
 * The device's random bit generator: HMAC_DRBG (SP 800-90A) over the board's TRNG.
 *
 * random_start seeds it with 384 bits (entropy input and nonce); it reseeds itself from the same
 * source. Every later random byte, PSA's and p256-m's included, comes from here.
 */
#ifndef NUSEC_CRYPTO_PSA_RANDOM_H
#define NUSEC_CRYPTO_PSA_RANDOM_H

#include "crypto/crypto.h"

/* NO_ENTROPY if the source fails or looks stuck, NO_MEMORY if the arena is too small. */
MUST_USE enum status random_start(crypto_entropy_function *entropy, void *context);

#endif
