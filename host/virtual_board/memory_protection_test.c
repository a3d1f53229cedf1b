/*
 * What a wild pointer can do in bootloader and application, shown by code that a debugger puts into
 * an open chip and runs as the CPU: nothing but a reset. QEMU only.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "debug_port/debug_port.h"
#include "devauth/devauth.h"
#include "virtual_board/testing_firmware.h"

#define TIMEOUT_MS   60000
#define SKIPPED      77
#define CODE_ADDRESS BOARD_DEVAUTH_ADDRESS /* where a debugger may put code */
#define FLASH_AT(p)  (BOARD_FILE_ADDRESS + (p)*BOARD_FLASH_PAGE)
#define BL2_CODE     (FLASH_AT(0) + 0x400u)
#define BL3_CODE     (FLASH_AT(BOARD_PRIMARY_FIRST) + 0x400u)
#define REGISTER(at) (BOARD_FILE_ADDRESS + BOARD_REGISTERS_OFFSET + (at))
/* Behind what any stage uses of the hidden RAM. */
#define HIDDEN_MARK (BOARD_HIDDEN_RAM_ADDRESS + 0x18000u)
#define MARK        0x5EC2E75Au

static struct testing_board board;
static struct buffer bootloader;
static struct buffer application;
static struct error error;

enum firmware { ONLY_BOOTLOADER, BOTH };

/* A stage that has just written down its peaks still holds the board file open: whoever halts it
 * there finds a file that may be written. It is closed a few instructions later. */
static void let_it_close_the_board_file(void) {
    const struct timespec time = {.tv_nsec = 100L * 1000 * 1000};

    (void)nanosleep(&time, NULL);
}

static void wait_for_stage(enum devauth_stage_id stage, long starts) {
    uint64_t deadline = clock_monotonic_ms() + TIMEOUT_MS;

    while (testing_board_status(&board, "stage") != (long)stage ||
           testing_board_status(&board, "starts") != starts ||
           testing_board_status(&board, "stack_peak") == 0) /* written down when it first waits */
        assert_true(clock_monotonic_ms() < deadline);
    let_it_close_the_board_file();
}

static void boot(enum firmware firmware) {
    const struct testing_image bl2 = {
        .slot = TESTING_BL2, .payload = buffer_bytes(&bootloader), .counter = 1};
    const struct testing_image bl3 = {
        .slot = TESTING_PRIMARY, .payload = buffer_bytes(&application), .counter = 1};

    assert_string_equal(testing_board_control(&board, "power-cut"), "ok");
    testing_firmware_provision(&board);
    testing_firmware_put(&board, &bl2);
    if (firmware == BOTH)
        testing_firmware_put(&board, &bl3);
    assert_string_equal(testing_board_control(&board, "power-on"), "ok");
    wait_for_stage(firmware == BOTH ? DEVAUTH_STAGE_APPLICATION : DEVAUTH_STAGE_BOOTLOADER, 1);
}

static int setup(void **state) {
    (void)state;
    testing_board_make(&board, BOARD_QEMU);
    return testing_board_start(&board) == -1 ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    testing_board_remove(&board);
    return 0;
}

static struct debug_port *attach(void) {
    struct debug_port *port;

    if (debug_port_open(&port, testing_board_endpoint(&board, "debug"), TIMEOUT_MS, &error) != 0)
        fail_msg("%s (%s)", error.message, error.detail);
    return port;
}

/* Above the limit of the running stage's stack, or no crash could tell where it was. */
static uint32_t stack_top(void) {
    bool is_application = testing_board_status(&board, "stage") == DEVAUTH_STAGE_APPLICATION;

    return (is_application ? BOARD_SRAM_ADDRESS : BOARD_HIDDEN_RAM_ADDRESS) + 0x10000u;
}

/* Halts the stage where it is and runs this code in its place, with r0 to r2. */
static struct debug_port *inject(struct bytes code, const uint32_t arguments[3]) {
    uint32_t stack = stack_top();
    struct debug_port *port = attach();

