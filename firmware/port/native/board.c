/*
 * The native board as firmware/hal/hal.h wants it.
 */
#include "native.h"

#include "common/board_model.h"
#include "crypto/crypto.h"
#include "hal/counter.h"

#include <errno.h>
#include <sys/random.h>
#include <unistd.h>

#define ENTROPY_CHUNK 256u /* getrandom(2) gives up to so many bytes whole */

static void die(void) {
    (void)pause();
}

static struct board_platform platform = {
    .file = NULL, /* mapped at start */
    .stall = native_link_stall,
    .die = die,
};

static enum status entropy(void *context, uint8_t *out, size_t size) {
    (void)context;
    while (size > 0) {
        size_t count = size < ENTROPY_CHUNK ? size : ENTROPY_CHUNK;
        ssize_t got = getrandom(out, count, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got != (ssize_t)count)
            return STATUS_NO_ENTROPY;
        out += count;
        size -= count;
    }
    return STATUS_OK;
}

static void wait(void) {
    board_raise_peaks(0, (uint32_t)crypto_arena_peak());
    native_link_wait();
}

static void reset(enum hal_boot_reason reason) {
    native_reset(reason);
}

const struct hal native_board = {
    .chip_family = "NATIVE",
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
    .entropy = entropy,
    .link_read = native_link_read,
    .link_write = native_link_write,
    .link_overrun = native_link_overrun,
    .wait = wait,
    .time_us = native_clock_us,
    .life_cycle = otp_model_life_cycle,
    .life_cycle_advance = otp_model_life_cycle_advance,
    .counter_read = otp_model_counter_read,
    .counter_raise = otp_model_counter_raise,
    .counter_max = counter_otp_max,
    .debug_attached = board_debug_attached,
    .debug_locked = board_debug_locked,
    .chip_uid = board_uid,
    .reset = reset,
    .boot_reason = board_boot_reason,
    .enter_image = native_enter_image,
    .boot_log = board_boot_log,
};

void native_board_start(enum native_stage stage) {
    platform.file = native_board_file();
    board_model_start(&platform);
    board_register_write(BOARD_REGISTER_STAGE, (uint32_t)stage);
    board_register_write(BOARD_REGISTER_ARENA_PEAK, 0);
}
