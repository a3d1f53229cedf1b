/*
 * The DevAuth profile: what NuSEC adds to SPDM on the device link, both directions, for both ends.
 * docs/formats/devauth.md is the published form of this header.
 *
 * A vendor command travels in SPDM VENDOR_DEFINED_REQUEST / _RESPONSE with StandardID 4 (IANA) and
 * DEVAUTH_VENDOR_ID. What these functions read and write is its payload only:
 *
 *     Version u8 = 1 | Command u8 | body
 *
 * Device:     devauth_read_request, one read function for the body, then a write function.
 * Programmer: a devauth_request_* write function, send, a devauth_read_* function on the answer.
 *
 * Integers are little-endian, keys X || Y. Reading refuses a wrong version, another command,
 * missing and trailing bytes with INVALID or TRUNCATED; values are then zero. Writing sticks its
 * failure to the writer. A refused command is an SPDM ERROR 0xFF whose extended data carries the
 * enum status (16 bits).
 */
#ifndef NUSEC_DEVAUTH_DEVAUTH_H
#define NUSEC_DEVAUTH_DEVAUTH_H

#include "base/bytes.h"

#define DEVAUTH_VENDOR_ID       32473u
#define DEVAUTH_PAYLOAD_VERSION 1

#define DEVAUTH_UID_SIZE        16
#define DEVAUTH_FAMILY_SIZE     16
#define DEVAUTH_PUBLIC_KEY_SIZE 64
#define DEVAUTH_NONCE_SIZE      32
#define DEVAUTH_OTP_READ_MAX    64   /* entries per OTP_READ */
#define DEVAUTH_MESSAGE_MAX     4608 /* DataTransferSize = MaxSPDMmsgSize */
#define DEVAUTH_SLOT            0
#define DEVAUTH_DEVICE_EID      9
#define DEVAUTH_LINK_BASELINE   64 /* MCTP payload until LINK_PAYLOAD agrees on more */
#define DEVAUTH_LINK_MAX        247
/* CTExponent advertised by a chip: 2^23 us = 8.4 s, a software P-256 chain on a slow M23. */
#define DEVAUTH_CT_EXPONENT 23

enum devauth_command {
    DEVAUTH_DEVICE_INFO = 0x01,    /* no session needed */
    DEVAUTH_GENERATE_KEYS = 0x02,  /* privileged session */
    DEVAUTH_PUBLIC_KEYS = 0x03,    /* any session */
    DEVAUTH_PERMIT_NONCE = 0x04,   /* any session */
    DEVAUTH_PERMIT_EXECUTE = 0x05, /* any session; ROOT_HASH privileged, on the issued chain */
    DEVAUTH_OTP_READ = 0x06,       /* any session */
    DEVAUTH_REBOOT = 0x07,         /* any session */
    DEVAUTH_LINK_PAYLOAD = 0x08,   /* no session needed */
};

enum devauth_stage_id {
    DEVAUTH_STAGE_BOOT_ROM = 1,
    DEVAUTH_STAGE_DEVAUTH = 2,
    DEVAUTH_STAGE_BOOTLOADER = 3,
    DEVAUTH_STAGE_APPLICATION = 4,
};

#define DEVAUTH_FLAG_DEBUGGER     0x01 /* a debugger is attached */
#define DEVAUTH_FLAG_DEBUG_LOCKED 0x02
#define DEVAUTH_FLAG_ROOT_HASH    0x04 /* OTP holds a valid root hash */
#define DEVAUTH_FLAG_KEYS         0x08 /* AUTH, ENC and TLS keys exist */
#define DEVAUTH_FLAG_ISSUED_CHAIN 0x10 /* slot 0 answers with an issued chain */

/* Measurement indices, docs/formats/devauth.md. */
#define DEVAUTH_MEASUREMENT_IMAGE  0x01 /* type 1, SHA-256 of the stage's image as loaded */
#define DEVAUTH_MEASUREMENT_OTP    0x02 /* type 2, SHA-256 of the public OTP entries */
#define DEVAUTH_MEASUREMENT_DEVICE 0x03 /* type 0x83 raw: life cycle u8 | DEVAUTH_FLAG_* u8 */

