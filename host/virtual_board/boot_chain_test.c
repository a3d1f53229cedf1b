/*
 * boot_rom, bootloader and application as images in a real board's flash. Built twice:
 * TEST_BOARD_KIND is BOARD_NATIVE or BOARD_QEMU.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "debug_port/debug_port.h"
#include "devauth/devauth.h"
#include "devauth/otp_map.h"
#include "virtual_board/testing_chip.h"
#include "virtual_board/testing_firmware.h"

#define TIMEOUT_MS  60000
#define REPEAT_MS   3000
#define SKIPPED     77
#define HEADER_SIZE 0x400u
#define STACK_SIZE  8192

static struct testing_board board;
static struct buffer bootloader;
static struct buffer application;

static int setup(void **state) {
    (void)state;
    testing_board_make(&board, TEST_BOARD_KIND);
    if (testing_board_start(&board) != -1)
        return -1;
    assert_string_equal(testing_board_control(&board, "power-cut"), "ok");
    return 0;
}

static int teardown(void **state) {
    (void)state;
    testing_board_remove(&board);
    return 0;
}

static struct testing_image bl2(void) {
    return (struct testing_image){
        .slot = TESTING_BL2, .payload = buffer_bytes(&bootloader), .counter = 1};
}

static struct testing_image bl3(enum testing_slot slot) {
    return (struct testing_image){
        .slot = slot, .payload = buffer_bytes(&application), .counter = 1};
}

static void put(struct testing_image image) {
    testing_firmware_put(&board, &image);
}

static void power_on(void) {
    assert_string_equal(testing_board_control(&board, "power-on"), "ok");
}

/* A stage is there a moment before it listens: what comes in between is lost, as on any UART, so
 * the request is repeated. */
static bool answers_in_time(int uart) {
    uint64_t deadline = clock_monotonic_ms() + TIMEOUT_MS;

    while (clock_monotonic_ms() < deadline) {
        if (testing_chip_answers(uart, REPEAT_MS))
            return true;
    }
    return false;
}

/* A stage writes the log before it serves the link, so the log is complete when it answers. */
static void expect(enum devauth_stage_id stage, const char *log) {
    uint64_t deadline = clock_monotonic_ms() + TIMEOUT_MS;
    char wanted[256];
    int uart = testing_board_connect(&board, "uart");

    while (testing_board_status(&board, "stage") != (long)stage) {
        if (clock_monotonic_ms() >= deadline)
            fail_msg("stage %ld, %s", testing_board_status(&board, "stage"),
                     testing_board_control(&board, "log"));
    }
    assert_true(answers_in_time(uart));
    close(uart);
    (void)snprintf(wanted, sizeof(wanted), "ok%s", log);
    assert_string_equal(testing_board_control(&board, "log"), wanted);
    assert_int_equal(testing_board_status(&board, "stage"), stage);
    assert_int_equal(testing_board_status(&board, "crashes"), 0);
}

static void flip(enum testing_slot slot, uint32_t offset) {
    uint8_t byte;

    testing_board_peek(&board, testing_slot_offset(slot) + offset, &byte, 1);
    byte ^= 0x10;
    testing_board_poke(&board, testing_slot_offset(slot) + offset, &byte, 1);
}

static void boot_rom_starts_bl2_starts_bl3(void **state) {
    (void)state;
    testing_firmware_provision(&board);
    put(bl2());
    put(bl3(TESTING_PRIMARY));
    power_on();
    expect(DEVAUTH_STAGE_APPLICATION, " bl2=accepted primary=accepted");
    assert_int_equal(testing_board_status(&board, "starts"), 1);
    assert_string_equal(testing_board_control(&board, "reset"), "ok");
    expect(DEVAUTH_STAGE_APPLICATION,
           " bl2=accepted primary=accepted bl2=accepted primary=accepted");
    assert_int_equal(testing_board_status(&board, "starts"), 2);
    print_message("%s\n", testing_board_control(&board, "stages"));
    assert_true(testing_board_status(&board, "stack_peak") < STACK_SIZE);
}

