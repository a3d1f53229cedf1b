/* SHA-256, HMAC, HKDF, AES-CTR, AES-256-GCM, random bytes. */
#include "crypto/crypto_test.h"

#include <string.h>

static void assert_digest(const uint8_t digest[CRYPTO_DIGEST_SIZE], const char *expected) {
    uint8_t bytes[CRYPTO_DIGEST_SIZE];
    test_hex_exact(expected, bytes, sizeof bytes);
    assert_memory_equal(digest, bytes, sizeof bytes);
}

/* NIST, "Examples with Intermediate Values", SHA-256; the empty message from the CAVP short set. */
static void test_sha256_vectors(void **state) {
    (void)state;
    static const char TWO_BLOCKS[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    crypto_sha256(bytes_of(NULL, 0), digest);
    assert_digest(digest, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    crypto_sha256(bytes_of("abc", 3), digest);
    assert_digest(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    crypto_sha256(bytes_of(TWO_BLOCKS, strlen(TWO_BLOCKS)), digest);
    assert_digest(digest, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

/* FIPS 180-2, B.3: a million "a", fed in pieces that do not match the block size. */
static void test_sha256_streaming(void **state) {
    (void)state;
    uint8_t piece[1000];
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    struct crypto_sha256 hash;
    memset(piece, 'a', sizeof piece);
    crypto_sha256_start(&hash);
    for (size_t done = 0; done < 1000000; done += sizeof piece) {
        crypto_sha256_update(&hash, bytes_of(piece, 0));
        crypto_sha256_update(&hash, bytes_of(piece, 1));
        crypto_sha256_update(&hash, bytes_of(piece, sizeof piece - 1));
    }
    crypto_sha256_finish(&hash, digest);
    assert_digest(digest, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* SPDM forks its transcript: a copy made with `=` must go its own way. */
static void test_sha256_context_forks(void **state) {
    (void)state;
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    struct crypto_sha256 hash;
    crypto_sha256_start(&hash);
    crypto_sha256_update(&hash, bytes_of("ab", 2));
    struct crypto_sha256 fork = hash;
    crypto_sha256_update(&hash, bytes_of("something else", 14));
    crypto_sha256_finish(&hash, digest);
    test_assert_all_zero((const uint8_t *)&hash, sizeof hash);
    crypto_sha256_update(&fork, bytes_of("c", 1));
    crypto_sha256_finish(&fork, digest);
    assert_digest(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void assert_hmac(struct bytes key, const char *message, const char *expected) {
    uint8_t mac[CRYPTO_DIGEST_SIZE];
    assert_status(crypto_hmac_sha256(key, bytes_of(message, strlen(message)), mac), STATUS_OK);
    assert_digest(mac, expected);
}

/* RFC 4231, 4.2, 4.3, 4.7 (a key longer than a block); empty key and message computed by openssl.
 */
static void test_hmac_vectors(void **state) {
    (void)state;
    uint8_t key[131];
    memset(key, 0x0B, 20);
    assert_hmac(bytes_of(key, 20), "Hi There",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    assert_hmac(bytes_of("Jefe", 4), "what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xAA, sizeof key);
    assert_hmac(bytes_of(key, sizeof key), "Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    assert_hmac(bytes_of(NULL, 0), "",
                "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void assert_expands(const char *prk_hex, const char *info_hex, const char *okm_hex) {
    uint8_t prk[CRYPTO_DIGEST_SIZE];
    uint8_t info[80];
    uint8_t expected[82];
    uint8_t okm[82];
    test_hex_exact(prk_hex, prk, sizeof prk);
    struct bytes context = bytes_of(info, test_hex(info_hex, info, sizeof info));
    size_t size = test_hex(okm_hex, expected, sizeof expected);
    assert_status(crypto_hkdf_expand(prk, context, okm, size), STATUS_OK);
    assert_memory_equal(okm, expected, size);
}

/* RFC 5869, A.1 to A.3, from the pseudorandom key on. */
static void test_hkdf_vectors(void **state) {
    (void)state;
    assert_expands("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
                   "f0f1f2f3f4f5f6f7f8f9",
                   "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
                   "34007208d5b887185865");
    assert_expands("06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
                   "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecf"
                   "d0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeef"
                   "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
                   "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
                   "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
                   "cc30c58179ec3e87c14c01d5c1f3434f1d87");
    assert_expands("19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04", "",
                   "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
                   "9d201395faa4b61a96c8");
}

static void test_hkdf_refuses_what_it_cannot_do(void **state) {
    (void)state;
    const uint8_t prk[CRYPTO_DIGEST_SIZE] = {1};
    uint8_t info[256] = {0};
    uint8_t out[255 * CRYPTO_DIGEST_SIZE + 1];
    assert_status(crypto_hkdf_expand(prk, bytes_of(info, 8), out, sizeof out - 1), STATUS_OK);
    assert_status(crypto_hkdf_expand(prk, bytes_of(info, 8), out, sizeof out), STATUS_UNSUPPORTED);
    test_assert_all_zero(out, sizeof out);
    assert_status(crypto_hkdf_expand(prk, bytes_of(info, sizeof info), out, 32),
                  STATUS_UNSUPPORTED);
}

/* One AES-256-GCM vector with a 96-bit IV. */
struct gcm_vector {
    const char *key;
    const char *iv;
    const char *aad;
    const char *plaintext;
    const char *ciphertext;
    const char *tag;
};

#define ZERO_KEY "0000000000000000000000000000000000000000000000000000000000000000"
#define FEFF_KEY "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"

/* McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 13 to 16. */
static const struct gcm_vector GCM_VECTORS[] = {
    {ZERO_KEY, "000000000000000000000000", "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
    {ZERO_KEY, "000000000000000000000000", "", "00000000000000000000000000000000",
     "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919"},
    {FEFF_KEY, "cafebabefacedbaddecaf888", "",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
     "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
     "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad",
     "b094dac5d93471bdec1a502270e3cc6c"},
    {FEFF_KEY, "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
     "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
     "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
     "76fc6ece0f4e1768cddf8853bb2d551b"},
};
#define GCM_VECTOR_COUNT (sizeof GCM_VECTORS / sizeof GCM_VECTORS[0])

struct gcm_case {
    uint8_t key[CRYPTO_GCM_KEY_SIZE];
    uint8_t iv[CRYPTO_GCM_IV_SIZE];
    uint8_t tag[CRYPTO_GCM_TAG_SIZE];
    uint8_t aad[20];
    uint8_t plaintext[64];
    uint8_t ciphertext[64];
    size_t aad_size;
    size_t size;
};

static void load_gcm(struct gcm_case *test, const struct gcm_vector *vector) {
    test_hex_exact(vector->key, test->key, sizeof test->key);
    test_hex_exact(vector->iv, test->iv, sizeof test->iv);
    test_hex_exact(vector->tag, test->tag, sizeof test->tag);
    test->aad_size = test_hex(vector->aad, test->aad, sizeof test->aad);
    test->size = test_hex(vector->plaintext, test->plaintext, sizeof test->plaintext);
    test_hex_exact(vector->ciphertext, test->ciphertext, test->size);
}

static void test_gcm_vectors(void **state) {
    (void)state;
    for (size_t i = 0; i < GCM_VECTOR_COUNT; i++) {
        struct gcm_case test;
        uint8_t out[64];
        uint8_t tag[CRYPTO_GCM_TAG_SIZE];
        load_gcm(&test, &GCM_VECTORS[i]);
        struct bytes aad = bytes_of(test.aad, test.aad_size);
        assert_status(
            crypto_gcm_seal(test.key, test.iv, aad, bytes_of(test.plaintext, test.size), out, tag),
            STATUS_OK);
        assert_memory_equal(out, test.ciphertext, test.size);
        assert_memory_equal(tag, test.tag, sizeof tag);
        assert_status(crypto_gcm_open(test.key, test.iv, aad, bytes_of(test.ciphertext, test.size),
                                      out, test.tag),
                      STATUS_OK);
        assert_memory_equal(out, test.plaintext, test.size);
    }
}

static void test_gcm_in_place(void **state) {
    (void)state;
    struct gcm_case test;
    uint8_t text[64];
    uint8_t tag[CRYPTO_GCM_TAG_SIZE];
    load_gcm(&test, &GCM_VECTORS[3]);
    struct bytes aad = bytes_of(test.aad, test.aad_size);
    struct bytes in_place = bytes_of(text, test.size);
    memcpy(text, test.plaintext, test.size);
    assert_status(crypto_gcm_seal(test.key, test.iv, aad, in_place, text, tag), STATUS_OK);
    assert_memory_equal(text, test.ciphertext, test.size);
    assert_status(crypto_gcm_open(test.key, test.iv, aad, in_place, text, tag), STATUS_OK);
    assert_memory_equal(text, test.plaintext, test.size);
}

/* Opens with one bit changed at `place`, which points into `test`, and changes it back. */
static void assert_gcm_refuses(struct gcm_case *test, uint8_t *place) {
    uint8_t out[64];
    memset(out, 0xEE, sizeof out);
    *place ^= 0x10;
    assert_status(crypto_gcm_open(test->key, test->iv, bytes_of(test->aad, test->aad_size),
                                  bytes_of(test->ciphertext, test->size), out, test->tag),
                  STATUS_BAD_SIGNATURE);
    *place ^= 0x10;
    test_assert_all_zero(out, test->size);
}

static void test_gcm_refuses_every_change(void **state) {
    (void)state;
    struct gcm_case test;
    load_gcm(&test, &GCM_VECTORS[3]);
    for (size_t i = 0; i < sizeof test.tag; i++) {
        assert_gcm_refuses(&test, &test.tag[i]);
    }
    for (size_t i = 0; i < test.size; i++) {
        assert_gcm_refuses(&test, &test.ciphertext[i]);
    }
    for (size_t i = 0; i < test.aad_size; i++) {
        assert_gcm_refuses(&test, &test.aad[i]);
    }
    assert_gcm_refuses(&test, &test.iv[0]);
    assert_gcm_refuses(&test, &test.key[0]);
    test.aad_size -= 1;
    assert_gcm_refuses(&test, &test.aad[test.aad_size]);
}

/* NIST SP 800-38A, F.5.1 and F.5.5: four blocks. */
#define CTR_COUNTER "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"
#define CTR_PLAINTEXT                                                                              \
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"                             \
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"

struct ctr_vector {
    const char *key;
    const char *ciphertext;
};

static const struct ctr_vector CTR_VECTORS[] = {
    {"2b7e151628aed2a6abf7158809cf4f3c",
     "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
     "5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee"},
    {"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
     "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5"
     "2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6"},
};

/* Every length, so that the last block is cut at each place; once in place. */
static void test_ctr_vectors(void **state) {
    (void)state;
    uint8_t counter[CRYPTO_AES_BLOCK_SIZE];
    uint8_t plaintext[64];
    test_hex_exact(CTR_COUNTER, counter, sizeof counter);
    test_hex_exact(CTR_PLAINTEXT, plaintext, sizeof plaintext);
    for (size_t i = 0; i < sizeof CTR_VECTORS / sizeof CTR_VECTORS[0]; i++) {
        uint8_t key[32];
        uint8_t ciphertext[64];
        size_t key_size = test_hex(CTR_VECTORS[i].key, key, sizeof key);
        test_hex_exact(CTR_VECTORS[i].ciphertext, ciphertext, sizeof ciphertext);
        for (size_t size = 0; size <= sizeof plaintext; size++) {
            uint8_t out[65] = {0};
            assert_status(
                crypto_aes_ctr(bytes_of(key, key_size), counter, bytes_of(plaintext, size), out),
                STATUS_OK);
            assert_memory_equal(out, ciphertext, size);
            assert_int_equal(out[size], 0);
            assert_status(
                crypto_aes_ctr(bytes_of(key, key_size), counter, bytes_of(out, size), out),
                STATUS_OK);
            assert_memory_equal(out, plaintext, size);
        }
    }
}

/* The counter is one 128-bit number: the carry of the last word reaches the first. */
static void test_ctr_counts_over_all_bytes(void **state) {
    (void)state;
    const uint8_t key[16] = {1};
    const uint8_t zero[32] = {0};
    uint8_t counter[CRYPTO_AES_BLOCK_SIZE];
    uint8_t both[32];
    uint8_t second[16];
    memset(counter, 0xFF, sizeof counter);
    assert_status(crypto_aes_ctr(bytes_of(key, 16), counter, bytes_of(zero, 32), both), STATUS_OK);
    memset(counter, 0, sizeof counter);
    assert_status(crypto_aes_ctr(bytes_of(key, 16), counter, bytes_of(zero, 16), second),
                  STATUS_OK);
    assert_memory_equal(both + 16, second, 16);
}

static void test_ctr_refuses_other_key_sizes(void **state) {
    (void)state;
    const uint8_t key[33] = {0};
    const uint8_t counter[CRYPTO_AES_BLOCK_SIZE] = {0};
    for (size_t size = 0; size <= sizeof key; size++) {
        uint8_t out[16];
        memset(out, 0xEE, sizeof out);
        if (size != 16 && size != 32) {
            assert_status(crypto_aes_ctr(bytes_of(key, size), counter, bytes_of(key, 16), out),
                          STATUS_UNSUPPORTED);
            test_assert_all_zero(out, sizeof out);
        }
    }
}

static void test_random_does_not_repeat(void **state) {
    (void)state;
    uint8_t first[3000] = {0};
    uint8_t second[3000] = {0};
    assert_status(crypto_random(first, sizeof first), STATUS_OK);
    assert_status(crypto_random(second, sizeof second), STATUS_OK);
    /* Longer than one DRBG request: every part must have been filled, and differently. */
    for (size_t i = 0; i + 16 <= sizeof first; i += 16) {
        assert_memory_not_equal(first + i, second + i, 16);
        assert_memory_not_equal(first + i, i == 0 ? second : first + i - 16, 16);
    }
    assert_status(crypto_random(first, 0), STATUS_OK);
}

int crypto_test_symmetric(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha256_vectors),
        cmocka_unit_test(test_sha256_streaming),
        cmocka_unit_test(test_sha256_context_forks),
        cmocka_unit_test(test_hmac_vectors),
        cmocka_unit_test(test_hkdf_vectors),
        cmocka_unit_test(test_hkdf_refuses_what_it_cannot_do),
        cmocka_unit_test(test_gcm_vectors),
        cmocka_unit_test(test_gcm_in_place),
        cmocka_unit_test(test_gcm_refuses_every_change),
        cmocka_unit_test(test_ctr_vectors),
        cmocka_unit_test(test_ctr_counts_over_all_bytes),
        cmocka_unit_test(test_ctr_refuses_other_key_sizes),
        cmocka_unit_test(test_random_does_not_repeat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
