/*
 * Chains from testdata/, made by testdata/make-chains.sh. Every refusal is a chain with one defect;
 * everything else about it is as in good_3.
 */
#include "crypto/crypto_test.h"

#include <stdio.h>
#include <string.h>

#define CHAIN_MAX 4096

/* 1.3.6.1.4.1.32473.1.1.1, the extended key usage of the leaves. */
static const uint8_t EKU_DEVICE[] = {0x2B, 0x06, 0x01, 0x04, 0x01, 0x81,
                                     0xFD, 0x59, 0x01, 0x01, 0x01};

/* A chain file and the hash of its first certificate. */
struct test_chain {
    uint8_t data[CHAIN_MAX];
    size_t size;
    uint8_t root_hash[CRYPTO_DIGEST_SIZE];
};

static struct bytes chain_bytes(const struct test_chain *chain) {
    return bytes_of(chain->data, chain->size);
}

static void load(struct test_chain *chain, const char *name) {
    char path[128];
    struct bytes root;
    struct bytes rest;
    (void)snprintf(path, sizeof path, "testdata/%s.der", name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    chain->size = fread(chain->data, 1, sizeof chain->data, file);
    (void)fclose(file);
    assert_status(crypto_certificate_split(chain_bytes(chain), &root, &rest), STATUS_OK);
    crypto_sha256(root, chain->root_hash);
}

static struct bytes device_eku(void) {
    return bytes_of(EKU_DEVICE, sizeof EKU_DEVICE);
}

static enum status verify(const struct test_chain *chain, struct bytes eku) {
    uint8_t key[CRYPTO_PUBLIC_KEY_SIZE];
    memset(key, 0xEE, sizeof key);
    enum status status = crypto_chain_verify(chain_bytes(chain), chain->root_hash, eku, key);
    if (status != STATUS_OK) {
        test_assert_all_zero(key, sizeof key);
    }
    return status;
}

/* Cuts `chain` into its certificates; returns how many. */
static size_t cut(const struct test_chain *chain, struct bytes *parts, size_t capacity) {
    size_t count = 0;
    struct bytes rest = chain_bytes(chain);
    while (rest.size > 0) {
        assert_true(count < capacity);
        assert_status(crypto_certificate_split(rest, &parts[count], &rest), STATUS_OK);
        count++;
    }
    return count;
}

/* expired: a chip has no clock, and the port says that times are not checked. */
static void test_accepts_good_chains(void **state) {
    (void)state;
    static const char *const GOOD[] = {"good_2", "good_3", "good_4", "expired"};
    for (size_t i = 0; i < sizeof GOOD / sizeof GOOD[0]; i++) {
        struct test_chain chain;
        load(&chain, GOOD[i]);
        assert_status(verify(&chain, device_eku()), STATUS_OK);
        assert_status(verify(&chain, bytes_of(NULL, 0)), STATUS_OK);
    }
}

/* The key returned is the one in the leaf: 04 || X || Y stands in the certificate. */
static void test_returns_the_key_of_the_leaf(void **state) {
    (void)state;
    struct test_chain chain;
    struct bytes parts[3] = {{0}};
    uint8_t key[CRYPTO_PUBLIC_KEY_SIZE];
    static const uint8_t BEFORE[] = {0x03, 0x42, 0x00, 0x04};
    load(&chain, "good_3");
    assert_int_equal(cut(&chain, parts, 3), 3);
    assert_status(crypto_chain_verify(chain_bytes(&chain), chain.root_hash, device_eku(), key),
                  STATUS_OK);
    size_t found = 0;
    for (size_t i = sizeof BEFORE; i + sizeof key <= parts[2].size; i++) {
        found += memcmp(parts[2].data + i, key, sizeof key) == 0 &&
                 memcmp(parts[2].data + i - sizeof BEFORE, BEFORE, sizeof BEFORE) == 0;
    }
    assert_int_equal(found, 1);
}

/* Each file has one defect, named by the file. */
static void test_refuses_defective_chains(void **state) {
    (void)state;
    static const char *const BAD[] = {
        "leaf_is_ca",
        "leaf_without_key_usage",
        "leaf_key_agreement_only",
        "leaf_other_eku",
        "leaf_any_eku",
        "leaf_without_eku",
        "leaf_unknown_critical",
        "leaf_p384",
        "leaf_rsa",
        "leaf_sha384",
        "issuer_unknown_critical",
        "issuer_is_no_ca",
        "issuer_without_key_usage",
        "issuer_without_cert_sign",
        "issuer_p384",
        "issuer_path_length",
        "issuer_same_name",
        "issuer_other_name",
        "issuer_not_in_path",
        "root_path_length",
        "five",
    };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        struct test_chain chain;
        load(&chain, BAD[i]);
        if (verify(&chain, device_eku()) != STATUS_BAD_CERTIFICATE) {
            fail_msg("%s was not refused", BAD[i]);
        }
    }
}

