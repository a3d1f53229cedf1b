#include "hal/life_cycle.h"

#include "devauth/otp_map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static uint8_t otp[HAL_OTP_ENTRIES][HAL_OTP_ENTRY_SIZE];
static bool locked[HAL_OTP_ENTRIES];
static bool reading_fails;
static bool programming_fails;

static enum status otp_read(unsigned entry, uint8_t out[HAL_OTP_ENTRY_SIZE]) {
    memcpy(out, otp[entry], HAL_OTP_ENTRY_SIZE);
    return reading_fails ? STATUS_OTP : STATUS_OK;
}

static enum status otp_program(unsigned entry, const uint8_t data[HAL_OTP_ENTRY_SIZE]) {
    if (programming_fails) {
        return STATUS_OTP;
    }
    memcpy(otp[entry], data, HAL_OTP_ENTRY_SIZE);
    return STATUS_OK;
}

static enum status otp_lock(unsigned entry) {
    locked[entry] = true;
    return STATUS_OK;
}

static const struct life_cycle_otp OTP = {otp_read, otp_program, otp_lock};

static int start(void **state) {
    (void)state;
    memset(otp, 0xFF, sizeof otp);
    memset(locked, 0, sizeof locked);
    reading_fails = false;
    programming_fails = false;
    return 0;
}

static void forward_one_step_at_a_time(void **state) {
    (void)state;
    assert_int_equal(life_cycle_read(&OTP), HAL_LIFE_BLANK);
    for (int to = HAL_LIFE_PROVISIONED; to <= HAL_LIFE_RETIRED; to++) {
        assert_int_equal(life_cycle_advance(&OTP, (enum hal_life_cycle)to), STATUS_OK);
        assert_int_equal(life_cycle_read(&OTP), to);
    }
    for (unsigned entry = OTP_LIFE_PROVISIONED; entry <= OTP_LIFE_RETIRED; entry++) {
        assert_true(locked[entry]);
    }
    assert_false(locked[OTP_LIFE_RMA]);
}

/* Which states may follow which; the table of docs/formats/otp.md. */
static void every_pair_of_states(void **state) {
    static const bool allowed[6][6] = {
        /* blank, provisioned, secured, retiring, retired, rma */
        {false, true, false, false, false, true},  {false, true, true, false, false, true},
        {false, false, true, true, false, true},   {false, false, false, true, true, false},
        {false, false, false, false, true, false}, {false, false, false, false, false, true},
    };
    for (int from = HAL_LIFE_BLANK; from <= HAL_LIFE_RMA; from++) {
        for (int to = HAL_LIFE_BLANK; to <= HAL_LIFE_RMA; to++) {
            (void)start(state);
            for (int step = HAL_LIFE_PROVISIONED; step <= from && from != HAL_LIFE_RMA; step++) {
                assert_int_equal(life_cycle_advance(&OTP, (enum hal_life_cycle)step), STATUS_OK);
            }
            if (from == HAL_LIFE_RMA) {
                assert_int_equal(life_cycle_advance(&OTP, HAL_LIFE_RMA), STATUS_OK);
            }
            assert_int_equal(life_cycle_read(&OTP), from);
            enum status status = life_cycle_advance(&OTP, (enum hal_life_cycle)to);
            assert_int_equal(status, allowed[from][to] ? STATUS_OK : STATUS_DENIED);
            assert_int_equal(life_cycle_read(&OTP), allowed[from][to] ? to : from);
        }
    }
}

static void a_torn_mark_counts_and_can_be_completed(void **state) {
    (void)state;
    memcpy(otp[OTP_LIFE_PROVISIONED], otp_valid, 4);
    assert_int_equal(life_cycle_read(&OTP), HAL_LIFE_PROVISIONED);
    assert_int_equal(life_cycle_advance(&OTP, HAL_LIFE_PROVISIONED), STATUS_OK);
    assert_memory_equal(otp[OTP_LIFE_PROVISIONED], otp_valid, OTP_ENTRY_SIZE);
    assert_true(locked[OTP_LIFE_PROVISIONED]);
}

static void failures_are_not_success(void **state) {
    (void)state;
    programming_fails = true;
    assert_int_equal(life_cycle_advance(&OTP, HAL_LIFE_PROVISIONED), STATUS_OTP);
    reading_fails = true;
    assert_int_equal(life_cycle_read(&OTP), HAL_LIFE_RMA);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(forward_one_step_at_a_time, start),
        cmocka_unit_test_setup(every_pair_of_states, start),
        cmocka_unit_test_setup(a_torn_mark_counts_and_can_be_completed, start),
        cmocka_unit_test_setup(failures_are_not_success, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
