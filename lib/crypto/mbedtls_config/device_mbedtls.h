/*
 * Mbed TLS for NuSEC: P-256 through PSA and p256-m, AES (GCM, CTR), SHA-256, HMAC_DRBG, X.509
 * reading.
 *
 * One configuration for the chip and for native boards, so that both run the same code. Chosen for
 * the smallest text on ARMv8-M baseline; whatever brings the big-number library back (deterministic
 * ECDSA, key derivation, RSA) stays out.
 */
#ifndef NUSEC_DEVICE_MBEDTLS_H
#define NUSEC_DEVICE_MBEDTLS_H

#include <stddef.h>

/* No libc but memory and string functions; memory comes from the static arena of crypto_psa. */
void *crypto_arena_calloc(size_t count, size_t size);
void crypto_arena_free(void *memory);
#define MBEDTLS_PLATFORM_C
#define MBEDTLS_PLATFORM_MEMORY
#define MBEDTLS_PLATFORM_CALLOC_MACRO crypto_arena_calloc
#define MBEDTLS_PLATFORM_FREE_MACRO   crypto_arena_free
#define MBEDTLS_PLATFORM_NO_STD_FUNCTIONS
#define MBEDTLS_NO_PLATFORM_ENTROPY

/* Symmetric: GCM and CTR need the forward cipher only; small tables, in flash. */
#define MBEDTLS_AES_C
#define MBEDTLS_AES_ROM_TABLES
#define MBEDTLS_AES_FEWER_TABLES
#define MBEDTLS_BLOCK_CIPHER_NO_DECRYPT
#define MBEDTLS_CIPHER_MODE_CTR
#define MBEDTLS_GCM_C
#define MBEDTLS_SHA256_C
#define MBEDTLS_SHA256_SMALLER
#define MBEDTLS_MD_C
#define MBEDTLS_HMAC_DRBG_C

/* Elliptic curve: PSA with the p256-m driver, random bytes from our HMAC_DRBG. */
#define MBEDTLS_PSA_CRYPTO_C
#define MBEDTLS_USE_PSA_CRYPTO
#define MBEDTLS_PSA_CRYPTO_CONFIG
#define MBEDTLS_PSA_P256M_DRIVER_ENABLED
#define MBEDTLS_PSA_CRYPTO_EXTERNAL_RNG
/* Caller and library share one address space: copying buffers against a hostile caller buys
 * nothing. */
#define MBEDTLS_PSA_ASSUME_EXCLUSIVE_BUFFERS
/* One key at a time is imported, used and destroyed. */
#define MBEDTLS_PSA_KEY_SLOT_COUNT 4

/* Certificates: read and verify, no clock (MBEDTLS_HAVE_TIME_DATE stays off), no text output. */
#define MBEDTLS_ASN1_PARSE_C
#define MBEDTLS_ASN1_WRITE_C
#define MBEDTLS_OID_C
#define MBEDTLS_PK_C
#define MBEDTLS_PK_PARSE_C
#define MBEDTLS_X509_USE_C
#define MBEDTLS_X509_CRT_PARSE_C
#define MBEDTLS_X509_REMOVE_INFO

#endif
