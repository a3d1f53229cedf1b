/*
 * Device requests as a chip writes them (devauth/certificate.h), refusals of everything else, and
 * device certificates compared byte for byte with OpenSSL's own.
 */
#include "base/der.h"
#include "base/der_p256.h"
#include "base/encoding.h"
#include "base/test_support.h"
#include "crypto/crypto.h"
#include "devauth/certificate.h"
#include "devauth/oid.h"
#include "x509/device_certificate.h"
#include "x509/test_pki.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct test_pki pki;
static struct test_key auth;
static struct test_key enc;
static struct test_key tls;
static struct error error;
static const uint8_t uid[16] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
                                0x88, 0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF};
static const uint8_t nonce[32] = {9, 8, 7};

static int set_up(void **state) {
    (void)state;
    test_pki_make(&pki);
    test_key_make(&auth);
    test_key_make(&enc);
    test_key_make(&tls);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    test_pki_free(&pki);
    return 0;
}

static enum status sign_as_chip(void *context, const uint8_t digest[32], uint8_t signature[64]) {
    const struct test_key *key = context;
    return crypto_p256_sign(key->private_key, digest, signature);
}

static void write_csr(const struct certificate_request *request, struct test_key *key,
                      struct buffer *out) {
    uint8_t csr[CERTIFICATE_CSR_MAX];
    struct writer writer;
    writer_init(&writer, csr, sizeof(csr));
    assert_int_equal(certificate_write_csr(&writer, request, sign_as_chip, key), STATUS_OK);
    buffer_append(out, csr, writer.size);
}

static struct certificate_request good_request(void) {
    return (struct certificate_request){.uid = uid,
                                        .nonce = nonce,
                                        .auth_key = auth.public_key,
                                        .enc_key = enc.public_key,
                                        .tls_key = tls.public_key};
}

static void good_csr(struct buffer *out) {
    struct certificate_request request = good_request();
    write_csr(&request, &auth, out);
}

static int read_csr(const struct buffer *csr, struct device_csr *read) {
    return device_csr_read(buffer_bytes(csr), read, &error);
}

static void reads_what_a_chip_writes(void **state) {
    (void)state;
    struct buffer csr = {0};
    struct device_csr read;
    good_csr(&csr);
    assert_int_equal(read_csr(&csr, &read), 0);
    assert_memory_equal(read.uid, uid, 16);
    assert_memory_equal(read.nonce, nonce, 32);
    assert_memory_equal(read.auth_key, auth.public_key, 64);
    assert_memory_equal(read.enc_key, enc.public_key, 64);
    assert_memory_equal(read.tls_key, tls.public_key, 64);
    struct buffer pem = {0};
    assert_int_equal(x509_csr_to_pem(buffer_bytes(&csr), &pem, &error), 0);
    assert_true(test_pki_openssl_accepts_csr(buffer_bytes(&pem)));
    buffer_free(&csr);
    buffer_free(&pem);
}

static void every_flipped_bit_is_refused(void **state) {
    (void)state;
    static const struct device_csr nothing;
    struct buffer csr = {0};
    struct device_csr read;
    size_t by_signature = 0;
    good_csr(&csr);
    for (size_t i = 0; i < csr.size; i++) {
        for (int bit = 0; bit < 8; bit++) {
            csr.data[i] ^= (uint8_t)(1 << bit);
            assert_int_equal(read_csr(&csr, &read), -1);
            assert_true(error.code == ERROR_BAD_CSR || error.code == ERROR_BAD_CSR_SIGNATURE);
            assert_memory_equal(&read, &nothing, sizeof(read));
            by_signature += error.code == ERROR_BAD_CSR_SIGNATURE ? 1 : 0;
            csr.data[i] ^= (uint8_t)(1 << bit);
        }
    }
    /* UID, three keys, nonce and r, s: the parser cannot tell, the signature must. */
    assert_true(by_signature > (16 + 3 * 64 + 32) * (size_t)8);
    buffer_free(&csr);
}

