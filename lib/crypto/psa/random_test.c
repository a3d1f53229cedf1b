/* The device's random generator over sources that fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/crypto.h"
#include "crypto/psa/arena.h"

#include <string.h>

/* What the source does from its n-th request on. */
enum defect {
    DEFECT_NONE,
    DEFECT_ERROR,
    DEFECT_ALL_ZERO,
    DEFECT_SAME_WORD,     /* a register that is never refreshed */
    DEFECT_REPEATED_WORD, /* read once too early: one word twice */
    DEFECT_STUCK_BETWEEN, /* the first word repeats the last one of the request before */
};

struct source {
    enum defect defect;
    size_t good_requests;
    size_t requests;
    size_t bytes;
    uint32_t counter;
};

static uint32_t next_word(struct source *source) {
    /* Weyl sequence: never the same word twice in a row; quality does not matter here. */
    source->counter += 0x9E3779B9;
    return source->counter;
}

static enum status read_source(void *context, uint8_t *out, size_t size) {
    struct source *source = context;
    bool defective = source->requests >= source->good_requests;
    enum defect defect = defective ? source->defect : DEFECT_NONE;
    struct writer writer;
    writer_init(&writer, out, size);
    source->requests++;
    source->bytes += size;
    if (defect == DEFECT_ERROR) {
        return STATUS_NO_ENTROPY;
    }
    for (size_t i = 0; i < size / 4; i++) {
        bool repeats = defect == DEFECT_SAME_WORD || (defect == DEFECT_REPEATED_WORD && i == 3) ||
                       (defect == DEFECT_STUCK_BETWEEN && i == 0);
        uint32_t word = repeats ? source->counter : next_word(source);
        write_u32le(&writer, defect == DEFECT_ALL_ZERO ? 0 : word);
    }
    write_fill(&writer, 0x77, size % 4);
    return writer_check(&writer);
}

static void test_seeds_with_enough_bits(void **state) {
    (void)state;
    struct source source = {.defect = DEFECT_NONE};
    uint8_t out[32] = {0};
    assert_int_equal(crypto_init(read_source, &source), STATUS_OK);
    assert_true(source.bytes >= 256 / 8);
    assert_int_equal(crypto_random(out, sizeof out), STATUS_OK);
}

/* Two boards with different entropy differ; the same entropy gives the same stream (it is a DRBG).
 */
static void test_output_depends_on_the_seed(void **state) {
    (void)state;
    uint8_t outs[3][32];
    static const uint32_t SEEDS[3] = {1, 2, 1};
    for (size_t i = 0; i < 3; i++) {
        struct source source = {.defect = DEFECT_NONE, .counter = SEEDS[i]};
        assert_int_equal(crypto_init(read_source, &source), STATUS_OK);
        assert_int_equal(crypto_random(outs[i], sizeof outs[i]), STATUS_OK);
    }
    assert_memory_not_equal(outs[0], outs[1], sizeof outs[0]);
    assert_memory_equal(outs[0], outs[2], sizeof outs[0]);
}

static void assert_nothing_random(void) {
    uint8_t out[32];
    uint8_t key[CRYPTO_PRIVATE_KEY_SIZE];
    uint8_t point[CRYPTO_PUBLIC_KEY_SIZE];
    uint8_t zeros[CRYPTO_PUBLIC_KEY_SIZE] = {0};
    memset(out, 0xEE, sizeof out);
    memset(key, 0xEE, sizeof key);
    memset(point, 0xEE, sizeof point);
    assert_int_equal(crypto_random(out, sizeof out), STATUS_NO_ENTROPY);
    assert_memory_equal(out, zeros, sizeof out);
    assert_int_not_equal(crypto_p256_generate(key, point), STATUS_OK);
    assert_memory_equal(key, zeros, sizeof key);
    assert_memory_equal(point, zeros, sizeof point);
}

static void test_refuses_to_start_on_a_bad_source(void **state) {
    (void)state;
    static const enum defect DEFECTS[] = {DEFECT_ERROR, DEFECT_ALL_ZERO, DEFECT_SAME_WORD,
                                          DEFECT_REPEATED_WORD};
    for (size_t i = 0; i < sizeof DEFECTS / sizeof DEFECTS[0]; i++) {
        struct source source = {.defect = DEFECTS[i]};
        assert_int_equal(crypto_init(read_source, &source), STATUS_NO_ENTROPY);
        assert_true(source.requests > 0);
        assert_nothing_random();
    }
}

/* A second request that begins with the last word of the first one. */
static void test_notices_a_source_stuck_between_requests(void **state) {
    (void)state;
    struct source source = {.defect = DEFECT_STUCK_BETWEEN, .good_requests = 1};
    assert_int_equal(crypto_init(read_source, &source), STATUS_NO_ENTROPY);
    assert_int_equal(source.requests, 2);
}

/* A source that dies in service: the generator stops when it wants to reseed, never before failing.
 */
static void test_stops_when_reseeding_fails(void **state) {
    (void)state;
    struct source source = {.defect = DEFECT_ERROR, .good_requests = 2};
    uint8_t out[4];
    uint32_t served = 0;
    assert_int_equal(crypto_init(read_source, &source), STATUS_OK);
    assert_int_equal(source.requests, 2);
    while (served < 100000 && crypto_random(out, sizeof out) == STATUS_OK) {
        served++;
    }
    assert_in_range(served, 1, 99999);
    assert_nothing_random();
    const uint8_t private_key[CRYPTO_PRIVATE_KEY_SIZE] = {1};
    const uint8_t digest[CRYPTO_DIGEST_SIZE] = {1};
    uint8_t signature[CRYPTO_SIGNATURE_SIZE];
    assert_int_equal(crypto_p256_sign(private_key, digest, signature), STATUS_NO_ENTROPY);
}

/* A native board resets within one process. */
static void test_starts_again_after_a_failure(void **state) {
    (void)state;
    struct source bad = {.defect = DEFECT_ERROR};
    struct source good = {.defect = DEFECT_NONE};
    uint8_t key[CRYPTO_PRIVATE_KEY_SIZE];
    uint8_t point[CRYPTO_PUBLIC_KEY_SIZE];
    assert_int_equal(crypto_init(read_source, &bad), STATUS_NO_ENTROPY);
    assert_int_equal(crypto_init(read_source, &good), STATUS_OK);
    size_t peak = crypto_arena_peak();
    assert_int_equal(crypto_p256_generate(key, point), STATUS_OK);
    assert_true(peak > 0 && crypto_arena_peak() > peak);
    assert_int_equal(crypto_init(read_source, &good), STATUS_OK);
    assert_int_equal(crypto_arena_peak(), peak);
    assert_int_equal(crypto_p256_generate(key, point), STATUS_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seeds_with_enough_bits),
        cmocka_unit_test(test_output_depends_on_the_seed),
        cmocka_unit_test(test_refuses_to_start_on_a_bad_source),
        cmocka_unit_test(test_notices_a_source_stuck_between_requests),
        cmocka_unit_test(test_stops_when_reseeding_fails),
        cmocka_unit_test(test_starts_again_after_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
