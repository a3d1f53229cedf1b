/*
 * OTP: 256 entries of two 32-bit words. A power cut can leave one word without the other, or some
 * bits of a word. A lock is one more operation and cannot be undone.
 */
#include "common/board_model_private.h"
#include "hal/counter.h"
#include "hal/life_cycle.h"

#include <string.h>

#define WORD_SIZE      4u
#define OTP_PROGRAM_US 60u

static bool entry_is_locked(unsigned entry) {
    return board_file_byte(BOARD_OTP_LOCK_OFFSET + entry) != BOARD_OTP_UNLOCKED;
}

/* Some of the bits that were to go have gone; none comes back. */
static uint8_t torn_byte(uint32_t offset, uint8_t data) {
    return (uint8_t)(board_file_byte(offset) & (data | board_fault_noise()));
}

static void program_word(uint32_t offset, const uint8_t data[WORD_SIZE]) {
    bool torn;

    board_file_open();
    torn = board_fault_in_operation();
    for (uint32_t i = 0; i < WORD_SIZE; i++)
        board_file_put(offset + i, torn ? torn_byte(offset + i, data[i]) : data[i]);
    if (torn)
        board_fault_die();
    board_file_close();
    board_stall(OTP_PROGRAM_US);
}

enum status otp_model_read(unsigned entry, uint8_t out[HAL_OTP_ENTRY_SIZE]) {
    if (entry >= HAL_OTP_ENTRIES)
        return STATUS_INVALID;
    board_file_read(BOARD_OTP_OFFSET + entry * HAL_OTP_ENTRY_SIZE, out, HAL_OTP_ENTRY_SIZE);
    return STATUS_OK;
}

/* Only bits that go from 1 to 0 are missing: so an entry torn by a power cut can be completed. */
static bool can_become(const uint8_t now[HAL_OTP_ENTRY_SIZE],
                       const uint8_t data[HAL_OTP_ENTRY_SIZE]) {
    for (uint32_t i = 0; i < HAL_OTP_ENTRY_SIZE; i++)
        if ((data[i] & (uint8_t)~now[i]) != 0)
            return false;
    return true;
}

enum status otp_model_program(unsigned entry, const uint8_t data[HAL_OTP_ENTRY_SIZE]) {
    uint32_t offset = BOARD_OTP_OFFSET + entry * HAL_OTP_ENTRY_SIZE;
    uint8_t now[HAL_OTP_ENTRY_SIZE];

    if (otp_model_read(entry, now) != STATUS_OK)
        return STATUS_INVALID;
    if (memcmp(now, data, sizeof(now)) == 0)
        return STATUS_OK;
    if (entry_is_locked(entry) || !can_become(now, data))
        return STATUS_OTP;
    for (uint32_t word = 0; word < HAL_OTP_ENTRY_SIZE; word += WORD_SIZE)
        if (memcmp(now + word, data + word, WORD_SIZE) != 0)
            program_word(offset + word, data + word);
    board_file_read(offset, now, sizeof(now));
    return memcmp(now, data, sizeof(now)) == 0 ? STATUS_OK : STATUS_OTP;
}

enum status otp_model_lock(unsigned entry) {
    bool torn;

    if (entry >= HAL_OTP_ENTRIES)
        return STATUS_INVALID;
    if (entry_is_locked(entry))
        return STATUS_OK;
    board_file_open();
    torn = board_fault_in_operation();
    if (torn)
        board_fault_die(); /* one bit: it either took or, as here, did not */
    board_file_put(BOARD_OTP_LOCK_OFFSET + entry, 0);
    board_file_close();
    board_stall(OTP_PROGRAM_US);
    return entry_is_locked(entry) ? STATUS_OK : STATUS_OTP;
}

static const struct life_cycle_otp life_cycle_otp = {
    .read = otp_model_read,
    .program = otp_model_program,
    .lock = otp_model_lock,
};

enum hal_life_cycle otp_model_life_cycle(void) {
    return life_cycle_read(&life_cycle_otp);
}

enum status otp_model_life_cycle_advance(enum hal_life_cycle to) {
    return life_cycle_advance(&life_cycle_otp, to);
}

static const struct counter_otp counter_otp = {
    .read = otp_model_read,
    .program = otp_model_program,
};

enum status otp_model_counter_read(enum hal_counter counter, uint32_t *value) {
    return counter_otp_read(&counter_otp, counter, value);
}

enum status otp_model_counter_raise(enum hal_counter counter, uint32_t value) {
    return counter_otp_raise(&counter_otp, counter, value);
}