    assert_int_equal(debug_port_write(port, CODE_ADDRESS, code, &error), 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(debug_port_write_register(port, i, arguments[i], &error), 0);
    assert_int_equal(debug_port_start(port, stack, CODE_ADDRESS, &error), 0);
    return port;
}

static uint32_t crash_pc(void) {
    uint32_t pc;

    testing_board_peek(&board, BOARD_REGISTERS_OFFSET + BOARD_REGISTER_CRASH_PC, &pc, sizeof(pc));
    return pc;
}

/* str r1, [r0]; b . */
static const uint8_t store[] = {0x01, 0x60, 0xFE, 0xE7};
/* bx r0 */
static const uint8_t jump[] = {0x00, 0x47};

static void expect_crash(struct debug_port *port, long crashes, uint32_t pc) {
    uint64_t deadline = clock_monotonic_ms() + TIMEOUT_MS;

    debug_port_close(port);
    while (testing_board_status(&board, "crashes") < crashes) {
        if (clock_monotonic_ms() >= deadline)
            fail_msg("nothing crashed; %s", testing_board_control(&board, "status"));
    }
    assert_int_equal(testing_board_status(&board, "crashes"), crashes);
    assert_int_equal(crash_pc(), pc);
}

static void stores_reset(enum firmware firmware) {
    static const uint32_t places[] = {
        0x00000000u,                                /* NULL: another name of the ROM */
        BOARD_ROM_ADDRESS + 0x1000u,                /* the ROM */
        FLASH_AT(0),                                /* BL2's header */
        BL2_CODE + 0x100u,                          /* BL2 */
        FLASH_AT(BOARD_PRIMARY_FIRST),              /* BL3's header */
        BL3_CODE + 0x100u,                          /* BL3 */
        FLASH_AT(BOARD_SECONDARY_FIRST),            /* the other slot */
        FLASH_AT(BOARD_JOURNAL_FIRST),              /* certificates */
        BOARD_FILE_ADDRESS + BOARD_OTP_OFFSET,      /* OTP */
        BOARD_FILE_ADDRESS + BOARD_OTP_LOCK_OFFSET, /* its locks */
        BOARD_FILE_ADDRESS + BOARD_KEYS_OFFSET,     /* the key store */
        BOARD_FILE_ADDRESS + BOARD_UNITS_OFFSET,    /* what may be programmed */
        REGISTER(BOARD_REGISTER_DEBUG_LOCK),        /* the debug lock */
        0x28000000u,                                /* other names of SRAM */
        0x28180000u,                                /* and of what is hidden in it */
        0x60000000u,                                /* nothing */
    };
    long crashes = 0;

    boot(firmware);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        const uint32_t arguments[3] = {places[i], 0, 0};
        bool is_in_file = places[i] >= BOARD_FILE_ADDRESS;
        uint32_t before = 0;
        uint32_t after = 0;
        if (is_in_file)
            testing_board_peek(&board, places[i] - BOARD_FILE_ADDRESS, &before, sizeof(before));
        expect_crash(inject(bytes_of(store, sizeof(store)), arguments), ++crashes, CODE_ADDRESS);
        wait_for_stage(firmware == BOTH ? DEVAUTH_STAGE_APPLICATION : DEVAUTH_STAGE_BOOTLOADER,
                       crashes + 1);
        if (is_in_file) {
            testing_board_peek(&board, places[i] - BOARD_FILE_ADDRESS, &after, sizeof(after));
            assert_int_equal(before, after);
        }
    }
}

