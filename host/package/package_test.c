/*
 * Packages made and opened with keys in memory. Most cases are refusals.
 */
#include "base/clock.h"
#include "crypto/crypto.h"
#include "package/authority.h"
#include "package/package.h"
#include "package/payload.h"
#include "x509/test_pki.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW TEST_PKI_NOW

static struct test_pki pki;
static struct test_key authority_key;
static struct buffer authority_certificate;
static uint8_t package_key[32];
static struct error error;

static int encrypt(void *context, const uint8_t iv[12], struct bytes aad, struct bytes input,
                   uint8_t *out, struct error *e) {
    (void)e;
    assert_int_equal(crypto_gcm_seal(context, iv, aad, input, out, out + input.size), STATUS_OK);
    return 0;
}

static int decrypt(void *context, const uint8_t iv[12], struct bytes aad, struct bytes input,
                   uint8_t *out, struct error *e) {
    struct bytes ciphertext = bytes_of(input.data, input.size - 16);
    if (crypto_gcm_open(context, iv, aad, ciphertext, out, input.data + ciphertext.size) ==
        STATUS_OK)
        return 0;
    return error_set(e, ERROR_ALTERED, "tag");
}

static int random_bytes(void *context, uint8_t *out, size_t size, struct error *e) {
    (void)context;
    (void)e;
    assert_int_equal(crypto_random(out, size), STATUS_OK);
    return 0;
}

static struct package_cipher cipher(void) {
    return (struct package_cipher){encrypt, decrypt, random_bytes, package_key};
}

static struct package_authority authority(void) {
    return (struct package_authority){test_key_signer(&authority_key),
                                      buffer_bytes(&authority_certificate),
                                      buffer_bytes(&pki.operations_ca)};
}

static struct package_reader reader_of(void) {
    struct package_reader reader = {.epoch = 3,
                                    .root = buffer_bytes(&pki.root),
                                    .operations_ca = buffer_bytes(&pki.operations_ca),
                                    .cipher = cipher()};
    memset(reader.programmer_certificate_sha256, 0x11, 32);
    return reader;
}

static uint8_t uids[3 * PACKAGE_UID_SIZE];

static struct package sample(void) {
    struct package package = {.programmer_id = "prg-1",
                              .epoch = 3,
                              .sequence = 7,
                              .job_id = "job-0a1b2c3d",
                              .count = 4,
                              .expiry_s = NOW + 1000,
                              .issued_s = NOW - 10,
                              .chip_family = "m2354",
                              .devauth_id = "fw-0011223344556677",
                              .settings = {{"certificate.expiry", "none"}, {"zz", "1"}},
                              .setting_count = 2,
                              .uids = uids,
                              .uid_count = 3};
    memset(package.programmer_certificate_sha256, 0x11, 32);
    memset(package.token, 0x77, sizeof(package.token));
    return package;
}

static void write_sample(const struct package *package, struct buffer *out) {
    struct package_authority a = authority();
    struct package_cipher c = cipher();
    assert_int_equal(package_write(package, &a, &c, out, &error), 0);
}

static int open_as(const struct buffer *encoded, const struct package_reader *reader) {
    struct package package;
    int result = package_open(buffer_bytes(encoded), reader, NOW, &package, &error);
    if (result == 0)
        package_free(&package);
    else
        assert_null(package.uids);
    return result;
}

static int set_up(void **state) {
    (void)state;
    test_pki_make(&pki);
    test_key_make(&authority_key);
    test_pki_leaf(&pki, X509_PROFILE_JOB_AUTHORITY, authority_key.public_key,
                  &authority_certificate);
    assert_int_equal(crypto_random(package_key, sizeof(package_key)), STATUS_OK);
    for (size_t i = 0; i < sizeof(uids); i++)
        uids[i] = (uint8_t)i;
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    buffer_free(&authority_certificate);
    test_pki_free(&pki);
    return 0;
}

