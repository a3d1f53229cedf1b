#include "devauth/testing/ram_chip.h"

#include "crypto/crypto.h"
#include "hal/counter.h"
#include "hal/life_cycle.h"

#include <string.h>

struct ram_chip ram_chip;

#define UNIT 8u

void ram_chip_make(uint8_t seed) {
    memset(&ram_chip, 0, sizeof ram_chip);
    memset(ram_chip.flash, 0xFF, sizeof ram_chip.flash);
    memset(ram_chip.otp, 0xFF, sizeof ram_chip.otp);
    for (unsigned i = 0; i < HAL_UID_SIZE; i++) {
        ram_chip.uid[i] = (uint8_t)(seed + i);
    }
}

void ram_chip_power_on(void) {
    ram_chip.is_dead = false;
    ram_chip.operations = 0;
    ram_chip.cut_at = 0;
    ram_chip.rx_size = 0;
    ram_chip.rx_position = 0;
    ram_chip.tx_size = 0;
    ram_chip.debugger_attached = false;
    ram_chip.debugger_was_attached = false;
}

void ram_chip_arm(unsigned operation, enum ram_chip_cut kind) {
    ram_chip.cut_at = ram_chip.operations + operation;
    ram_chip.cut_kind = kind;
}

bool ram_chip_flash_contains(struct bytes needle) {
    struct bytes flash = bytes_of(ram_chip.flash, sizeof ram_chip.flash);
    for (size_t i = 0; i + needle.size <= flash.size; i++) {
        if (bytes_equal(bytes_slice(flash, i, needle.size), needle)) {
            return true;
        }
    }
    return false;
}

enum fate { FATE_WHOLE, FATE_TORN, FATE_NOTHING };

/* Counts one change and says what becomes of it. */
static enum fate next_operation(void) {
    if (ram_chip.is_dead) {
        return FATE_NOTHING;
    }
    ram_chip.operations++;
    if (ram_chip.operations != ram_chip.cut_at) {
        return FATE_WHOLE;
    }
    ram_chip.is_dead = true;
    return ram_chip.cut_kind == RAM_CHIP_CUT_TORN ? FATE_TORN : FATE_NOTHING;
}

static bool is_erased(const uint8_t *data, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (data[i] != 0xFF) {
            return false;
        }
    }
    return true;
}

static enum status flash_read(uint32_t offset, uint8_t *out, size_t size) {
    struct bytes part = bytes_slice(bytes_of(ram_chip.flash, sizeof ram_chip.flash), offset, size);
    if (ram_chip.is_dead || part.size != size) {
        return STATUS_FLASH;
    }
    memcpy(out, part.data, size);
    return STATUS_OK;
}

/* Some bits of the new value are there, some are not. */
static void tear(uint8_t *cell, const uint8_t *data, size_t size) {
    for (size_t i = 0; i < size; i++) {
        cell[i] &= (uint8_t)(data[i] | (i % 2 == 0 ? 0x5A : 0xA7));
    }
}

static enum status program_unit(uint32_t offset, const uint8_t *data) {
    uint8_t *cell = &ram_chip.flash[offset];
    if (!is_erased(cell, UNIT)) {
        ram_chip.violations++;
        return STATUS_FLASH;
    }
    switch (next_operation()) {
    case FATE_WHOLE: memcpy(cell, data, UNIT); return STATUS_OK;
    case FATE_TORN: tear(cell, data, UNIT); return STATUS_FLASH;
    default: return STATUS_FLASH;
    }
}

static enum status flash_program(uint32_t offset, const uint8_t *data, size_t size) {
    if (offset % UNIT != 0 || size % UNIT != 0 || offset > sizeof ram_chip.flash ||
        size > sizeof ram_chip.flash - offset) {
        ram_chip.violations++;
        return STATUS_FLASH;
    }
    enum status status = STATUS_OK;
    for (size_t done = 0; done < size && status == STATUS_OK; done += UNIT) {
        status = program_unit(offset + (uint32_t)done,
                              bytes_slice(bytes_of(data, size), done, UNIT).data);
    }
    return status;
}

static enum status flash_erase(uint32_t offset) {
    if (offset % RAM_CHIP_PAGE != 0 || offset >= RAM_CHIP_FLASH_SIZE) {
        ram_chip.violations++;
        return STATUS_FLASH;
    }
    switch (next_operation()) {
    case FATE_WHOLE: memset(&ram_chip.flash[offset], 0xFF, RAM_CHIP_PAGE); return STATUS_OK;
    case FATE_TORN: memset(&ram_chip.flash[offset], 0xFF, RAM_CHIP_PAGE / 2); return STATUS_FLASH;
    default: return STATUS_FLASH;
    }
}