/* As before there was any BL2: blank, and provisioned without its key hash. */
static void without_a_key_hash_boot_rom_stays(void **state) {
    (void)state;
    put(bl2());
    put(bl3(TESTING_PRIMARY));
    power_on();
    expect(DEVAUTH_STAGE_BOOT_ROM, "");
    assert_string_equal(testing_board_control(&board, "power-cut"), "ok");
    testing_firmware_mark(&board, OTP_LIFE_PROVISIONED);
    power_on();
    expect(DEVAUTH_STAGE_BOOT_ROM, " bl2=key");
}

static void an_empty_chip_says_so(void **state) {
    (void)state;
    testing_firmware_provision(&board);
    power_on();
    expect(DEVAUTH_STAGE_BOOT_ROM, " bl2=empty");
    assert_string_equal(testing_board_control(&board, "power-cut"), "ok");
    put(bl2());
    power_on();
    expect(DEVAUTH_STAGE_BOOTLOADER, " bl2=accepted primary=empty secondary=empty stay=power_on");
    assert_int_equal(testing_board_status(&board, "starts"), 1);
}

static void a_changed_bl2_is_refused(void **state) {
    (void)state;
    testing_firmware_provision(&board);
    put(bl2());
    put(bl3(TESTING_PRIMARY));
    flip(TESTING_BL2, HEADER_SIZE + 8);
    power_on();
    expect(DEVAUTH_STAGE_BOOT_ROM, " bl2=hash");
}

static void a_changed_bl3_is_refused(void **state) {
    (void)state;
    testing_firmware_provision(&board);
    put(bl2());
    put(bl3(TESTING_PRIMARY));
    flip(TESTING_PRIMARY, HEADER_SIZE + (uint32_t)application.size - 1);
    power_on();
    expect(DEVAUTH_STAGE_BOOTLOADER, " bl2=accepted primary=hash secondary=empty stay=power_on");
}

static void strangers_firmware_is_refused(void **state) {
    struct testing_image image = bl3(TESTING_PRIMARY);

    (void)state;
    testing_firmware_provision(&board);
    put(bl2());
    image.signer = TESTING_STRANGER;
    put(image);
    power_on();
    expect(DEVAUTH_STAGE_BOOTLOADER, " bl2=accepted primary=key secondary=empty stay=power_on");
}

static void bl2_is_not_started_as_bl3(void **state) {
    struct testing_image image = bl2();

    (void)state;
    testing_firmware_provision(&board);
    put(bl2());
    image.slot = TESTING_PRIMARY; /* BL3's key: what lies there was built for another place */
    put(image);
    power_on();
    expect(DEVAUTH_STAGE_BOOTLOADER, " bl2=accepted primary=accepted stay=power_on");
}

/* Signed, and still not a program for this board. */
static void what_cannot_be_started_is_not_started(void **state) {
    static uint8_t payload[4096];
    struct testing_image image = bl2();

    (void)state;
    testing_firmware_provision(&board);
    image.payload = bytes_of(payload, sizeof(payload));
    put(image);
    power_on();
    expect(DEVAUTH_STAGE_BOOT_ROM, " bl2=accepted");
}

static void an_older_bl3_is_refused(void **state) {
    struct testing_image image = bl3(TESTING_PRIMARY);
    static const uint8_t three_steps[OTP_ENTRY_SIZE] = {0xF8, 0xFF, 0xFF, 0xFF,
                                                        0xFF, 0xFF, 0xFF, 0xFF};

    (void)state;
    testing_firmware_provision(&board);
    put(bl2());
    image.counter = 2;
    put(image);
    testing_board_poke(&board, BOARD_OTP_OFFSET + 44 * OTP_ENTRY_SIZE, three_steps,
                       sizeof(three_steps));
    power_on();
    expect(DEVAUTH_STAGE_BOOTLOADER,
           " bl2=accepted primary=counter_low secondary=empty stay=power_on");
}

