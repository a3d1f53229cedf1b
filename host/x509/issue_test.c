/*
 * Every profile, judged by our own reader and by `openssl verify -x509_strict`, and refusals of
 * the chain check.
 */
#include "crypto/crypto.h"
#include "x509/device_certificate.h"
#include "x509/key.h"
#include "x509/test_pki.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct test_pki pki;
static struct error error;

static int set_up(void **state) {
    (void)state;
    test_pki_make(&pki);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    test_pki_free(&pki);
    return 0;
}

static bool is_leaf(int profile) {
    return profile > X509_PROFILE_OPERATIONS_CA && profile != X509_PROFILE_DEVICE;
}

static int verify(const struct buffer *ca, const struct buffer *leaf, enum x509_profile profile,
                  uint64_t now_s) {
    return x509_verify_chain(buffer_bytes(&pki.root), buffer_bytes(ca), buffer_bytes(leaf), profile,
                             now_s, &error);
}

static void every_profile_is_read_back(void **state) {
    (void)state;
    for (int i = 0; i < X509_PROFILE_COUNT; i++) {
        if (!is_leaf(i))
            continue;
        struct test_key key;
        struct buffer leaf = {0};
        struct x509_info info;
        test_key_make(&key);
        test_pki_leaf(&pki, (enum x509_profile)i, key.public_key, &leaf);
        assert_int_equal(x509_read(buffer_bytes(&leaf), &info, &error), 0);
        assert_int_equal(info.profile, i);
        assert_memory_equal(info.public_key, key.public_key, 64);
        assert_string_equal(info.common_name, "Test Leaf");
        assert_string_equal(info.organization, "Example Ltd");
        assert_string_equal(info.subject_serial, "");
        assert_int_equal(strlen(info.serial_hex), 32);
        assert_int_equal(info.not_before_s, TEST_PKI_BEGIN);
        assert_int_equal(info.not_after_s, TEST_PKI_END);
        assert_true(
            test_pki_openssl_accepts(&pki, buffer_bytes(&pki.operations_ca), buffer_bytes(&leaf)));
        assert_false(
            test_pki_openssl_accepts(&pki, buffer_bytes(&pki.device_ca), buffer_bytes(&leaf)));
        buffer_free(&leaf);
    }
}

static void a_leaf_has_its_own_role_only(void **state) {
    (void)state;
    for (int i = 0; i < X509_PROFILE_COUNT; i++) {
        if (!is_leaf(i))
            continue;
        struct test_key key;
        struct buffer leaf = {0};
        test_key_make(&key);
        test_pki_leaf(&pki, (enum x509_profile)i, key.public_key, &leaf);
        for (int asked = 0; asked < X509_PROFILE_COUNT; asked++) {
            int result = verify(&pki.operations_ca, &leaf, (enum x509_profile)asked, TEST_PKI_NOW);
            assert_int_equal(result, asked == i ? 0 : -1);
            if (asked != i)
                assert_int_equal(error.code, ERROR_DENIED);
        }
        buffer_free(&leaf);
    }
}

static void chains_are_refused(void **state) {
    (void)state;
    const enum x509_profile role = X509_PROFILE_PROGRAMMER;
    struct test_pki other;
    struct test_key key;
    struct buffer leaf = {0};
    struct buffer foreign = {0};
    test_pki_make(&other);
    test_key_make(&key);
    test_pki_leaf(&pki, role, key.public_key, &leaf);
    test_pki_leaf(&other, role, key.public_key, &foreign);
    assert_int_equal(verify(&pki.operations_ca, &leaf, role, TEST_PKI_BEGIN - 1), -1);
    assert_int_equal(error.code, ERROR_EXPIRED);
    assert_int_equal(verify(&pki.operations_ca, &leaf, role, TEST_PKI_END + 1), -1);
    assert_int_equal(error.code, ERROR_EXPIRED);
    assert_int_equal(verify(&pki.device_ca, &leaf, role, TEST_PKI_NOW), -1);
    assert_int_equal(error.code, ERROR_BAD_CERTIFICATE);
    assert_int_equal(verify(&pki.operations_ca, &foreign, role, TEST_PKI_NOW), -1);
    assert_int_equal(error.code, ERROR_BAD_CERTIFICATE);
    assert_int_equal(verify(&other.operations_ca, &foreign, role, TEST_PKI_NOW), -1);
    assert_int_equal(error.code, ERROR_BAD_CERTIFICATE);
    assert_int_equal(verify(&pki.root, &pki.operations_ca, role, TEST_PKI_NOW), -1);
    for (size_t i = 0; i < leaf.size; i++) {
        leaf.data[i] ^= 0x20;
        assert_int_equal(verify(&pki.operations_ca, &leaf, role, TEST_PKI_NOW), -1);
        leaf.data[i] ^= 0x20;
    }
    buffer_append(&leaf, "", 1);
    assert_int_equal(verify(&pki.operations_ca, &leaf, role, TEST_PKI_NOW), -1);
    assert_int_equal(error.code, ERROR_BAD_CERTIFICATE);
    buffer_free(&leaf);
    buffer_free(&foreign);
    test_pki_free(&other);
}

