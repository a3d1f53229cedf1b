/*
 * The board as firmware/hal/hal.h wants it.
 */
#include "mps2_an505.h"

#include "common/board_model.h"
#include "crypto/crypto.h"
#include "hal/counter.h"

#define AIRCR_RESET_REQUEST 0x05FA0004u

static void die(void) {
    __asm volatile("cpsid i\n wfi" ::: "memory");
}

static const struct board_platform platform = {
    .file = (volatile uint8_t *)BOARD_FILE_ADDRESS,
    .open_writes = mps2_mpu_open_board_file,
    .close_writes = mps2_mpu_close_board_file,
    .stall = mps2_uart_stall,
    .die = die,
};

void mps2_reset(enum hal_boot_reason reason) {
    board_prepare_reset(reason);
    *mps2_word(MPS2_SCB_AIRCR) = AIRCR_RESET_REQUEST;
    for (;;)
        die();
}

/* Idle time is when the peaks are written down: painted words never come back. */
static void wait(void) {
    board_register_raise(BOARD_REGISTER_STACK_PEAK, mps2_stack_peak());
    board_register_raise(BOARD_REGISTER_ARENA_PEAK, (uint32_t)crypto_arena_peak());
    mps2_uart_wait();
}

static const struct hal board = {
    .chip_family = "AN505-M23",
    .flash = &flash_model_geometry,
    .flash_read = flash_model_read,
    .flash_program = flash_model_program,
    .flash_erase = flash_model_erase,
    .otp_read = otp_model_read,
    .otp_program = otp_model_program,
    .otp_lock = otp_model_lock,
    .key_generate = key_store_generate,
    .key_public = key_store_public,
    .key_sign = key_store_sign,
    .key_agree = key_store_agree,
    .key_destroy = key_store_destroy,
    .entropy = mps2_trng_read,
    .link_read = mps2_uart_read,
    .link_write = mps2_uart_write,
    .link_overrun = mps2_uart_overrun,
    .wait = wait,
    .time_us = mps2_clock_us,
    .life_cycle = otp_model_life_cycle,
    .life_cycle_advance = otp_model_life_cycle_advance,
    .counter_read = otp_model_counter_read,
    .counter_raise = otp_model_counter_raise,
    .counter_max = counter_otp_max,
    .debug_attached = board_debug_attached,
    .debug_locked = board_debug_locked,
    .chip_uid = board_uid,
    .reset = mps2_reset,
    .boot_reason = board_boot_reason,
};

const struct hal *mps2_board_start(void) {
    mps2_mpu_start();
    mps2_clock_start();
    board_model_start(&platform);
    board_register_write(BOARD_REGISTER_STAGE, mps2_stage);
    board_register_write(BOARD_REGISTER_STACK_PEAK, 0);
    board_register_write(BOARD_REGISTER_ARENA_PEAK, 0);
    mps2_uart_start();
    __asm volatile("cpsie i" ::: "memory");
    return &board;
}