static void counters_follow_what_runs(void **state) {
    struct testing_image image = bl2();
    uint8_t entry[OTP_ENTRY_SIZE];

    (void)state;
    testing_firmware_provision(&board);
    image.counter = 5;
    put(image);
    image = bl3(TESTING_PRIMARY);
    image.counter = 9;
    put(image);
    power_on();
    expect(DEVAUTH_STAGE_APPLICATION, " bl2=accepted primary=accepted");
    testing_board_peek(&board, BOARD_OTP_OFFSET + 40 * OTP_ENTRY_SIZE, entry, sizeof(entry));
    assert_int_equal(entry[0], 0xE0);
    testing_board_peek(&board, BOARD_OTP_OFFSET + 44 * OTP_ENTRY_SIZE, entry, sizeof(entry));
    assert_int_equal(entry[0], 0x00);
    assert_int_equal(entry[1], 0xFE);
}

static void an_update_is_swapped_in(void **state) {
    struct testing_image image = bl3(TESTING_SECONDARY);

    (void)state;
    testing_firmware_provision(&board);
    put(bl2());
    put(bl3(TESTING_PRIMARY));
    image.minor = 2;
    put(image);
    power_on();
    expect(DEVAUTH_STAGE_APPLICATION,
           " bl2=accepted secondary=accepted swap=test primary=accepted");
    /* It has confirmed itself: it stays. */
    assert_string_equal(testing_board_control(&board, "power-cut"), "ok");
    power_on();
    expect(DEVAUTH_STAGE_APPLICATION, " bl2=accepted primary=accepted");
}

static void an_update_survives_power_cuts(void **state) {
    struct testing_image image = bl3(TESTING_SECONDARY);
    unsigned cuts = 0;

    (void)state;
    testing_firmware_provision(&board);
    put(bl2());
    put(bl3(TESTING_PRIMARY));
    image.minor = 2;
    put(image);
    for (unsigned i = 0; i < 4; i++) {
        char command[32];
        uint64_t deadline = clock_monotonic_ms() + TIMEOUT_MS;
        power_on();
        (void)snprintf(command, sizeof(command), "%s %u", i % 2 == 0 ? "tear" : "stop",
                       40 + i * 31);
        assert_string_equal(testing_board_control(&board, command), "ok");
        while (testing_board_status(&board, "torn") == 0 &&
               testing_board_status(&board, "stage") != DEVAUTH_STAGE_APPLICATION)
            assert_true(clock_monotonic_ms() < deadline);
        cuts += testing_board_status(&board, "torn") != 0;
        assert_string_equal(testing_board_control(&board, "power-cut"), "ok");
    }
    assert_true(cuts > 0);
    print_message("%u cuts\n", cuts);
    power_on();
    while (testing_board_status(&board, "stage") != DEVAUTH_STAGE_APPLICATION)
        ;
    assert_non_null(strstr(testing_board_control(&board, "log"), "primary=accepted"));
}

static enum debug_port_answer probe(void) {
    enum debug_port_answer answer;
    struct error error;

    assert_int_equal(
        debug_port_probe(testing_board_endpoint(&board, "debug"), TIMEOUT_MS, &answer, &error), 0);
    return answer;
}

static void debug_is_locked_in_every_stage(void **state) {
    (void)state;
    testing_firmware_provision(&board);
    put(bl2());
    power_on();
    expect(DEVAUTH_STAGE_BOOTLOADER, " bl2=accepted primary=empty secondary=empty stay=power_on");
    assert_int_equal(probe(), DEBUG_PORT_OPEN);
    testing_firmware_mark(&board, OTP_LIFE_SECURED);
    assert_int_equal(probe(), DEBUG_PORT_OPEN); /* from the next reset on */
    assert_string_equal(testing_board_control(&board, "reset"), "ok");
    assert_int_equal(probe(), DEBUG_PORT_REFUSED);
    assert_string_equal(testing_board_control(&board, "power-cut"), "ok");
    put(bl3(TESTING_PRIMARY));
    power_on();
    expect(DEVAUTH_STAGE_APPLICATION, " bl2=accepted primary=accepted");
    assert_int_equal(probe(), DEBUG_PORT_REFUSED);
}

