#include "store/store_programmer.h"

#include <string.h>

int store_identity_find(struct store_db *db, const uint8_t certificate_hash[32],
                        struct store_identity *identity, struct error *error) {
    char state[16];
    sqlite3_stmt *row;
    int found = -1;

    if (store_query(db, &row, error,
                    "SELECT role, name, state FROM identities WHERE certificate_hash=?", "b",
                    bytes_of(certificate_hash, 32)) == 0)
        found = store_step(db, row, error);
    if (found == 1) {
        memcpy(identity->certificate_hash, certificate_hash, 32);
        store_column_text(row, 0, identity->role, sizeof identity->role);
        store_column_text(row, 1, identity->name, sizeof identity->name);
        store_column_text(row, 2, state, sizeof state);
        identity->revoked = strcmp(state, "valid") != 0;
    }
    store_done(row);
    return found;
}

int store_identity_insert(struct store_db *db, const struct store_identity *identity, uint64_t now,
                          struct error *error) {
    if (store_exec(db, error,
                   "INSERT OR IGNORE INTO identities(certificate_hash, role, name, state, created)"
                   " VALUES(?,?,?,'valid',?)",
                   "btti", bytes_of(identity->certificate_hash, 32), identity->role, identity->name,
                   (int64_t)now) != 0)
        return -1;
    if (store_changes_last(db) == 0) {
        error_set(error, ERROR_CONFLICT, "%s %s exists", identity->role, identity->name);
        return error_hint(error, "revoke it first, or choose another name");
    }
    return 0;
}

int store_identity_revoke(struct store_db *db, const char *role, const char *name,
                          struct error *error) {
    if (store_exec(db, error,
                   "UPDATE identities SET state='revoked' WHERE role=? AND name=?"
                   " AND state='valid'",
                   "tt", role, name) != 0)
        return -1;
    if (store_changes_last(db) == 0)
        return error_set(error, ERROR_NOT_FOUND, "there is no valid %s %s", role, name);
    return 0;
}

#define PROGRAMMER_COLUMNS                                                                         \
    "id, name, state, assurance, epoch, certificate_hash, created,"                                \
    " (SELECT created FROM agreements WHERE programmer_id=id AND "                                 \
    "agreements.epoch=programmers.epoch)"

static void read_programmer(sqlite3_stmt *row, struct store_programmer *programmer) {
    memset(programmer, 0, sizeof *programmer);
    store_column_text(row, 0, programmer->id, sizeof programmer->id);
    store_column_text(row, 1, programmer->name, sizeof programmer->name);
    store_column_text(row, 2, programmer->state, sizeof programmer->state);
    store_column_text(row, 3, programmer->assurance, sizeof programmer->assurance);
    programmer->epoch = (uint64_t)store_column_number(row, 4);
    store_column_copy(row, 5, programmer->certificate_hash, 32);
    programmer->created = (uint64_t)store_column_number(row, 6);
    programmer->agreed = (uint64_t)store_column_number(row, 7);
}

int store_programmer_insert(struct store_db *db, const struct store_programmer *programmer,
                            struct bytes certificate, struct error *error) {
    if (store_exec(db, error,
                   "INSERT OR IGNORE INTO programmers(id, name, state, assurance,"
                   " certificate_hash, certificate, created) VALUES(?,?,'certified',?,?,?,?)",
                   "tttbbi", programmer->id, programmer->name, programmer->assurance,
                   bytes_of(programmer->certificate_hash, 32), certificate,
                   (int64_t)programmer->created) != 0)
        return -1;
    if (store_changes_last(db) == 0)
        return error_set(error, ERROR_CONFLICT, "a programmer named %s exists", programmer->name);
    return 0;
}

int store_programmer_find(struct store_db *db, const char *id, struct store_programmer *programmer,
                          struct error *error) {
    sqlite3_stmt *row;
    int found = -1;

    if (store_query(db, &row, error, "SELECT " PROGRAMMER_COLUMNS " FROM programmers WHERE id=?",
                    "t", id) == 0)
        found = store_step(db, row, error);
    if (found == 1)
        read_programmer(row, programmer);
    store_done(row);
    if (found == 0)
        return error_set(error, ERROR_NOT_FOUND, "there is no programmer %.32s", id);
    return found == 1 ? 0 : -1;
}

int store_programmer_certificate(struct store_db *db, const char *id, struct buffer *der,
                                 struct error *error) {
    sqlite3_stmt *row;
    int found = -1;

    if (store_query(db, &row, error, "SELECT certificate FROM programmers WHERE id=?", "t", id) ==
        0)
        found = store_step(db, row, error);
    if (found == 1) {
        struct bytes stored = store_column_bytes(row, 0);

        buffer_append(der, stored.data, stored.size);
    }
    store_done(row);
    if (found == 0)
        return error_set(error, ERROR_NOT_FOUND, "there is no programmer %.32s", id);
    return found == 1 ? buffer_check(der, error) : -1;
}

