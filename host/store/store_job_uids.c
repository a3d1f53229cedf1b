/* Which chips a job may make, and how often each may be tried. */
#include "store/store_job.h"

int store_job_deny(struct store_db *db, const char *job_id, const uint8_t *uids, size_t uid_count,
                   struct error *error) {
    for (size_t i = 0; i < uid_count; i++)
        if (store_exec(db, error, "INSERT OR IGNORE INTO denied_uids(job_id, uid) VALUES(?,?)",
                       "tb", job_id, bytes_of(uids + i * STORE_UID_SIZE, STORE_UID_SIZE)) != 0)
            return -1;
    return 0;
}

/* What the first row of a query about a job and a UID says, 0 without one; -1: `error`. */
static int64_t ask(struct store_db *db, const char *sql, const char *job_id,
                   const uint8_t uid[STORE_UID_SIZE], struct error *error) {
    sqlite3_stmt *row;
    int64_t answer = -1;
    int found = -1;

    if (store_query(db, &row, error, sql, "tb", job_id, bytes_of(uid, STORE_UID_SIZE)) == 0)
        found = store_step(db, row, error);
    if (found >= 0)
        answer = found == 1 ? store_column_number(row, 0) : 0;
    store_done(row);
    return answer;
}

static int check_lists(struct store_db *db, const struct store_job *job,
                       const uint8_t uid[STORE_UID_SIZE], struct error *error) {
    int64_t listed = 1;
    int64_t denied;

    if (job->has_uid_list)
        listed = ask(db, "SELECT 1 FROM job_uids WHERE job_id=? AND uid=?", job->id, uid, error);
    if (listed <= 0)
        return listed < 0
                   ? -1
                   : error_set(error, ERROR_UID_NOT_LISTED, "the UID is not on the job's list");
    denied = ask(db, "SELECT 1 FROM denied_uids WHERE job_id=? AND uid=?", job->id, uid, error);
    if (denied == 0)
        return 0;
    if (denied > 0) {
        error_set(error, ERROR_UID_DENIED, "the job is not to make this chip");
        error_hint(error, "put the chip aside and tell the OEM");
    }
    return -1;
}

int store_job_check_uid(struct store_db *db, const struct store_job *job,
                        const uint8_t uid[STORE_UID_SIZE], struct error *error) {
    int64_t attempts;

    if (check_lists(db, job, uid, error) != 0)
        return -1;
    attempts = ask(db, "SELECT count(*) FROM units WHERE job_id=? AND uid=?", job->id, uid, error);
    if (attempts < 0)
        return -1;
    if ((uint64_t)attempts <= job->retries)
        return 0;
    error_set(error, ERROR_RETRY_LIMIT,
              "the chip was tried %lld times, the job allows %llu retries", (long long)attempts,
              (unsigned long long)job->retries);
    return error_hint(error, "put the chip aside: it is not going to work");
}
