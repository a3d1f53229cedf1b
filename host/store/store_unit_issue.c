#include "store/store.h"
#include "store/store_unit_internal.h"

#include "base/encoding.h"

#include <string.h>

/* A second request for the unit: the same CSR gets the same certificate, another key none. */
static int issue_again(struct store_db *db, struct store_issue *issue,
                       const struct store_unit *unit, struct error *error) {
    if (memcmp(unit->csr_hash, issue->csr_hash, sizeof unit->csr_hash) == 0)
        return store_unit_certificate(db, unit, issue->issued_der, sizeof issue->issued_der,
                                      &issue->issued_size, error);
    error_set(&issue->refusal, ERROR_UID_UNDER_OTHER_KEY,
              "the unit has a certificate for another request");
    error_hint(&issue->refusal, "a new key needs a new attempt: report this one as failed first");
    return unit_flag(db, "unit.uid_under_other_key", unit, &issue->refusal, issue->now, error);
}

/* Under which job the UID has its newest certificate. 1: another one that still stands. */
static int device_elsewhere(struct store_db *db, const struct store_unit *unit,
                            struct error *error) {
    char job_id[STORE_ID_MAX + 1] = "", state[16] = "";
    sqlite3_stmt *row;
    int found = -1;

    if (store_query(db, &row, error,
                    "SELECT d.job_id, c.state FROM devices d"
                    " JOIN certificates c ON c.serial=d.certificate_serial WHERE d.uid=?",
                    "b", bytes_of(unit->uid, STORE_UID_SIZE)) == 0)
        found = store_step(db, row, error);
    if (found == 1) {
        store_column_text(row, 0, job_id, sizeof job_id);
        store_column_text(row, 1, state, sizeof state);
    }
    store_done(row);
    if (found < 1)
        return found;
    return strcmp(job_id, unit->job_id) != 0 && strcmp(state, "valid") == 0;
}

static int flag_elsewhere(struct store_db *db, struct store_issue *issue,
                          const struct store_unit *unit, struct error *error) {
    error_set(&issue->refusal, ERROR_UID_UNDER_OTHER_KEY,
              "this UID has an identity under another job");
    return unit_flag(db, "unit.uid_under_other_key", unit, &issue->refusal, issue->now, error);
}

/* A key that never leaves its chip cannot be a second chip's. 1: it is. */
static int key_elsewhere(struct store_db *db, const struct store_issue *issue,
                         const struct store_unit *unit, struct error *error) {
    sqlite3_stmt *row;
    int found = -1;

    if (store_query(
            db, &row, error,
            "SELECT 1 FROM devices WHERE substr(auth_key, 1, 8)=? AND auth_key=? AND uid<>?", "bbb",
            bytes_of(issue->auth_key, 8), bytes_of(issue->auth_key, 64),
            bytes_of(unit->uid, STORE_UID_SIZE)) == 0)
        found = store_step(db, row, error);
    store_done(row);
    return found;
}

static int flag_key(struct store_db *db, struct store_issue *issue, const struct store_unit *unit,
                    struct error *error) {
    error_set(&issue->refusal, ERROR_KEY_UNDER_OTHER_UID,
              "this AUTH key already belongs to a chip with another UID");
    error_hint(&issue->refusal, "the chip is a copy or an emulation: keep it for inspection");
    return unit_flag(db, "unit.key_under_other_uid", unit, &issue->refusal, issue->now, error);
}

static int insert_certificate(struct store_db *db, const struct store_issue *issue,
                              const struct store_unit *unit, struct error *error) {
    char uid[2 * STORE_UID_SIZE + 1];

    hex_encode_upper(bytes_of(unit->uid, STORE_UID_SIZE), uid);
    return store_exec(db, error,
                      "INSERT INTO certificates(serial, kind, hash, owner, state, issued,"
                      " not_after, der, csr) VALUES(?,'device',?,?,'valid',?,?,?,?)",
                      "bbtiibb", bytes_of(issue->serial, UNIT_SERIAL_SIZE),
                      bytes_of(issue->certificate_hash, 32), uid, (int64_t)issue->now,
                      (int64_t)issue->not_after, issue->der, issue->csr);
}

static int put_device(struct store_db *db, const struct store_issue *issue,
                      const struct store_unit *unit, struct error *error) {
    return store_exec(db, error,
                      "INSERT OR REPLACE INTO devices(uid, job_id, unit_id, programmer_id,"
                      " auth_key, enc_key, tls_key, certificate_serial, issued)"
                      " VALUES(?,?,?,?,?,?,?,?,?)",
                      "btbtbbbbi", bytes_of(unit->uid, STORE_UID_SIZE), unit->job_id,
                      bytes_of(unit->id, UNIT_ID_SIZE), unit->programmer_id,
                      bytes_of(issue->auth_key, 64), bytes_of(issue->enc_key, 64),
                      bytes_of(issue->tls_key, 64), bytes_of(issue->serial, UNIT_SERIAL_SIZE),
                      (int64_t)issue->now);
}

static int certify_unit(struct store_db *db, const struct store_issue *issue,
                        struct store_unit *unit, struct error *error) {
    unit->certified = true;
    memcpy(unit->certificate_hash, issue->certificate_hash, sizeof unit->certificate_hash);
    return store_exec(db, error,
                      "UPDATE units SET csr_hash=?, certificate_serial=?, certificate_hash=?,"
                      " auth_key_hash=?, updated=? WHERE id=?",
                      "bbbbib", bytes_of(issue->csr_hash, 32),
                      bytes_of(issue->serial, UNIT_SERIAL_SIZE),
                      bytes_of(issue->certificate_hash, 32), bytes_of(issue->auth_key_hash, 32),
                      (int64_t)issue->now, bytes_of(unit->id, UNIT_ID_SIZE));
}

int store_unit_issue(struct store_db *db, void *context, struct error *error) {
    struct store_issue *issue = context;
    struct store_unit unit;
    struct store_job job;
    int elsewhere;

    error_clear(&issue->refusal);
    if (unit_of_programmer(db, issue->unit_id, issue->programmer_id, &unit, &job, error) != 0 ||
        unit_step_allowed(&unit, UNIT_EVENT_CERTIFICATE, error) != 0)
        return -1;
    if (unit.certified)
        return issue_again(db, issue, &unit, error);
    if (store_job_check_running(&job, error) != 0)
        return -1;
    elsewhere = device_elsewhere(db, &unit, error);
    if (elsewhere != 0)
        return elsewhere < 0 ? -1 : flag_elsewhere(db, issue, &unit, error);
    elsewhere = key_elsewhere(db, issue, &unit, error);
    if (elsewhere != 0)
        return elsewhere < 0 ? -1 : flag_key(db, issue, &unit, error);
    if (insert_certificate(db, issue, &unit, error) != 0 ||
        put_device(db, issue, &unit, error) != 0 || certify_unit(db, issue, &unit, error) != 0)
        return -1;
    memcpy(issue->issued_der, issue->der.data, issue->der.size);
    issue->issued_size = issue->der.size;
    return unit_record(db, &job, &unit, UNIT_EVENT_CERTIFICATE, NULL, issue->now, error);
}
