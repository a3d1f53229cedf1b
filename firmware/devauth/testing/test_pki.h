/*
 * A small certificate authority for tests: certificates by DER template, any mistake on demand.
 * Keys come from the crypto port, which must be initialised.
 */
#ifndef NUSEC_DEVAUTH_TESTING_TEST_PKI_H
#define NUSEC_DEVAUTH_TESTING_TEST_PKI_H

#include "base/bytes.h"

struct test_identity {
    uint8_t private_key[32];
    uint8_t public_key[64];
    uint8_t name[64]; /* DER */
    size_t name_size;
    uint8_t certificate[640];
    size_t certificate_size;
};

enum test_kind { TEST_CA, TEST_LEAF };

void test_identity_make_key(struct test_identity *identity);

/* Name with one commonName, or (test_identity_name_chip) a chip's name. */
void test_identity_name(struct test_identity *identity, const char *common_name);
void test_identity_name_chip(struct test_identity *identity, const uint8_t uid[16]);

/* Issues identity's certificate; `issuer` may be the identity itself. `eku` may be empty. */
void test_identity_certify(struct test_identity *identity, const struct test_identity *issuer,
                           enum test_kind kind, struct bytes eku);

struct bytes test_identity_certificate(const struct test_identity *identity);

/* The whole set of one OEM. */
struct test_pki {
    struct test_identity root;
    struct test_identity device_ca;
    struct test_identity operations_ca;
    struct test_identity programmer;
    struct test_identity command_authority;
};

void test_pki_make(struct test_pki *pki);

/* CertChain blob root, CA, leaf; returns its size. */
size_t test_chain(uint8_t *blob, size_t capacity, const struct test_identity *root,
                  const struct test_identity *ca, struct bytes leaf);

/* A device certificate for a key and a UID by the DEVICE CA. */
void test_pki_issue_device(const struct test_pki *pki, const uint8_t uid[16],
                           const uint8_t auth_key[64], struct test_identity *device);

#endif