/* All of the OEM's is gone before anybody may look. */
static void rma_erases_before_debug_opens(void **state) {
    uint8_t flash[4096];
    uint8_t key[4];

    (void)state;
    testing_firmware_provision(&board);
    put(bl2());
    put(bl3(TESTING_PRIMARY));
    put(bl3(TESTING_SECONDARY));
    testing_firmware_mark(&board, OTP_LIFE_SECURED);
    testing_firmware_mark(&board, OTP_LIFE_RMA);
    power_on(); /* answered when the lock is latched */
    assert_non_null(strstr(testing_board_control(&board, "status"), "debug=open"));
    testing_board_peek(&board, BOARD_KEYS_OFFSET + BOARD_FLASH_PAGE, key, sizeof(key));
    assert_memory_equal(key, "\xFF\xFF\xFF\xFF", sizeof(key));
    for (uint32_t at = 0; at < BOARD_FLASH_SIZE; at += sizeof(flash)) {
        testing_board_peek(&board, BOARD_FLASH_OFFSET + at, flash, sizeof(flash));
        for (size_t i = 0; i < sizeof(flash); i++)
            assert_int_equal(flash[i], 0xFF);
    }
    expect(DEVAUTH_STAGE_BOOT_ROM, "");
    assert_int_equal(probe(), DEBUG_PORT_OPEN);
}

static uint32_t word_at(struct bytes data, size_t offset) {
    return (uint32_t)data.data[offset] | (uint32_t)data.data[offset + 1] << 8 |
           (uint32_t)data.data[offset + 2] << 16 | (uint32_t)data.data[offset + 3] << 24;
}

/* The vector table comes first, aligned for VTOR, and belongs to where the image lies. */
static void images_fit_their_places(void **state) {
    static const struct {
        const struct buffer *payload;
        enum testing_slot slot;
        uint32_t pages;
    } images[] = {{&bootloader, TESTING_BL2, BOARD_BL2_PAGES},
                  {&application, TESTING_PRIMARY, BOARD_SLOT_PAGES}};

    (void)state;
    for (size_t i = 0; i < sizeof(images) / sizeof(images[0]); i++) {
        struct bytes payload = buffer_bytes(images[i].payload);
        uint32_t first = BOARD_FILE_ADDRESS + testing_slot_offset(images[i].slot) + HEADER_SIZE;
        assert_int_equal(first % 0x400, 0);
        assert_true(payload.size + HEADER_SIZE < (size_t)images[i].pages * BOARD_FLASH_PAGE);
        assert_in_range(word_at(payload, 0), BOARD_SRAM_ADDRESS + 1,
                        BOARD_SRAM_ADDRESS + BOARD_SRAM_SIZE);
        assert_int_equal(word_at(payload, 4) % 2, 1);
        if (TEST_BOARD_KIND == BOARD_QEMU)
            assert_in_range(word_at(payload, 4), first, first + payload.size);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_fit_their_places),
        cmocka_unit_test_setup_teardown(boot_rom_starts_bl2_starts_bl3, setup, teardown),
        cmocka_unit_test_setup_teardown(without_a_key_hash_boot_rom_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(an_empty_chip_says_so, setup, teardown),
        cmocka_unit_test_setup_teardown(a_changed_bl2_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_changed_bl3_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(strangers_firmware_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(bl2_is_not_started_as_bl3, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_started_is_not_started, setup, teardown),
        cmocka_unit_test_setup_teardown(an_older_bl3_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(counters_follow_what_runs, setup, teardown),
        cmocka_unit_test_setup_teardown(an_update_is_swapped_in, setup, teardown),
        cmocka_unit_test_setup_teardown(an_update_survives_power_cuts, setup, teardown),
        cmocka_unit_test_setup_teardown(debug_is_locked_in_every_stage, setup, teardown),
        cmocka_unit_test_setup_teardown(rma_erases_before_debug_opens, setup, teardown),
    };
    char path[512];
    int result;

    (void)snprintf(path, sizeof(path), "%s/application.bin",
                   testing_board_firmware(TEST_BOARD_KIND));
    if (!file_exists(path)) {
        printf("no %s: nothing tested\n", path);
        return SKIPPED;
    }
    testing_firmware_start();
    testing_firmware_load(TEST_BOARD_KIND, "bootloader.bin", &bootloader);
    testing_firmware_load(TEST_BOARD_KIND, "application.bin", &application);
    result = cmocka_run_group_tests(tests, NULL, NULL);
    buffer_free(&bootloader);
    buffer_free(&application);
    return result;
}
