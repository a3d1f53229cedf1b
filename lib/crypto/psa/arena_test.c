#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/crypto.h"
#include "crypto/psa/arena.h"

#include <mbedtls/build_info.h>
#include <string.h>

static int set_up(void **state) {
    (void)state;
    crypto_arena_reset();
    return 0;
}

static void assert_zero(const uint8_t *memory, size_t size) {
    for (size_t i = 0; i < size; i++) {
        assert_int_equal(memory[i], 0);
    }
}

static void test_allocations_are_zero_aligned_and_apart(void **state) {
    (void)state;
    uint8_t *a = crypto_arena_calloc(3, 7);
    uint8_t *b = crypto_arena_calloc(1, 100);
    assert_non_null(a);
    assert_non_null(b);
    assert_int_equal((uintptr_t)a % (2 * sizeof(void *)), 0);
    assert_int_equal((uintptr_t)b % (2 * sizeof(void *)), 0);
    assert_zero(a, 21);
    memset(a, 0xAA, 21);
    assert_zero(b, 100);
    memset(b, 0xBB, 100);
    for (size_t i = 0; i < 21; i++) {
        assert_int_equal(a[i], 0xAA);
    }
}

static void test_exhaustion_is_null(void **state) {
    (void)state;
    assert_null(crypto_arena_calloc(1, CRYPTO_ARENA_SIZE));
    assert_null(crypto_arena_calloc(SIZE_MAX, 2));
    assert_null(crypto_arena_calloc(2, SIZE_MAX));
    assert_null(crypto_arena_calloc(1, SIZE_MAX));
    size_t count = 0;
    while (crypto_arena_calloc(1, 64) != NULL) {
        count++;
    }
    assert_in_range(count, CRYPTO_ARENA_SIZE / 96, CRYPTO_ARENA_SIZE / 64);
    assert_true(crypto_arena_peak() <= CRYPTO_ARENA_SIZE);
    assert_true(crypto_arena_peak() > CRYPTO_ARENA_SIZE - 96);
}

/* A secret must not stay behind in memory that is handed out again or dumped later. */
static void test_freed_memory_is_wiped(void **state) {
    (void)state;
    uint8_t *a = crypto_arena_calloc(1, 64);
    assert_non_null(a);
    memset(a, 0x5A, 64);
    crypto_arena_free(a);
    assert_zero(a, 64);
    crypto_arena_free(NULL);
}

/* Freed in any order, the whole arena is one piece again. */
static void test_free_neighbours_are_joined(void **state) {
    (void)state;
    for (size_t round = 0; round < 6; round++) {
        static const uint8_t ORDERS[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                             {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
        void *pieces[3];
        for (size_t i = 0; i < 3; i++) {
            pieces[i] = crypto_arena_calloc(1, CRYPTO_ARENA_SIZE / 4);
            assert_non_null(pieces[i]);
        }
        assert_null(crypto_arena_calloc(1, CRYPTO_ARENA_SIZE / 4));
        for (size_t i = 0; i < 3; i++) {
            crypto_arena_free(pieces[ORDERS[round][i]]);
        }
        void *whole = crypto_arena_calloc(1, CRYPTO_ARENA_SIZE - 64);
        assert_non_null(whole);
        crypto_arena_free(whole);
    }
}

static void test_reset_forgets_everything(void **state) {
    (void)state;
    uint8_t *a = crypto_arena_calloc(1, CRYPTO_ARENA_SIZE / 2);
    assert_non_null(a);
    memset(a, 0x5A, CRYPTO_ARENA_SIZE / 2);
    crypto_arena_reset();
    assert_int_equal(crypto_arena_peak(), 0);
    assert_zero(a, CRYPTO_ARENA_SIZE / 2);
    assert_non_null(crypto_arena_calloc(1, CRYPTO_ARENA_SIZE - 64));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_allocations_are_zero_aligned_and_apart, set_up),
        cmocka_unit_test_setup(test_exhaustion_is_null, set_up),
        cmocka_unit_test_setup(test_freed_memory_is_wiped, set_up),
        cmocka_unit_test_setup(test_free_neighbours_are_joined, set_up),
        cmocka_unit_test_setup(test_reset_forgets_everything, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
