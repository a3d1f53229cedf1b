#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "common/testing_board.h"

static const uint8_t value[HAL_OTP_ENTRY_SIZE] = {1, 2, 3, 4, 5, 6, 7, 8};
static const uint8_t other[HAL_OTP_ENTRY_SIZE] = {9, 2, 3, 4, 5, 6, 7, 9};
static const uint8_t blank[HAL_OTP_ENTRY_SIZE] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};

static int setup(void **state) {
    (void)state;
    testing_board_reset();
    return 0;
}

static void an_entry_is_written_once(void **state) {
    uint8_t out[HAL_OTP_ENTRY_SIZE];

    (void)state;
    assert_int_equal(otp_model_program(7, value), STATUS_OK);
    assert_int_equal(otp_model_program(7, value), STATUS_OK); /* an equal rewrite */
    assert_int_equal(otp_model_program(7, other), STATUS_OTP);
    assert_int_equal(otp_model_program(7, blank), STATUS_OTP);
    assert_int_equal(otp_model_read(7, out), STATUS_OK);
    assert_memory_equal(out, value, sizeof(out));
    assert_int_equal(otp_model_read(6, out), STATUS_OK);
    assert_memory_equal(out, blank, sizeof(out));
}

static void a_lock_is_for_good(void **state) {
    (void)state;
    assert_int_equal(otp_model_lock(9), STATUS_OK);
    assert_int_equal(otp_model_lock(9), STATUS_OK);
    assert_int_equal(otp_model_program(9, value), STATUS_OTP);
    assert_int_equal(otp_model_program(10, value), STATUS_OK);
    assert_int_equal(otp_model_lock(10), STATUS_OK);
    assert_int_equal(otp_model_program(10, value), STATUS_OK); /* equal: nothing to do */
}

static void entries_beyond_the_last_are_refused(void **state) {
    uint8_t out[HAL_OTP_ENTRY_SIZE];

    (void)state;
    assert_int_equal(otp_model_read(HAL_OTP_ENTRIES, out), STATUS_INVALID);
    assert_int_equal(otp_model_program(HAL_OTP_ENTRIES, value), STATUS_INVALID);
    assert_int_equal(otp_model_lock(HAL_OTP_ENTRIES), STATUS_INVALID);
    assert_int_equal(otp_model_program(HAL_OTP_ENTRIES - 1, value), STATUS_OK);
}

static void program_entry(void *context) {
    (void)context;
    assert_int_equal(otp_model_program(3, value), STATUS_OK);
}

static void lock_entry(void *context) {
    (void)context;
    assert_int_equal(otp_model_lock(3), STATUS_OK);
}

static void a_cut_tears_an_entry(void **state) {
    uint8_t out[HAL_OTP_ENTRY_SIZE];

    (void)state;
    assert_true(testing_board_run(BOARD_FAULT_STOP, 2, program_entry, NULL));
    assert_int_equal(otp_model_read(3, out), STATUS_OK);
    assert_memory_equal(out, value, 4);
    assert_memory_equal(out + 4, blank, 4);
    assert_int_equal(otp_model_program(3, other), STATUS_OTP);
    assert_int_equal(otp_model_program(3, value), STATUS_OK); /* completed */
    testing_board_reset();
    assert_true(testing_board_run(BOARD_FAULT_TEAR, 1, program_entry, NULL));
    assert_int_equal(otp_model_read(3, out), STATUS_OK);
    assert_memory_not_equal(out, value, 4);
    assert_memory_not_equal(out, blank, 4);
    assert_int_equal(otp_model_program(3, value), STATUS_OK);
    assert_int_equal(otp_model_read(3, out), STATUS_OK);
    assert_memory_equal(out, value, sizeof(out));
    testing_board_reset();
    assert_false(testing_board_run(BOARD_FAULT_TEAR, 3, program_entry, NULL)); /* two words */
}

static void a_cut_lock_did_not_happen(void **state) {
    (void)state;
    assert_true(testing_board_run(BOARD_FAULT_TEAR, 1, lock_entry, NULL));
    assert_int_equal(otp_model_program(3, value), STATUS_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_entry_is_written_once, setup),
        cmocka_unit_test_setup(a_lock_is_for_good, setup),
        cmocka_unit_test_setup(entries_beyond_the_last_are_refused, setup),
        cmocka_unit_test_setup(a_cut_tears_an_entry, setup),
        cmocka_unit_test_setup(a_cut_lock_did_not_happen, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
