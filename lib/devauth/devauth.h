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
    DEVAUTH_INSTALL_BEGIN = 0x09,  /* any session; none needed where the stage has no identity */
    DEVAUTH_INSTALL_FINISH = 0x0A, /* likewise */
    DEVAUTH_BOOT_STATE = 0x0B,     /* no session needed */
    DEVAUTH_OBJECT_ID = 0x0C,      /* any session */
};

/* What an image is for: INSTALL_BEGIN, BOOT_KEY_HASH permits. */
enum devauth_target {
    DEVAUTH_TARGET_BL2 = 1,
    DEVAUTH_TARGET_BL3 = 2,
};

/* Where REBOOT leads. The request's body is empty (NORMAL) or one byte; empty is what is sent for
 * NORMAL. */
enum devauth_reboot {
    DEVAUTH_REBOOT_NORMAL = 0,
    DEVAUTH_REBOOT_STAY = 1, /* the bootloader does not start BL3 but waits on the link */
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
/* Type 1, MCUboot image hash of the accepted image in BL2's or the primary slot, else 32 zeros. */
#define DEVAUTH_MEASUREMENT_BL2      0x04
#define DEVAUTH_MEASUREMENT_BL3      0x05
#define DEVAUTH_MEASUREMENT_KEYS     0x06 /* type 0x83 raw: struct devauth_measured_keys */
#define DEVAUTH_MEASUREMENT_VERSIONS 0x07 /* type 0x83 raw: struct devauth_measured_versions */

/* SHA-256 each; all FF where there is no key or no hash in OTP. 96 bytes in this order. */
struct devauth_measured_keys {
    uint8_t enc_key_hash[32]; /* of the public key X || Y */
    uint8_t bl2_key_hash[32]; /* as in OTP */
    uint8_t bl3_key_hash[32];
};

/* 33 bytes: stage u8, then for BL2 and for BL3 version (major u8, minor u8, revision u16, build
 * u32), security counter of the image u32, counter of the chip u32. Zeros where there is no
 * accepted image; the chip's counter is told all the same. */
struct devauth_measured_image {
    uint8_t major;
    uint8_t minor;
    uint16_t revision;
    uint32_t build;
    uint32_t security_counter;
    uint32_t chip_counter;
};
struct devauth_measured_versions {
    uint8_t stage; /* enum devauth_stage_id */
    struct devauth_measured_image bl2;
    struct devauth_measured_image bl3;
};
#define DEVAUTH_MEASURED_KEYS_SIZE     96
#define DEVAUTH_MEASURED_VERSIONS_SIZE 33

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

struct devauth_install {
    uint8_t target;     /* enum devauth_target */
    uint32_t size;      /* of the image, header to last TLV */
    uint8_t sha256[32]; /* of those bytes as sent (BL3: ciphertext) */
};

/* What the device grants; data follows as MCTP type 7F (lib/bulk). */
struct devauth_install_grant {
    uint8_t transfer;    /* names this transfer in every bulk message */
    uint16_t block_size; /* the longest data block it takes */
    uint32_t window;     /* bytes that may be on the way without an answer */
    uint32_t offset;     /* where to begin; always 0 today */
};

struct devauth_install_result {
    uint8_t target;
    uint32_t reason;    /* enum image_reason: IMAGE_ACCEPTED, or why the image was refused */
    uint8_t digest[32]; /* MCUboot image hash as computed by the chip */
};

/* What the stage found in one slot; the boot log of one image. */
struct devauth_slot_state {
    uint32_t reason; /* enum image_reason, 0 if the stage did not look */
    uint8_t major;
    uint8_t minor;
    uint16_t revision;
    uint32_t build;
    uint32_t security_counter;
};

struct devauth_boot_state {
    uint8_t stage;       /* enum devauth_stage_id */
    uint8_t boot_reason; /* enum hal_boot_reason */
    uint8_t swap;        /* enum image_swap that the trailers ask for */
    uint8_t confirmed;   /* 1 if the primary image is confirmed */
    uint32_t bl2_counter;
    uint32_t bl3_counter;
    struct devauth_slot_state bl2;
    struct devauth_slot_state primary;
    struct devauth_slot_state secondary;
};

#define DEVAUTH_OBJECT_ID_MAX 64

/* Device side: requests in, responses out. */
MUST_USE enum status devauth_read_request(struct bytes payload, struct devauth_request *request);
/* The body must be empty: DEVICE_INFO, GENERATE_KEYS, PUBLIC_KEYS, INSTALL_FINISH, BOOT_STATE,
 * OBJECT_ID. */
MUST_USE enum status devauth_read_empty_body(struct bytes body);
MUST_USE enum status devauth_read_nonce_body(struct bytes body, uint8_t *permit_command);
/* INVALID unless count is 1..DEVAUTH_OTP_READ_MAX and first + count <= 256. */
MUST_USE enum status devauth_read_otp_body(struct bytes body, uint8_t *first, uint8_t *count);
MUST_USE enum status devauth_read_link_body(struct bytes body, uint16_t *payload);
/* INVALID for an unknown mode. */
MUST_USE enum status devauth_read_reboot_body(struct bytes body, enum devauth_reboot *mode);
/* INVALID for an unknown target or size 0. */
MUST_USE enum status devauth_read_install_body(struct bytes body, struct devauth_install *install);

void devauth_write_device_info(struct writer *writer, const struct devauth_device_info *info);
/* `command` is GENERATE_KEYS or PUBLIC_KEYS: the same answer. */
void devauth_write_public_keys(struct writer *writer, enum devauth_command command,
                               const struct devauth_public_keys *keys);
void devauth_write_permit_nonce(struct writer *writer, const uint8_t nonce[DEVAUTH_NONCE_SIZE]);
void devauth_write_permit_result(struct writer *writer, const struct devauth_permit_result *result);
/* `entries` is count * 8 bytes. */
void devauth_write_otp_entries(struct writer *writer, struct bytes entries);
void devauth_write_reboot(struct writer *writer);
void devauth_write_install_grant(struct writer *writer, const struct devauth_install_grant *grant);
void devauth_write_install_result(struct writer *writer,
                                  const struct devauth_install_result *result);
void devauth_write_boot_state(struct writer *writer, const struct devauth_boot_state *state);
/* Empty where there is none; fails beyond DEVAUTH_OBJECT_ID_MAX. */
void devauth_write_object_id(struct writer *writer, struct bytes object_id);
/* Values of measurements KEYS and VERSIONS. */
void devauth_write_measured_keys(struct writer *writer, const struct devauth_measured_keys *keys);
void devauth_write_measured_versions(struct writer *writer,
                                     const struct devauth_measured_versions *versions);
void devauth_write_link_payload(struct writer *writer, uint16_t payload);

/* Programmer side: requests out, responses in. */
/* DEVICE_INFO, GENERATE_KEYS, PUBLIC_KEYS, REBOOT, INSTALL_FINISH, BOOT_STATE, OBJECT_ID. */
void devauth_request_simple(struct writer *writer, enum devauth_command command);
void devauth_request_reboot(struct writer *writer, enum devauth_reboot mode);
void devauth_request_install_begin(struct writer *writer, const struct devauth_install *install);
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
/* INVALID for a block size or a window of 0. */
MUST_USE enum status devauth_read_install_grant(struct bytes payload,
                                                struct devauth_install_grant *grant);
/* INVALID for an unknown target. */
MUST_USE enum status devauth_read_install_result(struct bytes payload,
                                                 struct devauth_install_result *result);
/* INVALID unless `confirmed` is 0 or 1. */
MUST_USE enum status devauth_read_boot_state(struct bytes payload,
                                             struct devauth_boot_state *state);
/* Borrowed; at most DEVAUTH_OBJECT_ID_MAX bytes. */
MUST_USE enum status devauth_read_object_id(struct bytes payload, struct bytes *object_id);
MUST_USE enum status devauth_read_measured_keys(struct bytes value,
                                                struct devauth_measured_keys *keys);
MUST_USE enum status devauth_read_measured_versions(struct bytes value,
                                                    struct devauth_measured_versions *versions);

#endif
