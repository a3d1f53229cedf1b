/*
 * Do they agree? The server's word is its database, read beside it; the programmer's is its report;
 * the chips' is their OTP and, earlier, the session that only the issued certificate opens.
 */
#include "storm.h"

#include "base/clock.h"
#include "tool.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

static sqlite3 *database(struct storm *storm) {
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(storm->database, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
        storm_fail(storm, "cannot read %s", storm->database);
    (void)sqlite3_busy_timeout(db, 5000);
    return db;
}

/* The number a query with one parameter gives, -1 on failure. */
static long long number_of(sqlite3 *db, const char *query, const char *parameter) {
    sqlite3_stmt *row = NULL;
    long long number = -1;
    if (sqlite3_prepare_v2(db, query, -1, &row, NULL) == SQLITE_OK &&
        sqlite3_bind_text(row, 1, parameter, -1, SQLITE_STATIC) == SQLITE_OK &&
        sqlite3_step(row) == SQLITE_ROW)
        number = sqlite3_column_int64(row, 0);
    (void)sqlite3_finalize(row);
    return number;
}

#define VALID_CERTIFICATES                                                                         \
    "SELECT count(*) FROM certificates WHERE state='valid' AND serial IN"                          \
    " (SELECT certificate_serial FROM units WHERE job_id=?)"

static void expect(struct storm *storm, const struct storm_job *job, const char *what,
                   long long found, long long wanted) {
    if (found != wanted)
        storm_fail(storm, "%s: %s is %lld, not %lld", job->id, what, found, wanted);
}

void storm_judge_bounds(struct storm *storm) {
    sqlite3 *db = database(storm);
    for (size_t i = 0; i < STORM_JOBS; i++) {
        const struct storm_job *job = &storm->jobs[i];
        long long used = number_of(db, "SELECT used FROM jobs WHERE id=?", job->id);
        long long valid = number_of(db, VALID_CERTIFICATES, job->id);
        if (used < 0 || used > (long long)job->count || valid < 0 || valid > (long long)job->count)
            storm_fail(storm, "%s: %lld used, %lld valid certificates, of %zu", job->id, used,
                       valid, job->count);
    }
    (void)sqlite3_close(db);
    printf("%zu of %zu chips, %.0f s\n", atomic_load(&storm->finished), storm->chip_count,
           (double)(clock_monotonic_ms() - storm->began_ms) / 1000.0);
    (void)fflush(stdout);
}

static void judge_server(struct storm *storm, sqlite3 *db, const struct storm_job *job) {
    long long count = (long long)job->count;
    expect(storm, job, "the server's used count",
           number_of(db, "SELECT used FROM jobs WHERE id=?", job->id), count);
    expect(storm, job, "the number of valid certificates",
           number_of(db, VALID_CERTIFICATES, job->id), count);
    expect(storm, job, "the number of counted units",
           number_of(db, "SELECT count(*) FROM units WHERE counted=1 AND job_id=?", job->id),
           count);
    expect(storm, job, "the number of chips at their end",
           number_of(db,
                     job->has_firmware ? "SELECT count(*) FROM units WHERE state=6 AND job_id=?"
                                       : "SELECT count(*) FROM units WHERE state=2 AND job_id=?",
                     job->id),
           count);
    expect(storm, job, "the number of unit records",
           number_of(db,
                     "SELECT count(*) FROM records WHERE unit_id IN"
                     " (SELECT id FROM units WHERE job_id=?)",
                     job->id),
           job->has_firmware ? count : 0);
}

static void judge_programmer(struct storm *storm, sqlite3 *db, const struct storm_job *job,
                             const json_t *report) {
    const json_t *summary = json_object_get(report, "job");
    const char *state = json_string_value(json_object_get(summary, "state"));
    const json_t *ledger = json_object_get(report, "ledger");
    if (state == NULL || strcmp(state, "complete") != 0)
        storm_fail(storm, "%s: the programmer says %s, not complete", job->id,
                   state != NULL ? state : "nothing");
    expect(storm, job, "the programmer's remaining count",
           json_integer_value(json_object_get(summary, "remaining")), 0);
    expect(storm, job, "what the programmer has not reported",
           json_integer_value(json_object_get(summary, "unreported")), 0);
    expect(storm, job, "the programmer's count of chips",
           json_integer_value(json_object_get(summary, job->has_firmware ? "done" : "identified")),
           (long long)job->count);
    expect(storm, job, "the server's copy of the ledger",
           number_of(db, "SELECT peer_sequence FROM jobs WHERE id=?", job->id),
           json_integer_value(json_object_get(ledger, "head_sequence")));
}

/* The server's unit of this chip: the newest attempt, at its end, under the id of the programmer.
 */
static void judge_unit(struct storm *storm, sqlite3 *db, const struct storm_job *job,
                       const json_t *unit) {
    static const char query[] = "SELECT lower(hex(id)), state FROM units WHERE upper(hex(uid))=?1"
                                " AND job_id=?2 ORDER BY attempt DESC LIMIT 1";
    const char *uid = json_string_value(json_object_get(unit, "uid"));
    const char *id = json_string_value(json_object_get(unit, "unit_id"));
    const char *state = json_string_value(json_object_get(unit, "state"));
    sqlite3_stmt *row = NULL;
    if (sqlite3_prepare_v2(db, query, -1, &row, NULL) == SQLITE_OK &&
        sqlite3_bind_text(row, 1, uid, -1, SQLITE_STATIC) == SQLITE_OK &&
        sqlite3_bind_text(row, 2, job->id, -1, SQLITE_STATIC) == SQLITE_OK &&
        sqlite3_step(row) == SQLITE_ROW) {
        const char *theirs = (const char *)sqlite3_column_text(row, 0);
        if (id == NULL || strcmp(theirs, id) != 0)
            storm_fail(storm, "%s: the server calls the unit of %s %s, the programmer %s", job->id,
                       uid, theirs, id != NULL ? id : "nothing");
    } else if (state == NULL || strcmp(state, "refused") != 0) {
        storm_fail(storm, "%s: the server has no unit of %s, which is %s", job->id,
                   uid != NULL ? uid : "?", state != NULL ? state : "?");
    }
    (void)sqlite3_finalize(row);
}

static bool is_made_state(const struct storm_job *job, const char *state) {
    return state != NULL && strcmp(state, job->has_firmware ? "done" : "identified") == 0;
}

static const struct storm_chip *chip_of(const struct storm *storm, const char *uid) {
    for (size_t i = 0; i < storm->chip_count; i++)
        if (strcmp(storm->chips[i].uid, uid) == 0)
            return &storm->chips[i];
    return NULL;
}

/* Every unit the programmer made is a chip that was brought, of this job, and as made as it should
 * be. With the counts equal, the sets are equal. */
static void judge_chips(struct storm *storm, const struct storm_job *job, const json_t *unit) {
    const char *uid = json_string_value(json_object_get(unit, "uid"));
    const char *state = json_string_value(json_object_get(unit, "state"));
    const struct storm_chip *chip = uid != NULL ? chip_of(storm, uid) : NULL;
    enum chip_state wanted = job->has_firmware ? CHIP_SECURED : CHIP_IDENTIFIED;
    if (!is_made_state(job, state))
        return;
    if (chip == NULL || chip->job != job)
        storm_fail(storm, "%s: nobody brought chip %s", job->id, uid != NULL ? uid : "?");
    else if (chip->state != wanted)
        storm_fail(storm, "%s: chip %s is %s, not %s", job->id, uid, chip_state_name(chip->state),
                   chip_state_name(wanted));
}

static void judge_job(struct storm *storm, sqlite3 *db, const struct storm_job *job) {
    json_t *report = tool_call(storm->socket_path, "report", json_pack("{s:s}", "job_id", job->id));
    size_t index = 0;
    const json_t *unit = NULL;
    size_t made = 0;
    if (report == NULL) {
        storm_fail(storm, "%s: the programmer has no report", job->id);
        return;
    }
    judge_server(storm, db, job);
    judge_programmer(storm, db, job, report);
    json_array_foreach(json_object_get(report, "units"), index, unit) {
        judge_unit(storm, db, job, unit);
        judge_chips(storm, job, unit);
        made += is_made_state(job, json_string_value(json_object_get(unit, "state"))) ? 1 : 0;
    }
    expect(storm, job, "the number of chips the programmer made", (long long)made,
           (long long)job->count);
    json_decref(report);
}

/* A walk that left a step out, or a fault that never struck, has tested nothing. */
static void judge_plan(struct storm *storm) {
    for (size_t i = 0; i < plan_walk_count(); i++) {
        struct plan plan;
        plan_make(storm->seed, i, true, &plan);
        if (atomic_load(&storm->hits[plan.faults[0].fault][plan.faults[0].step]) == 0)
            storm_fail(storm, "%s at %s: never happened", fault_name(plan.faults[0].fault),
                       plan_steps[plan.faults[0].step]);
    }
    if (atomic_load(&storm->network.cuts) == 0 || atomic_load(&storm->hits[FAULT_TORN][0]) == 0)
        storm_fail(storm, "%u cuts of the network, %u torn operations",
                   atomic_load(&storm->network.cuts), atomic_load(&storm->hits[FAULT_TORN][0]));
}

void storm_judge_end(struct storm *storm) {
    sqlite3 *db = database(storm);
    for (size_t i = 0; i < STORM_JOBS; i++)
        judge_job(storm, db, &storm->jobs[i]);
    (void)sqlite3_close(db);
    judge_plan(storm);
    if (atomic_load(&storm->recognised) + (size_t)2 * storm->sites < storm->chip_count)
        storm_fail(storm, "only %zu chips were recognised when they came back",
                   atomic_load(&storm->recognised));
}
