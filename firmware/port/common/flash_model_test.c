#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "common/testing_board.h"

#define PAGE BOARD_FLASH_PAGE
#define UNIT BOARD_FLASH_UNIT

static const uint8_t text[16] = "sixteen letters";
static const uint8_t blank[16] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                                  0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};

static int setup(void **state) {
    (void)state;
    testing_board_reset();
    return 0;
}

static void programmed_bytes_come_back(void **state) {
    uint8_t out[16];

    (void)state;
    assert_int_equal(flash_model_read(PAGE, out, sizeof(out)), STATUS_OK);
    assert_memory_equal(out, blank, sizeof(out));
    assert_int_equal(flash_model_program(PAGE, text, sizeof(text)), STATUS_OK);
    assert_int_equal(flash_model_read(PAGE, out, sizeof(out)), STATUS_OK);
    assert_memory_equal(out, text, sizeof(out));
    assert_int_equal(flash_model_erase(PAGE), STATUS_OK);
    assert_int_equal(flash_model_read(PAGE, out, sizeof(out)), STATUS_OK);
    assert_memory_equal(out, blank, sizeof(out));
    assert_int_equal(flash_model_program(PAGE, text, sizeof(text)), STATUS_OK);
}

static void a_unit_is_programmed_once(void **state) {
    (void)state;
    assert_int_equal(flash_model_program(0, text, UNIT), STATUS_OK);
    assert_int_equal(flash_model_program(0, text, UNIT), STATUS_FLASH); /* even with the same */
    assert_int_equal(flash_model_program(UNIT, text, UNIT), STATUS_OK);
    /* Programming all ones changes nothing that can be read, and still uses the unit up. */
    assert_int_equal(flash_model_program(2 * UNIT, blank, UNIT), STATUS_OK);
    assert_int_equal(flash_model_program(2 * UNIT, text, UNIT), STATUS_FLASH);
    assert_int_equal(flash_model_erase(0), STATUS_OK);
    assert_int_equal(flash_model_program(2 * UNIT, text, UNIT), STATUS_OK);
}

static void bad_places_are_refused(void **state) {
    uint8_t out[16];

    (void)state;
    assert_int_equal(flash_model_program(4, text, UNIT), STATUS_INVALID);
    assert_int_equal(flash_model_program(0, text, 7), STATUS_INVALID);
    assert_int_equal(flash_model_program(BOARD_FLASH_SIZE - UNIT, text, 16), STATUS_INVALID);
    assert_int_equal(flash_model_program(0xFFFFFFF8u, text, 16), STATUS_INVALID);
    assert_int_equal(flash_model_erase(8), STATUS_INVALID);
    assert_int_equal(flash_model_erase(BOARD_FLASH_SIZE), STATUS_INVALID);
    assert_int_equal(flash_model_read(BOARD_FLASH_SIZE - 8, out, 16), STATUS_INVALID);
    assert_int_equal(flash_model_read(BOARD_KEYS_OFFSET, out, 16), STATUS_INVALID);
    assert_int_equal(board_register_read(BOARD_REGISTER_OPERATIONS), 0);
}

static void operations_take_their_time(void **state) {
    (void)state;
    assert_int_equal(flash_model_program(0, text, sizeof(text)), STATUS_OK);
    assert_int_equal(testing_board_stalled_us(), 0);
    board_register_write(BOARD_REGISTER_DELAYS, 1);
    assert_int_equal(flash_model_erase(0), STATUS_OK);
    assert_int_equal(flash_model_program(0, text, sizeof(text)), STATUS_OK);
    assert_int_equal(testing_board_stalled_us(), BOARD_FLASH_ERASE_US + 2 * BOARD_FLASH_PROGRAM_US);
}

static void program_two_units(void *context) {
    (void)context;
    assert_int_equal(flash_model_program(0, text, sizeof(text)), STATUS_OK);
}

static void erase_first_page(void *context) {
    (void)context;
    assert_int_equal(flash_model_erase(0), STATUS_OK);
}

static void a_torn_unit_is_neither_old_nor_new(void **state) {
    uint8_t out[16];

    (void)state;
    assert_true(testing_board_run(BOARD_FAULT_TEAR, 2, program_two_units, NULL));
    assert_int_equal(flash_model_read(0, out, sizeof(out)), STATUS_OK);
    assert_memory_equal(out, text, UNIT);
    assert_memory_not_equal(out + UNIT, text + UNIT, UNIT);
    assert_memory_not_equal(out + UNIT, blank, UNIT);
    assert_int_equal(flash_model_program(UNIT, text + UNIT, UNIT), STATUS_FLASH);
    assert_int_equal(flash_model_erase(0), STATUS_OK);
    assert_int_equal(flash_model_program(0, text, sizeof(text)), STATUS_OK);
}