static void every_truncation_and_trailing_byte_is_refused(void **state) {
    (void)state;
    struct buffer csr = {0};
    struct device_csr read;
    good_csr(&csr);
    for (size_t size = 0; size < csr.size; size++) {
        /* An exact copy, so that a read past the end is seen by the sanitizer. */
        uint8_t *copy = malloc(size + 1);
        memcpy(copy, csr.data, size);
        assert_int_equal(device_csr_read(bytes_of(copy, size), &read, &error), -1);
        assert_int_equal(error.code, ERROR_BAD_CSR);
        free(copy);
    }
    buffer_append(&csr, "", 1);
    assert_int_equal(read_csr(&csr, &read), -1);
    assert_int_equal(error.code, ERROR_BAD_CSR);
    buffer_free(&csr);
    assert_int_equal(device_csr_read(bytes_of(NULL, 0), &read, &error), -1);
    static uint8_t large[DEVICE_CSR_MAX + 1];
    assert_int_equal(device_csr_read(bytes_of(large, sizeof(large)), &read, &error), -1);
}

static void swapped_keys_are_refused(void **state) {
    (void)state;
    struct certificate_request request = good_request();
    struct device_csr read;
    struct test_key other;
    struct buffer csr = {0};
    test_key_make(&other);
    good_csr(&csr);
    /* Somebody on the way puts his own ENC key in: AUTH did not sign that. */
    for (size_t i = 0; i + 64 <= csr.size; i++)
        if (memcmp(csr.data + i, enc.public_key, 64) == 0)
            memcpy(csr.data + i, other.public_key, 64);
    assert_int_equal(read_csr(&csr, &read), -1);
    assert_int_equal(error.code, ERROR_BAD_CSR_SIGNATURE);
    buffer_clear(&csr);
    write_csr(&request, &other, &csr); /* signed by another key than the subject's */
    assert_int_equal(read_csr(&csr, &read), -1);
    assert_int_equal(error.code, ERROR_BAD_CSR_SIGNATURE);
    buffer_free(&csr);
}

static void unsound_keys_are_refused(void **state) {
    (void)state;
    uint8_t off_curve[64];
    struct certificate_request requests[5];
    struct device_csr read;
    memcpy(off_curve, enc.public_key, 64);
    off_curve[63] ^= 1;
    for (int i = 0; i < 5; i++)
        requests[i] = good_request();
    requests[0].enc_key = off_curve;
    requests[1].tls_key = off_curve;
    requests[2].enc_key = auth.public_key;
    requests[3].tls_key = auth.public_key;
    requests[4].tls_key = enc.public_key;
    for (int i = 0; i < 5; i++) {
        struct buffer csr = {0};
        write_csr(&requests[i], &auth, &csr);
        assert_int_equal(read_csr(&csr, &read), -1);
        assert_int_equal(error.code, ERROR_BAD_CSR);
        buffer_free(&csr);
    }
}

/* A request with freely chosen parts, rightly signed: only the profile is wrong. */
struct parts {
    uint32_t version;
    const char *uid_text;
    uint8_t uid_tag;
    int attributes[4]; /* 1 nonce, 2 ENC, 3 TLS; 0 ends */
    size_t nonce_size;
    bool extra_organization;
};

static void write_part_attribute(struct writer *writer, int which, size_t nonce_size) {
    const struct bytes oids[] = {oid_attribute_reservation_nonce, oid_attribute_enc_public_key,
                                 oid_attribute_tls_public_key};
    const struct bytes values[] = {bytes_of(nonce, nonce_size), bytes_of(enc.public_key, 64),
                                   bytes_of(tls.public_key, 64)};
    size_t attribute = der_begin(writer, DER_SEQUENCE);
    der_write(writer, DER_OID, oids[which - 1]);
    size_t set = der_begin(writer, DER_SET);
    der_write(writer, DER_OCTET_STRING, values[which - 1]);
    der_end(writer, set);
    der_end(writer, attribute);
}

static void write_part_name(struct writer *writer, const struct parts *parts) {
    static const uint8_t organization[] = {0x55, 0x04, 0x0A};
    size_t name = der_begin(writer, DER_SEQUENCE);
    for (int i = parts->extra_organization ? 0 : 1; i < 2; i++) {
        size_t set = der_begin(writer, DER_SET);
        size_t attribute = der_begin(writer, DER_SEQUENCE);
        der_write(writer, DER_OID, i == 0 ? bytes_of(organization, 3) : oid_serial_number);
        der_write(writer, parts->uid_tag, bytes_of(parts->uid_text, strlen(parts->uid_text)));
        der_end(writer, attribute);
        der_end(writer, set);
    }
    der_end(writer, name);
}

