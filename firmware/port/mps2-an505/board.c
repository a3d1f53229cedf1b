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
    .scrub_stack = mps2_stack_scrub,
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
    board_raise_peaks(mps2_stack_peak(), (uint32_t)crypto_arena_peak());
    mps2_uart_wait();
}

/* A vector table whose first two words cannot be started is refused: the image was accepted, but
 * only its maker said what it was built for. */
static bool is_startable(uint32_t offset, const uint32_t *vectors) {
    uint32_t first = BOARD_FILE_ADDRESS + BOARD_FLASH_OFFSET + offset;
    uint32_t last = BOARD_FILE_ADDRESS + BOARD_FLASH_OFFSET + BOARD_FLASH_SIZE;
    uint32_t stack = vectors[0];
    uint32_t entry = vectors[1];

    return stack % 8 == 0 && stack > BOARD_SRAM_ADDRESS &&
           stack <= BOARD_SRAM_ADDRESS + BOARD_SRAM_SIZE && entry % 2 == 1 && entry > first &&
           entry < last;
}

static void enter_image(uint32_t offset) {
    const uint32_t *vectors = (const uint32_t *)(BOARD_FILE_ADDRESS + BOARD_FLASH_OFFSET + offset);

    if (offset >= BOARD_FLASH_SIZE || offset % MPS2_VECTOR_ALIGNMENT != 0 ||
        !is_startable(offset, vectors))
        return;
    board_raise_peaks(mps2_stack_peak(), (uint32_t)crypto_arena_peak());
    board_note_time(mps2_clock_us());
    mps2_uart_stop();
    mps2_clear_interrupts();
    mps2_start_image(vectors);
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
    .enter_image = enter_image,
    .boot_log = board_boot_log,
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