static enum status otp_read(unsigned entry, uint8_t out[HAL_OTP_ENTRY_SIZE]) {
    if (ram_chip.is_dead || entry >= HAL_OTP_ENTRIES) {
        return STATUS_OTP;
    }
    memcpy(out, ram_chip.otp[entry], HAL_OTP_ENTRY_SIZE);
    return STATUS_OK;
}

/* Two 32-bit programs, as on the M2354. */
static enum status program_otp_word(uint8_t *word, const uint8_t *data) {
    if (memcmp(word, data, 4) == 0) {
        return STATUS_OK;
    }
    switch (next_operation()) {
    case FATE_WHOLE: memcpy(word, data, 4); return STATUS_OK;
    case FATE_TORN: tear(word, data, 4); return STATUS_OTP;
    default: return STATUS_OTP;
    }
}

static enum status otp_program(unsigned entry, const uint8_t data[HAL_OTP_ENTRY_SIZE]) {
    if (entry >= HAL_OTP_ENTRIES || ram_chip.is_dead) {
        return STATUS_OTP;
    }
    uint8_t *now = ram_chip.otp[entry];
    if (memcmp(now, data, HAL_OTP_ENTRY_SIZE) == 0) {
        return STATUS_OK;
    }
    for (unsigned i = 0; i < HAL_OTP_ENTRY_SIZE; i++) {
        if (ram_chip.otp_locked[entry] || (data[i] & (uint8_t)~now[i]) != 0) {
            return STATUS_OTP;
        }
    }
    enum status status = program_otp_word(now, data);
    return status == STATUS_OK ? program_otp_word(now + 4, data + 4) : status;
}

static enum status otp_lock(unsigned entry) {
    if (entry >= HAL_OTP_ENTRIES || ram_chip.is_dead) {
        return STATUS_OTP;
    }
    if (ram_chip.otp_locked[entry]) {
        return STATUS_OK;
    }
    if (next_operation() != FATE_WHOLE) {
        return STATUS_OTP;
    }
    ram_chip.otp_locked[entry] = true;
    return STATUS_OK;
}

static enum status key_generate(enum hal_key_role role, uint8_t public_key[64]) {
    if (ram_chip.has_key[role]) {
        return STATUS_BAD_STATE;
    }
    if (next_operation() != FATE_WHOLE) {
        return STATUS_FLASH;
    }
    if (ram_chip.attach_during_key_generation) {
        ram_chip.debugger_was_attached = true;
    }
    enum status status =
        crypto_p256_generate(ram_chip.private_key[role], ram_chip.public_key[role]);
    memcpy(public_key, ram_chip.public_key[role], 64);
    ram_chip.has_key[role] = status == STATUS_OK;
    return status;
}

static enum status key_public(enum hal_key_role role, uint8_t public_key[64]) {
    if (ram_chip.is_dead || !ram_chip.has_key[role]) {
        return STATUS_NOT_FOUND;
    }
    memcpy(public_key, ram_chip.public_key[role], 64);
    return STATUS_OK;
}

static enum status key_sign(enum hal_key_role role, const uint8_t digest[32],
                            uint8_t signature[64]) {
    if (ram_chip.is_dead || !ram_chip.has_key[role] || role == HAL_KEY_ENC) {
        return STATUS_NOT_FOUND;
    }
    return crypto_p256_sign(ram_chip.private_key[role], digest, signature);
}

static enum status key_agree(enum hal_key_role role, const uint8_t peer[64], uint8_t shared[32]) {
    if (ram_chip.is_dead || !ram_chip.has_key[role] || role != HAL_KEY_ENC) {
        return STATUS_NOT_FOUND;
    }
    return crypto_p256_agree(ram_chip.private_key[role], peer, shared);
}

static enum status key_destroy(enum hal_key_role role) {
    if (!ram_chip.has_key[role]) {
        return STATUS_OK;
    }
    if (next_operation() != FATE_WHOLE) {
        return STATUS_FLASH;
    }
    ram_chip.has_key[role] = false;
    memset(ram_chip.private_key[role], 0, 32);
    return STATUS_OK;
}

/* Not random at all, but never twice the same: the DRBG behind it is not what these tests test. */
static enum status entropy(void *context, uint8_t *out, size_t size) {
    static uint32_t state = 1;
    (void)context;
    if (ram_chip.entropy_is_dead) {
        return STATUS_NO_ENTROPY;
    }
    for (size_t i = 0; i < size; i++) {
        state = state * 1664525u + 1013904223u;
        out[i] = (uint8_t)(state >> 24);
    }
    return STATUS_OK;
}