static int read_parts(const struct parts *parts) {
    uint8_t csr[1024];
    uint8_t digest[32];
    uint8_t signature[64];
    struct device_csr read;
    struct writer writer;
    writer_init(&writer, csr, sizeof(csr));
    size_t request = der_begin(&writer, DER_SEQUENCE);
    size_t start = writer.size;
    size_t info = der_begin(&writer, DER_SEQUENCE);
    der_write_u32(&writer, parts->version);
    write_part_name(&writer, parts);
    der_write_p256_public_key(&writer, auth.public_key);
    size_t attributes = der_begin(&writer, DER_CONTEXT_CONSTRUCTED(0));
    for (int i = 0; i < 4 && parts->attributes[i] != 0; i++)
        write_part_attribute(&writer, parts->attributes[i], parts->nonce_size);
    der_end(&writer, attributes);
    der_end(&writer, info);
    crypto_sha256(bytes_of(csr + start, writer.size - start), digest);
    assert_int_equal(crypto_p256_sign(auth.private_key, digest, signature), STATUS_OK);
    der_write_ecdsa_sha256(&writer);
    size_t bits = der_begin(&writer, DER_BIT_STRING);
    write_u8(&writer, 0);
    der_write_p256_signature(&writer, signature);
    der_end(&writer, bits);
    der_end(&writer, request);
    assert_int_equal(writer_check(&writer), STATUS_OK);
    return device_csr_read(writer_bytes(&writer), &read, &error);
}

static void other_forms_are_refused(void **state) {
    (void)state;
    static const char text[] = "00112233445566778899AABBCCDDEEFF";
    const struct parts good = {0, text, DER_PRINTABLE_STRING, {1, 2, 3, 0}, 32, false};
    assert_int_equal(read_parts(&good), 0); /* the right parts are accepted */
    const struct parts wrong[] = {
        {1, text, DER_PRINTABLE_STRING, {1, 2, 3, 0}, 32, false},
        {0, "00112233445566778899aabbccddeeff", DER_PRINTABLE_STRING, {1, 2, 3, 0}, 32, false},
        {0, "00112233445566778899AABBCCDDEEF", DER_PRINTABLE_STRING, {1, 2, 3, 0}, 32, false},
        {0, "00112233445566778899AABBCCDDEEFF00", DER_PRINTABLE_STRING, {1, 2, 3, 0}, 32, false},
        {0, "00112233445566778899AABBCCDDEEFG", DER_PRINTABLE_STRING, {1, 2, 3, 0}, 32, false},
        {0, "", DER_PRINTABLE_STRING, {1, 2, 3, 0}, 32, false},
        {0, text, DER_UTF8_STRING, {1, 2, 3, 0}, 32, false},
        {0, text, DER_PRINTABLE_STRING, {1, 2, 3, 0}, 32, true},
        {0, text, DER_PRINTABLE_STRING, {2, 1, 3, 0}, 32, false}, /* unsorted */
        {0, text, DER_PRINTABLE_STRING, {1, 3, 2, 0}, 32, false},
        {0, text, DER_PRINTABLE_STRING, {1, 2, 0, 0}, 32, false}, /* missing */
        {0, text, DER_PRINTABLE_STRING, {2, 3, 0, 0}, 32, false},
        {0, text, DER_PRINTABLE_STRING, {0, 0, 0, 0}, 32, false},
        {0, text, DER_PRINTABLE_STRING, {1, 2, 3, 3}, 32, false}, /* twice */
        {0, text, DER_PRINTABLE_STRING, {1, 1, 2, 3}, 32, false},
        {0, text, DER_PRINTABLE_STRING, {1, 2, 3, 0}, 31, false}, /* short nonce */
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(read_parts(&wrong[i]), -1);
        assert_int_equal(error.code, ERROR_BAD_CSR);
    }
}

