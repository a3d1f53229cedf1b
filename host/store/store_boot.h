/*
 * What a device's boot depends on: its keys, the challenges it answers, the images released to it,
 * what it measured, the record of its making, and RMA.
 */
#ifndef NUSEC_STORE_BOOT_H
#define NUSEC_STORE_BOOT_H

#include "store/store_unit.h"

#define STORE_BOOT_KEY_WRAPPED_MAX 256
#define STORE_TLVS_MAX             512
#define STORE_MEASUREMENTS_MAX     512
#define STORE_RECORD_MAX           5600

enum store_target { STORE_BL2 = 1, STORE_BL3 = 2 };

struct store_boot_key {
    uint8_t uid[STORE_UID_SIZE];
    enum store_target target;
    uint8_t public_key[64];
    uint8_t wrapped[STORE_BOOT_KEY_WRAPPED_MAX];
    size_t wrapped_size;
    uint64_t created;
};

/* 1 found, 0 none, -1 error. */
int store_boot_key_find(struct store_db *db, const uint8_t uid[STORE_UID_SIZE],
                        enum store_target target, struct store_boot_key *key, struct error *error);
/* A write function: keeps the key that is there first, which is then in the struct. */
store_write_function store_boot_key_keep;

/* Stored; never renumber. */
enum store_step_id { STORE_STEP_BL2 = 1, STORE_STEP_BL3 = 2, STORE_STEP_RECORD = 3 };

struct store_challenge {
    uint8_t nonce[32];
    uint8_t unit_id[UNIT_ID_SIZE];
    const char *programmer_id;
    enum store_step_id step;
    uint64_t now;
    uint64_t expires;
};

/* A write function: ERROR_NOT_FOUND, _DENIED, _JOB_CLOSED, _WRONG_STATE, _REVOKED. */
store_write_function store_challenge_add;

/* A challenge as a transcript answers it. */
struct store_answer {
    uint8_t nonce[32];
    uint8_t unit_id[UNIT_ID_SIZE];
    const char *programmer_id;
    enum store_step_id step;
    uint8_t transcript_hash[32];
    uint64_t now;
};
/* 1: it is open; 0: this very transcript has answered it before. ERROR_CHALLENGE_EXPIRED,
 * ERROR_REPLAYED (another transcript, unit, programmer or step; an unknown nonce). */
int store_challenge_check(struct store_db *db, const struct store_answer *answer,
                          struct error *error);

/* 0 only for an open one; an answer that was refused before is ERROR_REPLAYED as well. */
int store_challenge_open(struct store_db *db, const struct store_answer *answer,
                         struct error *error);

/* What an answer leaves behind, accepted or not. */
struct store_attestation {
    struct store_answer answer;
    uint8_t uid[STORE_UID_SIZE];
    struct bytes measurements; /* empty: the chip did not sign them */
};

/* A write function: the challenge is used up, and an event says what was wrong. A chip that signs
 * something else than was ordered is shown as what it says it is. */
struct store_refusal {
    struct store_attestation attestation;
    const struct error *why;
};
store_write_function store_attestation_refuse;

struct store_image {
    struct store_attestation attestation;
    enum store_target target;
    uint8_t tlvs[STORE_TLVS_MAX];
    size_t tlvs_size;
};
/* A write function: the released image, challenge used up. ERROR_* as store_challenge_check and
 * _WRONG_STATE, _REVOKED, _JOB_CLOSED. */
store_write_function store_image_release;
/* The image released for this nonce: 1 found, 0 none, -1 error. */
int store_image_find(struct store_db *db, const uint8_t nonce[32], struct store_image *image,
                     struct error *error);

struct store_record {
    struct store_attestation attestation;
    struct bytes record;
    const char *site;
    uint64_t milliseconds;
    struct store_line line;
    /* results */
    bool is_repeated;
    uint64_t remaining;
};
/* A write function: the unit is DONE. ERROR_CONFLICT also for another serial number. */
store_write_function store_record_accept;
/* 1: this record was accepted for the unit before, 0 not, -1 error. */
int store_record_is_known(struct store_db *db, const uint8_t unit_id[UNIT_ID_SIZE],
                          struct bytes record, struct error *error);

/* What `device show` knows. Sizes are 0 where nothing is known. */
struct store_boot_state {
    uint8_t measurements[STORE_MEASUREMENTS_MAX];
    size_t measurements_size;
    uint64_t measured;
    uint8_t object_id[64];
    size_t object_id_size;
    uint64_t rma_authorised; /* 0: no */
    uint64_t rma_permitted;
};
int store_boot_state_read(struct store_db *db, const uint8_t uid[STORE_UID_SIZE],
                          struct store_boot_state *state, struct error *error);

/* Inside the permit's transaction. */
int store_object_id_keep(struct store_db *db, const uint8_t uid[STORE_UID_SIZE],
                         struct bytes object_id, struct error *error);

/* Write functions. */
struct store_rma {
    uint8_t uid[STORE_UID_SIZE];
    const char *reason;
    const char *actor;
    uint64_t now;
};
/* Revokes the certificate and authorises the permit. Repeating is fine. ERROR_NOT_FOUND. */
store_write_function store_rma_authorise;

struct store_rma_permit {
    uint8_t uid[STORE_UID_SIZE];
    uint8_t device_nonce[32];
    uint8_t auth_key_hash[32];
    struct bytes permit;
    const char *actor;
    uint64_t now;
};
/* ERROR_DENIED unless authorised, ERROR_REPLAYED, ERROR_UID_UNDER_OTHER_KEY. */
store_write_function store_rma_permit;
int store_rma_check(struct store_db *db, const struct store_rma_permit *permit,
                    struct error *error);

#endif
