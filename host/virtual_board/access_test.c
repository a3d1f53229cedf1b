#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "board/board_file.h"
#include "devauth/otp_map.h"
#include "virtual_board/access.h"

static void debugger_reads(void **state) {
    static const uint32_t places[] = {
        BOARD_ROM_ADDRESS,     BOARD_SRAM_ADDRESS, BOARD_DEVAUTH_ADDRESS, BOARD_PARAMETERS_ADDRESS,
        BOARD_MAILBOX_ADDRESS, BOARD_FILE_ADDRESS, 0x80100000u,           0x80100800u,
        0xE000ED00u,
    };

    (void)state;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        assert_true(access_allowed(ACCESS_READ, places[i], 4));
    assert_true(access_allowed(ACCESS_READ, BOARD_FILE_ADDRESS + BOARD_FLASH_SIZE - 1, 1));
    assert_true(access_allowed(ACCESS_READ, BOARD_FILE_ADDRESS, BOARD_FLASH_SIZE));
}

static void debugger_writes_sram_only(void **state) {
    static const uint32_t refused[] = {
        BOARD_ROM_ADDRESS,
        BOARD_FILE_ADDRESS,
        BOARD_FILE_ADDRESS + BOARD_OTP_OFFSET,
        BOARD_FILE_ADDRESS + BOARD_OTP_LOCK_OFFSET,
        BOARD_FILE_ADDRESS + BOARD_KEYS_OFFSET,
        BOARD_FILE_ADDRESS + BOARD_REGISTERS_OFFSET,
        0x50200000u, /* UART */
        0xE000ED08u, /* VTOR */
    };

    (void)state;
    assert_true(access_allowed(ACCESS_WRITE, BOARD_SRAM_ADDRESS, 4));
    assert_true(access_allowed(ACCESS_WRITE, BOARD_SRAM_ADDRESS + BOARD_SRAM_SIZE - 4, 4));
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        assert_false(access_allowed(ACCESS_WRITE, refused[i], 4));
}

static void hidden_places_are_hidden(void **state) {
    static const struct {
        uint32_t address;
        uint32_t size;
    } hidden[] = {
        {BOARD_HIDDEN_RAM_ADDRESS, 1},
        {BOARD_HIDDEN_RAM_ADDRESS + BOARD_HIDDEN_RAM_SIZE - 1, 1},
        {BOARD_HIDDEN_RAM_ADDRESS - 1, 2},                         /* reaches in */
        {BOARD_HIDDEN_RAM_ADDRESS + BOARD_HIDDEN_RAM_SIZE - 1, 2}, /* reaches out */
        {BOARD_SRAM_ADDRESS, BOARD_SRAM_SIZE},                     /* reaches over */
        {BOARD_FILE_ADDRESS + BOARD_KEYS_OFFSET, 1},
        {BOARD_FILE_ADDRESS + BOARD_KEYS_OFFSET + BOARD_KEYS_SIZE - 1, 1},
        {BOARD_FILE_ADDRESS + BOARD_OTP_OFFSET, BOARD_KEYS_OFFSET},
        {BOARD_FILE_ADDRESS + BOARD_OTP_OFFSET + OTP_SECRET_FIRST * OTP_ENTRY_SIZE, 1},
        {BOARD_FILE_ADDRESS + BOARD_OTP_LOCK_OFFSET - 1, 1},
        {BOARD_FILE_ADDRESS + BOARD_REGISTERS_OFFSET, 4},
        {BOARD_FILE_ADDRESS + BOARD_FLASH_SIZE - 1, 0x2002},
        {0x28180000u, 4}, /* the other name of the hidden RAM */
        {0x90102000u, 4},
        {0x50201000u, 1}, /* the TRNG: a read takes a byte away */
        {0x00000000u, 4}, /* the other name of the ROM */
        {0xFFFFFFFFu, 1},
        {0xFFFFFFFFu, 0xFFFFFFFFu},
        {BOARD_SRAM_ADDRESS + 8, 0xFFFFFFF8u}, /* wraps */
        {BOARD_SRAM_ADDRESS, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
        assert_false(access_allowed(ACCESS_READ, hidden[i].address, hidden[i].size));
        assert_false(access_allowed(ACCESS_WRITE, hidden[i].address, hidden[i].size));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(debugger_reads),
        cmocka_unit_test(debugger_writes_sram_only),
        cmocka_unit_test(hidden_places_are_hidden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
