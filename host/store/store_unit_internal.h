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

/* ERROR_WRONG_STATE unless the table has (unit->state, event). */
int unit_step_allowed(const struct store_unit *unit, enum unit_event event, struct error *error);

/* Ledger entry, event and saved job for a step that happened; `detail`, for the event, may be NULL.
 */
int unit_record(struct store_db *db, struct store_job *job, const struct store_unit *unit,
                enum unit_event event, const char *detail, uint64_t now, struct error *error);

/* An event for something refused that somebody should look at. */
int unit_flag(struct store_db *db, const char *type, const struct store_unit *unit,
              const struct error *refusal, uint64_t now, struct error *error);

/* The unit's certificate, if it has one that still stands, becomes `state`. One that was revoked
 * stays what it is: who revoked it and why matters more. */
int unit_end_certificate(struct store_db *db, const struct store_unit *unit, const char *state,
                         const char *reason, uint64_t now, struct error *error);

#endif
