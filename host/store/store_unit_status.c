#include "store/store.h"
#include "store/store_unit_internal.h"

#include <stdio.h>
#include <string.h>

int store_permit_find(struct store_db *db, const struct store_permit *permit, struct buffer *out,
                      struct error *error) {
    sqlite3_stmt *row;
    int found = -1;

    if (store_query(db, &row, error,
                    "SELECT unit_id, command, auth_key_hash, permit FROM permits"
                    " WHERE device_nonce=?",
                    "b", bytes_of(permit->device_nonce, 32)) == 0)
        found = store_step(db, row, error);
    if (found == 1) {
        bool same =
            bytes_equal(store_column_bytes(row, 0), bytes_of(permit->unit_id, UNIT_ID_SIZE)) &&
            (uint64_t)store_column_number(row, 1) == permit->command &&
            bytes_equal(store_column_bytes(row, 2), bytes_of(permit->auth_key_hash, 32));
        struct bytes stored = store_column_bytes(row, 3);

        if (!same)
            found = error_set(error, ERROR_REPLAYED, "this device nonce was used before");
        else if (out != NULL)
            buffer_append(out, stored.data, stored.size);
    }
    store_done(row);
    return found;
}

static int check_permit(const struct store_permit *permit, const struct store_unit *unit,
                        const struct store_job *job, struct error *error) {
    if (job->state == JOB_STOPPED)
        return error_set(error, ERROR_JOB_CLOSED, "the job is stopped");
    if (unit_step_allowed(unit, permit->event, error) != 0)
        return -1;
    if (!unit->certified) {
        error_set(error, ERROR_WRONG_STATE, "the unit has no certificate: no permit now");
        return error_hint(error, "a permit comes after the certificate was stored in the chip");
    }
    if (memcmp(unit->auth_key_hash, permit->auth_key_hash, 32) != 0)
        return error_set(error, ERROR_UID_UNDER_OTHER_KEY,
                         "the unit's certificate is for another AUTH key");
    if (permit->event != UNIT_EVENT_PERMIT && job->bl2_id[0] == '\0')
        return error_set(error, ERROR_WRONG_STATE, "the job has no firmware");
    if (permit->event == UNIT_EVENT_LOCK && job->debug_open)
        return error_set(error, ERROR_DENIED, "boards of this job are never locked");
    return 0;
}

int store_unit_was_permitted(struct store_db *db, const uint8_t unit_id[UNIT_ID_SIZE],
                             uint64_t command, struct error *error) {
    sqlite3_stmt *row;
    int found = -1;

    if (store_query(db, &row, error, "SELECT 1 FROM permits WHERE unit_id=? AND command=? LIMIT 1",
                    "bi", bytes_of(unit_id, UNIT_ID_SIZE), (int64_t)command) == 0)
        found = store_step(db, row, error);
    store_done(row);
    return found;
}

/* A chip is locked when it can start what the OEM signed, and nothing else. */
static int check_boot_keys(struct store_db *db, const struct store_permit *permit,
                           struct error *error) {
    static const uint64_t boot_keys[] = {STORE_PERMIT_BL2_KEY, STORE_PERMIT_BL3_KEY};

    for (size_t i = 0; permit->event == UNIT_EVENT_LOCK && i < 2; i++) {
        int found = store_unit_was_permitted(db, permit->unit_id, boot_keys[i], error);

        if (found == 0)
            return error_set(error, ERROR_WRONG_STATE,
                             "no lock before the permits for both boot keys");
        if (found < 0)
            return -1;
    }
    return 0;
}

int store_unit_permit(struct store_db *db, void *context, struct error *error) {
    const struct store_permit *permit = context;
    struct store_unit unit;
    struct store_job job;
    int found;

    if (unit_of_programmer(db, permit->unit_id, permit->programmer_id, &unit, &job, error) != 0 ||
        check_permit(permit, &unit, &job, error) != 0)
        return -1;
    if (store_unit_check_certificate(db, &unit, error) != 0 ||
        check_boot_keys(db, permit, error) != 0)
        return -1;
    found = store_permit_find(db, permit, NULL, error);
    if (found != 0)
        return found < 0 ? -1 : 0;
    if (store_exec(db, error,
                   "INSERT INTO permits(device_nonce, unit_id, command, auth_key_hash, permit,"
                   " issued) VALUES(?,?,?,?,?,?)",
                   "bbibbi", bytes_of(permit->device_nonce, 32),
                   bytes_of(permit->unit_id, UNIT_ID_SIZE), (int64_t)permit->command,
                   bytes_of(permit->auth_key_hash, 32), permit->permit,
                   (int64_t)permit->now) != 0 ||
        store_exec(db, error,
                   "UPDATE units SET permitted=1, state=?, secured=?, updated=? WHERE id=?", "iiib",
                   (int64_t)unit_transition_find(unit.state, permit->event)->next,
                   (int64_t)(unit.secured || permit->event == UNIT_EVENT_LOCK),
                   (int64_t)permit->now, bytes_of(unit.id, UNIT_ID_SIZE)) != 0)
        return -1;
    return unit_record(db, &job, &unit, permit->event, permit->now, error);
}

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
    return unit_record(db, job, unit, status->event, status->now, error);
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
