#include "base/secret.h"
#include "store/store.h"
#include "store/store_unit_internal.h"

#include <stdio.h>
#include <string.h>

static int check_job(const struct store_reservation *reservation, const struct store_job *job,
                     struct error *error) {
    if (strcmp(job->programmer_id, reservation->programmer_id) != 0)
        return error_set(error, ERROR_DENIED, "the job belongs to another programmer");
    if (job->state == JOB_STOPPED)
        return error_set(error, ERROR_JOB_CLOSED, "the job is stopped");
    if (job->sequence == 0 ||
        !secret_equal(job->token_hash, reservation->token_hash, sizeof job->token_hash)) {
        error_set(error, ERROR_WRONG_TOKEN, "this is not the token of the job's newest package");
        return error_hint(error, "import the newest package");
    }
    if (job->state != JOB_ACTIVE) {
        error_set(error, ERROR_JOB_CLOSED, "the job is not active");
        return error_hint(error, "activate it with the imported package first");
    }
    if (job->expires != 0 && reservation->now >= job->expires)
        return error_set(error, ERROR_EXPIRED, "the job has expired");
    return 0;
}

/* What stands in the way of a new attempt after the `earlier` one. */
static int check_earlier(const struct store_unit *earlier,
                         const struct store_reservation *reservation, struct error *error) {
    if (earlier->state == UNIT_SCRAPPED)
        return unit_is_scrapped(error);
    if (earlier->state == UNIT_IDENTIFIED || earlier->state == UNIT_SECURED ||
        earlier->state == UNIT_DONE)
        return error_set(error, ERROR_ALREADY_IDENTIFIED, "this chip already has its identity");
    /* A programmer that asks anew has given up what it asked for before: its answer was lost. */
    if (earlier->state == UNIT_RESERVED && earlier->permitted) {
        error_set(error, ERROR_UNIT_OPEN, "attempt %u of this chip is still open",
                  (unsigned)earlier->attempt);
        return error_hint(error, "continue that attempt, or report it as failed first");
    }
    if (reservation->attempt <= earlier->attempt) {
        error_set(error, ERROR_WRONG_STATE, "attempt %u of this chip is %s",
                  (unsigned)earlier->attempt, unit_state_name(earlier->state));
        return error_hint(error, "reserve attempt %u", (unsigned)earlier->attempt + 1);
    }
    return 0;
}

/* `earlier` is the newest attempt, or NULL. That it was scrapped says more than a list does. */
static int check_chip(struct store_db *db, const struct store_job *job,
                      const struct store_reservation *reservation, const struct store_unit *earlier,
                      struct error *error) {
    if (earlier != NULL && earlier->state == UNIT_SCRAPPED)
        return unit_is_scrapped(error);
    if (store_job_check_uid(db, job, reservation->uid, error) != 0)
        return -1;
    return earlier != NULL ? check_earlier(earlier, reservation, error) : 0;
}

/* 1: the UID lives under another job (whose last attempt is not a failed or scrapped one that gave
 * its count back), 0: it does not. */
static int lives_elsewhere(struct store_db *db, const struct store_reservation *reservation,
                           struct error *error) {
    char job_id[STORE_ID_MAX + 1] = "";
    struct store_unit unit;
    sqlite3_stmt *row;
    int found = -1;

    if (store_query(db, &row, error, "SELECT job_id FROM devices WHERE uid=?", "b",
                    bytes_of(reservation->uid, STORE_UID_SIZE)) == 0)
        found = store_step(db, row, error);
    if (found == 1)
        store_column_text(row, 0, job_id, sizeof job_id);
    store_done(row);
    if (found != 1 || strcmp(job_id, reservation->job_id) == 0)
        return found < 0 ? -1 : 0;
    found = unit_latest(db, job_id, reservation->uid, &unit, error);
    if (found != 1)
        return found;
    return (unit.state == UNIT_FAILED || unit.state == UNIT_SCRAPPED) && !unit.counted ? 0 : 1;
}

static int flag_elsewhere(struct store_db *db, struct store_reservation *reservation,
                          struct error *error) {
    struct store_unit unit = {.attempt = reservation->attempt};

    snprintf(unit.job_id, sizeof unit.job_id, "%s", reservation->job_id);
    snprintf(unit.programmer_id, sizeof unit.programmer_id, "%s", reservation->programmer_id);
    memcpy(unit.uid, reservation->uid, STORE_UID_SIZE);
    error_set(&reservation->refusal, ERROR_UID_UNDER_OTHER_KEY,
              "this UID has an identity under another job");
    error_hint(&reservation->refusal,
               "the chip or its UID was copied, or the wrong job was chosen");
    return unit_flag(db, "unit.uid_under_other_key", &unit, &reservation->refusal, reservation->now,
                     error);
}

static bool was_lost_locked(const struct store_unit *unit) {
    return unit->secured && (unit->state == UNIT_FAILED || unit->state == UNIT_SCRAPPED);
}

/* A locked chip keeps its identity: whoever asks for another one under its UID has a copy. */
static int flag_secured(struct store_db *db, struct store_reservation *reservation,
                        const struct store_unit *earlier, struct error *error) {
    struct store_unit unit = {.attempt = reservation->attempt};

    snprintf(unit.job_id, sizeof unit.job_id, "%s", reservation->job_id);
    snprintf(unit.programmer_id, sizeof unit.programmer_id, "%s", reservation->programmer_id);
    memcpy(unit.uid, reservation->uid, STORE_UID_SIZE);
    if (earlier->state == UNIT_SCRAPPED) {
        unit_is_scrapped(&reservation->refusal);
    } else {
        error_set(&reservation->refusal, ERROR_UID_UNDER_OTHER_KEY,
                  "a chip with this UID was locked under another key");
        error_hint(&reservation->refusal,
                   "a locked chip is repaired or scrapped, never made again");
    }
    return unit_flag(db, "unit.uid_under_other_key", &unit, &reservation->refusal, reservation->now,
                     error);
}

