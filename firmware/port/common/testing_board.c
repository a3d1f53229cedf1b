#include "common/testing_board.h"

#include <setjmp.h>
#include <string.h>

static uint8_t file[BOARD_FILE_SIZE] __attribute__((aligned(8)));
static jmp_buf power_off;
static uint64_t stalled_us;

static void stall(uint32_t microseconds) {
    stalled_us += microseconds;
}

static void die(void) {
    longjmp(power_off, 1);
}

static const struct board_platform platform = {.file = file, .stall = stall, .die = die};

void testing_board_reset(void) {
    memset(file, 0xFF, BOARD_ERASED_SIZE);
    memset(file + BOARD_REGISTERS_OFFSET, 0, BOARD_REGISTERS_SIZE);
    stalled_us = 0;
    board_model_start(&platform);
}

bool testing_board_run(enum board_fault kind, uint32_t n, void (*work)(void *context),
                       void *context) {
    volatile bool failed = true; /* kept across the longjmp */

    board_register_write(BOARD_REGISTER_OPERATIONS, 0);
    board_register_write(BOARD_REGISTER_FAULT_FIRED, 0);
    board_register_write(BOARD_REGISTER_KEY_BUSY, 0);
    board_register_write(BOARD_REGISTER_FAULT_AT, n);
    board_register_write(BOARD_REGISTER_FAULT_KIND, (uint32_t)kind);
    if (setjmp(power_off) == 0) {
        work(context);
        failed = false;
    }
    board_register_write(BOARD_REGISTER_FAULT_KIND, BOARD_FAULT_NONE);
    board_register_write(BOARD_REGISTER_KEY_BUSY, 0);
    return failed;
}

uint8_t *testing_board_file(void) {
    return file;
}

uint64_t testing_board_stalled_us(void) {
    return stalled_us;
}
