#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "image/image_reason.h"
#include "image/image_trailer.h"
#include "virtual_board/boot_log.h"

static uint8_t file[BOARD_FILE_SIZE] __attribute__((aligned(8)));
static struct board_memory memory = {.lock_fd = -1, .map = file};

static int setup(void **state) {
    (void)state;
    memset(file, 0, sizeof(file));
    return 0;
}

static void log_entry(uint32_t event, uint32_t value) {
    uint32_t count = board_memory_read(&memory, BOARD_REGISTER_BOOT_LOG_COUNT);
    uint32_t at = BOARD_REGISTER_BOOT_LOG + 4 * (count % BOARD_BOOT_LOG_ENTRIES);

    board_memory_write(&memory, (enum board_register)at,
                       event << BOARD_BOOT_LOG_EVENT_SHIFT | value);
    board_memory_write(&memory, BOARD_REGISTER_BOOT_LOG_COUNT, count + 1);
}

static const char *text(void) {
    static char out[512];

    boot_log_write(&memory, out, sizeof(out));
    return out;
}

static void every_event_has_its_words(void **state) {
    (void)state;
    assert_string_equal(text(), "");
    log_entry(BOARD_BOOT_EVENT_BL2, 0);
    log_entry(BOARD_BOOT_EVENT_SECONDARY, IMAGE_REASON_CONTENT_KEY);
    log_entry(BOARD_BOOT_EVENT_SWAP, IMAGE_SWAP_TEST);
    log_entry(BOARD_BOOT_EVENT_PRIMARY, IMAGE_REASON_HASH);
    log_entry(BOARD_BOOT_EVENT_STAY, BOARD_RESET_STAY);
    assert_string_equal(text(),
                        " bl2=accepted secondary=content_key swap=test primary=hash stay=stay");
}

static void nonsense_is_no_harm(void **state) {
    (void)state;
    log_entry(BOARD_BOOT_EVENT_BL2, 0xFFFFFF);
    log_entry(BOARD_BOOT_EVENT_SWAP, 77);
    log_entry(BOARD_BOOT_EVENT_STAY, 77);
    log_entry(0xFF, 3);
    assert_string_equal(text(), " bl2=unknown swap=unknown stay=unknown unknown=4278190083");
}

static void old_entries_make_room(void **state) {
    (void)state;
    log_entry(BOARD_BOOT_EVENT_BL2, IMAGE_REASON_EMPTY);
    for (uint32_t i = 0; i < BOARD_BOOT_LOG_ENTRIES; i++)
        log_entry(BOARD_BOOT_EVENT_STAY, i % 2);
    assert_string_equal(text(), " ... stay=power_on stay=requested stay=power_on stay=requested"
                                " stay=power_on stay=requested stay=power_on stay=requested");
}

static void a_short_buffer_is_terminated(void **state) {
    char out[12];

    (void)state;
    log_entry(BOARD_BOOT_EVENT_BL2, 0);
    log_entry(BOARD_BOOT_EVENT_BL2, 0);
    boot_log_write(&memory, out, sizeof(out));
    assert_string_equal(out, " bl2=accept");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_event_has_its_words, setup),
        cmocka_unit_test_setup(nonsense_is_no_harm, setup),
        cmocka_unit_test_setup(old_entries_make_room, setup),
        cmocka_unit_test_setup(a_short_buffer_is_terminated, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
