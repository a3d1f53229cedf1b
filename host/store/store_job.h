/*
 * Jobs: what was ordered, how much of it is used, and the server's ledger of it.
 *
 * A job is read, changed and saved inside one write function; count, state and ledger head are
 * saved together with whatever made them change.
 */
#ifndef NUSEC_STORE_JOB_H
#define NUSEC_STORE_JOB_H

#include "base/ledger.h"
#include "store/store_db.h"

#include <stdbool.h>

#define STORE_ID_MAX   31
#define STORE_NAME_MAX 64
#define STORE_UID_SIZE 16

enum job_state { JOB_CREATED, JOB_EXPORTED, JOB_ACTIVE, JOB_STOPPED, JOB_STATE_COUNT };
const char *job_state_name(enum job_state state);

/* What the OEM decided, whatever the state. */
enum job_hold {
    JOB_GOES_ON,
    JOB_PAUSED, /* nothing is given out until it goes on again; ends are still told */
    JOB_CLOSED, /* for good: no new unit; those under way come to their end */
    JOB_HOLD_COUNT
};

struct store_job {
    char id[STORE_ID_MAX + 1];
    char product[STORE_NAME_MAX + 1];
    char programmer_id[STORE_ID_MAX + 1];
    uint64_t count;
    uint64_t used; /* distinct UIDs whose count was not given back */
    uint64_t expires;
    char chip_family[STORE_NAME_MAX + 1];
    char devauth_id[STORE_ID_MAX + 1];
    char bl2_id[STORE_ID_MAX + 1]; /* "" both: the job ends at the identity */
    char bl3_id[STORE_ID_MAX + 1];
    bool debug_open; /* boards for the desk, which are never locked */
    char assurance[STORE_ID_MAX + 1];
    char cm_operator[STORE_NAME_MAX + 1]; /* "": no CM operator sees it */
    bool has_uid_list;
    enum job_state state;
    enum job_hold hold;
    uint64_t sequence; /* of the newest package; 0: never exported */
    uint8_t token_hash[32];
    uint64_t retries;          /* attempts at a chip after the first */
    struct ledger_head ledger; /* the server's own chain */
    struct ledger_head peer;   /* the programmer's chain as received */
    uint64_t created;
    char created_by[STORE_NAME_MAX + 1];
};

/* A new job with its UID list (uid_count * 16 bytes). */
int store_job_insert(struct store_db *db, const struct store_job *job, const uint8_t *uids,
                     size_t uid_count, struct error *error);

#define STORE_RETRIES_MAX 999

/* These chips are not to be made, from now on; adding one twice is fine. `uids`: count * 16. */
int store_job_deny(struct store_db *db, const char *job_id, const uint8_t *uids, size_t uid_count,
                   struct error *error);

/* Whether this chip may be begun (again): ERROR_UID_NOT_LISTED, _UID_DENIED, _RETRY_LIMIT. */
int store_job_check_uid(struct store_db *db, const struct store_job *job,
                        const uint8_t uid[STORE_UID_SIZE], struct error *error);

/* ERROR_UNKNOWN_JOB. */
int store_job_find(struct store_db *db, const char *id, struct store_job *job, struct error *error);

/* What people read: the state, or "paused", "closed". A stopped job is that before all else. */
const char *store_job_status(const struct store_job *job);

/* Units that may still begin. Of a closed job none: the rest is recalled. */
uint64_t store_job_remaining(const struct store_job *job);
uint64_t store_job_recalled(const struct store_job *job);

/* For what a unit under way asks: ERROR_JOB_CLOSED when stopped, _JOB_PAUSED. */
int store_job_check_running(const struct store_job *job, struct error *error);
/* For what begins anew: a closed job refuses, too. */
int store_job_check_open(const struct store_job *job, struct error *error);

/* Writes back used, expiry, state, hold, package and both ledger heads. */
int store_job_save(struct store_db *db, const struct store_job *job, struct error *error);

typedef void store_job_visitor(void *context, const struct store_job *job);
/* All jobs, or those of one CM operator; newest first. */
int store_job_list(struct store_db *db, const char *cm_operator, store_job_visitor *visit,
                   void *context, struct error *error);

/* Fresh memory with uid_count * 16 bytes, freed by the caller; NULL and 0 without a list. */
int store_job_uids(struct store_db *db, const struct store_job *job, uint8_t **uids,
                   size_t *uid_count, struct error *error);

/* Appends to the server's ledger and moves job->ledger on; the caller saves the job. */
int store_job_record(struct store_db *db, struct store_job *job, uint64_t now, const char *type,
                     const struct ledger_member *members, size_t member_count, struct error *error);

struct store_package {
    uint64_t sequence;
    char programmer_id[STORE_ID_MAX + 1];
    uint64_t epoch;
    uint8_t token_hash[32];
    uint64_t issued;
};

/* A new package of the job; `package->sequence` is assigned. It counts only when the job's own
 * sequence and token hash are set to it and saved. */
int store_package_insert(struct store_db *db, const char *job_id, struct store_package *package,
                         struct error *error);

#endif