/* A leaf may not issue, and a CA may not issue a CA. */
static void deeper_chains_are_refused(void **state) {
    (void)state;
    struct test_key key;
    struct test_key below;
    struct buffer leaf = {0};
    struct buffer deep = {0};
    struct x509_request request = {.profile = X509_PROFILE_PROGRAMMER,
                                   .common_name = "Deep",
                                   .organization = "Example Ltd",
                                   .serial = {1},
                                   .not_before_s = TEST_PKI_BEGIN,
                                   .not_after_s = TEST_PKI_END};
    test_key_make(&key);
    test_key_make(&below);
    memcpy(request.public_key, below.public_key, 64);
    test_pki_leaf(&pki, X509_PROFILE_PROGRAMMER, key.public_key, &leaf);
    assert_int_equal(
        x509_issue(&request, buffer_bytes(&leaf), test_key_signer(&key), &deep, &error), -1);
    assert_int_equal(error.code, ERROR_BAD_CERTIFICATE);
    request.profile = X509_PROFILE_OPERATIONS_CA;
    assert_int_equal(x509_issue(&request, buffer_bytes(&pki.operations_ca),
                                test_key_signer(&pki.operations_ca_key), &deep, &error),
                     0);
    assert_int_equal(verify(&pki.operations_ca, &deep, X509_PROFILE_PROGRAMMER, TEST_PKI_NOW), -1);
    buffer_free(&leaf);
    buffer_free(&deep);
}

static void requests_are_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {"127.0.0.1", NULL};
    static const char *const worse[] = {"IP:127.0.0", NULL};
    char longer[66];
    struct buffer out = {0};
    struct x509_request good = {.profile = X509_PROFILE_SERVER,
                                .common_name = "server",
                                .organization = "Example Ltd",
                                .serial = {1},
                                .not_before_s = TEST_PKI_BEGIN,
                                .not_after_s = TEST_PKI_END};
    struct bytes ca = buffer_bytes(&pki.operations_ca);
    struct signer signer = test_key_signer(&pki.operations_ca_key);
    memset(longer, 'x', 65);
    longer[65] = '\0';
    struct x509_request requests[7];
    for (int i = 0; i < 7; i++)
        requests[i] = good;
    requests[1].alternative_names = wrong;
    requests[2].alternative_names = worse;
    requests[3].common_name = "";
    requests[4].organization = longer;
    requests[5].not_after_s = TEST_PKI_BEGIN;
    requests[6].profile = X509_PROFILE_DEVICE;
    for (int i = 0; i < 7; i++)
        assert_int_equal(x509_issue(&requests[i], ca, signer, &out, &error), -1);
    good.profile = X509_PROFILE_AUDIT;
    assert_int_equal(x509_issue(&good, bytes_of(NULL, 0), signer, &out, &error), -1);
    assert_int_equal(out.size, 0);
    assert_int_equal(x509_issue(&good, ca, signer, &out, &error), 0);
    buffer_free(&out);
}