/* A request OpenSSL made on another curve. */
static void other_curves_are_refused(void **state) {
    (void)state;
    static const char *const make[] = {"openssl",
                                       "req",
                                       "-new",
                                       "-newkey",
                                       "ec",
                                       "-pkeyopt",
                                       "ec_paramgen_curve:secp384r1",
                                       "-nodes",
                                       "-keyout",
                                       "/dev/null",
                                       "-subj",
                                       "/serialNumber=00112233445566778899AABBCCDDEEFF",
                                       "-outform",
                                       "DER",
                                       NULL};
    struct buffer csr = {0};
    struct device_csr read;
    assert_int_equal(test_run(make, bytes_of(NULL, 0), STDOUT_FILENO, &csr), 0);
    assert_true(csr.size > 200);
    assert_int_equal(read_csr(&csr, &read), -1);
    assert_int_equal(error.code, ERROR_BAD_CSR);
    buffer_free(&csr);
}

/* Certificates. */

/* Deterministic stand-in, so that both encoders sign alike: the digest twice. */
static int sign_with_digest(void *context, const uint8_t digest[32], uint8_t signature[64],
                            struct error *e) {
    (void)context;
    (void)e;
    memcpy(signature, digest, 32);
    memcpy(signature + 32, digest, 32);
    return 0;
}

