/*
 * The one-time-programmable entries: which of the 256 8-byte entries means what. The published
 * form, with writer, lock and permit of each, is docs/formats/otp.md; the two change together.
 *
 * A 32-byte hash takes four entries. A group is valid only when its validity entry holds
 * OTP_VALID, which is written and locked after the group's other entries are: a group cut short
 * by power loss is simply not there yet.
 */
#ifndef NUSEC_DEVAUTH_OTP_MAP_H
#define NUSEC_DEVAUTH_OTP_MAP_H

#include <stdint.h>

#define OTP_ENTRIES    256
#define OTP_ENTRY_SIZE 8
/* Entries of a 32-byte hash. */
#define OTP_HASH_ENTRIES 4

enum otp_entry {
    OTP_ROOT_HASH = 0,          /* 0..3   SHA-256 of the root certificate */
    OTP_COMMAND_KEY_A_HASH = 4, /* 4..7   SHA-256 of the command-authority key X || Y */
    OTP_COMMAND_KEY_B_HASH = 8, /* 8..11  its successor, for rotation */
    OTP_NULINK3_CERT_HASH = 12, /* 12..15 SHA-256 of the certificate of the programmer */
    OTP_BOOT_KEY_BL2_HASH = 16, /* 16..19 */
    OTP_BOOT_KEY_BL3_HASH = 20, /* 20..23 */
    OTP_IDENTITY_VALID = 24,    /* of 0..7 and 12..15 */
    OTP_COMMAND_KEY_B_VALID = 25,
    OTP_BOOT_KEY_BL2_VALID = 26,
    OTP_BOOT_KEY_BL3_VALID = 27,
    OTP_LIFE_PROVISIONED = 32, /* life-cycle marks: OTP_VALID when reached */
    OTP_LIFE_SECURED = 33,
    OTP_LIFE_RETIRING = 34,
    OTP_LIFE_RETIRED = 35,
    OTP_LIFE_RMA = 36,
    OTP_COUNTER_BL2 = 40,   /* firmware counters, one bit a step */
    OTP_COUNTER_BL3 = 44,   /* 44..47 */
    OTP_PUBLIC_COUNT = 192, /* 0..191 may be read over the link */
    OTP_SECRET_FIRST = 192, /* 192..255 belong to the port (key wrapping); never leave the chip */
};

/* Value of a validity entry and of a life-cycle mark: "NSECOTP1". */
extern const uint8_t otp_valid[OTP_ENTRY_SIZE];
/* An entry nobody has written. */
extern const uint8_t otp_erased[OTP_ENTRY_SIZE];

#endif
