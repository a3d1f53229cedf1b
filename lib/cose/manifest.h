/*
 * Software manifests: what the launcher starts and which DevAuth image a programmer loads.
 * docs/formats/manifest.md. A COSE_Sign1 without x5chain, by the NL3 boot key (the programmer knows
 * it as ROTPK_SBOOT), over
 *
 *     {1: kind, 2: family, 3: version, 4: size, 5: SHA-256, 6: counter}
 */
#ifndef NUSEC_COSE_MANIFEST_H
#define NUSEC_COSE_MANIFEST_H

#include "base/bytes.h"

#define MANIFEST_HASH_SIZE   32
#define MANIFEST_TEXT_MAX    64 /* kind, family, version: 1..64 bytes each */
#define MANIFEST_PAYLOAD_MAX 288
#define MANIFEST_MAX         384 /* signed */

#define MANIFEST_KIND_DEVAUTH    "devauth"
#define MANIFEST_KIND_PROGRAMMER "programmer"

/* Text borrowed from the encoding, not NUL-terminated. */
struct manifest {
    struct bytes kind;
    struct bytes family; /* chip family, or the programmer's platform */
    struct bytes version;
    uint64_t size;
    uint8_t sha256[MANIFEST_HASH_SIZE];
    uint64_t counter; /* never decreases within one kind and family */
};

/* The payload. */
void manifest_write(struct writer *writer, const struct manifest *manifest);
MUST_USE enum status manifest_parse(struct bytes payload, struct manifest *manifest);

/* The signed object: signature by `public_key` (X || Y) first, then the payload. */
MUST_USE enum status manifest_verify(struct bytes encoded, const uint8_t public_key[64],
                                     struct manifest *manifest);

#endif