static enum status link_read(uint8_t *out, size_t size, size_t *taken) {
    size_t left = ram_chip.rx_size - ram_chip.rx_position;
    *taken = size < left ? size : left;
    memcpy(out, &ram_chip.rx[ram_chip.rx_position], *taken);
    ram_chip.rx_position += *taken;
    if (ram_chip.rx_position == ram_chip.rx_size) {
        ram_chip.rx_position = 0;
        ram_chip.rx_size = 0;
    }
    return STATUS_OK;
}

static enum status link_write(const uint8_t *data, size_t size) {
    if (ram_chip.is_dead || size > sizeof ram_chip.tx - ram_chip.tx_size) {
        return STATUS_LINK;
    }
    memcpy(&ram_chip.tx[ram_chip.tx_size], data, size);
    ram_chip.tx_size += size;
    return STATUS_OK;
}

static bool link_overrun(void) {
    return false;
}

static void wait_nothing(void) {
}

static uint64_t time_us(void) {
    return 0;
}

static const struct life_cycle_otp life_cycle_otp = {
    .read = otp_read,
    .program = otp_program,
    .lock = otp_lock,
};

static const struct counter_otp counter_otp = {
    .read = otp_read,
    .program = otp_program,
};

static enum status counter_value(enum hal_counter counter, uint32_t *value) {
    return counter_otp_read(&counter_otp, counter, value);
}

static enum status raise_counter(enum hal_counter counter, uint32_t value) {
    return counter_otp_raise(&counter_otp, counter, value);
}

static enum hal_life_cycle life_cycle(void) {
    return life_cycle_read(&life_cycle_otp);
}

static enum status advance(enum hal_life_cycle to) {
    return life_cycle_advance(&life_cycle_otp, to);
}

static bool debug_attached(bool clear) {
    bool attached = ram_chip.debugger_attached || ram_chip.debugger_was_attached;
    if (clear) {
        ram_chip.debugger_was_attached = false;
    }
    return attached;
}

static bool debug_locked(void) {
    return ram_chip.debug_is_locked;
}

static void chip_uid(uint8_t uid[HAL_UID_SIZE]) {
    memcpy(uid, ram_chip.uid, HAL_UID_SIZE);
}

static void reset(enum hal_boot_reason reason) {
    ram_chip.boot_reason = reason;
    ram_chip.resets++;
}

static enum hal_boot_reason boot_reason(void) {
    return ram_chip.boot_reason;
}

static void enter_image(uint32_t offset) {
    ram_chip.entered = offset;
}

static const struct hal_flash_geometry GEOMETRY = {
    .size_bytes = RAM_CHIP_FLASH_SIZE,
    .page_bytes = RAM_CHIP_PAGE,
    .unit_bytes = UNIT,
    .journal_first = RAM_CHIP_JOURNAL_FIRST,
    .journal_pages = RAM_CHIP_HALF_PAGES,
    .bl2_first = RAM_CHIP_BL2_FIRST,
    .bl2_pages = RAM_CHIP_SLOT_PAGES,
    .primary_first = RAM_CHIP_BL2_FIRST + RAM_CHIP_SLOT_PAGES,
    .secondary_first = RAM_CHIP_BL2_FIRST + 2 * RAM_CHIP_SLOT_PAGES,
    .slot_pages = RAM_CHIP_SLOT_PAGES,
};

const struct hal ram_chip_hal = {
    .chip_family = "RAM-CHIP",
    .flash = &GEOMETRY,
    .flash_read = flash_read,
    .flash_program = flash_program,
    .flash_erase = flash_erase,
    .otp_read = otp_read,
    .otp_program = otp_program,
    .otp_lock = otp_lock,
    .key_generate = key_generate,
    .key_public = key_public,
    .key_sign = key_sign,
    .key_agree = key_agree,
    .key_destroy = key_destroy,
    .entropy = entropy,
    .link_read = link_read,
    .link_write = link_write,
    .link_overrun = link_overrun,
    .wait = wait_nothing,
    .time_us = time_us,
    .life_cycle = life_cycle,
    .life_cycle_advance = advance,
    .counter_read = counter_value,
    .counter_raise = raise_counter,
    .counter_max = counter_otp_max,
    .debug_attached = debug_attached,
    .debug_locked = debug_locked,
    .chip_uid = chip_uid,
    .reset = reset,
    .boot_reason = boot_reason,
    .enter_image = enter_image,
};
