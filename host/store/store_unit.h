/*
 * Units: one attempt at one chip under one job, and the rules of counting.
 *
 *  - The id is H(job, UID, attempt), so repeating a reservation finds it again.
 *  - The count goes down at the reservation and comes back when the unit fails before the first
 *    irreversible permit; its certificate, if one was issued, is revoked in the same transaction,
 *    so nobody ever holds more unrevoked certificates than the job's count.
 *  - A later attempt after a failed one, or an open one without a permit, takes its place: the old
 * certificate is superseded, and a count that did not come back is taken over, not used twice.
 *  - A unit that is scrapped is over for good, and costs what its failure would have cost.
 *  - A UID that lives under another job, or that asks for a second key, is refused and flagged.
 *
 * The five steps are write functions (store.h): the context is their struct. A refusal that must
 * leave an event behind is committed; it is in `refusal` while the function itself succeeds.
 * Everything else that is refused is an ordinary failure.
 */
#ifndef NUSEC_STORE_UNIT_H
#define NUSEC_STORE_UNIT_H

#include "store/store.h"
#include "store/store_job.h"
#include "store/unit_state.h"

#define UNIT_ID_SIZE     16
#define UNIT_TEXT_MAX    127
#define UNIT_SERIAL_SIZE 16
#define UNIT_DER_MAX     2000
#define UNIT_ATTEMPT_MAX 1000

/* How far a unit's boot has come, one bit each; stored. */
#define UNIT_BOOT_BL2_IMAGE 1u /* released to this attempt */
#define UNIT_BOOT_BL2_KEY   2u /* permitted, to this attempt or an earlier one of the job */
#define UNIT_BOOT_BL3_KEY   4u
#define UNIT_BOOT_KEYS      (UNIT_BOOT_BL2_KEY | UNIT_BOOT_BL3_KEY)

/* What the programmer says about where and how long: told, not proven. Empty texts: not told. */
#define UNIT_LINE_TEXT_MAX  63
#define UNIT_LINE_STEPS_MAX 32
#define UNIT_STEP_NAME_MAX  15
struct store_line {
    char site[UNIT_LINE_TEXT_MAX + 1];
    char serial[UNIT_LINE_TEXT_MAX + 1]; /* what the line calls the board */
    char steps[1024];                    /* JSON object, step: milliseconds */
};

struct store_unit {
    uint8_t id[UNIT_ID_SIZE];
    char job_id[STORE_ID_MAX + 1];
    char programmer_id[STORE_ID_MAX + 1];
    uint8_t uid[STORE_UID_SIZE];
    uint64_t attempt;
    enum unit_state state;
    bool counted;   /* this attempt holds one of the job's count */
    bool permitted; /* an irreversible permit was issued, or an image released */
    bool secured;   /* the lock permit was issued: this UID never gets another key */
    unsigned boot;  /* UNIT_BOOT_* */
    bool certified;
    uint8_t nonce[32];
    uint8_t csr_hash[32]; /* from here: only when certified */
    uint8_t serial[UNIT_SERIAL_SIZE];
    uint8_t certificate_hash[32];
    uint8_t auth_key_hash[32];
    char step[UNIT_TEXT_MAX + 1];
    char reason[UNIT_TEXT_MAX + 1];
    uint64_t milliseconds;
    struct store_line line;
    uint64_t created;
    uint64_t updated;
};

/* SHA-256(job id || UID || attempt, 4 bytes big-endian), first 16 bytes. */
void store_unit_id(const char *job_id, const uint8_t uid[STORE_UID_SIZE], uint32_t attempt,
                   uint8_t id[UNIT_ID_SIZE]);

/* ERROR_NOT_FOUND. */
int store_unit_find(struct store_db *db, const uint8_t id[UNIT_ID_SIZE], struct store_unit *unit,
                    struct error *error);

typedef void store_unit_visitor(void *context, const struct store_unit *unit);
/* The units of a job, superseded ones too, by time of reservation. */
int store_unit_list(struct store_db *db, const char *job_id, store_unit_visitor *visit,
                    void *context, struct error *error);
/* Of the same list, at most `limit` behind `after` (NULL: from the beginning). */
int store_unit_page(struct store_db *db, const char *job_id, const struct store_unit *after,
                    size_t limit, store_unit_visitor *visit, void *context, struct error *error);

struct store_reservation {
    const char *job_id;
    const char *programmer_id;
    uint8_t token_hash[32];
    uint8_t uid[STORE_UID_SIZE];
    uint32_t attempt;
    uint8_t nonce[32]; /* used when the unit is new */
    struct store_line line;
    uint64_t now;
    /* results */
    struct store_unit unit;
    bool is_repeated; /* nothing has changed: the first request's answer, once more */
    uint64_t remaining;
    struct error refusal;
};

