/*
 * The hardware a virtual board has beyond its emulated CPU: flash and OTP with the M2354's rules,
 * key store, registers, fault injection. It lives in the board file (lib/board/board_file.h) and
 * is shared by all virtual ports; a port says how the file is reached and how time passes.
 *
 *     board_model_start(&platform)          once, first
 *     flash_model_*, otp_model_*, key_store_*, board_register_*
 *
 * Nothing outside this folder writes the board file.
 */
#ifndef NUSEC_PORT_COMMON_BOARD_MODEL_H
#define NUSEC_PORT_COMMON_BOARD_MODEL_H

#include "board/board_file.h"
#include "hal/hal.h"

struct board_platform {
    volatile uint8_t *file; /* the board file as this CPU sees it */
    /* Writes to the file are possible between the two only; NULL where nothing guards it. */
    void (*open_writes)(void);
    void (*close_writes)(void);
    /* The CPU stands still, interrupts too; what the link receives meanwhile may overrun. */
    void (*stall)(uint32_t microseconds);
    /* Overwrites the unused part of the stack, where a private key may have left traces; NULL where
     * a debugger reads no stack. */
    void (*scrub_stack)(void);
    /* Power is gone: never returns, runs nothing. */
    void (*die)(void);
};

/* Borrows `platform` for good. */
void board_model_start(const struct board_platform *platform);

uint32_t board_register_read(enum board_register at);
void board_register_write(enum board_register at, uint32_t value);
void board_register_add(enum board_register at, uint32_t value);
void board_register_raise(enum board_register at, uint32_t value); /* keeps the larger one */

/* What the stage that runs has used at most, of the two in bytes; kept per stage until power-on. */
void board_raise_peaks(uint32_t stack, uint32_t arena);
/* The stage that runs is about to start another image, so long after it began. */
void board_note_time(uint64_t microseconds);
/* hal.boot_log: one more line in the registers. */
void board_boot_log(enum hal_boot_event event, uint32_t reason);

extern const struct hal_flash_geometry flash_model_geometry;
enum status flash_model_read(uint32_t offset, uint8_t *out, size_t size);
enum status flash_model_program(uint32_t offset, const uint8_t *data, size_t size);
enum status flash_model_erase(uint32_t offset);

enum status otp_model_read(unsigned entry, uint8_t out[HAL_OTP_ENTRY_SIZE]);
enum status otp_model_program(unsigned entry, const uint8_t data[HAL_OTP_ENTRY_SIZE]);
enum status otp_model_lock(unsigned entry);
/* The life cycle as marks in this OTP (hal/life_cycle.h). */
enum hal_life_cycle otp_model_life_cycle(void);
enum status otp_model_life_cycle_advance(enum hal_life_cycle to);
/* Firmware counters in this OTP (hal/counter.h). */
enum status otp_model_counter_read(enum hal_counter counter, uint32_t *value);
enum status otp_model_counter_raise(enum hal_counter counter, uint32_t value);

/*
 * The key store: private halves live in pages the debug proxy hides and are in RAM (hidden too)
 * only while BOARD_REGISTER_KEY_BUSY is set, during which the proxy does not stop the CPU.
 * Needs crypto_init first. Generating is refused (DEBUGGED) while a debugger is attached.
 */
enum status key_store_generate(enum hal_key_role role, uint8_t public_key[64]);
enum status key_store_public(enum hal_key_role role, uint8_t public_key[64]);
enum status key_store_sign(enum hal_key_role role, const uint8_t digest[32], uint8_t signature[64]);
enum status key_store_agree(enum hal_key_role role, const uint8_t peer[64], uint8_t shared[32]);
enum status key_store_destroy(enum hal_key_role role);

bool board_debug_attached(bool clear);
bool board_debug_locked(void);
/* By the boot ROM, first thing after a reset: the life cycle decides until the next reset. */
void board_debug_latch(enum hal_life_cycle life_cycle);
void board_uid(uint8_t uid[HAL_UID_SIZE]);
enum hal_boot_reason board_boot_reason(void);
/* Before a reset: its cause, and nobody may attach until the ROM has latched the lock again. */
void board_prepare_reset(enum hal_boot_reason reason);

#endif
