/*
 * A chip in RAM for tests: flash and OTP with their rules, keys, link buffers, a debugger flag, and
 * power that can be cut at any operation that changes flash or OTP.
 *
 * There is one chip per process, because HAL functions carry no context. A cut chip refuses
 * everything and changes nothing until ram_chip_power_on.
 */
#ifndef NUSEC_DEVAUTH_TESTING_RAM_CHIP_H
#define NUSEC_DEVAUTH_TESTING_RAM_CHIP_H

#include "hal/hal.h"

#define RAM_CHIP_PAGE          2048u
#define RAM_CHIP_HALF_PAGES    4u
#define RAM_CHIP_JOURNAL_FIRST 2u
#define RAM_CHIP_SLOT_PAGES    8u
#define RAM_CHIP_BL2_FIRST     10u
#define RAM_CHIP_FLASH_SIZE    ((RAM_CHIP_BL2_FIRST + 3 * RAM_CHIP_SLOT_PAGES) * RAM_CHIP_PAGE)
#define RAM_CHIP_LINK_SIZE     16384u

enum ram_chip_cut {
    RAM_CHIP_CUT_BEFORE, /* the operation does not happen */
    RAM_CHIP_CUT_TORN,   /* it happens in part */
};

struct ram_chip {
    /* non-volatile */
    uint8_t uid[HAL_UID_SIZE];
    uint8_t flash[RAM_CHIP_FLASH_SIZE];
    uint8_t otp[HAL_OTP_ENTRIES][HAL_OTP_ENTRY_SIZE];
    bool otp_locked[HAL_OTP_ENTRIES];
    bool has_key[HAL_KEY_ROLES];
    uint8_t private_key[HAL_KEY_ROLES][32];
    uint8_t public_key[HAL_KEY_ROLES][64];
    /* power */
    bool is_dead;
    unsigned operations; /* since power-on */
    unsigned cut_at;     /* operation number that is cut; 0 = never */
    enum ram_chip_cut cut_kind;
    unsigned violations; /* flash or OTP used against its rules */
    unsigned resets;
    enum hal_boot_reason boot_reason;
    bool debug_is_locked;
    uint32_t entered; /* what enter_image was given; 0: nothing */
    /* debugger */
    bool debugger_attached;
    bool debugger_was_attached;
    bool attach_during_key_generation;
    bool entropy_is_dead;
    /* link, seen from the chip */
    uint8_t rx[RAM_CHIP_LINK_SIZE];
    size_t rx_size;
    size_t rx_position;
    uint8_t tx[RAM_CHIP_LINK_SIZE];
    size_t tx_size;
};

extern struct ram_chip ram_chip;
extern const struct hal ram_chip_hal;

/* A new, erased chip with the UID `seed`, `seed` + 1, ... */
void ram_chip_make(uint8_t seed);

/* Power back on after a cut; RAM and link buffers are gone, the next cut is disarmed. */
void ram_chip_power_on(void);

/* Arms a cut at the `operation`-th change from now, counted from 1. */
void ram_chip_arm(unsigned operation, enum ram_chip_cut kind);

/* True if `needle` is anywhere in the chip's flash. */
bool ram_chip_flash_contains(struct bytes needle);

#endif
