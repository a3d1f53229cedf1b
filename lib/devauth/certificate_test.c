/* The DER templates against OpenSSL's readers, and what the chip refuses. */
#include "devauth/certificate.h"

#include "crypto/crypto.h"
#include "devauth/certificate_vectors.h"
#include "devauth/oid.h"

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t UID[16] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
                                0x88, 0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF};
static const char UID_TEXT[] = "00112233445566778899AABBCCDDEEFF";
static const uint8_t NONCE[32] = {1, 2, 3};

static uint8_t private_key[32];
static uint8_t auth_key[64];
static uint8_t enc_key[64];
static uint8_t tls_key[64];
static uint8_t buffer[1024];

static int start(void **state) {
    uint8_t unused[32];
    (void)state;
    return crypto_init(NULL, NULL) == STATUS_OK &&
                   crypto_p256_generate(unused, enc_key) == STATUS_OK &&
                   crypto_p256_generate(unused, tls_key) == STATUS_OK &&
                   crypto_p256_generate(private_key, auth_key) == STATUS_OK
               ? 0
               : -1;
}

static enum status sign(void *context, const uint8_t digest[32], uint8_t signature[64]) {
    (void)context;
    return crypto_p256_sign(private_key, digest, signature);
}

static enum status refuse(void *context, const uint8_t digest[32], uint8_t signature[64]) {
    (void)context;
    (void)digest;
    (void)signature;
    return STATUS_DENIED;
}

static struct bytes make_csr(void) {
    struct writer writer;
    const struct certificate_request request = {
        .uid = UID, .nonce = NONCE, .auth_key = auth_key, .enc_key = enc_key, .tls_key = tls_key};
    writer_init(&writer, buffer, CERTIFICATE_CSR_MAX);
    assert_int_equal(certificate_write_csr(&writer, &request, sign, NULL), STATUS_OK);
    return writer_bytes(&writer);
}

static struct bytes make_self_signed(void) {
    struct writer writer;
    writer_init(&writer, buffer, CERTIFICATE_SELF_SIGNED_MAX);
    assert_int_equal(certificate_write_self_signed(&writer, UID, auth_key, sign, NULL), STATUS_OK);
    return writer_bytes(&writer);
}

static void assert_is_chip_name(const X509_NAME *name) {
    assert_int_equal(X509_NAME_entry_count(name), 1);
    const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, 0);
    assert_int_equal(OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry)), NID_serialNumber);
    const ASN1_STRING *value = X509_NAME_ENTRY_get_data(entry);
    assert_int_equal(ASN1_STRING_type(value), V_ASN1_PRINTABLESTRING);
    assert_int_equal(ASN1_STRING_length(value), 32);
    assert_memory_equal(ASN1_STRING_get0_data(value), UID_TEXT, 32);
}

static void assert_attribute(X509_REQ *request, int index, struct bytes oid, struct bytes value) {
    X509_ATTRIBUTE *attribute = X509_REQ_get_attr(request, index);
    const ASN1_OBJECT *object = X509_ATTRIBUTE_get0_object(attribute);
    assert_true(bytes_equal(bytes_of(OBJ_get0_data(object), OBJ_length(object)), oid));
    assert_int_equal(X509_ATTRIBUTE_count(attribute), 1);
    const ASN1_OCTET_STRING *content =
        X509_ATTRIBUTE_get0_data(attribute, 0, V_ASN1_OCTET_STRING, NULL);
    assert_non_null(content);
    assert_true(bytes_equal(
        bytes_of(ASN1_STRING_get0_data(content), (size_t)ASN1_STRING_length(content)), value));
}

static void csr_is_what_openssl_reads(void **state) {
    (void)state;
    struct bytes csr = make_csr();
    const unsigned char *next = csr.data;
    X509_REQ *request = d2i_X509_REQ(NULL, &next, (long)csr.size);
    assert_non_null(request);
    assert_ptr_equal(next, csr.data + csr.size);
    assert_int_equal(X509_REQ_verify(request, X509_REQ_get0_pubkey(request)), 1);
    assert_int_equal(X509_REQ_get_version(request), 0);
    assert_is_chip_name(X509_REQ_get_subject_name(request));
    assert_int_equal(X509_REQ_get_attr_count(request), 3);
    assert_attribute(request, 0, oid_attribute_reservation_nonce, bytes_of(NONCE, 32));
    assert_attribute(request, 1, oid_attribute_enc_public_key, bytes_of(enc_key, 64));
    assert_attribute(request, 2, oid_attribute_tls_public_key, bytes_of(tls_key, 64));
    /* DER: OpenSSL writes what it has read byte for byte only if every order is right. */
    unsigned char *again = NULL;
    int size = i2d_X509_REQ(request, &again);
    assert_int_equal(size, csr.size);
    assert_memory_equal(again, csr.data, csr.size);
    OPENSSL_free(again);
    X509_REQ_free(request);
}

