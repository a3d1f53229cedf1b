/*
 * The chip on its issued chain, for stages behind DevAuth: slot 0 answers with the chain DevAuth
 * stored, and AUTH signs. DevAuth verified the chain before it stored it, so that here only the
 * leaf's key has to be the AUTH key.
 */
#ifndef NUSEC_DEVICE_DEVICE_IDENTITY_H
#define NUSEC_DEVICE_DEVICE_IDENTITY_H

#include "device/device.h"

struct device_identity {
    struct device device; /* first: the responder's context is the identity */
    uint8_t chain[SPDM_CHAIN_MAX];
    size_t chain_size; /* 0: this chip has no identity, slot 0 is empty */
};

/* Reads the chain; a chip without one answers without an identity. */
MUST_USE enum status device_identity_start(struct device_identity *identity);

/* Operations of the responder; `context` is the identity. */
enum status device_identity_chain(void *context, uint8_t slot, struct bytes *blob);
enum status device_identity_sign(void *context, uint8_t slot,
                                 const uint8_t digest[CRYPTO_DIGEST_SIZE],
                                 uint8_t signature[CRYPTO_SIGNATURE_SIZE]);
enum status device_identity_measurements(void *context, struct writer *blocks);

#endif
