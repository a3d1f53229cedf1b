/*
 * Permits: one irreversible step of one chip, allowed by the HSM's command-authority key.
 * docs/formats/permit.md. A permit is a COSE_Sign1 (cose/cose_sign1.h) over
 *
 *     {1: command, 2: arguments map, 3: UID, 4: SHA-256(AUTH public key), 5: device nonce}
 *
 * Device: cose_sign1_parse and _verify, permit_parse on the payload, then the reader
 * for the command's arguments. Server: the write function of the command, then cose_sign1_write,
 * with an x5chain of authority and CA for ROOT_HASH and of the authority alone for all others.
 */
#ifndef NUSEC_COSE_PERMIT_H
#define NUSEC_COSE_PERMIT_H

#include "base/bytes.h"

#define PERMIT_UID_SIZE   16
#define PERMIT_HASH_SIZE  32
#define PERMIT_NONCE_SIZE 32
/* Payload of any permit. */
#define PERMIT_PAYLOAD_MAX 256
/* A whole permit with two certificates. */
#define PERMIT_MAX 4400

enum permit_command {
    PERMIT_ROOT_HASH = 1,
    PERMIT_BOOT_KEY_HASH = 2,
    PERMIT_LOCK = 3,
    PERMIT_RMA = 4,
    PERMIT_DECOMMISSION = 5,
    PERMIT_OBJECT_ID = 6,
};

struct permit {
    uint64_t command;
    struct bytes arguments; /* the encoded map, borrowed */
    uint8_t uid[PERMIT_UID_SIZE];
    uint8_t auth_key_hash[PERMIT_HASH_SIZE];
    uint8_t nonce[PERMIT_NONCE_SIZE];
};

struct permit_root_hash {
    uint8_t root_hash[PERMIT_HASH_SIZE];        /* SHA-256 of the root certificate */
    uint8_t command_key_hash[PERMIT_HASH_SIZE]; /* SHA-256 of the command-authority key X || Y */
};

/* Arguments of BOOT_KEY_HASH: {1: target, 2: hash}. */
struct permit_boot_key_hash {
    uint64_t target;                    /* enum devauth_target: 1 BL2, 2 BL3 */
    uint8_t key_hash[PERMIT_HASH_SIZE]; /* SHA-256 of the boot key X || Y */
};

/* Arguments of OBJECT_ID: {1: bytes}. Those of LOCK and RMA are an empty map. */
#define PERMIT_OBJECT_ID_MAX 64

MUST_USE enum status permit_parse(struct bytes payload, struct permit *permit);
MUST_USE enum status permit_parse_root_hash(struct bytes arguments,
                                            struct permit_root_hash *root_hash);

/* INVALID for another target than 1 or 2. */
MUST_USE enum status permit_parse_boot_key_hash(struct bytes arguments,
                                                struct permit_boot_key_hash *boot_key_hash);
/* Borrowed, 1 to PERMIT_OBJECT_ID_MAX bytes. */
MUST_USE enum status permit_parse_object_id(struct bytes arguments, struct bytes *object_id);
/* LOCK, RMA: OK only for the empty map. */
MUST_USE enum status permit_parse_no_arguments(struct bytes arguments);

/* The payload only. `permit->command` and `arguments` are ignored: they are written from
 * `root_hash`. */
void permit_write_root_hash(struct writer *writer, const struct permit *permit,
                            const struct permit_root_hash *root_hash);
/* Likewise. */
void permit_write_boot_key_hash(struct writer *writer, const struct permit *permit,
                                const struct permit_boot_key_hash *boot_key_hash);
void permit_write_object_id(struct writer *writer, const struct permit *permit,
                            struct bytes object_id);
/* `permit->command` is LOCK or RMA. */
void permit_write_no_arguments(struct writer *writer, const struct permit *permit);

#endif