static void self_signed_is_what_openssl_reads(void **state) {
    (void)state;
    struct bytes der = make_self_signed();
    const unsigned char *next = der.data;
    X509 *certificate = d2i_X509(NULL, &next, (long)der.size);
    assert_non_null(certificate);
    assert_ptr_equal(next, der.data + der.size);
    assert_int_equal(X509_get_version(certificate), X509_VERSION_3);
    assert_int_equal(X509_verify(certificate, X509_get0_pubkey(certificate)), 1);
    assert_is_chip_name(X509_get_subject_name(certificate));
    assert_int_equal(
        X509_NAME_cmp(X509_get_subject_name(certificate), X509_get_issuer_name(certificate)), 0);
    assert_int_equal(X509_get_key_usage(certificate), KU_DIGITAL_SIGNATURE);
    assert_int_equal(X509_check_ca(certificate), 0);
    assert_true(X509_cmp_current_time(X509_get0_notBefore(certificate)) < 0);
    assert_true(X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0);
    assert_false(ASN1_STRING_get0_data(X509_get0_serialNumber(certificate))[0] & 0x80);
    EXTENDED_KEY_USAGE *usages = X509_get_ext_d2i(certificate, NID_ext_key_usage, NULL, NULL);
    assert_int_equal(sk_ASN1_OBJECT_num(usages), 2);
    EXTENDED_KEY_USAGE_free(usages);
    X509_free(certificate);
}

/* libspdm wants this very encoding of basicConstraints. */
static void basic_constraints_are_empty(void **state) {
    static const uint8_t extension[] = {0x30, 0x0C, 0x06, 0x03, 0x55, 0x1D, 0x13,
                                        0x01, 0x01, 0xFF, 0x04, 0x02, 0x30, 0x00};
    bool is_there = false;
    (void)state;
    struct bytes der = make_self_signed();
    for (size_t i = 0; i + sizeof extension <= der.size; i++) {
        is_there = is_there || memcmp(der.data + i, extension, sizeof extension) == 0;
    }
    assert_true(is_there);
}

static void names_and_key_are_read_back(void **state) {
    struct bytes subject;
    uint8_t key[64];
    uint8_t other[16];
    uint8_t expected[64];
    struct writer writer;
    (void)state;
    struct bytes der = make_self_signed();
    assert_int_equal(certificate_read_names(der, &subject, key), STATUS_OK);
    assert_memory_equal(key, auth_key, 64);
    writer_init(&writer, expected, sizeof expected);
    certificate_write_subject(&writer, UID);
    assert_true(bytes_equal(subject, writer_bytes(&writer)));
    assert_int_equal(certificate_check_subject(der, UID), STATUS_OK);
    for (unsigned i = 0; i < sizeof other; i++) {
        memcpy(other, UID, sizeof other);
        other[i] ^= 0x10;
        assert_int_equal(certificate_check_subject(der, other), STATUS_MISMATCH);
    }
    for (size_t cut = 0; cut < der.size; cut++) {
        assert_int_not_equal(certificate_check_subject(bytes_of(der.data, cut), UID), STATUS_OK);
    }
}

static void failures_of_writing_are_reported(void **state) {
    struct writer writer;
    const struct certificate_request request = {
        .uid = UID, .nonce = NONCE, .auth_key = auth_key, .enc_key = enc_key, .tls_key = tls_key};
    (void)state;
    writer_init(&writer, buffer, sizeof buffer);
    assert_int_equal(certificate_write_csr(&writer, &request, refuse, NULL), STATUS_DENIED);
    writer_init(&writer, buffer, sizeof buffer);
    assert_int_equal(certificate_write_self_signed(&writer, UID, auth_key, refuse, NULL),
                     STATUS_DENIED);
    for (size_t small = 0; small < 300; small++) {
        writer_init(&writer, buffer, small);
        assert_int_equal(certificate_write_csr(&writer, &request, sign, NULL), STATUS_NO_SPACE);
        writer_init(&writer, buffer, small);
        assert_int_equal(certificate_write_self_signed(&writer, UID, auth_key, sign, NULL),
                         STATUS_NO_SPACE);
    }
}

static struct bytes make_info(const uint8_t *uid, const uint8_t *key) {
    struct writer writer;
    writer_init(&writer, buffer, CERTIFICATE_REQUESTER_INFO_MAX);
    certificate_write_requester_info(&writer, uid, key, NONCE);
    assert_int_equal(writer_check(&writer), STATUS_OK);
    return writer_bytes(&writer);
}

