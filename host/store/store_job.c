#include "store/store_job.h"

#include <stdlib.h>
#include <string.h>

#define JOB_COLUMNS                                                                                \
    "id, product, programmer_id, count, used, expires, chip_family, devauth_id, assurance,"        \
    " cm_operator, has_uid_list, state, sequence, token_hash, ledger_sequence, ledger_hash,"       \
    " peer_sequence, peer_hash, created, created_by, bl2_id, bl3_id, debug, hold, retries"

static const char *const state_names[JOB_STATE_COUNT] = {
    [JOB_CREATED] = "created",
    [JOB_EXPORTED] = "exported",
    [JOB_ACTIVE] = "active",
    [JOB_STOPPED] = "stopped",
};

const char *job_state_name(enum job_state state) {
    return (unsigned)state < JOB_STATE_COUNT ? state_names[state] : "unknown";
}

static enum job_state state_of_name(const char *name) {
    for (unsigned i = 0; i < JOB_STATE_COUNT; i++)
        if (strcmp(state_names[i], name) == 0)
            return (enum job_state)i;
    return JOB_STOPPED; /* the CHECK of the table leaves nothing else */
}

static const char *const hold_names[JOB_HOLD_COUNT] = {
    [JOB_GOES_ON] = "none",
    [JOB_PAUSED] = "paused",
    [JOB_CLOSED] = "closed",
};

static enum job_hold hold_of_name(const char *name) {
    for (unsigned i = 0; i < JOB_HOLD_COUNT; i++)
        if (strcmp(hold_names[i], name) == 0)
            return (enum job_hold)i;
    return JOB_CLOSED; /* likewise */
}

const char *store_job_status(const struct store_job *job) {
    return job->state == JOB_STOPPED || job->hold == JOB_GOES_ON ? job_state_name(job->state)
                                                                 : hold_names[job->hold];
}

uint64_t store_job_remaining(const struct store_job *job) {
    return job->hold == JOB_CLOSED ? 0 : job->count - job->used;
}

uint64_t store_job_recalled(const struct store_job *job) {
    return job->hold == JOB_CLOSED ? job->count - job->used : 0;
}

int store_job_check_running(const struct store_job *job, struct error *error) {
    if (job->state == JOB_STOPPED)
        return error_set(error, ERROR_JOB_CLOSED, "the job is stopped");
    if (job->hold != JOB_PAUSED)
        return 0;
    error_set(error, ERROR_JOB_PAUSED, "the job is paused");
    return error_hint(error, "the OEM lets it go on with \"nusec job resume\"");
}

int store_job_check_open(const struct store_job *job, struct error *error) {
    if (store_job_check_running(job, error) != 0)
        return -1;
    return job->hold == JOB_CLOSED ? error_set(error, ERROR_JOB_CLOSED, "the job is closed") : 0;
}

static void read_job(sqlite3_stmt *row, struct store_job *job) {
    char state[16], debug[8], hold[16];

    memset(job, 0, sizeof *job);
    store_column_text(row, 0, job->id, sizeof job->id);
    store_column_text(row, 1, job->product, sizeof job->product);
    store_column_text(row, 2, job->programmer_id, sizeof job->programmer_id);
    job->count = (uint64_t)store_column_number(row, 3);
    job->used = (uint64_t)store_column_number(row, 4);
    job->expires = (uint64_t)store_column_number(row, 5);
    store_column_text(row, 6, job->chip_family, sizeof job->chip_family);
    store_column_text(row, 7, job->devauth_id, sizeof job->devauth_id);
    store_column_text(row, 8, job->assurance, sizeof job->assurance);
    store_column_text(row, 9, job->cm_operator, sizeof job->cm_operator);
    job->has_uid_list = store_column_number(row, 10) != 0;
    store_column_text(row, 11, state, sizeof state);
    job->state = state_of_name(state);
    job->sequence = (uint64_t)store_column_number(row, 12);
    store_column_copy(row, 13, job->token_hash, sizeof job->token_hash);
    job->ledger.sequence = (uint64_t)store_column_number(row, 14);
    store_column_copy(row, 15, job->ledger.hash, sizeof job->ledger.hash);
    job->peer.sequence = (uint64_t)store_column_number(row, 16);
    store_column_copy(row, 17, job->peer.hash, sizeof job->peer.hash);
    job->created = (uint64_t)store_column_number(row, 18);
    store_column_text(row, 19, job->created_by, sizeof job->created_by);
    store_column_text(row, 20, job->bl2_id, sizeof job->bl2_id);
    store_column_text(row, 21, job->bl3_id, sizeof job->bl3_id);
    store_column_text(row, 22, debug, sizeof debug);
    job->debug_open = strcmp(debug, "open") == 0;
    store_column_text(row, 23, hold, sizeof hold);
    job->hold = hold_of_name(hold);
    job->retries = (uint64_t)store_column_number(row, 24);
}

