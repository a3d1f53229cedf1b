#include "cli/moment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define NOW 1795000000U

static void accepts_the_documented_forms(void **state) {
    static const struct {
        const char *text;
        uint64_t moment;
    } cases[] = {
        {"+30d", NOW + 30 * 86400},
        {"+12h", NOW + 43200},
        {"+10m", NOW + 600},
        {"+5s", NOW + 5},
        {"+0s", NOW},
        {"2026-11-20", 1795219199},
        {"2028-02-29", 1835481599},
        {"2026-11-20T12:00:00Z", 1795176000},
    };
    struct error error;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t moment = 0;
        assert_int_equal(moment_parse(cases[i].text, NOW, &moment, &error), 0);
        assert_int_equal(moment, cases[i].moment);
    }
}

static void refuses_everything_else(void **state) {
    static const char *const cases[] = {
        "",           "+",           "30d",         "+d",
        "+-3d",       "+3",          "+3w",         "+3dd",
        "+3d ",       "tomorrow",    "2026-13-01",  "2026-02-30",
        "2027-02-29", "2026-1-1",    " 2026-01-01", "2026-01-01T00:00:00",
        "1970-01-01", "2026-01-01Z", "+99999999d",  "2026-01-01T25:00:00Z",
    };
    struct error error;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t moment = 7;
        assert_int_equal(moment_parse(cases[i], NOW, &moment, &error), -1);
        assert_int_equal(error.code, ERROR_USAGE);
        assert_int_equal(moment, 7);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_the_documented_forms),
        cmocka_unit_test(refuses_everything_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
