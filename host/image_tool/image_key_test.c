#include "image_tool/testing/vectors.h"

#include "base/encoding.h"
#include "base/file.h"

#include <stdio.h>
#include <string.h>

static int parse(const char *text, struct image_key *key, struct error *error) {
    return image_key_parse(bytes_of(text, strlen(text)), NULL, key, error);
}

static void reads_every_form_of_the_same_key(void **state) {
    const struct image_key signer = vectors_key("signer.pem");
    const struct image_key sec1 = vectors_key("signer_sec1.pem");
    const struct image_key public = vectors_key("signer_pub.pem");
    struct image_key opened;
    struct error error;

    (void)state;
    assert_true(signer.has_private);
    for (size_t i = 0; i < sizeof(signer.private_key); i++)
        assert_int_equal(signer.private_key[i], 0x11);
    assert_memory_equal(&sec1, &signer, sizeof(signer));
    assert_false(public.has_private);
    assert_memory_equal(public.public_key, signer.public_key, sizeof(signer.public_key));
    assert_int_equal(image_key_read("testdata/signer_encrypted.pem", "correct", &opened, &error),
                     0);
    assert_memory_equal(&opened, &signer, sizeof(signer));
}

static void hashes_are_those_of_otp_and_of_imgtool(void **state) {
    const struct image_key signer = vectors_key("signer.pem");
    struct buffer image = vectors_image("plain_hash.bin");
    uint8_t hash[CRYPTO_DIGEST_SIZE];
    uint8_t otp[CRYPTO_DIGEST_SIZE];
    bool is_there = false;

    (void)state;
    image_key_info_hash(signer.public_key, hash);
    for (size_t i = 0; i + sizeof(hash) <= image.size && !is_there; i++)
        is_there = memcmp(image.data + i, hash, sizeof(hash)) == 0;
    assert_true(is_there); /* imgtool's KEYHASH entry */
    image_key_otp_hash(signer.public_key, otp);
    crypto_sha256(bytes_of(signer.public_key, sizeof(signer.public_key)), hash);
    assert_memory_equal(otp, hash, sizeof(hash));
    buffer_free(&image);
}

static void refuses_other_keys_and_says_what_to_do(void **state) {
    static const struct {
        const char *path;
        const char *passphrase;
        const char *message;
    } cases[] = {
        {"testdata/p384.pem", NULL, "not a P-256 key"},
        {"testdata/rsa.pem", NULL, "not a P-256 key"},
        {"testdata/ed25519.pem", NULL, "not a P-256 key"},
        {"testdata/signer_encrypted.pem", NULL, "is encrypted"},
        {"testdata/signer_encrypted.pem", "wrong", "does not open"},
        {"testdata/make-keys.sh", NULL, "not a PEM file"},
    };
    static const struct image_key nothing;
    struct image_key key;
    struct error error;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memset(&key, 0xA5, sizeof(key));
        assert_int_equal(image_key_read(cases[i].path, cases[i].passphrase, &key, &error), -1);
        assert_int_equal(error.code, ERROR_USAGE);
        assert_non_null(strstr(error.message, cases[i].message));
        assert_non_null(strstr(error.message, cases[i].path));
        assert_memory_equal(&key, &nothing, sizeof(key));
    }
    assert_int_equal(image_key_read("testdata/none.pem", NULL, &key, &error), -1);
    assert_int_equal(error.code, ERROR_NOT_FOUND);
    assert_int_equal(parse("", &key, &error), -1);
    assert_int_equal(error.code, ERROR_USAGE);
    assert_int_equal(
        parse("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", &key, &error), -1);
}

/* A damaged file is refused, or still holds a key; it never crashes or leaves half a key. */
static void survives_every_damaged_file(void **state) {
    static const char *const names[] = {"signer.pem", "signer_sec1.pem", "signer_pub.pem"};
    static const struct image_key nothing;
    size_t refused = 0;

    (void)state;
    for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
        struct buffer pem = {0};
        struct image_key key;
        struct error error;
        char path[64];
        (void)snprintf(path, sizeof(path), "testdata/%s", names[n]);
        assert_int_equal(file_read(path, 4096, &pem, &error), 0);
        for (size_t i = 0; i < pem.size; i++) {
            pem.data[i] ^= 0x01;
            if (image_key_parse(buffer_bytes(&pem), NULL, &key, &error) != 0) {
                assert_memory_equal(&key, &nothing, sizeof(key));
                refused++;
            }
            pem.data[i] ^= 0x01;
            const struct bytes cut = bytes_slice(buffer_bytes(&pem), 0, i);
            if (image_key_parse(cut, NULL, &key, &error) != 0)
                assert_memory_equal(&key, &nothing, sizeof(key));
        }
        buffer_free(&pem);
    }
    assert_true(refused > 400);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_form_of_the_same_key),
        cmocka_unit_test(hashes_are_those_of_otp_and_of_imgtool),
        cmocka_unit_test(refuses_other_keys_and_says_what_to_do),
        cmocka_unit_test(survives_every_damaged_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