/* ERROR_UNKNOWN_JOB, _DENIED (other programmer), _WRONG_TOKEN, _JOB_CLOSED, _EXPIRED, _JOB_FULL,
 * _UID_NOT_LISTED, _UID_DENIED, _RETRY_LIMIT, _ALREADY_IDENTIFIED, _UNIT_OPEN, _WRONG_STATE,
 * _CONFLICT (another serial number), _UNIT_SCRAPPED (flagged if the chip was locked),
 * _UID_UNDER_OTHER_KEY (flagged). */
store_write_function store_unit_reserve;

struct store_issue {
    uint8_t unit_id[UNIT_ID_SIZE];
    const char *programmer_id;
    struct bytes csr;
    struct bytes der;
    uint8_t csr_hash[32];
    uint8_t certificate_hash[32];
    uint8_t serial[UNIT_SERIAL_SIZE];
    uint64_t not_after;
    uint8_t auth_key[64];
    uint8_t enc_key[64];
    uint8_t tls_key[64];
    uint8_t auth_key_hash[32];
    uint64_t now;
    /* results: the certificate that stands, which is an earlier one for a repeated request */
    uint8_t issued_der[UNIT_DER_MAX];
    size_t issued_size;
    struct error refusal;
};

/* ERROR_NOT_FOUND, _DENIED, _JOB_CLOSED, _WRONG_STATE, _UID_UNDER_OTHER_KEY and
 * _KEY_UNDER_OTHER_UID (both flagged). */
store_write_function store_unit_issue;

/* ERROR_REVOKED unless the unit's certificate still stands. */
int store_unit_check_certificate(struct store_db *db, const struct store_unit *unit,
                                 struct error *error);

/* The certificate issued for a unit; ERROR_NOT_FOUND. */
int store_unit_certificate(struct store_db *db, const struct store_unit *unit, uint8_t *der,
                           size_t capacity, size_t *size, struct error *error);

/* Values of store_permit.command for boot keys. */
#define STORE_PERMIT_BL2_KEY 0x102u
#define STORE_PERMIT_BL3_KEY 0x202u

struct store_permit {
    uint8_t unit_id[UNIT_ID_SIZE];
    const char *programmer_id;
    uint64_t command; /* enum permit_command; a boot key's with its target << 8 */
    enum unit_event event;
    uint8_t device_nonce[32];
    uint8_t auth_key_hash[32];
    struct bytes object_id; /* OBJECT_ID */
    struct bytes permit;
    uint64_t now;
};

/* ERROR_NOT_FOUND, _DENIED, _JOB_CLOSED, _WRONG_STATE, _REVOKED, _REPLAYED,
 * _UID_UNDER_OTHER_KEY. */
store_write_function store_unit_permit;

/* The same refusals without writing: so that nothing is made or signed in vain. */
int store_permit_check(struct store_db *db, const struct store_permit *permit,
                       struct store_unit *unit, struct store_job *job, struct error *error);

/* The permit issued before for this nonce: 1 and appended to `out`, 0 none. ERROR_REPLAYED if the
 * nonce belongs to another unit, command, key or object id. */
int store_permit_find(struct store_db *db, const struct store_permit *permit, struct buffer *out,
                      struct error *error);

struct store_status {
    uint8_t unit_id[UNIT_ID_SIZE];
    const char *programmer_id;
    enum unit_event event; /* IDENTIFIED, FAILED or SCRAP */
    const char *step;
    const char *reason;
    uint64_t milliseconds;
    struct store_line line;
    bool has_certificate_hash;
    uint8_t certificate_hash[32];
    uint8_t signature[64]; /* SCRAP: the programmer's, verified (base/scrap_statement.h) */
    uint64_t now;
    /* results */
    struct store_unit unit;
    bool is_repeated;
    uint64_t remaining;
    struct error refusal;
};

/* ERROR_NOT_FOUND, _DENIED, _WRONG_STATE, _UNIT_SCRAPPED, _CONFLICT (another serial number),
 * _CERTIFICATE_MISMATCH (flagged). Repeating is fine. */
store_write_function store_unit_status;

/* The OEM gives a unit up: the newest attempt at the chip. */
struct store_scrap {
    const char *job_id;
    uint8_t uid[STORE_UID_SIZE];
    const char *actor;
    const char *reason;
    uint64_t now;
    /* results */
    struct store_unit unit;
    bool is_repeated;
    uint64_t remaining;
};

/* ERROR_UNKNOWN_JOB, _NOT_FOUND, _WRONG_STATE (complete). Repeating is fine. */
store_write_function store_unit_scrap;

#endif
