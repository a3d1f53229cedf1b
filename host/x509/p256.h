/*
 * P-256 with OpenSSL's low-level calls: EVP_PKEY and SubjectPublicKeyInfo decoding cost OpenSSL 3.0
 * more than the verification itself. Private to host/x509.
 */
#ifndef NUSEC_HOST_X509_P256_H
#define NUSEC_HOST_X509_P256_H

#include <openssl/ecdsa.h>
#include <stdbool.h>
#include <stdint.h>

bool x509_p256_is_on_curve(const uint8_t public_key[64]);

/* False also for a key off the curve and r or s out of range. */
bool x509_p256_verify(const uint8_t public_key[64], const uint8_t digest[32],
                      const uint8_t signature[64]);

/* r || s as OpenSSL holds it; ECDSA_SIG_free it. NULL when out of memory. */
ECDSA_SIG *x509_p256_signature(const uint8_t signature[64]);

#endif