static void opens_what_was_written(void **state) {
    (void)state;
    struct package written = sample();
    struct package opened;
    struct package_reader reader = reader_of();
    struct package_recipient recipient;
    struct buffer out = {0};
    write_sample(&written, &out);
    assert_int_equal(package_read_recipient(buffer_bytes(&out), &recipient, &error), 0);
    assert_int_equal(recipient.epoch, 3);
    assert_memory_equal(recipient.programmer_certificate_sha256,
                        reader.programmer_certificate_sha256, 32);
    assert_int_equal(package_open(buffer_bytes(&out), &reader, NOW, &opened, &error), 0);
    assert_string_equal(opened.programmer_id, "prg-1");
    assert_string_equal(opened.job_id, "job-0a1b2c3d");
    assert_string_equal(opened.chip_family, "m2354");
    assert_string_equal(opened.devauth_id, "fw-0011223344556677");
    assert_int_equal(opened.sequence, 7);
    assert_int_equal(opened.count, 4);
    assert_int_equal(opened.expiry_s, NOW + 1000);
    assert_int_equal(opened.issued_s, NOW - 10);
    assert_memory_equal(opened.token, written.token, 32);
    assert_int_equal(opened.setting_count, 2);
    assert_string_equal(opened.settings[0].key, "zz"); /* the shorter key comes first */
    assert_string_equal(opened.settings[1].value, "none");
    assert_int_equal(opened.uid_count, 3);
    assert_memory_equal(opened.uids, uids, sizeof(uids));
    assert_true(package_allows_uid(&opened, &uids[16]));
    uint8_t other[16] = {0xFF};
    assert_false(package_allows_uid(&opened, other));
    package_free(&opened);
    assert_true(package_allows_uid(&opened, other)); /* no list: any */
    buffer_free(&out);
}

static bool contains(const struct buffer *haystack, const void *needle, size_t size) {
    for (size_t i = 0; i + size <= haystack->size; i++)
        if (memcmp(haystack->data + i, needle, size) == 0)
            return true;
    return false;
}

static void is_not_readable_without_the_key(void **state) {
    (void)state;
    struct package package = sample();
    struct buffer first = {0};
    struct buffer second = {0};
    write_sample(&package, &first);
    write_sample(&package, &second);
    assert_false(contains(&first, package.token, 32));
    assert_false(contains(&first, "job-", 4));
    assert_int_equal(first.size, second.size);
    assert_memory_not_equal(first.data + first.size - 64, second.data + second.size - 64, 64);
    buffer_free(&first);
    buffer_free(&second);
}

static void every_altered_byte_is_refused(void **state) {
    (void)state;
    struct package package = sample();
    struct package_reader reader = reader_of();
    struct buffer out = {0};
    size_t refused[ERROR_CODE_COUNT] = {0};
    write_sample(&package, &out);
    assert_int_equal(open_as(&out, &reader), 0);
    for (size_t i = 0; i < out.size; i++) {
        for (int bit = 0; bit < 8; bit += 7) {
            out.data[i] ^= (uint8_t)(1 << bit);
            assert_int_equal(open_as(&out, &reader), -1);
            refused[error.code]++;
            out.data[i] ^= (uint8_t)(1 << bit);
        }
    }
    assert_int_equal(refused[ERROR_WRONG_PROGRAMMER], 2 * 32);
    assert_int_equal(refused[ERROR_WRONG_EPOCH], 2 * 4);
    assert_true(refused[ERROR_BAD_PACKAGE] > 0 && refused[ERROR_BAD_PACKAGE] < 50);
    assert_int_equal(refused[ERROR_WRONG_PROGRAMMER] + refused[ERROR_WRONG_EPOCH] +
                         refused[ERROR_BAD_PACKAGE] + refused[ERROR_ALTERED],
                     2 * out.size);
    buffer_free(&out);
}

static void every_truncation_is_refused(void **state) {
    (void)state;
    struct package package = sample();
    struct package_reader reader = reader_of();
    struct buffer out = {0};
    write_sample(&package, &out);
    struct buffer cut = out;
    for (cut.size = 0; cut.size < out.size; cut.size++)
        assert_int_equal(open_as(&cut, &reader), -1);
    buffer_append(&out, "", 1);
    assert_int_equal(open_as(&out, &reader), -1);
    assert_int_equal(error.code, ERROR_BAD_PACKAGE);
    buffer_free(&out);
}

