#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/der_p256.h"

#include <string.h>

/* A P-256 key as `openssl pkey -pubout -outform DER` writes it: this, then X || Y. */
static const uint8_t KEY_PREFIX[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48,
                                     0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86, 0x48,
                                     0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};
#define KEY_SIZE (sizeof KEY_PREFIX + DER_P256_PUBLIC_KEY_SIZE)

static void make_key(uint8_t der[KEY_SIZE]) {
    memcpy(der, KEY_PREFIX, sizeof KEY_PREFIX);
    for (size_t i = sizeof KEY_PREFIX; i < KEY_SIZE; i++) {
        der[i] = (uint8_t)i;
    }
}

static enum status read_key(const uint8_t *der, size_t size, uint8_t key[64]) {
    struct reader reader;
    reader_init(&reader, bytes_of(der, size));
    der_read_p256_public_key(&reader, key);
    return reader_finish(&reader);
}

static void test_public_key_round_trip(void **state) {
    (void)state;
    uint8_t der[KEY_SIZE];
    uint8_t key[DER_P256_PUBLIC_KEY_SIZE];
    uint8_t again[KEY_SIZE];
    struct writer writer;
    make_key(der);
    assert_int_equal(read_key(der, sizeof der, key), STATUS_OK);
    assert_memory_equal(key, der + sizeof KEY_PREFIX, sizeof key);
    writer_init(&writer, again, sizeof again);
    der_write_p256_public_key(&writer, key);
    assert_int_equal(writer_check(&writer), STATUS_OK);
    assert_memory_equal(again, der, sizeof der);
}

/* Every byte before the point is fixed: another value is another algorithm, curve or form. */
static void test_refuses_other_public_keys(void **state) {
    (void)state;
    uint8_t der[KEY_SIZE];
    uint8_t key[DER_P256_PUBLIC_KEY_SIZE];
    uint8_t zeros[DER_P256_PUBLIC_KEY_SIZE] = {0};
    for (size_t i = 0; i < sizeof KEY_PREFIX; i++) {
        make_key(der);
        der[i] ^= 0x01;
        memset(key, 0xEE, sizeof key);
        assert_int_not_equal(read_key(der, sizeof der, key), STATUS_OK);
        assert_memory_equal(key, zeros, sizeof key);
    }
    make_key(der);
    for (size_t size = 0; size < sizeof der; size++) {
        assert_int_not_equal(read_key(der, size, key), STATUS_OK);
        assert_memory_equal(key, zeros, sizeof key);
    }
}

static void test_ecdsa_sha256_has_no_parameters(void **state) {
    (void)state;
    uint8_t der[32];
    struct writer writer;
    struct reader reader;
    writer_init(&writer, der, sizeof der);
    der_write_ecdsa_sha256(&writer);
    static const uint8_t EXPECTED[] = {0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86,
                                       0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02};
    assert_true(bytes_equal(writer_bytes(&writer), bytes_of(EXPECTED, sizeof EXPECTED)));
    reader_init(&reader, writer_bytes(&writer));
    der_expect_ecdsa_sha256(&reader);
    assert_int_equal(reader_finish(&reader), STATUS_OK);
    /* RFC 5758, 3.2: parameters are absent, not NULL. */
    static const uint8_t WITH_NULL[] = {0x30, 0x0C, 0x06, 0x08, 0x2A, 0x86, 0x48,
                                        0xCE, 0x3D, 0x04, 0x03, 0x02, 0x05, 0x00};
    reader_init(&reader, bytes_of(WITH_NULL, sizeof WITH_NULL));
    der_expect_ecdsa_sha256(&reader);
    assert_int_equal(reader_finish(&reader), STATUS_TRUNCATED);
    der[11] = 0x03; /* ecdsa-with-SHA384 */
    reader_init(&reader, writer_bytes(&writer));
    der_expect_ecdsa_sha256(&reader);
    assert_int_equal(reader_finish(&reader), STATUS_TRUNCATED);
}

static void assert_signature_round_trip(const uint8_t signature[64], size_t der_size) {
    uint8_t der[DER_P256_SIGNATURE_MAX];
    uint8_t again[DER_P256_SIGNATURE_SIZE];
    struct writer writer;
    struct reader reader;
    writer_init(&writer, der, sizeof der);
    der_write_p256_signature(&writer, signature);
    assert_int_equal(writer_check(&writer), STATUS_OK);
    assert_int_equal(writer.size, der_size);
    reader_init(&reader, writer_bytes(&writer));
    der_read_p256_signature(&reader, again);
    assert_int_equal(reader_finish(&reader), STATUS_OK);
    assert_memory_equal(again, signature, sizeof again);
}

static void test_signature_round_trip(void **state) {
    (void)state;
    uint8_t signature[DER_P256_SIGNATURE_SIZE];
    memset(signature, 0xFF, sizeof signature);
    assert_signature_round_trip(signature, 72);
    signature[0] = 0x7F;
    assert_signature_round_trip(signature, 71);
    memset(signature, 0, sizeof signature);
    assert_signature_round_trip(signature, 8);
    signature[31] = 0x80;
    signature[63] = 0x7F;
    assert_signature_round_trip(signature, 9);
}

static void test_refuses_malformed_signatures(void **state) {
    (void)state;
    /* r of 33 significant bytes; then bodies that differ from {1, 1} in one thing each. */
    uint8_t long_r[40] = {0x30, 0x26, 0x02, 0x21, 0x01};
    long_r[37] = 0x02;
    long_r[38] = 0x01;
    long_r[39] = 0x01;
    static const uint8_t ONE_INTEGER[] = {0x30, 0x03, 0x02, 0x01, 0x01};
    static const uint8_t THREE_INTEGERS[] = {0x30, 0x09, 0x02, 0x01, 0x01, 0x02,
                                             0x01, 0x01, 0x02, 0x01, 0x01};
    static const uint8_t NEGATIVE[] = {0x30, 0x06, 0x02, 0x01, 0xFF, 0x02, 0x01, 0x01};
    static const uint8_t PADDED[] = {0x30, 0x07, 0x02, 0x02, 0x00, 0x01, 0x02, 0x01, 0x01};
    static const uint8_t NOT_SEQUENCE[] = {0x31, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01};
    static const uint8_t TRAILING[] = {0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01, 0x00};
    const struct bytes bad[] = {
        bytes_of(long_r, sizeof long_r),
        bytes_of(ONE_INTEGER, sizeof ONE_INTEGER),
        bytes_of(THREE_INTEGERS, sizeof THREE_INTEGERS),
        bytes_of(NEGATIVE, sizeof NEGATIVE),
        bytes_of(PADDED, sizeof PADDED),
        bytes_of(NOT_SEQUENCE, sizeof NOT_SEQUENCE),
        bytes_of(TRAILING, sizeof TRAILING),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t signature[DER_P256_SIGNATURE_SIZE];
        struct reader reader;
        reader_init(&reader, bad[i]);
        der_read_p256_signature(&reader, signature);
        assert_int_not_equal(reader_finish(&reader), STATUS_OK);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_public_key_round_trip),
        cmocka_unit_test(test_refuses_other_public_keys),
        cmocka_unit_test(test_ecdsa_sha256_has_no_parameters),
        cmocka_unit_test(test_signature_round_trip),
        cmocka_unit_test(test_refuses_malformed_signatures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