static int supersede(struct store_db *db, struct store_job *job, struct store_unit *earlier,
                     uint64_t now, struct error *error) {
    if (store_exec(db, error, "UPDATE units SET state=?, counted=0, updated=? WHERE id=?", "iib",
                   (int64_t)UNIT_SUPERSEDED, (int64_t)now,
                   bytes_of(earlier->id, UNIT_ID_SIZE)) != 0 ||
        unit_end_certificate(db, earlier, "superseded", "superseded by a later attempt", now,
                             error) != 0)
        return -1;
    return unit_record(db, job, earlier, UNIT_EVENT_SUPERSEDE, NULL, now, error);
}

static int insert_unit(struct store_db *db, const struct store_unit *unit, struct error *error) {
    return store_exec(db, error,
                      "INSERT INTO units(id, job_id, uid, attempt, state, counted, programmer_id,"
                      " nonce, created, updated, boot) VALUES(?,?,?,?,?,1,?,?,?,?,?)",
                      "btbiitbiii", bytes_of(unit->id, UNIT_ID_SIZE), unit->job_id,
                      bytes_of(unit->uid, STORE_UID_SIZE), (int64_t)unit->attempt,
                      (int64_t)unit->state, unit->programmer_id,
                      bytes_of(unit->nonce, sizeof unit->nonce), (int64_t)unit->created,
                      (int64_t)unit->updated, (int64_t)unit->boot);
}

static void fill_unit(const struct store_reservation *reservation,
                      const uint8_t unit_id[UNIT_ID_SIZE], struct store_unit *unit) {
    memset(unit, 0, sizeof *unit);
    memcpy(unit->id, unit_id, UNIT_ID_SIZE);
    snprintf(unit->job_id, sizeof unit->job_id, "%s", reservation->job_id);
    snprintf(unit->programmer_id, sizeof unit->programmer_id, "%s", reservation->programmer_id);
    memcpy(unit->uid, reservation->uid, STORE_UID_SIZE);
    unit->attempt = reservation->attempt;
    unit->state = UNIT_RESERVED;
    unit->counted = true;
    memcpy(unit->nonce, reservation->nonce, sizeof unit->nonce);
    unit->created = unit->updated = reservation->now;
}

/* The board of an earlier attempt is still the same board, unless the line says another. */
static const struct store_line *line_of(struct store_reservation *reservation,
                                        const struct store_unit *earlier) {
    if (earlier != NULL && reservation->line.serial[0] == '\0')
        memcpy(reservation->line.serial, earlier->line.serial, sizeof earlier->line.serial);
    return &reservation->line;
}

/* A repeated request finds the unit of the first; only an open one is still a reservation. */
static int repeat(struct store_db *db, struct store_reservation *reservation,
                  const struct store_job *job, struct error *error) {
    if (reservation->unit.state == UNIT_SUPERSEDED)
        return error_set(error, ERROR_WRONG_STATE, "a later attempt took this one's place");
    if (reservation->unit.state != UNIT_RESERVED)
        return check_earlier(&reservation->unit, reservation, error);
    reservation->is_repeated = true;
    reservation->remaining = store_job_remaining(job);
    return unit_take_line(db, &reservation->unit, &reservation->line, reservation->now, error);
}

int store_unit_reserve(struct store_db *db, void *context, struct error *error) {
    struct store_reservation *reservation = context;
    struct store_job job;
    struct store_unit earlier;
    uint8_t id[UNIT_ID_SIZE];
    int found, elsewhere;

    error_clear(&reservation->refusal);
    store_unit_id(reservation->job_id, reservation->uid, reservation->attempt, id);
    if (store_job_find(db, reservation->job_id, &job, error) != 0 ||
        check_job(reservation, &job, error) != 0)
        return -1;
    found = unit_find(db, id, &reservation->unit, error);
    if (found != 0)
        return found < 0 ? -1 : repeat(db, reservation, &job, error);
    /* Not above: a unit whose answer was lost is counted, and must be able to come to an end. */
    if (store_job_check_open(&job, error) != 0)
        return -1;
    found = unit_latest(db, job.id, reservation->uid, &earlier, error);
    if (found == 1 && was_lost_locked(&earlier))
        return flag_secured(db, reservation, &earlier, error);
    if (found < 0 || check_chip(db, &job, reservation, found == 1 ? &earlier : NULL, error) != 0)
        return -1;
    elsewhere = lives_elsewhere(db, reservation, error);
    if (elsewhere != 0)
        return elsewhere < 0 ? -1 : flag_elsewhere(db, reservation, error);
    if (found == 0 || !earlier.counted) {
        if (job.used >= job.count)
            return error_set(error, ERROR_JOB_FULL, "all %llu units of the job are used",
                             (unsigned long long)job.count);
        job.used++;
    }
    if (found == 1 && supersede(db, &job, &earlier, reservation->now, error) != 0)
        return -1;
    fill_unit(reservation, id, &reservation->unit);
    if (found == 1) /* what is in the chip's OTP stays there, and is permitted once */
        reservation->unit.boot = earlier.boot & UNIT_BOOT_KEYS;
    reservation->remaining = store_job_remaining(&job);
    if (insert_unit(db, &reservation->unit, error) != 0 ||
        unit_take_line(db, &reservation->unit, line_of(reservation, found == 1 ? &earlier : NULL),
                       reservation->now, error) != 0)
        return -1;
    return unit_record(db, &job, &reservation->unit, UNIT_EVENT_RESERVE, NULL, reservation->now,
                       error);
}