static void other_readers_are_refused(void **state) {
    (void)state;
    struct package package = sample();
    struct package_reader reader = reader_of();
    struct buffer out = {0};
    uint8_t other_key[32] = {1};
    write_sample(&package, &out);
    reader.programmer_certificate_sha256[31] ^= 1;
    assert_int_equal(open_as(&out, &reader), -1);
    assert_int_equal(error.code, ERROR_WRONG_PROGRAMMER);
    reader = reader_of();
    reader.epoch = 4;
    assert_int_equal(open_as(&out, &reader), -1);
    assert_int_equal(error.code, ERROR_WRONG_EPOCH);
    reader = reader_of();
    reader.cipher.context = other_key;
    assert_int_equal(open_as(&out, &reader), -1);
    assert_int_equal(error.code, ERROR_ALTERED);
    buffer_free(&out);
}

/* The server's key for this programmer leaks: without the job authority it is worth nothing. */
static void signers_without_the_role_are_refused(void **state) {
    (void)state;
    struct package package = sample();
    struct package_reader reader = reader_of();
    for (int profile = X509_PROFILE_SERVER; profile < X509_PROFILE_DEVICE; profile++) {
        struct buffer certificate = {0};
        struct buffer out = {0};
        struct package_authority a = authority();
        struct package_cipher c = cipher();
        test_pki_leaf(&pki, (enum x509_profile)profile, authority_key.public_key, &certificate);
        a.certificate = buffer_bytes(&certificate);
        assert_int_equal(package_write(&package, &a, &c, &out, &error), 0);
        int expected = profile == X509_PROFILE_JOB_AUTHORITY ? 0 : -1;
        assert_int_equal(open_as(&out, &reader), expected);
        if (expected != 0)
            assert_int_equal(error.code, ERROR_UNTRUSTED_SIGNER);
        buffer_free(&certificate);
        buffer_free(&out);
    }
}

static void other_roots_and_keys_are_refused(void **state) {
    (void)state;
    struct package package = sample();
    struct package_reader reader = reader_of();
    struct package_cipher c = cipher();
    struct package_authority a = authority();
    struct test_pki other;
    struct test_key other_key;
    struct buffer certificate = {0};
    struct buffer out = {0};
    test_pki_make(&other);
    test_key_make(&other_key);
    test_pki_leaf(&other, X509_PROFILE_JOB_AUTHORITY, authority_key.public_key, &certificate);
    a.certificate = buffer_bytes(&certificate);
    a.operations_ca = buffer_bytes(&other.operations_ca);
    assert_int_equal(package_write(&package, &a, &c, &out, &error), 0);
    assert_int_equal(open_as(&out, &reader), -1); /* another operations CA */
    assert_int_equal(error.code, ERROR_UNTRUSTED_SIGNER);
    buffer_clear(&out);
    a.operations_ca = buffer_bytes(&pki.operations_ca);
    assert_int_equal(package_write(&package, &a, &c, &out, &error), 0);
    assert_int_equal(open_as(&out, &reader), -1); /* ours named, but it did not issue the leaf */
    assert_int_equal(error.code, ERROR_UNTRUSTED_SIGNER);
    buffer_clear(&out);
    a = authority();
    a.signer = test_key_signer(&other_key);
    assert_int_equal(package_write(&package, &a, &c, &out, &error), 0);
    assert_int_equal(open_as(&out, &reader), -1); /* our certificate, another key */
    assert_int_equal(error.code, ERROR_ALTERED);
    buffer_free(&certificate);
    buffer_free(&out);
    test_pki_free(&other);
}

