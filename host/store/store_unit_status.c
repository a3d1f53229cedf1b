#include "store/store.h"
#include "store/store_unit_internal.h"

#include <stdio.h>
#include <string.h>

static int check_identified(struct store_db *db, struct store_status *status, struct error *error) {
    const struct store_unit *unit = &status->unit;

    if (!unit->permitted) {
        error_set(error, ERROR_WRONG_STATE, "no permit was issued for this unit");
        return error_hint(error, "the root hash comes before the end");
    }
    if (status->has_certificate_hash &&
        memcmp(unit->certificate_hash, status->certificate_hash, 32) == 0)
        return 0;
    error_set(&status->refusal, ERROR_CERTIFICATE_MISMATCH,
              "the certificate read back is not the one issued");
    return unit_flag(db, "unit.certificate_mismatch", unit, &status->refusal, status->now, error);
}

/* 1: an attempt at this UID had a permit, this one or an earlier one whose count it took over. */
static int was_permitted(struct store_db *db, const struct store_unit *unit, struct error *error) {
    sqlite3_stmt *row;
    int found = -1;

    if (store_query(db, &row, error,
                    "SELECT 1 FROM units WHERE job_id=? AND uid=? AND permitted=1 LIMIT 1", "tb",
                    unit->job_id, bytes_of(unit->uid, STORE_UID_SIZE)) == 0)
        found = store_step(db, row, error);
    store_done(row);
    return found;
}

/* Before the first permit nothing irreversible happened: the count comes back, and the certificate
 * with it, or failing would be a way to collect certificates beyond the count. Failing again later
 * must not undo what an earlier attempt's permit cost. */
static int give_back(struct store_db *db, struct store_job *job, struct store_status *status,
                     struct error *error) {
    int permitted;

    if (!status->unit.counted || status->unit.permitted)
        return 0;
    permitted = was_permitted(db, &status->unit, error);
    if (permitted < 0)
        return -1;
    if (permitted == 0) {
        status->unit.counted = false;
        job->used--;
    }
    return unit_end_certificate(db, &status->unit, "revoked", "unit failed", status->now, error);
}

static int end_unit(struct store_db *db, struct store_job *job, struct store_status *status,
                    struct error *error) {
    struct store_unit *unit = &status->unit;

    unit->state = unit_transition_find(unit->state, status->event)->next;
    snprintf(unit->step, sizeof unit->step, "%s", status->step);
    snprintf(unit->reason, sizeof unit->reason, "%s", status->reason);
    unit->milliseconds = status->milliseconds;
    if (status->event == UNIT_EVENT_FAILED && give_back(db, job, status, error) != 0)
        return -1;
    if (store_exec(
            db, error,
            "UPDATE units SET state=?, counted=?, step=?, reason=?, milliseconds=?, updated=?"
            " WHERE id=?",
            "iittiib", (int64_t)unit->state, (int64_t)unit->counted, unit->step, unit->reason,
            (int64_t)unit->milliseconds, (int64_t)status->now,
            bytes_of(unit->id, UNIT_ID_SIZE)) != 0)
        return -1;
    status->remaining = job->count - job->used;
    return unit_record(db, job, unit, status->event,
                       status->event == UNIT_EVENT_FAILED ? unit->reason : NULL, status->now,
                       error);
}

int store_unit_status(struct store_db *db, void *context, struct error *error) {
    struct store_status *status = context;
    struct store_job job;
    enum unit_state ended = status->event == UNIT_EVENT_IDENTIFIED ? UNIT_IDENTIFIED : UNIT_FAILED;

    error_clear(&status->refusal);
    if (unit_of_programmer(db, status->unit_id, status->programmer_id, &status->unit, &job,
                           error) != 0)
        return -1;
    /* The answer to the first report was lost; meanwhile the unit may have gone on. */
    if (status->unit.state == ended ||
        (status->event == UNIT_EVENT_IDENTIFIED &&
         (status->unit.state == UNIT_SECURED || status->unit.state == UNIT_DONE))) {
        status->remaining = job.count - job.used;
        return 0;
    }
    if (unit_step_allowed(&status->unit, status->event, error) != 0)
        return -1;
    if (status->unit.state == UNIT_IDENTIFIED && job.bl2_id[0] == '\0')
        return error_set(error, ERROR_WRONG_STATE, "the unit is identified, and so complete");
    if (status->event == UNIT_EVENT_IDENTIFIED) {
        if (check_identified(db, status, error) != 0)
            return -1;
        if (status->refusal.code != ERROR_NONE)
            return 0;
    }
    return end_unit(db, &job, status, error);
}
