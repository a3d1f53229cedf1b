#include "hal/otp_group.h"

#include "devauth/otp_map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { FIRST = 16, VALID = 26, NEVER = HAL_OTP_ENTRIES };

static uint8_t otp[HAL_OTP_ENTRIES][HAL_OTP_ENTRY_SIZE];
static unsigned unreadable;

static enum status otp_read(unsigned entry, uint8_t out[HAL_OTP_ENTRY_SIZE]) {
    memcpy(out, otp[entry], HAL_OTP_ENTRY_SIZE);
    return entry == unreadable ? STATUS_OTP : STATUS_OK;
}

static const struct hal HAL = {.otp_read = otp_read};
static uint8_t nothing[OTP_GROUP_HASH_SIZE];
static uint8_t hash[OTP_GROUP_HASH_SIZE];

static int start(void **state) {
    (void)state;
    memset(otp, 0xFF, sizeof otp);
    memset(nothing, 0xFF, sizeof nothing);
    memset(hash, 0x11, sizeof hash);
    for (unsigned i = 0; i < OTP_HASH_ENTRIES; i++) {
        memset(otp[FIRST + i], (int)i + 1, HAL_OTP_ENTRY_SIZE);
    }
    memcpy(otp[VALID], otp_valid, OTP_ENTRY_SIZE);
    unreadable = NEVER;
    return 0;
}

static void a_whole_group_is_read(void **state) {
    (void)state;
    assert_true(otp_group_is_valid(&HAL, VALID));
    assert_int_equal(otp_group_read_hash(&HAL, FIRST, VALID, hash), STATUS_OK);
    assert_memory_equal(hash, otp[FIRST], sizeof hash);
}

static void assert_not_there(enum status expected) {
    memset(hash, 0x11, sizeof hash);
    assert_int_equal(otp_group_read_hash(&HAL, FIRST, VALID, hash), expected);
    assert_memory_equal(hash, nothing, sizeof hash);
}

static void one_without_its_mark_is_not_there(void **state) {
    (void)state;
    for (unsigned bit = 0; bit < 64; bit++) {
        otp[VALID][bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(otp_group_is_valid(&HAL, VALID));
        assert_not_there(STATUS_NOT_FOUND);
        otp[VALID][bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    memset(&otp[VALID][4], 0xFF, 4); /* torn between its words */
    assert_not_there(STATUS_NOT_FOUND);
    memset(otp[VALID], 0xFF, OTP_ENTRY_SIZE);
    assert_not_there(STATUS_NOT_FOUND);
}

static void one_that_cannot_be_read_is_not_there(void **state) {
    (void)state;
    for (unsigned i = 0; i < OTP_HASH_ENTRIES; i++) {
        unreadable = FIRST + i;
        assert_not_there(STATUS_OTP);
    }
    unreadable = VALID;
    assert_false(otp_group_is_valid(&HAL, VALID));
    assert_not_there(STATUS_OTP);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_whole_group_is_read, start),
        cmocka_unit_test_setup(one_without_its_mark_is_not_there, start),
        cmocka_unit_test_setup(one_that_cannot_be_read_is_not_there, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
