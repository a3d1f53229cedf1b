#include "x509/test_pki.h"

#include "base/file.h"
#include "base/test_support.h"
#include "crypto/crypto.h"
#include "x509/device_certificate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static void write_pem(const char *path, struct bytes der) {
    struct buffer pem = {0};
    struct error error;
    require(x509_certificate_to_pem(der, &pem, &error) == 0, "PEM");
    require(file_write_durable(path, buffer_bytes(&pem), 0600, &error) == 0, path);
    buffer_free(&pem);
}

bool test_pki_openssl_accepts(const struct test_pki *pki, struct bytes ca, struct bytes leaf) {
    char directory[TEST_DIRECTORY_SIZE];
    char now[24];
    test_directory_make(directory);
    const char *root_path = test_path(directory, "root.pem");
    const char *ca_path = test_path(directory, "ca.pem");
    const char *leaf_path = test_path(directory, "leaf.pem");
    write_pem(root_path, buffer_bytes(&pki->root));
    write_pem(ca_path, ca);
    write_pem(leaf_path, leaf);
    snprintf(now, sizeof(now), "%u", TEST_PKI_NOW);
    const char *const verify[] = {"openssl", "verify",  "-x509_strict", "-attime", now,
                                  "-CAfile", root_path, "-untrusted",   ca_path,   leaf_path,
                                  NULL};
    struct buffer said = {0};
    int status = test_run(verify, bytes_of(NULL, 0), STDERR_FILENO, &said);
    buffer_free(&said);
    test_directory_remove(directory);
    return status == 0;
}

bool test_pki_openssl_accepts_csr(struct bytes pem) {
    const char *const verify[] = {"openssl", "req", "-verify", "-noout", NULL};
    struct buffer said = {0}; /* its exit status is 0 either way */
    (void)test_run(verify, pem, STDERR_FILENO, &said);
    bool accepted = strstr(buffer_text(&said), "verify OK") != NULL;
    buffer_free(&said);
    return accepted;
}