struct devauth_request {
    uint8_t command; /* not checked against enum devauth_command */
    struct bytes body;
};

struct devauth_device_info {
    uint8_t uid[DEVAUTH_UID_SIZE];
    char family[DEVAUTH_FAMILY_SIZE]; /* ASCII, NUL padded; not terminated when 16 long */
    uint8_t stage;                    /* enum devauth_stage_id */
    uint8_t life_cycle;               /* enum hal_life_cycle */
    uint8_t flags;                    /* DEVAUTH_FLAG_* */
    uint32_t version;
    uint16_t link_payload_max;
};

struct devauth_public_keys {
    uint8_t auth[DEVAUTH_PUBLIC_KEY_SIZE];
    uint8_t enc[DEVAUTH_PUBLIC_KEY_SIZE];
    uint8_t tls[DEVAUTH_PUBLIC_KEY_SIZE];
};

struct devauth_permit_result {
    uint8_t command;    /* enum permit_command */
    uint8_t life_cycle; /* after the command */
};

/* Device side: requests in, responses out. */
MUST_USE enum status devauth_read_request(struct bytes payload, struct devauth_request *request);
/* The body must be empty: DEVICE_INFO, GENERATE_KEYS, PUBLIC_KEYS, REBOOT. */
MUST_USE enum status devauth_read_empty_body(struct bytes body);
MUST_USE enum status devauth_read_nonce_body(struct bytes body, uint8_t *permit_command);
/* INVALID unless count is 1..DEVAUTH_OTP_READ_MAX and first + count <= 256. */
MUST_USE enum status devauth_read_otp_body(struct bytes body, uint8_t *first, uint8_t *count);
MUST_USE enum status devauth_read_link_body(struct bytes body, uint16_t *payload);

void devauth_write_device_info(struct writer *writer, const struct devauth_device_info *info);
/* `command` is GENERATE_KEYS or PUBLIC_KEYS: the same answer. */
void devauth_write_public_keys(struct writer *writer, enum devauth_command command,
                               const struct devauth_public_keys *keys);
void devauth_write_permit_nonce(struct writer *writer, const uint8_t nonce[DEVAUTH_NONCE_SIZE]);
void devauth_write_permit_result(struct writer *writer, const struct devauth_permit_result *result);
/* `entries` is count * 8 bytes. */
void devauth_write_otp_entries(struct writer *writer, struct bytes entries);
void devauth_write_reboot(struct writer *writer);
void devauth_write_link_payload(struct writer *writer, uint16_t payload);

/* Programmer side: requests out, responses in. */
/* DEVICE_INFO, GENERATE_KEYS, PUBLIC_KEYS, REBOOT. */
void devauth_request_simple(struct writer *writer, enum devauth_command command);
void devauth_request_permit_nonce(struct writer *writer, uint8_t permit_command);
void devauth_request_permit_execute(struct writer *writer, struct bytes permit);
void devauth_request_otp_read(struct writer *writer, uint8_t first, uint8_t count);
void devauth_request_link_payload(struct writer *writer, uint16_t payload);

MUST_USE enum status devauth_read_device_info(struct bytes payload,
                                              struct devauth_device_info *info);
MUST_USE enum status devauth_read_public_keys(struct bytes payload, enum devauth_command command,
                                              struct devauth_public_keys *keys);
MUST_USE enum status devauth_read_permit_nonce(struct bytes payload,
                                               uint8_t nonce[DEVAUTH_NONCE_SIZE]);
MUST_USE enum status devauth_read_permit_result(struct bytes payload,
                                                struct devauth_permit_result *result);
/* Borrowed; exactly count * 8 bytes. */
MUST_USE enum status devauth_read_otp_entries(struct bytes payload, uint8_t count,
                                              struct bytes *entries);
MUST_USE enum status devauth_read_reboot(struct bytes payload);
MUST_USE enum status devauth_read_link_payload(struct bytes payload, uint16_t *agreed);

#endif
