/*
 * The DER forms of the one key type and the one signature algorithm used everywhere: P-256 and
 * ecdsa-with-SHA256 (RFC 5480, RFC 5758, SEC 1). Raw forms are those of crypto/crypto.h: a public
 * key is X || Y, a signature is r || s, 64 bytes each.
 *
 * Reading checks the encoding only. Whether a point is on the curve, or r and s are in range, is
 * for crypto_p256_verify to say. Failures stick to the reader or writer as in base/der.h.
 */
#ifndef NUSEC_BASE_DER_P256_H
#define NUSEC_BASE_DER_P256_H

#include "base/der.h"

#define DER_P256_PUBLIC_KEY_SIZE 64
#define DER_P256_SIGNATURE_SIZE  64
/* Longest Ecdsa-Sig-Value, both integers with a leading zero. */
#define DER_P256_SIGNATURE_MAX 72

/* SubjectPublicKeyInfo, uncompressed point; any other algorithm, curve or form fails. */
void der_read_p256_public_key(struct reader *reader, uint8_t public_key[DER_P256_PUBLIC_KEY_SIZE]);
void der_write_p256_public_key(struct writer *writer,
                               const uint8_t public_key[DER_P256_PUBLIC_KEY_SIZE]);

/* AlgorithmIdentifier ecdsa-with-SHA256, parameters absent. */
void der_expect_ecdsa_sha256(struct reader *reader);
void der_write_ecdsa_sha256(struct writer *writer);

/* Ecdsa-Sig-Value: SEQUENCE { r INTEGER, s INTEGER }. */
void der_read_p256_signature(struct reader *reader, uint8_t signature[DER_P256_SIGNATURE_SIZE]);
void der_write_p256_signature(struct writer *writer,
                              const uint8_t signature[DER_P256_SIGNATURE_SIZE]);

#endif