static void authority_must_be_valid_now(void **state) {
    (void)state;
    struct package package = sample();
    struct package opened;
    struct package_reader reader = reader_of();
    struct buffer out = {0};
    write_sample(&package, &out);
    assert_int_equal(package_open(buffer_bytes(&out), &reader, TEST_PKI_END + 1, &opened, &error),
                     -1);
    assert_int_equal(error.code, ERROR_UNTRUSTED_SIGNER);
    buffer_free(&out);
}

/* One programmer's package re-encrypted for another one: the signature still names the first. */
static void reencrypted_package_is_refused(void **state) {
    (void)state;
    struct package package = sample();
    struct package_reader reader = reader_of();
    struct package_authority a = authority();
    struct buffer payload = {0};
    struct buffer message = {0};
    struct buffer out = {0};
    write_sample(&package, &out);
    size_t head = 0;
    while (memcmp(out.data + head, "\x58\x24", 2) != 0) /* the kid's byte string */
        head++;
    for (int i = 0; i < 2; i++) {
        struct package other = sample();
        if (i == 0)
            other.programmer_certificate_sha256[0] ^= 1;
        else
            other.epoch = 2;
        buffer_clear(&payload);
        buffer_clear(&message);
        assert_int_equal(payload_write(&other, &payload, &error), 0);
        assert_int_equal(authority_sign(&a, buffer_bytes(&payload), &message, &error), 0);
        /* Same size as the sample's, so its envelope fits: encrypt in place. */
        size_t ciphertext_size = message.size + 16;
        size_t start = out.size - ciphertext_size;
        static const uint8_t aad[] = {0x83, 0x68, 'E',  'n',  'c', 'r', 'y', 'p',
                                      't',  '0',  0x43, 0xA1, 1,   3,   0x40};
        const uint8_t *iv = out.data + head + 2 + 36 + 2;
        uint8_t *place = out.data + start;
        assert_int_equal(crypto_gcm_seal(package_key, iv, bytes_of(aad, sizeof(aad)),
                                         buffer_bytes(&message), place, place + message.size),
                         STATUS_OK);
        assert_int_equal(open_as(&out, &reader), -1);
        assert_int_equal(error.code, i == 0 ? ERROR_WRONG_PROGRAMMER : ERROR_WRONG_EPOCH);
    }
    buffer_free(&payload);
    buffer_free(&message);
    buffer_free(&out);
}

static void payload_bytes_are_strict(void **state) {
    (void)state;
    struct package package = sample();
    struct package read;
    struct buffer payload = {0};
    assert_int_equal(payload_write(&package, &payload, &error), 0);
    assert_int_equal(payload_read(buffer_bytes(&payload), &read, &error), 0);
    package_free(&read);
    for (size_t size = 0; size < payload.size; size++) {
        assert_int_equal(payload_read(bytes_of(payload.data, size), &read, &error), -1);
        assert_int_equal(error.code, ERROR_BAD_PACKAGE);
    }
    payload.data[2] = 0; /* format 0 */
    assert_int_equal(payload_read(buffer_bytes(&payload), &read, &error), -1);
    payload.data[2] = 2;
    assert_int_equal(payload_read(buffer_bytes(&payload), &read, &error), -1);
    payload.data[2] = 1;
    buffer_append(&payload, "", 1);
    assert_int_equal(payload_read(buffer_bytes(&payload), &read, &error), -1);
    buffer_free(&payload);
}

static void limits_are_kept(void **state) {
    (void)state;
    struct package package = sample();
    struct package_authority a = authority();
    struct package_cipher c = cipher();
    struct package_reader reader = reader_of();
    struct buffer out = {0};
    package.setting_count = PACKAGE_SETTINGS_MAX + 1;
    assert_int_equal(package_write(&package, &a, &c, &out, &error), -1);
    package = sample();
    package.uid_count = PACKAGE_UID_MAX + 1;
    assert_int_equal(package_write(&package, &a, &c, &out, &error), -1);
    package.uids = calloc(PACKAGE_UID_MAX, PACKAGE_UID_SIZE);
    package.uid_count = PACKAGE_UID_MAX;
    assert_int_equal(package_write(&package, &a, &c, &out, &error), 0);
    assert_int_equal(open_as(&out, &reader), 0);
    free(package.uids);
    buffer_free(&out);
}

