/*
 * COSE_Sign1 (RFC 9052, 4.2; tag 18) as NuSEC uses it: ES256, attached payload, empty external_aad,
 * nothing in the unprotected header. Protected header: {1: -7} and, when stated by the object,
 * {33: x5chain} (RFC 9360), leaf first.
 *
 * Reading: cose_sign1_parse, decide which key must have signed (from x5chain or from elsewhere),
 * cose_sign1_verify, and only then read the payload. Writing: cose_sign1_write with a callback that
 * signs a digest (an HSM, usually).
 */
#ifndef NUSEC_COSE_COSE_SIGN1_H
#define NUSEC_COSE_COSE_SIGN1_H

#include "base/bytes.h"

#define COSE_SIGNATURE_SIZE 64
#define COSE_CHAIN_MAX      3 /* certificates in an x5chain */

#define COSE_TAG_ENCRYPT0   16
#define COSE_TAG_SIGN1      18
#define COSE_HEADER_ALG     1
#define COSE_HEADER_KID     4
#define COSE_HEADER_IV      5
#define COSE_HEADER_X5CHAIN 33
#define COSE_ALG_ES256      (-7)
#define COSE_ALG_A256GCM    3

/* Borrowed from the encoded message. */
struct cose_sign1 {
    struct bytes protected_header; /* contents of the byte string */
    struct bytes payload;
    const uint8_t *signature; /* r || s */
    struct bytes x5chain[COSE_CHAIN_MAX];
    unsigned x5chain_count; /* 0 when the header has none */
};

/* INVALID or TRUNCATED when the bytes break the format, UNSUPPORTED for another algorithm. */
MUST_USE enum status cose_sign1_parse(struct bytes encoded, struct cose_sign1 *message);

/* BAD_SIGNATURE unless `public_key` (X || Y) signed it. */
MUST_USE enum status cose_sign1_verify(const struct cose_sign1 *message,
                                       const uint8_t public_key[64]);

/* SHA-256 of the Sig_structure: what ES256 signs. */
void cose_sign1_digest(struct bytes protected_header, struct bytes payload, uint8_t digest[32]);

/* Signs a digest; r || s. */
typedef enum status cose_sign_function(void *context, const uint8_t digest[32],
                                       uint8_t signature[COSE_SIGNATURE_SIZE]);

/*
 * `x5chain` leaf first, count 0..COSE_CHAIN_MAX. The signer's failure is returned; NO_SPACE when
 * the writer is too small (cose_sign1_size_max says what is enough). `payload` may not lie in the
 * writer's buffer.
 */
MUST_USE enum status cose_sign1_write(struct writer *writer, const struct bytes *x5chain,
                                      unsigned x5chain_count, struct bytes payload,
                                      cose_sign_function *sign, void *context);

/* Upper bound of the size cose_sign1_write produces. */
size_t cose_sign1_size_max(const struct bytes *x5chain, unsigned x5chain_count,
                           size_t payload_size);

#endif
