#include "x509/test_pki.h"

#include "crypto/crypto.h"
#include "x509/device_certificate.h"

#include <stdio.h>
#include <stdlib.h>

static void require(bool condition, const char *what) {
    if (condition)
        return;
    fprintf(stderr, "test PKI: %s\n", what);
    abort();
}

void test_key_make(struct test_key *key) {
    require(crypto_p256_generate(key->private_key, key->public_key) == STATUS_OK, "key");
}

static int sign(void *context, const uint8_t digest[32], uint8_t signature[64],
                struct error *error) {
    const struct test_key *key = context;
    if (crypto_p256_sign(key->private_key, digest, signature) != STATUS_OK)
        return error_set(error, ERROR_INTERNAL, "test key");
    return 0;
}

struct signer test_key_signer(struct test_key *key) {
    return (struct signer){sign, key};
}

static void issue(enum x509_profile profile, const char *name, const uint8_t public_key[64],
                  const struct buffer *issuer, struct test_key *issuer_key, struct buffer *out) {
    static const char *const names[] = {"IP:127.0.0.1", "IP:::1", "DNS:localhost", NULL};
    struct error error;
    uint8_t random[10];
    struct x509_request request = {.profile = profile,
                                   .common_name = name,
                                   .organization = "Example Ltd",
                                   .not_before_s = TEST_PKI_BEGIN,
                                   .not_after_s = TEST_PKI_END,
                                   .alternative_names = names};
    require(crypto_random(random, sizeof(random)) == STATUS_OK, "random");
    x509_serial(TEST_PKI_NOW, random, request.serial);
    for (int i = 0; i < 64; i++)
        request.public_key[i] = public_key[i];
    int result = x509_issue(&request, issuer != NULL ? buffer_bytes(issuer) : bytes_of(NULL, 0),
                            test_key_signer(issuer_key), out, &error);
    require(result == 0, error.message);
}

void test_pki_make(struct test_pki *pki) {
    *pki = (struct test_pki){0};
    require(crypto_init(NULL, NULL) == STATUS_OK, "crypto_init");
    test_key_make(&pki->root_key);
    test_key_make(&pki->device_ca_key);
    test_key_make(&pki->operations_ca_key);
    issue(X509_PROFILE_ROOT, "Test Root", pki->root_key.public_key, NULL, &pki->root_key,
          &pki->root);
    issue(X509_PROFILE_DEVICE_CA, "Test Device CA", pki->device_ca_key.public_key, &pki->root,
          &pki->root_key, &pki->device_ca);
    issue(X509_PROFILE_OPERATIONS_CA, "Test Operations CA", pki->operations_ca_key.public_key,
          &pki->root, &pki->root_key, &pki->operations_ca);
}

void test_pki_free(struct test_pki *pki) {
    buffer_free(&pki->root);
    buffer_free(&pki->device_ca);
    buffer_free(&pki->operations_ca);
}

void test_pki_leaf(struct test_pki *pki, enum x509_profile profile, const uint8_t public_key[64],
                   struct buffer *out) {
    issue(profile, "Test Leaf", public_key, &pki->operations_ca, &pki->operations_ca_key, out);
}
