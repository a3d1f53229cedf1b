/*
 * flash.img: the non-volatile memory and the hardware registers of one virtual board.
 *
 * The file is the board's external memory (16 MiB, what QEMU's mps2-an505 demands). The firmware
 * sees it at a fixed address, the launcher and its debug proxy map it: together they play the
 * hardware that QEMU does not have. docs/formats/virtual_board.md explains every field.
 *
 * All words are 32-bit little-endian. Each register has one writer, named below; there is no lock.
 */
#ifndef NUSEC_BOARD_BOARD_FILE_H
#define NUSEC_BOARD_BOARD_FILE_H

#define BOARD_FILE_SIZE 0x1000000u

/* The M2354's geometry, and the times the model waits. */
#define BOARD_FLASH_OFFSET     0x000000u
#define BOARD_FLASH_SIZE       0x100000u
#define BOARD_FLASH_PAGE       2048u
#define BOARD_FLASH_UNIT       8u
#define BOARD_FLASH_ERASE_US   20000u
#define BOARD_FLASH_PROGRAM_US 60u

/* What lies where, in pages: BL2's slot, the primary and the secondary slot of BL3, and two halves
 * of the device-state journal at the end. */
#define BOARD_BL2_PAGES       44u
#define BOARD_JOURNAL_PAGES   4u
#define BOARD_JOURNAL_FIRST   (BOARD_FLASH_SIZE / BOARD_FLASH_PAGE - 2 * BOARD_JOURNAL_PAGES)
#define BOARD_SLOT_PAGES      ((BOARD_JOURNAL_FIRST - BOARD_BL2_PAGES) / 2)
#define BOARD_PRIMARY_FIRST   BOARD_BL2_PAGES
#define BOARD_SECONDARY_FIRST (BOARD_PRIMARY_FIRST + BOARD_SLOT_PAGES)

/* OTP: 256 entries of 8 bytes, each programmed as two words; then one lock byte per entry. */
#define BOARD_OTP_OFFSET      0x100000u
#define BOARD_OTP_PUBLIC_SIZE 0x600u /* entries 192 and up are secret: devauth/otp_map.h */
#define BOARD_OTP_LOCK_OFFSET 0x100800u
#define BOARD_OTP_LOCK_SIZE   0x100u
#define BOARD_OTP_UNLOCKED    0xFFu

/* One page per key role; no debugger ever reads them. */
#define BOARD_KEYS_OFFSET 0x102000u
#define BOARD_KEYS_SIZE   0x1800u

/* Flash and key pages follow the same rules. One bit per 8-byte unit of everything below this
 * offset, 1 = not programmed since its page was erased. */
#define BOARD_UNITS_OFFSET 0x104000u

/* Everything below this is 0xFF in a new board. */
#define BOARD_ERASED_SIZE 0x109000u

#define BOARD_REGISTERS_OFFSET 0x110000u
#define BOARD_REGISTERS_SIZE   0x1000u

/* Registers, as offsets from BOARD_REGISTERS_OFFSET. */
enum board_register {
    /* Written once, when the board is made. */
    BOARD_REGISTER_MAGIC = 0x00, /* BOARD_MAGIC */
    BOARD_REGISTER_UID = 0x10,   /* 16 bytes */

    /* Written by the launcher. */
    BOARD_REGISTER_DELAYS = 0x20,         /* 1: flash and OTP take their time */
    BOARD_REGISTER_FAULT_KIND = 0x24,     /* enum board_fault */
    BOARD_REGISTER_FAULT_AT = 0x28,       /* the operation number that fails */
    BOARD_REGISTER_DEBUG_ATTACHED = 0x2C, /* 1 while a debugger is attached */
    BOARD_REGISTER_DEBUG_ATTACHES = 0x30, /* how often one has attached */

