#include "base/crc32.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* The check value every catalogue of CRCs gives, and values of Python's zlib.crc32. */
static void known_values(void **state) {
    uint8_t all[256];
    (void)state;
    for (size_t i = 0; i < sizeof all; i++) {
        all[i] = (uint8_t)i;
    }
    assert_int_equal(crc32_of(bytes_of("123456789", 9)), 0xCBF43926);
    assert_int_equal(crc32_of(bytes_of(all, sizeof all)), 0x29058C73);
    assert_int_equal(crc32_of(bytes_of(NULL, 0)), 0);
}

static void runs_add_up(void **state) {
    struct bytes text = bytes_of("123456789", 9);
    (void)state;
    for (size_t cut = 0; cut <= text.size; cut++) {
        uint32_t crc = crc32_update(CRC32_START, bytes_slice(text, 0, cut));
        crc = crc32_update(crc, bytes_slice(text, cut, text.size - cut));
        assert_int_equal(~crc, 0xCBF43926);
    }
}

static void every_flipped_bit_shows(void **state) {
    uint8_t text[9];
    (void)state;
    memcpy(text, "123456789", sizeof text);
    for (size_t bit = 0; bit < 8 * sizeof text; bit++) {
        text[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_not_equal(crc32_of(bytes_of(text, sizeof text)), 0xCBF43926);
        text[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_values),
        cmocka_unit_test(runs_add_up),
        cmocka_unit_test(every_flipped_bit_shows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
