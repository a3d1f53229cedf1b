/*
 * A throw-away PKI with keys in memory, for the tests of x509 and package. Aborts on any failure.
 */
#ifndef NUSEC_HOST_X509_TEST_PKI_H
#define NUSEC_HOST_X509_TEST_PKI_H

#include "x509/certificate.h"

#define TEST_PKI_NOW   1795000000u /* 2026-11-18 */
#define TEST_PKI_BEGIN (TEST_PKI_NOW - 86400u)
#define TEST_PKI_END   (TEST_PKI_NOW + 86400u * 365u)

struct test_key {
    uint8_t private_key[32];
    uint8_t public_key[64];
};

void test_key_make(struct test_key *key);
struct signer test_key_signer(struct test_key *key);

struct test_pki {
    struct test_key root_key;
    struct test_key device_ca_key;
    struct test_key operations_ca_key;
    struct buffer root;
    struct buffer device_ca;
    struct buffer operations_ca;
};

void test_pki_make(struct test_pki *pki);
void test_pki_free(struct test_pki *pki);

/* A leaf of the OPERATIONS CA, DER appended to `out`; valid TEST_PKI_BEGIN to TEST_PKI_END. */
void test_pki_leaf(struct test_pki *pki, enum x509_profile profile, const uint8_t public_key[64],
                   struct buffer *out);

/* Does `openssl verify -x509_strict` accept root, `ca`, `leaf` at TEST_PKI_NOW? */
bool test_pki_openssl_accepts(const struct test_pki *pki, struct bytes ca, struct bytes leaf);

/* Does `openssl req -verify` accept the PEM request? */
bool test_pki_openssl_accepts_csr(struct bytes pem);

#endif
