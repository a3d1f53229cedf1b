/*
 * Somebody who holds a P-256 private key: an HSM key in programs, a file key in tests. Lets the
 * certificate and package code sign without knowing where the key is.
 */
#ifndef NUSEC_HOST_BASE_SIGNER_H
#define NUSEC_HOST_BASE_SIGNER_H

#include "base/error.h"

#include <stdint.h>

struct signer {
    /* Signs a SHA-256 digest as given; `signature` is r || s. */
    int (*sign)(void *context, const uint8_t digest[32], uint8_t signature[64],
                struct error *error);
    void *context;
};

#endif
