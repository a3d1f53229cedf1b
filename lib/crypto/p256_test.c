/* ECDSA and ECDH on P-256. */
#include "crypto/crypto_test.h"

#include <string.h>

/* RFC 6979, A.2.5: key pair and signatures with SHA-256 of "sample" and "test". */
#define PRIVATE_KEY "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721"
#define PUBLIC_KEY                                                                                 \
    "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6"                             \
    "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299"
#define SIGNATURE_SAMPLE                                                                           \
    "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"                             \
    "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"
#define SIGNATURE_TEST                                                                             \
    "F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367"                             \
    "019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083"

/* The field prime and the order of the base point (SP 800-186, 3.2.1.3). */
#define PRIME "FFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF"
#define ORDER "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551"

struct fixture {
    uint8_t private_key[CRYPTO_PRIVATE_KEY_SIZE];
    uint8_t public_key[CRYPTO_PUBLIC_KEY_SIZE];
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    uint8_t signature[CRYPTO_SIGNATURE_SIZE];
};

static int set_up(void **state) {
    static struct fixture fixture;
    test_hex_exact(PRIVATE_KEY, fixture.private_key, sizeof fixture.private_key);
    test_hex_exact(PUBLIC_KEY, fixture.public_key, sizeof fixture.public_key);
    crypto_sha256(bytes_of("sample", 6), fixture.digest);
    test_hex_exact(SIGNATURE_SAMPLE, fixture.signature, sizeof fixture.signature);
    *state = &fixture;
    return 0;
}

static void test_verifies_known_signatures(void **state) {
    struct fixture *f = *state;
    assert_status(crypto_p256_verify(f->public_key, f->digest, f->signature), STATUS_OK);
    crypto_sha256(bytes_of("test", 4), f->digest);
    assert_status(crypto_p256_verify(f->public_key, f->digest, f->signature), STATUS_BAD_SIGNATURE);
    test_hex_exact(SIGNATURE_TEST, f->signature, sizeof f->signature);
    assert_status(crypto_p256_verify(f->public_key, f->digest, f->signature), STATUS_OK);
}

static void test_signs_with_a_known_key(void **state) {
    struct fixture *f = *state;
    uint8_t first[CRYPTO_SIGNATURE_SIZE];
    uint8_t second[CRYPTO_SIGNATURE_SIZE];
    assert_status(crypto_p256_sign(f->private_key, f->digest, first), STATUS_OK);
    assert_status(crypto_p256_sign(f->private_key, f->digest, second), STATUS_OK);
    assert_status(crypto_p256_verify(f->public_key, f->digest, first), STATUS_OK);
    assert_status(crypto_p256_verify(f->public_key, f->digest, second), STATUS_OK);
    /* A repeated r means a repeated nonce, and that gives the key away. */
    assert_memory_not_equal(first, second, 32);
}

static void test_generates_working_pairs(void **state) {
    struct fixture *f = *state;
    uint8_t key_a[32];
    uint8_t key_b[32];
    uint8_t point_a[64];
    uint8_t point_b[64];
    uint8_t shared_a[32];
    uint8_t shared_b[32];
    assert_status(crypto_p256_generate(key_a, point_a), STATUS_OK);
    assert_status(crypto_p256_generate(key_b, point_b), STATUS_OK);
    assert_memory_not_equal(key_a, key_b, sizeof key_a);
    assert_status(crypto_p256_agree(key_a, point_b, shared_a), STATUS_OK);
    assert_status(crypto_p256_agree(key_b, point_a, shared_b), STATUS_OK);
    assert_memory_equal(shared_a, shared_b, sizeof shared_a);
    assert_status(crypto_p256_sign(key_a, f->digest, f->signature), STATUS_OK);
    assert_status(crypto_p256_verify(point_a, f->digest, f->signature), STATUS_OK);
    assert_status(crypto_p256_verify(point_b, f->digest, f->signature), STATUS_BAD_SIGNATURE);
}

/* RFC 5903, 8.1: both sides of the 256-bit random ECP group. */
static void test_agrees_on_the_known_secret(void **state) {
    (void)state;
    uint8_t initiator[32];
    uint8_t responder[32];
    uint8_t initiator_point[64];
    uint8_t responder_point[64];
    uint8_t expected[32];
    uint8_t shared[32];
    test_hex_exact("C88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433", initiator,
                   sizeof initiator);
    test_hex_exact("DAD0B65394221CF9B051E1FECA5787D098DFE637FC90B9EF945D0C3772581180"
                   "5271A0461CDB8252D61F1C456FA3E59AB1F45B33ACCF5F58389E0577B8990BB3",
                   initiator_point, sizeof initiator_point);
    test_hex_exact("C6EF9C5D78AE012A011164ACB397CE2088685D8F06BF9BE0B283AB46476BEE53", responder,
                   sizeof responder);
    test_hex_exact("D12DFB5289C8D4F81208B70270398C342296970A0BCCB74C736FC7554494BF63"
                   "56FBF3CA366CC23E8157854C13C58D6AAC23F046ADA30F8353E74F33039872AB",
                   responder_point, sizeof responder_point);
    test_hex_exact("D6840F6B42F6EDAFD13116E0E12565202FEF8E9ECE7DCE03812464D04B9442DE", expected,
                   sizeof expected);
    assert_status(crypto_p256_agree(initiator, responder_point, shared), STATUS_OK);
    assert_memory_equal(shared, expected, sizeof expected);
    assert_status(crypto_p256_agree(responder, initiator_point, shared), STATUS_OK);
    assert_memory_equal(shared, expected, sizeof expected);
}