int store_programmer_list(struct store_db *db, store_programmer_visitor *visit, void *context,
                          struct error *error) {
    struct store_programmer programmer;
    sqlite3_stmt *row;
    int more = -1;

    if (store_query(db, &row, error,
                    "SELECT " PROGRAMMER_COLUMNS " FROM programmers ORDER BY created, id", "") == 0)
        while ((more = store_step(db, row, error)) == 1) {
            read_programmer(row, &programmer);
            visit(context, &programmer);
        }
    store_done(row);
    return more < 0 ? -1 : 0;
}

int store_programmer_revoke(struct store_db *db, const char *id, struct error *error) {
    if (store_exec(db, error, "UPDATE programmers SET state='revoked' WHERE id=?", "t", id) != 0)
        return -1;
    if (store_changes_last(db) == 0)
        return error_set(error, ERROR_NOT_FOUND, "there is no programmer %.32s", id);
    return store_identity_revoke(db, "programmer", id, error);
}

int store_programmer_jobs(struct store_db *db, const char *id, store_programmer_job_visitor *visit,
                          void *context, struct error *error) {
    struct store_programmer_job job = {.job_id = ""};
    sqlite3_stmt *row;
    int more = -1;

    if (store_query(db, &row, error,
                    "SELECT jobs.id, units.state, count(units.id) FROM jobs"
                    " LEFT JOIN units ON units.job_id=jobs.id AND units.programmer_id=?"
                    " WHERE jobs.programmer_id=? GROUP BY jobs.id, units.state ORDER BY jobs.id",
                    "tt", id, id) == 0)
        while ((more = store_step(db, row, error)) == 1) {
            char job_id[STORE_ID_MAX + 1];
            int64_t state = store_column_number(row, 1);

            store_column_text(row, 0, job_id, sizeof job_id);
            if (job.job_id[0] != '\0' && strcmp(job.job_id, job_id) != 0)
                visit(context, &job);
            if (strcmp(job.job_id, job_id) != 0) {
                memset(&job, 0, sizeof job);
                memcpy(job.job_id, job_id, sizeof job.job_id);
            }
            if (state >= 0 && state < UNIT_STATES)
                job.states[state] = (uint64_t)store_column_number(row, 2);
        }
    store_done(row);
    if (more == 0 && job.job_id[0] != '\0')
        visit(context, &job);
    return more < 0 ? -1 : 0;
}

int store_programmer_uids(struct store_db *db, const char *id, size_t limit,
                          store_uid_visitor *visit, void *context, struct error *error) {
    uint8_t uid[STORE_UID_SIZE];
    sqlite3_stmt *row;
    int more = -1;

    if (store_query(db, &row, error, "SELECT uid FROM devices WHERE programmer_id=? LIMIT ?", "ti",
                    id, (int64_t)limit) == 0)
        while ((more = store_step(db, row, error)) == 1)
            if (store_column_copy(row, 0, uid, sizeof uid) == 0)
                visit(context, uid);
    store_done(row);
    return more < 0 ? -1 : 0;
}

int store_agreement_insert(struct store_db *db, const char *programmer_id, uint64_t epoch,
                           struct bytes wrapped_key, uint64_t now, struct error *error) {
    if (store_exec(db, error,
                   "UPDATE programmers SET epoch=?, state='ready'"
                   " WHERE id=? AND epoch=?-1 AND state<>'revoked'",
                   "iti", (int64_t)epoch, programmer_id, (int64_t)epoch) != 0)
        return -1;
    if (store_changes_last(db) == 0)
        return error_set(error, ERROR_CONFLICT, "another agreement came first: begin again");
    return store_exec(db, error,
                      "INSERT INTO agreements(programmer_id, epoch, wrapped_key, created)"
                      " VALUES(?,?,?,?)",
                      "tibi", programmer_id, (int64_t)epoch, wrapped_key, (int64_t)now);
}

int store_agreement_find(struct store_db *db, const char *programmer_id, uint64_t epoch,
                         struct buffer *wrapped_key, struct error *error) {
    sqlite3_stmt *row;
    int found = -1;

    if (store_query(db, &row, error,
                    "SELECT wrapped_key FROM agreements WHERE programmer_id=? AND epoch=?", "ti",
                    programmer_id, (int64_t)epoch) == 0)
        found = store_step(db, row, error);
    if (found == 1) {
        struct bytes stored = store_column_bytes(row, 0);

        buffer_append(wrapped_key, stored.data, stored.size);
    }
    store_done(row);
    if (found == 0) {
        error_set(error, ERROR_NOT_PREPARED, "the programmer has no key agreed with the server");
        return error_hint(error, "prepare the programmer first");
    }
    return found == 1 ? buffer_check(wrapped_key, error) : -1;
}
