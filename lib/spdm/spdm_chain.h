/*
 * The CertChain blob of SPDM (DSP0274 1.2, 10.6.1): Length u32 of the whole blob, RootHash =
 * SHA-256 of the first certificate, then the DER certificates, root first.
 */
#ifndef NUSEC_SPDM_SPDM_CHAIN_H
#define NUSEC_SPDM_SPDM_CHAIN_H

#include "base/bytes.h"
#include "crypto/crypto.h"

/*
 * Checks the shape only: Length is exact, at least one certificate, RootHash is its hash. On OK
 * `certificates` (borrowed from the blob) may be given to crypto_chain_verify together with the
 * root hash the caller trusts. INVALID or TRUNCATED otherwise; MISMATCH for a wrong RootHash.
 */
MUST_USE enum status spdm_chain_parse(struct bytes blob, struct bytes *certificates);

/* Writes the blob for `certificates`, DER one after another, root first. */
MUST_USE enum status spdm_chain_write(struct bytes certificates, struct writer *blob);

#endif