static void programmer_requests(void **state) {
    (void)state;
    struct test_key key;
    struct buffer pem = {0};
    uint8_t public_key[64];
    char name[65];
    test_key_make(&key);
    assert_int_equal(x509_csr_create("line 7", key.public_key, test_key_signer(&key), &pem, &error),
                     0);
    assert_int_equal(x509_csr_read(buffer_bytes(&pem), public_key, name, &error), 0);
    assert_string_equal(name, "line 7");
    assert_memory_equal(public_key, key.public_key, 64);
    assert_true(test_pki_openssl_accepts_csr(buffer_bytes(&pem)));
    size_t size = pem.size;
    for (size_t i = 0; i < size; i++)
        assert_int_equal(
            x509_csr_read(bytes_of(pem.data, i < size - 1 ? i : 0), public_key, name, &error), -1);
    for (size_t i = 40; i < size - 40; i++) {
        uint8_t old = pem.data[i];
        pem.data[i] = old == 'A' ? 'B' : 'A';
        assert_int_equal(x509_csr_read(buffer_bytes(&pem), public_key, name, &error), -1);
        pem.data[i] = old;
    }
    buffer_append_text(&pem, "more");
    assert_int_equal(x509_csr_read(buffer_bytes(&pem), public_key, name, &error), -1);
    struct test_key other;
    test_key_make(&other);
    buffer_clear(&pem);
    assert_int_equal(
        x509_csr_create("line 7", key.public_key, test_key_signer(&other), &pem, &error), 0);
    assert_false(test_pki_openssl_accepts_csr(buffer_bytes(&pem)));
    assert_int_equal(x509_csr_read(buffer_bytes(&pem), public_key, name, &error), -1);
    assert_int_equal(error.code, ERROR_BAD_CSR_SIGNATURE);
    buffer_free(&pem);
}

static void pem_round_trip(void **state) {
    (void)state;
    struct buffer pem = {0};
    struct buffer der = {0};
    assert_int_equal(x509_certificate_to_pem(buffer_bytes(&pki.root), &pem, &error), 0);
    assert_int_equal(x509_certificate_from_pem(buffer_bytes(&pem), &der, &error), 0);
    assert_true(bytes_equal(buffer_bytes(&der), buffer_bytes(&pki.root)));
    assert_int_equal(x509_certificate_to_pem(buffer_bytes(&pki.root), &pem, &error), 0);
    assert_int_equal(x509_certificate_from_pem(buffer_bytes(&pem), &der, &error), -1);
    assert_int_equal(error.code, ERROR_BAD_CERTIFICATE);
    buffer_free(&pem);
    buffer_free(&der);
}

/* A key whose private half stays with the signer serves as a TLS client key. */
static void signer_key_in_a_handshake(void **state) {
    (void)state;
    struct test_key key;
    struct buffer leaf = {0};
    test_key_make(&key);
    test_pki_leaf(&pki, X509_PROFILE_SERVER, key.public_key, &leaf);
    EVP_PKEY *private_key = x509_signer_key(key.public_key, test_key_signer(&key), &error);
    assert_non_null(private_key);
    SSL_CTX *server = SSL_CTX_new(TLS_server_method());
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    assert_int_equal(SSL_CTX_use_certificate_ASN1(server, (int)leaf.size, leaf.data), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(server, private_key), 1);
    EVP_PKEY_free(private_key);
    SSL *a = SSL_new(server);
    SSL *b = SSL_new(client);
    BIO *a_bio;
    BIO *b_bio;
    assert_int_equal(BIO_new_bio_pair(&a_bio, 0, &b_bio, 0), 1);
    SSL_set_bio(a, a_bio, a_bio);
    SSL_set_bio(b, b_bio, b_bio);
    SSL_set_accept_state(a);
    SSL_set_connect_state(b);
    for (int i = 0; i < 10; i++) {
        (void)SSL_do_handshake(b);
        (void)SSL_do_handshake(a);
    }
    assert_true(SSL_is_init_finished(a));
    assert_true(SSL_is_init_finished(b));
    SSL_free(a);
    SSL_free(b);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    buffer_free(&leaf);
}

static void file_key_is_a_key(void **state) {
    (void)state;
    struct buffer pem = {0};
    uint8_t public_key[64];
    static const uint8_t zero[64];
    assert_int_equal(x509_file_key_generate(&pem, public_key, &error), 0);
    assert_non_null(strstr(buffer_text(&pem), "BEGIN PRIVATE KEY"));
    assert_memory_not_equal(public_key, zero, 64);
    buffer_free(&pem);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_profile_is_read_back),
        cmocka_unit_test(a_leaf_has_its_own_role_only),
        cmocka_unit_test(chains_are_refused),
        cmocka_unit_test(deeper_chains_are_refused),
        cmocka_unit_test(requests_are_refused),
        cmocka_unit_test(programmer_requests),
        cmocka_unit_test(pem_round_trip),
        cmocka_unit_test(signer_key_in_a_handshake),
        cmocka_unit_test(file_key_is_a_key),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
