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

int unit_give_back(struct store_db *db, struct store_job *job, struct store_unit *unit,
                   const char *reason, uint64_t now, struct error *error) {
    int permitted;

    if (!unit->counted || unit->permitted)
        return 0;
    permitted = was_permitted(db, unit, error);
    if (permitted < 0)
        return -1;
    if (permitted == 0) {
        unit->counted = false;
        job->used--;
    }
    return unit_end_certificate(db, unit, "revoked", reason, now, error);
}

static int end_unit(struct store_db *db, struct store_job *job, struct store_status *status,
                    struct error *error) {
    struct store_unit *unit = &status->unit;

    unit->state = unit_transition_find(unit->state, status->event)->next;
    snprintf(unit->step, sizeof unit->step, "%s", status->step);
    snprintf(unit->reason, sizeof unit->reason, "%s", status->reason);
    unit->milliseconds = status->milliseconds;
    if (unit_take_line(db, unit, &status->line, status->now, error) != 0)
        return -1;
    if (status->event == UNIT_EVENT_FAILED &&
        unit_give_back(db, job, unit, "unit failed", status->now, error) != 0)
        return -1;
    if (store_exec(
            db, error,
            "UPDATE units SET state=?, counted=?, step=?, reason=?, milliseconds=?, updated=?"
            " WHERE id=?",
            "iittiib", (int64_t)unit->state, (int64_t)unit->counted, unit->step, unit->reason,
            (int64_t)unit->milliseconds, (int64_t)status->now,
            bytes_of(unit->id, UNIT_ID_SIZE)) != 0)
        return -1;
    status->remaining = store_job_remaining(job);
    return unit_record(db, job, unit, status->event,
                       status->event == UNIT_EVENT_FAILED ? unit->reason : NULL, status->now,
                       error);
}

/* The answer to the first report was lost; meanwhile the unit may have gone on, or the OEM has
 * scrapped it: nothing that the programmer has to know of one that failed. */
static bool is_known(const struct store_status *status) {
    enum unit_state state = status->unit.state;

    switch (status->event) {
    case UNIT_EVENT_IDENTIFIED:
        return state == UNIT_IDENTIFIED || state == UNIT_SECURED || state == UNIT_DONE;
    case UNIT_EVENT_FAILED: return state == UNIT_FAILED || state == UNIT_SCRAPPED;
    default: return state == UNIT_SCRAPPED;
    }
}

static int scrap(struct store_db *db, struct store_job *job, struct store_status *status,
                 struct error *error) {
    char actor[STORE_ID_MAX + sizeof "programmer:"];
    const struct unit_scrapping scrapping = {
        .actor = actor,
        .reason = status->reason,
        .signature = bytes_of(status->signature, sizeof status->signature),
        .now = status->now};

    snprintf(actor, sizeof actor, "programmer:%s", status->programmer_id);
    if (unit_scrap(db, job, &status->unit, &scrapping, error) != 0)
        return -1;
    status->remaining = store_job_remaining(job);
    return 0;
}

int store_unit_status(struct store_db *db, void *context, struct error *error) {
    struct store_status *status = context;
    struct store_job job;

    error_clear(&status->refusal);
    if (unit_of_programmer(db, status->unit_id, status->programmer_id, &status->unit, &job,
                           error) != 0)
        return -1;
    status->is_repeated = is_known(status);
    if (status->is_repeated) {
        status->remaining = store_job_remaining(&job);
        return unit_take_line(db, &status->unit, &status->line, status->now, error);
    }
    if (unit_end_allowed(&status->unit, &job, status->event, error) != 0)
        return -1;
    if (status->event == UNIT_EVENT_SCRAP)
        return scrap(db, &job, status, error);
    if (status->event == UNIT_EVENT_IDENTIFIED) {
        if (check_identified(db, status, error) != 0)
            return -1;
        if (status->refusal.code != ERROR_NONE)
            return 0;
    }
    return end_unit(db, &job, status, error);
}
