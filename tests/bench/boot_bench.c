/*
 * What a boot costs: instructions from the start of a stage until it starts the next image, counted
 * by QEMU (--icount), and the peaks of stack and crypto arena. BL3 as it is, and padded to 256 KiB,
 * so that what a stage costs without its image and what a KiB of image costs come apart.
 *
 *     boot_bench        prints a table; needs the cortex-m23 build
 */
#include "virtual_board/testing_firmware.h"

#include "base/clock.h"
#include "devauth/devauth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ICOUNT             "6"
#define NS_PER_INSTRUCTION 64u
#define LARGE              (256u * 1024u)
#define TIMEOUT_MS         120000
#define MHZ                48u /* of an M2354, had it one instruction per cycle */

struct figures {
    unsigned stack;
    unsigned arena;
    unsigned microseconds;
};

static struct testing_board board;
static struct buffer bootloader;
static struct buffer application;

static void wait_for_application(void) {
    uint64_t deadline = clock_monotonic_ms() + TIMEOUT_MS;

    while (testing_board_status(&board, "stage") != DEVAUTH_STAGE_APPLICATION ||
           testing_board_status(&board, "stack_peak") == 0)
        assert_true(clock_monotonic_ms() < deadline);
}

static struct figures figures_of(const char *stage) {
    const char *answer = testing_board_control(&board, "stages");
    const char *found = strstr(answer, stage);
    struct figures figures = {0};
    char *end;

    assert_non_null(found);
    figures.stack = (unsigned)strtoul(found + strlen(stage) + 1, &end, 10);
    figures.arena = (unsigned)strtoul(end + 1, &end, 10);
    figures.microseconds = (unsigned)strtoul(end + 1, &end, 10);
    return figures;
}

static double millions(struct figures figures) {
    return (double)figures.microseconds * 1000.0 / NS_PER_INSTRUCTION / 1e6;
}

static void print_row(const char *what, struct figures figures) {
    printf("%-44s %8.2f %9.2f %7u %7u\n", what, millions(figures), millions(figures) / (double)MHZ,
           figures.stack, figures.arena);
}

enum way { STARTED, SWAPPED_IN };

/* Boots once; what the bootloader took is returned, what boot_rom took is in `*rom`. */
static struct figures measure(struct bytes payload, enum way way, struct figures *rom) {
    const struct testing_image bl2 = {
        .slot = TESTING_BL2, .payload = buffer_bytes(&bootloader), .counter = 1};
    const struct testing_image bl3 = {.slot = way == STARTED ? TESTING_PRIMARY : TESTING_SECONDARY,
                                      .payload = payload,
                                      .counter = 1};
    struct figures figures;

    testing_board_make(&board, BOARD_QEMU);
    board.options[0] = "--icount";
    board.options[1] = ICOUNT;
    board.options[2] = "--delays=off";
    assert_int_equal(testing_board_start(&board), -1);
    assert_string_equal(testing_board_control(&board, "power-cut"), "ok");
    testing_firmware_provision(&board);
    testing_firmware_put(&board, &bl2);
    testing_firmware_put(&board, &bl3);
    assert_string_equal(testing_board_control(&board, "power-on"), "ok");
    wait_for_application();
    *rom = figures_of("boot_rom");
    figures = figures_of("bootloader");
    testing_board_remove(&board);
    return figures;
}

static void print_table(void) {
    static uint8_t padded[LARGE];
    struct bytes small = buffer_bytes(&application);
    struct bytes large = bytes_of(padded, sizeof(padded));
    double per_kib;
    struct figures rom;
    struct figures started;
    struct figures larger;

    for (size_t i = 0; i < sizeof(padded); i++)
        padded[i] = (uint8_t)(i ^ i >> 8);
    memcpy(padded, small.data, small.size);
    started = measure(small, STARTED, &rom);
    larger = measure(large, STARTED, &rom);
    printf("%-44s %8s %9s %7s %7s\n", "", "10^6", "s at", "stack", "arena");
    printf("%-44s %8s %9s %7s %7s\n", "", "instr.", "48 MIPS", "peak", "peak");
    print_row("boot_rom verifies and starts BL2", rom);
    print_row("bootloader verifies and starts BL3", started);
    print_row("  the same, BL3 padded to 256 KiB", larger);
    print_row("  256 KiB, decrypted and swapped in", measure(large, SWAPPED_IN, &rom));
    per_kib = (millions(larger) - millions(started)) * 1024.0 / (double)(large.size - small.size);
    printf("BL2 %zu bytes, BL3 %zu bytes; a KiB of BL3 costs %.3f million instructions; flash and "
           "OTP without their delays\n",
           bootloader.size, application.size, per_kib);
}

/* Not a group of tests, but what is asserted here ends the program all the same. */
int main(void) {
    testing_firmware_start();
    testing_firmware_load(BOARD_QEMU, "bootloader.bin", &bootloader);
    testing_firmware_load(BOARD_QEMU, "application.bin", &application);
    print_table();
    buffer_free(&bootloader);
    buffer_free(&application);
    return 0;
}