static void requester_info_of_this_chip_only(void **state) {
    uint8_t nonce[32];
    uint8_t other_uid[16];
    static const uint8_t zero[32];
    (void)state;
    memcpy(other_uid, UID, sizeof other_uid);
    other_uid[0] ^= 1;
    struct bytes info = make_info(UID, auth_key);
    assert_int_equal(certificate_read_requester_info(info, UID, auth_key, nonce), STATUS_OK);
    assert_memory_equal(nonce, NONCE, sizeof nonce);
    info = make_info(other_uid, auth_key);
    assert_int_equal(certificate_read_requester_info(info, UID, auth_key, nonce), STATUS_MISMATCH);
    assert_memory_equal(nonce, zero, sizeof nonce);
    info = make_info(UID, enc_key);
    assert_int_equal(certificate_read_requester_info(info, UID, auth_key, nonce), STATUS_MISMATCH);
    assert_int_not_equal(certificate_read_requester_info(bytes_of(NULL, 0), UID, auth_key, nonce),
                         STATUS_OK);
}

static void requester_info_with_anything_else_is_refused(void **state) {
    uint8_t nonce[32];
    (void)state;
    struct bytes info = make_info(UID, auth_key);
    buffer[info.size] = 0;
    assert_int_not_equal(
        certificate_read_requester_info(bytes_of(buffer, info.size + 1), UID, auth_key, nonce),
        STATUS_OK);
    for (size_t i = 0; i < info.size - sizeof NONCE; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            buffer[i] ^= (uint8_t)(1u << bit);
            assert_int_not_equal(certificate_read_requester_info(info, UID, auth_key, nonce),
                                 STATUS_OK);
            buffer[i] ^= (uint8_t)(1u << bit);
        }
    }
}

static uint8_t nibble(char digit) {
    return (uint8_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

static struct bytes from_hex(const char *hex, uint8_t *out) {
    size_t size = strlen(hex) / 2;
    for (size_t i = 0; i < size; i++) {
        out[i] = (uint8_t)(nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]));
    }
    return bytes_of(out, size);
}

/* Signs with the recorded signature, which must fit what is signed. */
static enum status sign_as_recorded(void *context, const uint8_t digest[32],
                                    uint8_t signature[64]) {
    uint8_t key[64];
    (void)from_hex(context, signature);
    (void)from_hex(VECTOR_AUTH_KEY, key);
    return crypto_p256_verify(key, digest, signature);
}

static void vectors_as_published(void **state) {
    static uint8_t keys[3][64];
    static uint8_t uid[16];
    static uint8_t nonce[32];
    static uint8_t expected[640];
    static char csr_signature[sizeof VECTOR_CSR_SIGNATURE];
    static char self_signature[sizeof VECTOR_SELF_SIGNED_SIGNATURE];
    struct writer writer;
    (void)state;
    memcpy(csr_signature, VECTOR_CSR_SIGNATURE, sizeof csr_signature);
    memcpy(self_signature, VECTOR_SELF_SIGNED_SIGNATURE, sizeof self_signature);
    (void)from_hex(VECTOR_AUTH_KEY, keys[0]);
    (void)from_hex(VECTOR_ENC_KEY, keys[1]);
    (void)from_hex(VECTOR_TLS_KEY, keys[2]);
    (void)from_hex(VECTOR_UID, uid);
    (void)from_hex(VECTOR_NONCE, nonce);
    const struct certificate_request request = {
        .uid = uid, .nonce = nonce, .auth_key = keys[0], .enc_key = keys[1], .tls_key = keys[2]};
    writer_init(&writer, buffer, sizeof buffer);
    certificate_write_requester_info(&writer, uid, keys[0], nonce);
    assert_true(bytes_equal(writer_bytes(&writer), from_hex(VECTOR_REQUESTER_INFO, expected)));
    writer_init(&writer, buffer, sizeof buffer);
    assert_int_equal(certificate_write_csr(&writer, &request, sign_as_recorded, csr_signature),
                     STATUS_OK);
    assert_true(bytes_equal(writer_bytes(&writer), from_hex(VECTOR_CSR, expected)));
    writer_init(&writer, buffer, sizeof buffer);
    assert_int_equal(
        certificate_write_self_signed(&writer, uid, keys[0], sign_as_recorded, self_signature),
        STATUS_OK);
    assert_true(bytes_equal(writer_bytes(&writer), from_hex(VECTOR_SELF_SIGNED, expected)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_as_published),
        cmocka_unit_test(csr_is_what_openssl_reads),
        cmocka_unit_test(self_signed_is_what_openssl_reads),
        cmocka_unit_test(basic_constraints_are_empty),
        cmocka_unit_test(names_and_key_are_read_back),
        cmocka_unit_test(failures_of_writing_are_reported),
        cmocka_unit_test(requester_info_of_this_chip_only),
        cmocka_unit_test(requester_info_with_anything_else_is_refused),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
