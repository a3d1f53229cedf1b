/* The hardened helpers and the decision, apart from any image. */
#include "image/testing/fixture.h"

#include <string.h>

static void equal_finds_every_difference(void **state) {
    (void)state;
    uint8_t a[32];
    uint8_t b[32];
    memset(a, 0x5A, sizeof a);
    memset(b, 0x5A, sizeof b);
    assert_int_equal(image_hardened_equal(a, b, sizeof a), HARDENED_YES);
    for (size_t i = 0; i < 8 * sizeof a; i++) {
        b[i / 8] ^= (uint8_t)(1u << i % 8);
        assert_int_equal(image_hardened_equal(a, b, sizeof a), HARDENED_NO);
        b[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    assert_int_equal(image_hardened_equal(a, b, 0), HARDENED_NO);
}

static void only_ok_is_ok(void **state) {
    (void)state;
    assert_int_equal(image_hardened_is_ok(STATUS_OK), HARDENED_YES);
    assert_int_equal(image_hardened_is_ok((enum status)0), HARDENED_NO);
    assert_int_equal(image_hardened_is_ok((enum status)1), HARDENED_NO);
    assert_int_equal(image_hardened_is_ok(STATUS_BAD_SIGNATURE), HARDENED_NO);
    for (unsigned bit = 0; bit < 31; bit++) {
        assert_int_equal(image_hardened_is_ok((enum status)(STATUS_OK ^ (1 << bit))), HARDENED_NO);
    }
}

static void ranges_include_their_ends(void **state) {
    (void)state;
    assert_int_equal(image_hardened_in_range(5, 5, 7), HARDENED_YES);
    assert_int_equal(image_hardened_in_range(7, 5, 7), HARDENED_YES);
    assert_int_equal(image_hardened_in_range(4, 5, 7), HARDENED_NO);
    assert_int_equal(image_hardened_in_range(8, 5, 7), HARDENED_NO);
    assert_int_equal(image_hardened_in_range(0, 0, UINT32_MAX), HARDENED_YES);
    assert_int_equal(image_hardened_in_range(UINT32_MAX, 0, UINT32_MAX), HARDENED_YES);
    assert_int_equal(image_hardened_in_range(6, 7, 5), HARDENED_NO);
}

static void acceptance_needs_both_answers(void **state) {
    (void)state;
    assert_int_equal(image_is_accepted(STATUS_OK, IMAGE_ACCEPTED), HARDENED_YES);
    assert_int_equal(image_is_accepted(STATUS_OK, (enum image_reason)0), HARDENED_NO);
    assert_int_equal(image_is_accepted(STATUS_OK, IMAGE_REASON_HASH), HARDENED_NO);
    assert_int_equal(image_is_accepted(STATUS_INVALID, IMAGE_ACCEPTED), HARDENED_NO);
    assert_int_equal(image_is_accepted((enum status)0, IMAGE_ACCEPTED), HARDENED_NO);
}

/* Each piece of evidence wrong alone gives its own reason. */
static void decides_on_every_piece(void **state) {
    (void)state;
    uint8_t digest[CRYPTO_DIGEST_SIZE] = "any digest";
    uint8_t other_digest[CRYPTO_DIGEST_SIZE] = "any digesu";
    uint8_t key_hash[CRYPTO_DIGEST_SIZE];
    uint8_t signature[CRYPTO_SIGNATURE_SIZE];
    crypto_sha256(bytes_of(FIXTURE_SIGNER.public_key, CRYPTO_PUBLIC_KEY_SIZE), key_hash);
    assert_status(fixture_sign((void *)&FIXTURE_SIGNER, digest, signature), STATUS_OK);
    const struct image_evidence good = {.computed_digest = digest,
                                        .stated_digest = digest,
                                        .public_key = FIXTURE_SIGNER.public_key,
                                        .key_hash = key_hash,
                                        .signature = signature,
                                        .counter = 7,
                                        .counter_minimum = 7,
                                        .counter_maximum = 7};
    assert_int_equal(image_decide(&good), IMAGE_ACCEPTED);
    struct image_evidence bad = good;
    bad.stated_digest = other_digest;
    assert_int_equal(image_decide(&bad), IMAGE_REASON_HASH);
    bad.computed_digest = other_digest;
    assert_int_equal(image_decide(&bad), IMAGE_REASON_SIGNATURE);
    bad = good;
    bad.public_key = FIXTURE_STRANGER.public_key;
    assert_int_equal(image_decide(&bad), IMAGE_REASON_KEY);
    bad = good;
    bad.counter_minimum = 8;
    bad.counter_maximum = 9;
    assert_int_equal(image_decide(&bad), IMAGE_REASON_COUNTER_LOW);
    bad.counter_minimum = 0;
    bad.counter_maximum = 6;
    assert_int_equal(image_decide(&bad), IMAGE_REASON_COUNTER_HIGH);
    signature[63] ^= 1;
    assert_int_equal(image_decide(&good), IMAGE_REASON_SIGNATURE);
}

static void every_reason_has_its_name(void **state) {
    (void)state;
    assert_string_equal(image_reason_name(IMAGE_ACCEPTED), "accepted");
    for (int a = IMAGE_REASON_READ; a <= IMAGE_REASON_CONTENT_KEY; a++) {
        const char *name = image_reason_name((enum image_reason)a);
        assert_string_not_equal(name, "unknown");
        assert_string_not_equal(name, image_reason_name((enum image_reason)(a + 1)));
    }
    assert_string_equal(image_reason_name((enum image_reason)0), "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_finds_every_difference),
        cmocka_unit_test(only_ok_is_ok),
        cmocka_unit_test(ranges_include_their_ends),
        cmocka_unit_test(acceptance_needs_both_answers),
        cmocka_unit_test(decides_on_every_piece),
        cmocka_unit_test(every_reason_has_its_name),
    };
    return cmocka_run_group_tests(tests, fixture_start, NULL);
}
