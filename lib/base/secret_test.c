#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/secret.h"

#include <string.h>

static void test_wipes_exactly_the_range(void **state) {
    (void)state;
    uint8_t memory[34];
    memset(memory, 0xEE, sizeof memory);
    secret_wipe(memory + 1, 32);
    assert_int_equal(memory[0], 0xEE);
    assert_int_equal(memory[33], 0xEE);
    for (size_t i = 1; i <= 32; i++) {
        assert_int_equal(memory[i], 0);
    }
    secret_wipe(NULL, 0);
}

static void test_compares_every_byte(void **state) {
    (void)state;
    uint8_t a[32];
    uint8_t b[32];
    memset(a, 0x33, sizeof a);
    memcpy(b, a, sizeof b);
    assert_true(secret_equal(a, b, sizeof a));
    for (size_t bit = 0; bit < 8 * sizeof a; bit++) {
        b[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(secret_equal(a, b, sizeof a));
        assert_true(secret_equal(a, b, bit / 8));
        b[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_true(secret_equal(a, b, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wipes_exactly_the_range),
        cmocka_unit_test(test_compares_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
