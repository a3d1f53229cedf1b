/*
 * The whole port: one struct of functions a board provides, used by every firmware stage.
 *
 * A port (firmware/port/<board>) defines one `const struct hal`, and passes it to the stage's main
 * function. No function allocates; each returns a status; none retries inside. All are called from
 * thread mode, never from an interrupt.
 *
 * Offsets are device offsets (0 = start of the chip's flash), never CPU addresses.
 */
#ifndef NUSEC_HAL_HAL_H
#define NUSEC_HAL_HAL_H

#include "base/bytes.h"

#define HAL_UID_SIZE       16 /* the M2354's UCID; "UID" in the seeds */
#define HAL_OTP_ENTRIES    256
#define HAL_OTP_ENTRY_SIZE 8

/* Flash: NOR rules. Erased cells read 0xFF; a unit is programmed once between erases. */
struct hal_flash_geometry {
    uint32_t size_bytes;
    uint32_t page_bytes;    /* erase granularity */
    uint32_t unit_bytes;    /* program granularity and alignment */
    uint32_t erase_us;      /* typical page erase time */
    uint32_t program_us;    /* typical time for one unit */
    bool stalls_fetch;      /* the CPU, interrupts included, stops meanwhile */
    uint32_t journal_first; /* device-state journal: first page number and pages per half */
    uint32_t journal_pages;
    uint32_t bl2_first; /* BL2's slot, which has no trailer: BL2 is not swapped */
    uint32_t bl2_pages;
    uint32_t primary_first;   /* BL3 is started from here, in plaintext */
    uint32_t secondary_first; /* and arrives here, as ciphertext */
    uint32_t slot_pages;      /* of each of the two, trailer included */
};

/* Monotonic firmware counters, in OTP. */
enum hal_counter {
    HAL_COUNTER_BL2 = 0,
    HAL_COUNTER_BL3 = 1,
    HAL_COUNTERS = 2,
};

/* Keys never leave: reached by role, no export of a private half. */
enum hal_key_role {
    HAL_KEY_AUTH = 0, /* signs SPDM messages and the chip's own PKCS#10, nothing else */
    HAL_KEY_ENC = 1,  /* agrees only: image decryption */
    HAL_KEY_TLS = 2,  /* the device's own mutual TLS */
    HAL_KEY_ROLES = 3,
};

enum hal_life_cycle { /* one way; OTP */
                      HAL_LIFE_BLANK = 0,
                      HAL_LIFE_PROVISIONED = 1, /* root hash written */
                      HAL_LIFE_SECURED = 2,     /* debug locked */
                      HAL_LIFE_RETIRING = 3,
                      HAL_LIFE_RETIRED = 4,
                      HAL_LIFE_RMA = 5, /* keys and firmware erased, debug open, never back */
};

enum hal_boot_reason {
    HAL_BOOT_POWER_ON = 0,
    HAL_BOOT_REQUESTED = 1, /* hal reset() with this reason */
    HAL_BOOT_WATCHDOG = 2,
    HAL_BOOT_STAY = 3, /* hal reset() with this reason: the bootloader stays on the link */
};

/* What the boot log tells of. Append only: the numbers are in logs. */
enum hal_boot_event {
    HAL_BOOT_EVENT_BL2 = 1,       /* boot_rom about BL2 */
    HAL_BOOT_EVENT_PRIMARY = 2,   /* bootloader about the image it would start */
    HAL_BOOT_EVENT_SECONDARY = 3, /* and about the one it would install */
    HAL_BOOT_EVENT_SWAP = 4,      /* `reason` is an enum image_swap that was finished */
    HAL_BOOT_EVENT_STAY = 5,      /* it waits on the link; `reason` is a hal_boot_reason */
};

struct hal {
    /* 16-byte ASCII chip family, NUL padded, e.g. "AN505-M23"; what a firmware image is made for.
     */
    char chip_family[16];

    const struct hal_flash_geometry *flash;
    /* Any offset and size inside the flash. */
    enum status (*flash_read)(uint32_t offset, uint8_t *out, size_t size);
    /* offset and size multiples of unit_bytes, target erased; reads back; FLASH on any failure. */
    enum status (*flash_program)(uint32_t offset, const uint8_t *data, size_t size);
    /* offset page aligned, one page. */
    enum status (*flash_erase)(uint32_t offset);

    /* OTP. Program: bits go from 1 to 0 only, in 32-bit words. An equal rewrite is OK, and so is
     * completing an unlocked entry that a power cut tore; anything else is OTP. Locking twice is
     * OK. */
    enum status (*otp_read)(unsigned entry, uint8_t out[HAL_OTP_ENTRY_SIZE]);
    enum status (*otp_program)(unsigned entry, const uint8_t data[HAL_OTP_ENTRY_SIZE]);
    enum status (*otp_lock)(unsigned entry);

    /* NOT_FOUND if the role has no key. Persisted; generate refuses (BAD_STATE) over a live key. */
    enum status (*key_generate)(enum hal_key_role role, uint8_t public_key[64]);
    enum status (*key_public)(enum hal_key_role role, uint8_t public_key[64]);
    /* AUTH and TLS only; signs a digest. */
    enum status (*key_sign)(enum hal_key_role role, const uint8_t digest[32],
                            uint8_t signature[64]);
    /* ENC only. */
    enum status (*key_agree)(enum hal_key_role role, const uint8_t peer[64], uint8_t shared[32]);
    enum status (*key_destroy)(enum hal_key_role role); /* OK if there was none */

    /* TRNG. `context` is unused; the shape is crypto_entropy_function. */
    enum status (*entropy)(void *context, uint8_t *out, size_t size);

    /* Device link (UART). Read: 1..size bytes now, *taken = 0 when none. Never blocks. */
    enum status (*link_read)(uint8_t *out, size_t size, size_t *taken);
    /* Blocks until all bytes are in the transmitter. */
    enum status (*link_write)(const uint8_t *data, size_t size);
    /* True once per receive overrun since the last call. */
    bool (*link_overrun)(void);
    /* Sleeps until a byte arrived or an event; may return early. */
    void (*wait)(void);

    /* Microseconds since reset, wraps; never decides security. */
    uint64_t (*time_us)(void);

    enum hal_life_cycle (*life_cycle)(void);
    /* One step forward (or to RMA); programs OTP, verifies. DENIED backwards. */
    enum status (*life_cycle_advance)(enum hal_life_cycle to);

    /* Raise: OK if the counter is there already; INVALID above counter_max; reads back. A raise cut
     * by a power failure leaves any value between the old one and the new one. */
    enum status (*counter_read)(enum hal_counter counter, uint32_t *value);
    enum status (*counter_raise)(enum hal_counter counter, uint32_t value);
    uint32_t (*counter_max)(enum hal_counter counter);

    /* A debugger is attached now, or has been since the last call with `clear`. */
    bool (*debug_attached)(bool clear);
    bool (*debug_locked)(void); /* effective state, since reset */

    void (*chip_uid)(uint8_t uid[HAL_UID_SIZE]);
    void (*reset)(enum hal_boot_reason reason); /* does not return on a device */
    enum hal_boot_reason (*boot_reason)(void);

    /* Starts the image whose vector table lies at this flash offset, as a reset would: interrupts
     * off, nothing of this stage left in RAM or registers. Returns, with nothing changed, if what
     * lies there cannot be started. */
    void (*enter_image)(uint32_t offset);
    /* One line of the boot log: what a stage decided about an image. `reason` is an
     * enum image_reason. NULL where nobody listens. */
    void (*boot_log)(enum hal_boot_event event, uint32_t reason);
};

#endif