static void make_fields(struct device_certificate_fields *fields, uint64_t not_after_s) {
    static const uint8_t random[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    memset(fields, 0, sizeof(*fields));
    memcpy(fields->uid, uid, 16);
    memcpy(fields->auth_key, auth.public_key, 64);
    x509_serial(TEST_PKI_NOW, random, fields->serial);
    fields->not_before_s = TEST_PKI_NOW;
    fields->not_after_s = not_after_s;
}

static void add_extension(X509 *x, X509V3_CTX *context, const char *name, const char *value) {
    X509_EXTENSION *extension = X509V3_EXT_nconf(NULL, context, name, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(x, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static void add_hardware_module(X509 *x) {
    char value[256];
    char uid_hex[33];
    hex_encode_upper(bytes_of(uid, 16), uid_hex);
    snprintf(value, sizeof(value),
             "otherName:1.3.6.1.5.5.7.8.4;SEQUENCE:module\n"
             "[module]\ntype=OID:1.3.6.1.4.1.32473.1.4.1\nserial=FORMAT:HEX,OCTETSTRING:%s\n",
             uid_hex);
    char text[320];
    snprintf(text, sizeof(text), "san=%s", value);
    BIO *bio = BIO_new_mem_buf(text, -1);
    CONF *conf = NCONF_new(NULL);
    long line = 0;
    assert_int_equal(NCONF_load_bio(conf, bio, &line), 1);
    X509V3_CTX context;
    X509V3_set_ctx(&context, NULL, x, NULL, NULL, 0);
    X509V3_set_nconf(&context, conf);
    const char *san = NCONF_get_string(conf, "default", "san");
    X509_EXTENSION *extension = X509V3_EXT_nconf(conf, &context, "subjectAltName", san);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(x, extension, -1), 1);
    X509_EXTENSION_free(extension);
    NCONF_free(conf);
    BIO_free(bio);
}

static void set_key_identifier(X509 *x) {
    uint8_t point[65] = {4};
    uint8_t digest[32];
    char hex[41];
    memcpy(point + 1, auth.public_key, 64);
    crypto_sha256(bytes_of(point, 65), digest);
    hex_encode(bytes_of(digest, 20), hex);
    add_extension(x, NULL, "subjectKeyIdentifier", hex);
}

static EVP_PKEY *auth_as_pkey(void) {
    uint8_t spki[128];
    struct writer writer;
    writer_init(&writer, spki, sizeof(spki));
    der_write_p256_public_key(&writer, auth.public_key);
    const unsigned char *position = spki;
    return d2i_PUBKEY(NULL, &position, (long)writer.size);
}

/* The TBS of the same certificate by OpenSSL's own encoder; `size` of the result. */
static unsigned char *openssl_tbs(const struct device_certificate_fields *fields,
                                  const char *not_after, int *size) {
    X509 *x = X509_new();
    const unsigned char *position = pki.device_ca.data;
    X509 *ca = d2i_X509(NULL, &position, (long)pki.device_ca.size);
    EVP_PKEY *key = auth_as_pkey();
    BIGNUM *serial = BN_bin2bn(fields->serial, X509_SERIAL_SIZE, NULL);
    X509_set_version(x, X509_VERSION_3);
    BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(x));
    X509_set_issuer_name(x, X509_get_subject_name(ca));
    ASN1_TIME_set(X509_getm_notBefore(x), (time_t)fields->not_before_s);
    ASN1_TIME_set_string_X509(X509_getm_notAfter(x), not_after);
    X509_NAME *name = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(name, "O", V_ASN1_UTF8STRING, (const unsigned char *)"Example Ltd",
                               -1, -1, 0);
    X509_NAME_add_entry_by_txt(name, "serialNumber", V_ASN1_PRINTABLESTRING,
                               (const unsigned char *)"00112233445566778899AABBCCDDEEFF", -1, -1,
                               0);
    X509_set_pubkey(x, key);
    X509V3_CTX context;
    X509V3_set_ctx(&context, ca, x, NULL, NULL, 0);
    add_extension(x, &context, "basicConstraints", "critical,CA:FALSE");
    add_extension(x, &context, "keyUsage", "critical,digitalSignature");
    add_extension(x, &context, "extendedKeyUsage", "1.3.6.1.4.1.32473.1.1.1,1.3.6.1.4.1.412.274.3");
    add_hardware_module(x);
    set_key_identifier(x);
    add_extension(x, &context, "authorityKeyIdentifier", "keyid:always");
    X509_ALGOR *algorithm = (X509_ALGOR *)X509_get0_tbs_sigalg(x);
    X509_ALGOR_set0(algorithm, OBJ_nid2obj(NID_ecdsa_with_SHA256), V_ASN1_UNDEF, NULL);
    unsigned char *tbs = NULL;
    *size = i2d_re_X509_tbs(x, &tbs);
    BN_free(serial);
    EVP_PKEY_free(key);
    X509_free(ca);
    X509_free(x);
    return tbs;
}

static void certificate_equals_openssls(void **state) {
    (void)state;
    static const struct {
        uint64_t not_after_s;
        const char *text;
    } ends[] = {{X509_NO_EXPIRY, "99991231235959Z"},
                {2524607999u, "20491231235959Z"},
                {2524608000u, "20500101000000Z"},
                {1800000000u, "20270115080000Z"}};
    struct device_issuer issuer;
    assert_int_equal(device_issuer_init(&issuer, buffer_bytes(&pki.device_ca), "Example Ltd",
                                        (struct signer){sign_with_digest, NULL}, &error),
                     0);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        struct device_certificate_fields fields;
        uint8_t out[DEVICE_CERTIFICATE_MAX];
        size_t size;
        int expected_size = 0;
        make_fields(&fields, ends[i].not_after_s);
        assert_int_equal(
            device_certificate_issue(&issuer, &fields, out, sizeof(out), &size, &error), 0);
        unsigned char *expected = openssl_tbs(&fields, ends[i].text, &expected_size);
        assert_true(expected_size > 300);
        struct reader outer;
        struct reader certificate;
        reader_init(&outer, bytes_of(out, size));
        der_enter(&outer, DER_SEQUENCE, &certificate);
        struct bytes tbs = der_read_element(&certificate, DER_SEQUENCE);
        assert_int_equal(tbs.size, expected_size);
        assert_memory_equal(tbs.data, expected, tbs.size);
        OPENSSL_free(expected);
    }
}

static void issue_good(uint64_t not_after_s, struct buffer *out) {
    struct device_issuer issuer;
    struct device_certificate_fields fields;
    uint8_t der[DEVICE_CERTIFICATE_MAX];
    size_t size;
    assert_int_equal(device_issuer_init(&issuer, buffer_bytes(&pki.device_ca), "Example Ltd",
                                        test_key_signer(&pki.device_ca_key), &error),
                     0);
    make_fields(&fields, not_after_s);
    assert_int_equal(device_certificate_issue(&issuer, &fields, der, sizeof(der), &size, &error),
                     0);
    buffer_append(out, der, size);
}

static void certificate_is_accepted(void **state) {
    (void)state;
    struct buffer leaf = {0};
    struct x509_info info;
    issue_good(X509_NO_EXPIRY, &leaf);
    assert_true(leaf.size < 600);
    assert_int_equal(x509_verify_chain(buffer_bytes(&pki.root), buffer_bytes(&pki.device_ca),
                                       buffer_bytes(&leaf), X509_PROFILE_DEVICE, TEST_PKI_NOW,
                                       &error),
                     0);
    assert_int_equal(x509_read(buffer_bytes(&leaf), &info, &error), 0);
    assert_string_equal(info.subject_serial, "00112233445566778899AABBCCDDEEFF");
    assert_string_equal(info.organization, "Example Ltd");
    assert_string_equal(info.common_name, "");
    assert_int_equal(info.profile, X509_PROFILE_DEVICE);
    assert_int_equal(certificate_check_subject(buffer_bytes(&leaf), uid), STATUS_OK);
    /* The chip's own check of the chain. */
    struct buffer chain = {0};
    uint8_t root_hash[32];
    uint8_t key[64];
    buffer_append(&chain, pki.root.data, pki.root.size);
    buffer_append(&chain, pki.device_ca.data, pki.device_ca.size);
    buffer_append(&chain, leaf.data, leaf.size);
    x509_sha256(buffer_bytes(&pki.root), root_hash);
    assert_int_equal(crypto_chain_verify(buffer_bytes(&chain), root_hash, oid_eku_device, key),
                     STATUS_OK);
    assert_memory_equal(key, auth.public_key, 64);
    buffer_free(&chain);
    buffer_free(&leaf);
}

static void openssl_program_accepts_it(void **state) {
    (void)state;
    struct buffer leaf = {0};
    issue_good(X509_NO_EXPIRY, &leaf);
    struct bytes ca = buffer_bytes(&pki.device_ca);
    assert_true(test_pki_openssl_accepts(&pki, ca, buffer_bytes(&leaf)));
    leaf.data[leaf.size - 1] ^= 1;
    assert_false(test_pki_openssl_accepts(&pki, ca, buffer_bytes(&leaf)));
    buffer_free(&leaf);
}

static void issuing_is_bounded(void **state) {
    (void)state;
    struct device_issuer issuer;
    struct device_certificate_fields fields;
    uint8_t out[DEVICE_CERTIFICATE_MAX];
    char longer[66];
    size_t size;
    struct signer signer = test_key_signer(&pki.device_ca_key);
    memset(longer, 'x', 65);
    longer[65] = '\0';
    struct bytes ca = buffer_bytes(&pki.device_ca);
    assert_int_equal(device_issuer_init(&issuer, ca, "", signer, &error), -1);
    assert_int_equal(device_issuer_init(&issuer, ca, longer, signer, &error), -1);
    assert_int_equal(
        device_issuer_init(&issuer, bytes_of(ca.data, ca.size - 1), "x", signer, &error), -1);
    longer[64] = '\0';
    assert_int_equal(device_issuer_init(&issuer, ca, longer, signer, &error), 0);
    make_fields(&fields, X509_NO_EXPIRY);
    assert_int_equal(device_certificate_issue(&issuer, &fields, out, sizeof(out), &size, &error),
                     0);
    size_t needed = size;
    for (size_t capacity = 0; capacity < needed - 80; capacity += 7) {
        assert_int_equal(device_certificate_issue(&issuer, &fields, out, capacity, &size, &error),
                         -1);
        assert_int_equal(size, 0);
    }
}

static void serials_grow_with_time(void **state) {
    (void)state;
    static const uint8_t low[10] = {0};
    uint8_t high[10];
    uint8_t earlier[X509_SERIAL_SIZE];
    uint8_t later[X509_SERIAL_SIZE];
    memset(high, 0xFF, sizeof(high));
    x509_serial(TEST_PKI_NOW, high, earlier);
    x509_serial(TEST_PKI_NOW + 1, low, later);
    assert_true(memcmp(earlier, later, sizeof(earlier)) < 0);
    assert_true(earlier[0] != 0 && earlier[0] < 0x80);
    assert_memory_equal(earlier + 6, high, 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_a_chip_writes),
        cmocka_unit_test(every_flipped_bit_is_refused),
        cmocka_unit_test(every_truncation_and_trailing_byte_is_refused),
        cmocka_unit_test(swapped_keys_are_refused),
        cmocka_unit_test(unsound_keys_are_refused),
        cmocka_unit_test(other_forms_are_refused),
        cmocka_unit_test(other_curves_are_refused),
        cmocka_unit_test(certificate_equals_openssls),
        cmocka_unit_test(certificate_is_accepted),
        cmocka_unit_test(openssl_program_accepts_it),
        cmocka_unit_test(issuing_is_bounded),
        cmocka_unit_test(serials_grow_with_time),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