int store_job_insert(struct store_db *db, const struct store_job *job, const uint8_t *uids,
                     size_t uid_count, struct error *error) {
    static const uint8_t zero_hash[32];

    if (store_exec(db, error,
                   "INSERT INTO jobs(id, product, programmer_id, count, expires, chip_family,"
                   " devauth_id, assurance, cm_operator, has_uid_list, state, ledger_hash,"
                   " peer_hash, created, created_by, bl2_id, bl3_id, debug, retries)"
                   " VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                   "tttiittttitbbitttti", job->id, job->product, job->programmer_id,
                   (int64_t)job->count, (int64_t)job->expires, job->chip_family, job->devauth_id,
                   job->assurance, job->cm_operator, (int64_t)job->has_uid_list,
                   job_state_name(job->state), bytes_of(zero_hash, 32), bytes_of(zero_hash, 32),
                   (int64_t)job->created, job->created_by,
                   job->bl2_id[0] != '\0' ? job->bl2_id : NULL,
                   job->bl3_id[0] != '\0' ? job->bl3_id : NULL, job->debug_open ? "open" : "locked",
                   (int64_t)job->retries) != 0)
        return -1;
    for (size_t i = 0; i < uid_count; i++)
        if (store_exec(db, error, "INSERT OR IGNORE INTO job_uids(job_id, uid) VALUES(?,?)", "tb",
                       job->id, bytes_of(uids + i * STORE_UID_SIZE, STORE_UID_SIZE)) != 0)
            return -1;
    return 0;
}

int store_job_find(struct store_db *db, const char *id, struct store_job *job,
                   struct error *error) {
    sqlite3_stmt *row;
    int found = -1;

    if (store_query(db, &row, error, "SELECT " JOB_COLUMNS " FROM jobs WHERE id=?", "t", id) == 0)
        found = store_step(db, row, error);
    if (found == 1)
        read_job(row, job);
    store_done(row);
    if (found == 0)
        return error_set(error, ERROR_UNKNOWN_JOB, "there is no job %.32s", id);
    return found == 1 ? 0 : -1;
}

int store_job_save(struct store_db *db, const struct store_job *job, struct error *error) {
    return store_exec(
        db, error,
        "UPDATE jobs SET used=?, expires=?, state=?, hold=?, sequence=?, token_hash=?,"
        " ledger_sequence=?, ledger_hash=?, peer_sequence=?, peer_hash=?"
        " WHERE id=?",
        "iittibibibt", (int64_t)job->used, (int64_t)job->expires, job_state_name(job->state),
        hold_names[job->hold], (int64_t)job->sequence,
        bytes_of(job->token_hash, sizeof job->token_hash), (int64_t)job->ledger.sequence,
        bytes_of(job->ledger.hash, LEDGER_HASH_SIZE), (int64_t)job->peer.sequence,
        bytes_of(job->peer.hash, LEDGER_HASH_SIZE), job->id);
}

int store_job_list(struct store_db *db, const char *cm_operator, store_job_visitor *visit,
                   void *context, struct error *error) {
    sqlite3_stmt *row;
    struct store_job job;
    int more = -1;

    if (store_query(db, &row, error,
                    "SELECT " JOB_COLUMNS " FROM jobs"
                    " WHERE ?1 IS NULL OR cm_operator=?1 ORDER BY created DESC, id",
                    "t", cm_operator) == 0)
        while ((more = store_step(db, row, error)) == 1) {
            read_job(row, &job);
            visit(context, &job);
        }
    store_done(row);
    return more < 0 ? -1 : 0;
}

int store_job_uids(struct store_db *db, const struct store_job *job, uint8_t **uids,
                   size_t *uid_count, struct error *error) {
    struct buffer all = {0};
    sqlite3_stmt *row;
    int more = -1;

    *uids = NULL;
    *uid_count = 0;
    if (store_query(db, &row, error, "SELECT uid FROM job_uids WHERE job_id=? ORDER BY uid", "t",
                    job->id) == 0)
        while ((more = store_step(db, row, error)) == 1) {
            struct bytes uid = store_column_bytes(row, 0);

            buffer_append(&all, uid.data, uid.size);
        }
    store_done(row);
    if (more < 0 || buffer_check(&all, error) != 0) {
        buffer_free(&all);
        return -1;
    }
    *uids = all.data; /* a buffer's memory is plain malloc memory */
    *uid_count = all.size / STORE_UID_SIZE;
    return 0;
}

int store_job_record(struct store_db *db, struct store_job *job, uint64_t now, const char *type,
                     const struct ledger_member *members, size_t member_count,
                     struct error *error) {
    struct buffer entry = {0};
    int result = ledger_append(&job->ledger, now, type, members, member_count, &entry, error);

    if (result == 0)
        result = store_exec(db, error,
                            "INSERT INTO ledger_server(job_id, sequence, entry, hash)"
                            " VALUES(?,?,?,?)",
                            "tibb", job->id, (int64_t)job->ledger.sequence, buffer_bytes(&entry),
                            bytes_of(job->ledger.hash, LEDGER_HASH_SIZE));
    buffer_free(&entry);
    return result;
}

int store_package_insert(struct store_db *db, const char *job_id, struct store_package *package,
                         struct error *error) {
    if (store_exec(db, error,
                   "INSERT INTO packages(job_id, programmer_id, epoch, token_hash, issued)"
                   " VALUES(?,?,?,?,?)",
                   "ttibi", job_id, package->programmer_id, (int64_t)package->epoch,
                   bytes_of(package->token_hash, sizeof package->token_hash),
                   (int64_t)package->issued) != 0)
        return -1;
    package->sequence = (uint64_t)store_last_rowid(db);
    return 0;
}