static void a_stop_leaves_the_unit_untouched(void **state) {
    uint8_t out[16];

    (void)state;
    assert_true(testing_board_run(BOARD_FAULT_STOP, 2, program_two_units, NULL));
    assert_int_equal(flash_model_read(0, out, sizeof(out)), STATUS_OK);
    assert_memory_equal(out, text, UNIT);
    assert_memory_equal(out + UNIT, blank, UNIT);
    assert_int_equal(flash_model_program(UNIT, text + UNIT, UNIT), STATUS_OK);
}

static void a_torn_erase_leaves_an_unusable_page(void **state) {
    static const uint8_t zeros[PAGE];
    uint8_t out[PAGE];
    unsigned erased = 0;

    (void)state;
    assert_int_equal(flash_model_program(0, zeros, PAGE), STATUS_OK);
    assert_true(testing_board_run(BOARD_FAULT_TEAR, 1, erase_first_page, NULL));
    assert_int_equal(flash_model_read(0, out, PAGE), STATUS_OK);
    for (unsigned i = 0; i < PAGE; i++)
        erased += out[i] != 0;
    assert_in_range(erased, PAGE / 4, PAGE);
    assert_int_equal(flash_model_program(0, text, UNIT), STATUS_FLASH);
    assert_int_equal(flash_model_erase(0), STATUS_OK);
    assert_int_equal(flash_model_program(0, text, UNIT), STATUS_OK);
}

/*
 * A small journal: two pages in turns, each with a generation in its first unit, written last. At
 * every operation N the reader must find the old or the new generation, never none.
 */
static uint8_t stored_generation(void) {
    uint8_t newest = 0;

    for (uint32_t page = 0; page < 2; page++) {
        uint8_t unit[UNIT];
        assert_int_equal(flash_model_read(page * PAGE, unit, UNIT), STATUS_OK);
        if (unit[0] != 0xFF && (unit[0] ^ unit[1]) == 0xFF && unit[0] > newest)
            newest = unit[0];
    }
    return newest;
}

static void store_generation(void *context) {
    uint8_t next = *(const uint8_t *)context;
    const uint8_t commit[UNIT] = {next, (uint8_t)~next};
    uint32_t page = next % 2u * PAGE;

    assert_int_equal(flash_model_erase(page), STATUS_OK);
    assert_int_equal(flash_model_program(page + UNIT, text, sizeof(text)), STATUS_OK);
    assert_int_equal(flash_model_program(page, commit, UNIT), STATUS_OK);
}

static void every_cut_leaves_a_generation(void **state) {
    const enum board_fault kinds[] = {BOARD_FAULT_STOP, BOARD_FAULT_TEAR};
    unsigned cuts = 0;

    (void)state;
    for (size_t kind = 0; kind < 2; kind++) {
        for (uint32_t n = 1;; n++) {
            uint8_t next = 5;
            testing_board_reset();
            (void)testing_board_run(BOARD_FAULT_NONE, 0, store_generation, &next);
            next = 6;
            if (!testing_board_run(kinds[kind], n, store_generation, &next)) {
                assert_int_equal(n, 5); /* erase, two units, commit: all four were cut */
                assert_int_equal(stored_generation(), 6);
                break;
            }
            cuts++;
            assert_int_equal(stored_generation(), 5);
            (void)testing_board_run(BOARD_FAULT_NONE, 0, store_generation, &next);
            assert_int_equal(stored_generation(), 6);
        }
    }
    assert_int_equal(cuts, 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(programmed_bytes_come_back, setup),
        cmocka_unit_test_setup(a_unit_is_programmed_once, setup),
        cmocka_unit_test_setup(bad_places_are_refused, setup),
        cmocka_unit_test_setup(operations_take_their_time, setup),
        cmocka_unit_test_setup(a_torn_unit_is_neither_old_nor_new, setup),
        cmocka_unit_test_setup(a_stop_leaves_the_unit_untouched, setup),
        cmocka_unit_test_setup(a_torn_erase_leaves_an_unusable_page, setup),
        cmocka_unit_test(every_cut_leaves_a_generation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
