#include "cli/number.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void numbers_are_decimal_or_hexadecimal(void **state) {
    static const struct {
        const char *text;
        uint64_t value;
    } cases[] = {{"0", 0},
                 {"0x0", 0},
                 {"1024", 1024},
                 {"0x400", 1024},
                 {"0XfF", 255},
                 {"007", 7},
                 {"18446744073709551615", UINT64_MAX},
                 {"0xFFFFFFFFFFFFFFFF", UINT64_MAX}};
    struct error error;
    uint64_t value = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(number_parse("--n", cases[i].text, UINT64_MAX, &value, &error), 0);
        assert_int_equal(value, cases[i].value);
    }
}

static void everything_else_is_refused(void **state) {
    static const char *const cases[] = {"",   "-1",  "+1",   " 1",    "1 ",
                                        "1k", "0x",  "0x-1", "0xg",   "0x0x1",
                                        "ff", "1.0", "256",  "0x100", "99999999999999999999"};
    struct error error;
    uint64_t value = 1;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(number_parse("--n", cases[i], 255, &value, &error), -1);
        assert_int_equal(error.code, ERROR_USAGE);
        assert_int_equal(value, 0);
    }
    assert_int_equal(number_parse("--n", "255", 255, &value, &error), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_decimal_or_hexadecimal),
        cmocka_unit_test(everything_else_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