static void jumps_reset(enum firmware firmware) {
    const uint32_t places[] = {
        0x00000000u,
        BOARD_ROM_ADDRESS + 0x1000u,
        FLASH_AT(0),
        firmware == BOTH ? BL2_CODE + 0x100u : BL3_CODE + 0x100u, /* code, but not this stage's */
        FLASH_AT(BOARD_SECONDARY_FIRST),
        BOARD_FILE_ADDRESS + BOARD_OTP_OFFSET,
        BOARD_SRAM_ADDRESS + 0x100u, /* the application's stack, or nobody's */
        BOARD_PARAMETERS_ADDRESS,
        BOARD_HIDDEN_RAM_ADDRESS + 0x100u,
        0x50200000u, /* a peripheral */
    };
    long crashes = 0;

    boot(firmware);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        const uint32_t arguments[3] = {places[i] | 1u, 0, 0};
        expect_crash(inject(bytes_of(jump, sizeof(jump)), arguments), ++crashes, places[i]);
        wait_for_stage(firmware == BOTH ? DEVAUTH_STAGE_APPLICATION : DEVAUTH_STAGE_BOOTLOADER,
                       crashes + 1);
    }
}

static void stores_reset_the_bootloader(void **state) {
    (void)state;
    stores_reset(ONLY_BOOTLOADER);
}

static void stores_reset_the_application(void **state) {
    (void)state;
    stores_reset(BOTH);
}

static void jumps_reset_the_bootloader(void **state) {
    (void)state;
    jumps_reset(ONLY_BOOTLOADER);
}

static void jumps_reset_the_application(void **state) {
    (void)state;
    jumps_reset(BOTH);
}

/* Until the code has done its one thing and stands in its endless loop; gives r2. */
static uint32_t finish(struct debug_port *port) {
    uint64_t deadline = clock_monotonic_ms() + TIMEOUT_MS;
    uint32_t pc;
    uint32_t value;

    do {
        assert_true(clock_monotonic_ms() < deadline);
        assert_int_equal(debug_port_run(port, &error), 0);
        assert_int_equal(debug_port_halt(port, &error), 0);
        assert_int_equal(debug_port_read_register(port, 15, &pc, &error), 0);
    } while (pc != CODE_ADDRESS + 2);
    assert_int_equal(debug_port_read_register(port, 2, &value, &error), 0);
    debug_port_close(port);
    return value;
}

/* ldr r2, [r0]; b . */
static uint32_t read_as_cpu(uint32_t address) {
    static const uint8_t load[] = {0x02, 0x68, 0xFE, 0xE7};
    const uint32_t arguments[3] = {address, 0, 0};

    return finish(inject(bytes_of(load, sizeof(load)), arguments));
}

/* SRAM keeps its contents through a reset, so what one stage left would be there for the next. */
static void nothing_is_left_for_the_next_image(void **state) {
    const uint32_t arguments[3] = {HIDDEN_MARK, MARK, 0};

    (void)state;
    boot(BOTH);
    (void)finish(inject(bytes_of(store, sizeof(store)), arguments));
    assert_int_equal(read_as_cpu(HIDDEN_MARK), MARK);
    assert_string_equal(testing_board_control(&board, "reset"), "ok");
    wait_for_stage(DEVAUTH_STAGE_APPLICATION, 2);
    assert_int_equal(read_as_cpu(HIDDEN_MARK), 0);
    assert_int_equal(testing_board_status(&board, "crashes"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(stores_reset_the_bootloader, setup, teardown),
        cmocka_unit_test_setup_teardown(stores_reset_the_application, setup, teardown),
        cmocka_unit_test_setup_teardown(jumps_reset_the_bootloader, setup, teardown),
        cmocka_unit_test_setup_teardown(jumps_reset_the_application, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_left_for_the_next_image, setup, teardown),
    };
    char path[512];
    int result;

    (void)snprintf(path, sizeof(path), "%s/application.bin", testing_board_firmware(BOARD_QEMU));
    if (!file_exists(path)) {
        printf("no %s: nothing tested\n", path);
        return SKIPPED;
    }
    testing_firmware_start();
    testing_firmware_load(BOARD_QEMU, "bootloader.bin", &bootloader);
    testing_firmware_load(BOARD_QEMU, "application.bin", &application);
    result = cmocka_run_group_tests(tests, NULL, NULL);
    buffer_free(&bootloader);
    buffer_free(&application);
    return result;
}