    /* Written by the firmware; the launcher resets them before it applies power. */
    BOARD_REGISTER_RESET_CAUSE =
        0x40, /* enum board_reset_cause of the coming start, 0 at power-on */
    BOARD_REGISTER_DEBUG_LOCK = 0x44,  /* enum board_debug_lock, latched by the ROM at reset */
    BOARD_REGISTER_KEY_BUSY = 0x48,    /* 1 while a private key is in RAM */
    BOARD_REGISTER_OPERATIONS = 0x4C,  /* flash and OTP operations since power-on */
    BOARD_REGISTER_FAULT_FIRED = 0x50, /* 1: the fault happened, the chip is dead until power-on */
    BOARD_REGISTER_STACK_PEAK = 0x54,  /* bytes */
    BOARD_REGISTER_ARENA_PEAK = 0x58,  /* bytes */
    BOARD_REGISTER_STAGE = 0x5C,       /* enum devauth_stage_id */
    BOARD_REGISTER_STARTS = 0x60,      /* resets since power-on */
    BOARD_REGISTER_OVERRUNS = 0x64,    /* link bytes lost since power-on */
    BOARD_REGISTER_CRASHES = 0x68,     /* CPU faults since power-on */
    BOARD_REGISTER_CRASH_PC = 0x6C,    /* where the last one was */
    BOARD_REGISTER_BOOT_LOG_COUNT = 0x70, /* entries since power-on */
    BOARD_REGISTER_BOOT_LOG = 0x80,       /* the last BOARD_BOOT_LOG_ENTRIES of them, a ring */
    BOARD_REGISTER_STAGE_PEAKS = 0xA0,    /* per stage: deepest stack, most arena since power-on */
    BOARD_REGISTER_STAGE_TIMES = 0xC0,    /* per stage: us until it last started another one */
    /* Everything from FAULT_KIND to here is lost with the power. */
    BOARD_REGISTER_VOLATILE_END = 0xD0,
};

#define BOARD_BOOT_LOG_ENTRIES 8u
/* An entry: enum board_boot_event in the upper 8 bits; below it the reason, 0 for IMAGE_ACCEPTED.
 */
#define BOARD_BOOT_LOG_EVENT_SHIFT 24
#define BOARD_BOOT_LOG_REASON_MASK 0xFFFFFFu

/* The numbers of enum hal_boot_event, for those who only read. */
enum board_boot_event {
    BOARD_BOOT_EVENT_BL2 = 1,
    BOARD_BOOT_EVENT_PRIMARY = 2,
    BOARD_BOOT_EVENT_SECONDARY = 3,
    BOARD_BOOT_EVENT_SWAP = 4,
    BOARD_BOOT_EVENT_STAY = 5,
};

/* The numbers of enum hal_boot_reason, in BOARD_REGISTER_RESET_CAUSE. */
enum board_reset_cause {
    BOARD_RESET_POWER_ON = 0,
    BOARD_RESET_REQUESTED = 1,
    BOARD_RESET_WATCHDOG = 2,
    BOARD_RESET_STAY = 3,
};

/* enum devauth_stage_id goes from 1 to this: two words of BOARD_REGISTER_STAGE_PEAKS and one of
 * BOARD_REGISTER_STAGE_TIMES each. */
#define BOARD_STAGES 4u

#define BOARD_MAGIC 0x3142564Eu /* "NVB1" */

enum board_debug_lock {
    BOARD_DEBUG_UNKNOWN = 0, /* in reset: nobody may attach yet */
    BOARD_DEBUG_OPEN = 1,
    BOARD_DEBUG_LOCKED = 2,
};

enum board_fault {
    BOARD_FAULT_NONE = 0,
    BOARD_FAULT_STOP = 1, /* power is gone just before the operation */
    BOARD_FAULT_TEAR = 2, /* power is gone in the middle of it */
};

/*
 * CPU addresses that both ends of the debug port must agree on. SRAM is open to a debugger except
 * for the window that holds the stacks, .bss and crypto arena of boot_rom, DevAuth and bootloader,
 * and the application's keys and sessions.
 */
#define BOARD_ROM_ADDRESS         0x10000000u
#define BOARD_ROM_SIZE            0x40000u
#define BOARD_SRAM_ADDRESS        0x38000000u
#define BOARD_SRAM_SIZE           0x200000u
#define BOARD_HIDDEN_RAM_ADDRESS  0x38180000u
#define BOARD_HIDDEN_RAM_SIZE     0x20000u
#define BOARD_FILE_ADDRESS        0x80000000u
#define BOARD_DEVAUTH_ADDRESS     0x38100000u
#define BOARD_DEVAUTH_CAPACITY    0x20000u
#define BOARD_PARAMETERS_ADDRESS  0x38120000u
#define BOARD_PARAMETERS_CAPACITY 0x2000u
#define BOARD_MAILBOX_ADDRESS     0x38122000u

#endif
