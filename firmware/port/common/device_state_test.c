/*
 * What the stages keep in flash and OTP, on flash and OTP that follow the rules: power goes away at
 * every single operation, before it and in its middle.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "common/testing_board.h"
#include "devauth/journal.h"

#define VALUE_SIZE 1500
/* Five fit into a half: the sixth moves the journal to the other half, the twelfth back. */
#define WRITES 12

static const enum board_fault kinds[] = {BOARD_FAULT_STOP, BOARD_FAULT_TEAR};

static void open_journal(struct journal *journal) {
    const struct hal_flash_geometry *geometry = &flash_model_geometry;
    const struct journal_flash flash = {
        .read = flash_model_read,
        .program = flash_model_program,
        .erase = flash_model_erase,
        .first_offset = geometry->journal_first * geometry->page_bytes,
        .page_bytes = geometry->page_bytes,
        .half_pages = geometry->journal_pages,
    };

    assert_int_equal(journal_mount(journal, &flash), STATUS_OK);
}

static void make_value(uint8_t value[VALUE_SIZE], unsigned number) {
    memset(value, (int)number, VALUE_SIZE);
    value[VALUE_SIZE - 1] = (uint8_t)~number;
}

static void write_value(struct journal *journal, unsigned number) {
    uint8_t value[VALUE_SIZE];

    make_value(value, number);
    assert_int_equal(
        journal_write(journal, JOURNAL_CERTIFICATE_CHAIN, bytes_of(value, sizeof(value))),
        STATUS_OK);
}

/* The number of the value the journal holds, after a restart; 0 if it holds none. */
static unsigned stored_value(void) {
    struct journal journal;
    uint8_t stored[VALUE_SIZE];
    uint8_t value[VALUE_SIZE];
    size_t size;
    enum status status;

    open_journal(&journal);
    status = journal_read(&journal, JOURNAL_CERTIFICATE_CHAIN, stored, sizeof(stored), &size);
    if (status == STATUS_NOT_FOUND)
        return 0;
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(size, VALUE_SIZE);
    make_value(value, stored[0]);
    assert_memory_equal(stored, value, sizeof(value));
    return stored[0];
}

static void write_values(void *context) {
    unsigned *written = context;
    struct journal journal;

    open_journal(&journal);
    for (unsigned number = 1; number <= WRITES; number++) {
        write_value(&journal, number);
        *written = number;
    }
}

static void journal_survives_every_cut(void **state) {
    (void)state;
    for (size_t kind = 0; kind < 2; kind++) {
        uint32_t n = 1;
        for (;; n++) {
            unsigned written = 0;
            unsigned stored;
            struct journal journal;
            testing_board_reset();
            if (!testing_board_run(kinds[kind], n, write_values, &written))
                break;
            stored = stored_value();
            assert_true(stored == written || stored == written + 1);
            open_journal(&journal);
            write_value(&journal, 99);
            assert_int_equal(stored_value(), 99);
        }
        assert_int_equal(stored_value(), WRITES);
        printf("%u cuts\n", n - 1);
        assert_true(n > WRITES * VALUE_SIZE / BOARD_FLASH_UNIT);
    }
}

static void secure_the_chip(void *context) {
    (void)context;
    assert_int_equal(otp_model_life_cycle_advance(HAL_LIFE_SECURED), STATUS_OK);
}

static void a_cut_never_takes_the_life_cycle_back(void **state) {
    unsigned cuts = 0;

    (void)state;
    for (size_t kind = 0; kind < 2; kind++) {
        for (uint32_t n = 1;; n++) {
            enum hal_life_cycle reached;
            testing_board_reset();
            assert_int_equal(otp_model_life_cycle_advance(HAL_LIFE_PROVISIONED), STATUS_OK);
            if (!testing_board_run(kinds[kind], n, secure_the_chip, NULL))
                break;
            cuts++;
            reached = otp_model_life_cycle();
            assert_true(reached == HAL_LIFE_PROVISIONED || reached == HAL_LIFE_SECURED);
            if (n > 1) /* something of the mark is there */
                assert_int_equal(reached, HAL_LIFE_SECURED);
        }
        assert_int_equal(otp_model_life_cycle(), HAL_LIFE_SECURED);
    }
    assert_int_equal(cuts, 6); /* two words and the lock, twice */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(journal_survives_every_cut),
        cmocka_unit_test(a_cut_never_takes_the_life_cycle_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