static void test_refuses_every_changed_bit(void **state) {
    struct fixture *f = *state;
    for (size_t bit = 0; bit < 8 * sizeof f->signature; bit += 5) {
        f->signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_status(crypto_p256_verify(f->public_key, f->digest, f->signature),
                      STATUS_BAD_SIGNATURE);
        f->signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t bit = 0; bit < 8 * sizeof f->digest; bit += 5) {
        f->digest[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_status(crypto_p256_verify(f->public_key, f->digest, f->signature),
                      STATUS_BAD_SIGNATURE);
        f->digest[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_status(crypto_p256_verify(f->public_key, f->digest, f->signature), STATUS_OK);
}

static const char *const NOT_SCALARS[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    ORDER,
    "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632552",
    "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF",
};
#define NOT_SCALAR_COUNT (sizeof NOT_SCALARS / sizeof NOT_SCALARS[0])

static void test_refuses_r_and_s_out_of_range(void **state) {
    struct fixture *f = *state;
    for (size_t i = 0; i < NOT_SCALAR_COUNT; i++) {
        uint8_t forged[CRYPTO_SIGNATURE_SIZE];
        memcpy(forged, f->signature, sizeof forged);
        test_hex_exact(NOT_SCALARS[i], forged, 32);
        assert_status(crypto_p256_verify(f->public_key, f->digest, forged), STATUS_BAD_SIGNATURE);
        memcpy(forged, f->signature, sizeof forged);
        test_hex_exact(NOT_SCALARS[i], forged + 32, 32);
        assert_status(crypto_p256_verify(f->public_key, f->digest, forged), STATUS_BAD_SIGNATURE);
        /* Both: with r = s = 0 a careless verifier accepts anything. */
        test_hex_exact(NOT_SCALARS[i], forged, 32);
        assert_status(crypto_p256_verify(f->public_key, f->digest, forged), STATUS_BAD_SIGNATURE);
    }
}

static void test_refuses_private_keys_out_of_range(void **state) {
    struct fixture *f = *state;
    for (size_t i = 0; i < NOT_SCALAR_COUNT; i++) {
        uint8_t shared[32];
        memset(shared, 0xEE, sizeof shared);
        test_hex_exact(NOT_SCALARS[i], f->private_key, sizeof f->private_key);
        assert_status(crypto_p256_sign(f->private_key, f->digest, f->signature), STATUS_INVALID);
        test_assert_all_zero(f->signature, sizeof f->signature);
        assert_status(crypto_p256_agree(f->private_key, f->public_key, shared), STATUS_INVALID);
        test_assert_all_zero(shared, sizeof shared);
    }
}

static void test_the_largest_private_key_is_one(void **state) {
    struct fixture *f = *state;
    test_hex_exact("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632550",
                   f->private_key, sizeof f->private_key);
    assert_status(crypto_p256_sign(f->private_key, f->digest, f->signature), STATUS_OK);
}

static void assert_no_point(struct fixture *f, const uint8_t point[CRYPTO_PUBLIC_KEY_SIZE]) {
    uint8_t shared[32];
    memset(shared, 0xEE, sizeof shared);
    assert_status(crypto_p256_verify(point, f->digest, f->signature), STATUS_INVALID);
    assert_status(crypto_p256_agree(f->private_key, point, shared), STATUS_INVALID);
    test_assert_all_zero(shared, sizeof shared);
}

/* A point off the curve lets its sender read a private key through ECDH. */
static void test_refuses_points_off_the_curve(void **state) {
    struct fixture *f = *state;
    uint8_t point[CRYPTO_PUBLIC_KEY_SIZE];
    memset(point, 0, sizeof point);
    assert_no_point(f, point);
    memset(point, 0xFF, sizeof point);
    assert_no_point(f, point);
    for (size_t i = 0; i < sizeof point; i += 7) {
        memcpy(point, f->public_key, sizeof point);
        point[i] ^= 1;
        assert_no_point(f, point);
    }
    /* Coordinates swapped; a coordinate equal to the prime, which is zero in disguise. */
    memcpy(point, f->public_key + 32, 32);
    memcpy(point + 32, f->public_key, 32);
    assert_no_point(f, point);
    memcpy(point, f->public_key, sizeof point);
    test_hex_exact(PRIME, point, 32);
    assert_no_point(f, point);
}

/* x = 5 has a point; x + p is the same point written differently and must not be accepted. */
static void test_refuses_coordinates_above_the_prime(void **state) {
    struct fixture *f = *state;
    uint8_t point[CRYPTO_PUBLIC_KEY_SIZE];
    uint8_t shared[32];
    test_hex_exact("0000000000000000000000000000000000000000000000000000000000000005"
                   "459243B9AA581806FE913BCE99817ADE11CA503C64D9A3C533415C083248FBCC",
                   point, sizeof point);
    assert_status(crypto_p256_agree(f->private_key, point, shared), STATUS_OK);
    test_hex_exact("FFFFFFFF00000001000000000000000000000001000000000000000000000004", point, 32);
    assert_no_point(f, point);
}

int crypto_test_p256(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_verifies_known_signatures, set_up),
        cmocka_unit_test_setup(test_signs_with_a_known_key, set_up),
        cmocka_unit_test_setup(test_generates_working_pairs, set_up),
        cmocka_unit_test_setup(test_agrees_on_the_known_secret, set_up),
        cmocka_unit_test_setup(test_refuses_every_changed_bit, set_up),
        cmocka_unit_test_setup(test_refuses_r_and_s_out_of_range, set_up),
        cmocka_unit_test_setup(test_refuses_private_keys_out_of_range, set_up),
        cmocka_unit_test_setup(test_the_largest_private_key_is_one, set_up),
        cmocka_unit_test_setup(test_refuses_points_off_the_curve, set_up),
        cmocka_unit_test_setup(test_refuses_coordinates_above_the_prime, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