/* Without a wanted usage, the leaves that fail only by theirs pass: the refusals above are for it.
 */
static void test_extended_key_usage_is_checked_only_on_request(void **state) {
    (void)state;
    static const char *const OTHER[] = {"leaf_other_eku", "leaf_any_eku", "leaf_without_eku"};
    for (size_t i = 0; i < sizeof OTHER / sizeof OTHER[0]; i++) {
        struct test_chain chain;
        load(&chain, OTHER[i]);
        assert_status(verify(&chain, bytes_of(NULL, 0)), STATUS_OK);
    }
    struct test_chain chain;
    load(&chain, "good_3");
    assert_status(verify(&chain, bytes_of(EKU_DEVICE, sizeof EKU_DEVICE - 1)),
                  STATUS_BAD_CERTIFICATE);
}

static void test_refuses_another_root(void **state) {
    (void)state;
    struct test_chain chain;
    struct test_chain other;
    load(&chain, "good_3");
    load(&other, "root_path_length");
    assert_memory_not_equal(chain.root_hash, other.root_hash, sizeof chain.root_hash);
    memcpy(chain.root_hash, other.root_hash, sizeof chain.root_hash);
    assert_status(verify(&chain, device_eku()), STATUS_BAD_CERTIFICATE);
    load(&chain, "good_3");
    chain.root_hash[31] ^= 1;
    assert_status(verify(&chain, device_eku()), STATUS_BAD_CERTIFICATE);
}

/* The last byte of a certificate is the last byte of its signature. */
static void test_refuses_a_bad_signature_at_each_level(void **state) {
    (void)state;
    struct test_chain chain;
    struct bytes parts[4] = {{0}};
    load(&chain, "good_4");
    size_t count = cut(&chain, parts, 4);
    assert_int_equal(count, 4);
    size_t end = 0;
    for (size_t i = 0; i < count; i++) {
        end += parts[i].size;
        chain.data[end - 1] ^= 1;
        assert_status(verify(&chain, device_eku()), STATUS_BAD_CERTIFICATE);
        chain.data[end - 1] ^= 1;
    }
    assert_status(verify(&chain, device_eku()), STATUS_OK);
}

static void test_refuses_changed_bytes(void **state) {
    (void)state;
    struct test_chain chain;
    load(&chain, "good_3");
    for (size_t i = 0; i < chain.size; i += 7) {
        chain.data[i] ^= 0x04;
        assert_status(verify(&chain, device_eku()), STATUS_BAD_CERTIFICATE);
        chain.data[i] ^= 0x04;
    }
}

static void test_refuses_every_truncation(void **state) {
    (void)state;
    struct test_chain chain;
    load(&chain, "good_3");
    for (size_t size = chain.size; size > 0; size--) {
        chain.size = size - 1;
        assert_status(verify(&chain, device_eku()), STATUS_BAD_CERTIFICATE);
    }
}