static void history_is_checked(void **state) {
    (void)state;
    struct package package = sample();
    struct package_history none = {0};
    struct package_history seen = {.last_sequence = 7};
    struct package_history older = {.last_sequence = 6};
    struct package_history floor = {.floor_sequence = 8};
    assert_int_equal(package_check(&package, &none, NOW, &error), 0);
    assert_int_equal(package_check(&package, &older, NOW, &error), 0);
    assert_int_equal(package_check(&package, &seen, NOW, &error), -1);
    assert_int_equal(error.code, ERROR_REPLAYED);
    assert_int_equal(package_check(&package, &floor, NOW, &error), -1);
    assert_int_equal(error.code, ERROR_BELOW_FLOOR);
    assert_int_equal(package_check(&package, &none, package.expiry_s - 1, &error), 0);
    assert_int_equal(package_check(&package, &none, package.expiry_s, &error), -1);
    assert_int_equal(error.code, ERROR_EXPIRED);
    package.count = 0;
    assert_int_equal(package_check(&package, &none, NOW, &error), -1);
    assert_int_equal(error.code, ERROR_COUNT_ZERO);
}

static int read_time(const struct buffer *message, const uint8_t nonce[32], uint64_t *now_s) {
    return signed_time_read(buffer_bytes(message), nonce, buffer_bytes(&pki.root),
                            buffer_bytes(&pki.operations_ca), now_s, &error);
}

static void signed_time_is_checked(void **state) {
    (void)state;
    struct package_authority a = authority();
    struct buffer out = {0};
    uint8_t nonce[32] = {5};
    uint64_t now_s;
    assert_int_equal(signed_time_write(NOW, nonce, &a, &out, &error), 0);
    assert_int_equal(read_time(&out, nonce, &now_s), 0);
    assert_int_equal(now_s, NOW);
    for (size_t i = 0; i < out.size; i++) {
        out.data[i] ^= 1;
        assert_int_equal(read_time(&out, nonce, &now_s), -1);
        assert_int_equal(now_s, 0);
        out.data[i] ^= 1;
    }
    nonce[0] = 6;
    assert_int_equal(read_time(&out, nonce, &now_s), -1);
    assert_int_equal(error.code, ERROR_REPLAYED);
    nonce[0] = 5;
    buffer_clear(&out);
    assert_int_equal(signed_time_write(TEST_PKI_END + 5, nonce, &a, &out, &error), 0);
    assert_int_equal(read_time(&out, nonce, &now_s), -1);
    assert_int_equal(error.code, ERROR_UNTRUSTED_SIGNER);
    buffer_free(&out);
}

/* A package's payload, signed by the same key, is no time. */
static void other_signed_objects_are_no_time(void **state) {
    (void)state;
    struct package package = sample();
    struct package_authority a = authority();
    struct buffer payload = {0};
    struct buffer message = {0};
    uint8_t nonce[32] = {0};
    uint64_t now_s;
    assert_int_equal(payload_write(&package, &payload, &error), 0);
    assert_int_equal(authority_sign(&a, buffer_bytes(&payload), &message, &error), 0);
    assert_int_equal(read_time(&message, nonce, &now_s), -1);
    assert_int_equal(error.code, ERROR_BAD_REQUEST);
    buffer_free(&payload);
    buffer_free(&message);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_what_was_written),
        cmocka_unit_test(is_not_readable_without_the_key),
        cmocka_unit_test(every_altered_byte_is_refused),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(other_readers_are_refused),
        cmocka_unit_test(signers_without_the_role_are_refused),
        cmocka_unit_test(other_roots_and_keys_are_refused),
        cmocka_unit_test(authority_must_be_valid_now),
        cmocka_unit_test(reencrypted_package_is_refused),
        cmocka_unit_test(payload_bytes_are_strict),
        cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(history_is_checked),
        cmocka_unit_test(signed_time_is_checked),
        cmocka_unit_test(other_signed_objects_are_no_time),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
