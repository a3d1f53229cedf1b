#include "hal/counter.h"

#include "devauth/otp_map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static uint8_t entries[HAL_OTP_ENTRIES][HAL_OTP_ENTRY_SIZE];
static unsigned programs_left; /* before programming fails */
static bool reading_fails;

static enum status read_entry(unsigned entry, uint8_t out[HAL_OTP_ENTRY_SIZE]) {
    memcpy(out, entries[entry], HAL_OTP_ENTRY_SIZE);
    return reading_fails ? STATUS_OTP : STATUS_OK;
}

static enum status program_entry(unsigned entry, const uint8_t data[HAL_OTP_ENTRY_SIZE]) {
    if (programs_left == 0) {
        return STATUS_OTP;
    }
    programs_left--;
    for (size_t i = 0; i < HAL_OTP_ENTRY_SIZE; i++) {
        assert_int_equal(data[i] & ~entries[entry][i], 0); /* bits only go from 1 to 0 */
        entries[entry][i] &= data[i];
    }
    return STATUS_OK;
}

static const struct counter_otp OTP = {.read = read_entry, .program = program_entry};

static int start(void **state) {
    (void)state;
    memset(entries, 0xFF, sizeof entries);
    programs_left = 1000;
    reading_fails = false;
    return 0;
}

static uint32_t value_of(enum hal_counter counter) {
    uint32_t value = 0;
    assert_int_equal(counter_otp_read(&OTP, counter, &value), STATUS_OK);
    return value;
}

static void every_step_to_the_end(void **state) {
    (void)state;
    for (unsigned counter = 0; counter < HAL_COUNTERS; counter++) {
        uint32_t max = counter_otp_max(counter);
        assert_int_equal(value_of(counter), 0);
        for (uint32_t value = 1; value <= max; value++) {
            assert_int_equal(counter_otp_raise(&OTP, counter, value), STATUS_OK);
            assert_int_equal(value_of(counter), value);
        }
        assert_int_equal(counter_otp_raise(&OTP, counter, max + 1), STATUS_INVALID);
        assert_int_equal(value_of(counter), max);
    }
}

static void leaps_and_never_down(void **state) {
    (void)state;
    assert_int_equal(counter_otp_raise(&OTP, HAL_COUNTER_BL3, 200), STATUS_OK);
    assert_int_equal(value_of(HAL_COUNTER_BL3), 200);
    programs_left = 0;
    assert_int_equal(counter_otp_raise(&OTP, HAL_COUNTER_BL3, 200), STATUS_OK);
    assert_int_equal(counter_otp_raise(&OTP, HAL_COUNTER_BL3, 3), STATUS_OK);
    assert_int_equal(value_of(HAL_COUNTER_BL3), 200);
    assert_int_equal(value_of(HAL_COUNTER_BL2), 0);
}

static void a_cut_raise_goes_on_later(void **state) {
    (void)state;
    programs_left = 2;
    assert_int_equal(counter_otp_raise(&OTP, HAL_COUNTER_BL3, 200), STATUS_OTP);
    assert_int_equal(value_of(HAL_COUNTER_BL3), 128);
    programs_left = 1000;
    assert_int_equal(counter_otp_raise(&OTP, HAL_COUNTER_BL3, 200), STATUS_OK);
    assert_int_equal(value_of(HAL_COUNTER_BL3), 200);
}

static void torn_bits_count_up_to_the_first_gap(void **state) {
    (void)state;
    entries[OTP_COUNTER_BL3][0] = 0xF0; /* bits 0 to 3 */
    entries[OTP_COUNTER_BL3][1] = 0x00; /* torn ahead */
    assert_int_equal(value_of(HAL_COUNTER_BL3), 4);
    assert_int_equal(counter_otp_raise(&OTP, HAL_COUNTER_BL3, 6), STATUS_OK);
    assert_int_equal(value_of(HAL_COUNTER_BL3), 6);
    assert_int_equal(entries[OTP_COUNTER_BL3][1], 0x00);
}

static void what_cannot_be_read_allows_nothing_old(void **state) {
    uint32_t value = 0;
    (void)state;
    reading_fails = true;
    assert_int_equal(counter_otp_read(&OTP, HAL_COUNTER_BL3, &value), STATUS_OTP);
    assert_int_equal(value, 255);
    assert_int_equal(counter_otp_raise(&OTP, HAL_COUNTER_BL3, 5), STATUS_OTP);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_step_to_the_end, start),
        cmocka_unit_test_setup(leaps_and_never_down, start),
        cmocka_unit_test_setup(a_cut_raise_goes_on_later, start),
        cmocka_unit_test_setup(torn_bits_count_up_to_the_first_gap, start),
        cmocka_unit_test_setup(what_cannot_be_read_allows_nothing_old, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