static void test_refuses_trailing_bytes(void **state) {
    (void)state;
    struct test_chain chain;
    load(&chain, "good_3");
    chain.data[chain.size++] = 0;
    assert_status(verify(&chain, device_eku()), STATUS_BAD_CERTIFICATE);
    load(&chain, "good_3");
    static const uint8_t EMPTY_SEQUENCE[] = {0x30, 0x00};
    memcpy(chain.data + chain.size, EMPTY_SEQUENCE, sizeof EMPTY_SEQUENCE);
    chain.size += sizeof EMPTY_SEQUENCE;
    assert_status(verify(&chain, device_eku()), STATUS_BAD_CERTIFICATE);
}

/* Certificates of good_3 in another order; 3 marks the end. */
static void test_refuses_other_orders(void **state) {
    (void)state;
    static const uint8_t ORDERS[][4] = {
        {0, 3},       {0, 2, 3}, {1, 2, 3},    {2, 1, 0, 3}, {0, 2, 1, 3},
        {1, 0, 2, 3}, {0, 0, 3}, {0, 0, 1, 2}, {0, 1, 1, 2}, {0, 1, 2, 2},
    };
    struct test_chain good;
    struct bytes parts[3] = {{0}};
    load(&good, "good_3");
    assert_int_equal(cut(&good, parts, 3), 3);
    for (size_t i = 0; i < sizeof ORDERS / sizeof ORDERS[0]; i++) {
        struct test_chain chain = {.size = 0};
        crypto_sha256(parts[ORDERS[i][0]], chain.root_hash);
        struct writer writer;
        writer_init(&writer, chain.data, sizeof chain.data);
        for (size_t k = 0; k < 4 && ORDERS[i][k] < 3; k++) {
            write_bytes(&writer, parts[ORDERS[i][k]]);
        }
        chain.size = writer.size;
        /* An intermediate as root is a path of its own, complete from a CA down to the leaf. */
        enum status expected =
            ORDERS[i][0] == 1 && ORDERS[i][1] == 2 ? STATUS_OK : STATUS_BAD_CERTIFICATE;
        assert_status(verify(&chain, device_eku()), expected);
    }
}

static void test_splits_only_sequences(void **state) {
    (void)state;
    static const uint8_t NO_SEQUENCE[] = {0x31, 0x01, 0x00};
    static const uint8_t TOO_LONG[] = {0x30, 0x02, 0x00};
    static const uint8_t INDEFINITE[] = {0x30, 0x80, 0x00, 0x00};
    struct bytes first;
    struct bytes rest;
    assert_status(crypto_certificate_split(bytes_of(NULL, 0), &first, &rest), STATUS_INVALID);
    assert_status(crypto_certificate_split(bytes_of(NO_SEQUENCE, 3), &first, &rest),
                  STATUS_INVALID);
    assert_status(crypto_certificate_split(bytes_of(TOO_LONG, 3), &first, &rest), STATUS_INVALID);
    assert_status(crypto_certificate_split(bytes_of(INDEFINITE, 4), &first, &rest), STATUS_INVALID);
    assert_int_equal(first.size, 0);
    assert_int_equal(rest.size, 0);
}

int crypto_test_chain(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts_good_chains),
        cmocka_unit_test(test_returns_the_key_of_the_leaf),
        cmocka_unit_test(test_refuses_defective_chains),
        cmocka_unit_test(test_extended_key_usage_is_checked_only_on_request),
        cmocka_unit_test(test_refuses_another_root),
        cmocka_unit_test(test_refuses_a_bad_signature_at_each_level),
        cmocka_unit_test(test_refuses_changed_bytes),
        cmocka_unit_test(test_refuses_every_truncation),
        cmocka_unit_test(test_refuses_trailing_bytes),
        cmocka_unit_test(test_refuses_other_orders),
        cmocka_unit_test(test_splits_only_sequences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
