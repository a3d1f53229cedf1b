/* What the steps of a unit share inside host/store. */
#ifndef NUSEC_STORE_UNIT_INTERNAL_H
#define NUSEC_STORE_UNIT_INTERNAL_H

#include "store/store_event.h"
#include "store/store_unit.h"

/* 1 found, 0 none, -1 error. */
int unit_find(struct store_db *db, const uint8_t id[UNIT_ID_SIZE], struct store_unit *unit,
              struct error *error);
/* The attempt with the highest number. */
int unit_latest(struct store_db *db, const char *job_id, const uint8_t uid[STORE_UID_SIZE],
                struct store_unit *unit, struct error *error);

/* Unit and job; ERROR_DENIED for another programmer's unit. */
int unit_of_programmer(struct store_db *db, const uint8_t id[UNIT_ID_SIZE],
                       const char *programmer_id, struct store_unit *unit, struct store_job *job,
                       struct error *error);

/* ERROR_UNIT_SCRAPPED, or ERROR_WRONG_STATE unless the table has (unit->state, event). */
int unit_step_allowed(const struct store_unit *unit, enum unit_event event, struct error *error);
/* ERROR_UNIT_SCRAPPED. */
int unit_is_scrapped(struct error *error);

/* The same for what ends a unit without success: one that has its identity is complete in a job
 * without firmware, and what is complete neither fails nor is scrapped. */
int unit_end_allowed(const struct store_unit *unit, const struct store_job *job,
                     enum unit_event event, struct error *error);

/* Ledger entry, event and saved job for a step that happened; `detail`, for the event, may be NULL.
 * Of the unit's programmer. */
int unit_record(struct store_db *db, struct store_job *job, const struct store_unit *unit,
                enum unit_event event, const char *detail, uint64_t now, struct error *error);

/* The same of somebody else, or with more in the ledger entry. */
#define UNIT_NOTE_MEMBERS_MAX 3
struct unit_note {
    enum unit_event event;
    const char *actor;
    const char *detail;
    struct ledger_member members[UNIT_NOTE_MEMBERS_MAX];
    size_t member_count;
    uint64_t now;
};
int unit_record_note(struct store_db *db, struct store_job *job, const struct store_unit *unit,
                     const struct unit_note *note, struct error *error);

/* An event for something refused that somebody should look at. */
int unit_flag(struct store_db *db, const char *type, const struct store_unit *unit,
              const struct error *refusal, uint64_t now, struct error *error);

/* Takes what `told` adds to the unit's line. A serial number that stands is not changed:
 * ERROR_CONFLICT. One that another chip of the job has is taken, and flagged. */
int unit_take_line(struct store_db *db, struct store_unit *unit, const struct store_line *told,
                   uint64_t now, struct error *error);

/*
 * What the end of a unit gives back to its job. Before the first permit nothing irreversible
 * happened: the count, and the certificate with it, or ending units would be a way to collect
 * certificates beyond the count. An end that comes later must not undo what an earlier attempt's
 * permit cost. `unit` and `job` are changed, the caller saves them.
 */
int unit_give_back(struct store_db *db, struct store_job *job, struct store_unit *unit,
                   const char *reason, uint64_t now, struct error *error);

/* Who gives a unit up, and why; the OEM does not sign. */
struct unit_scrapping {
    const char *actor;
    const char *reason;
    struct bytes signature;
    uint64_t now;
};
/* Gives a unit up for good: certificate, count, row and record. Its state must allow it. */
int unit_scrap(struct store_db *db, struct store_job *job, struct store_unit *unit,
               const struct unit_scrapping *scrapping, struct error *error);

/* The unit's certificate, if it has one that still stands, becomes `state`. One that was revoked
 * stays what it is: who revoked it and why matters more. */
int unit_end_certificate(struct store_db *db, const struct store_unit *unit, const char *state,
                         const char *reason, uint64_t now, struct error *error);

#endif
