/* The tables; what each is for is in docs/formats/database.md. Rows that grow with production are
 * appended (rowid or a serial number that grows with time); only narrow indexes see keys in random
 * order, because each random page touched is a page written to the log. A CHECK with IN makes and
 * drops a small table for each row written, so the tables of the hot path compare with OR. */
#include "store/store.h"

#include <stdio.h>

static const char schema_1[] =
    "CREATE TABLE programmers("
    " id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, state TEXT NOT NULL"
    "  CHECK(state IN ('certified','ready','revoked')),"
    " assurance TEXT NOT NULL, epoch INTEGER NOT NULL DEFAULT 0,"
    " certificate_hash BLOB NOT NULL UNIQUE, certificate BLOB NOT NULL, created INTEGER NOT NULL"
    ") WITHOUT ROWID;"
    "CREATE TABLE agreements("
    " programmer_id TEXT NOT NULL REFERENCES programmers(id), epoch INTEGER NOT NULL,"
    " wrapped_key BLOB NOT NULL, created INTEGER NOT NULL, PRIMARY KEY(programmer_id, epoch)"
    ") WITHOUT ROWID;"
    /* Who may speak to the API: one row for each operator and programmer certificate. */
    "CREATE TABLE identities("
    " certificate_hash BLOB PRIMARY KEY, role TEXT NOT NULL, name TEXT NOT NULL,"
    " state TEXT NOT NULL CHECK(state IN ('valid','revoked')), created INTEGER NOT NULL"
    ") WITHOUT ROWID;"
    "CREATE UNIQUE INDEX identities_by_name ON identities(role, name) WHERE state='valid';"
    "CREATE TABLE firmware("
    " id TEXT PRIMARY KEY, kind TEXT NOT NULL, family TEXT NOT NULL, version TEXT NOT NULL,"
    " size INTEGER NOT NULL, sha256 BLOB NOT NULL, counter INTEGER NOT NULL, manifest BLOB,"
    " created INTEGER NOT NULL"
    ") WITHOUT ROWID;"
    "CREATE TABLE jobs("
    " id TEXT PRIMARY KEY, product TEXT NOT NULL,"
    " programmer_id TEXT NOT NULL REFERENCES programmers(id),"
    " count INTEGER NOT NULL CHECK(count > 0),"
    " used INTEGER NOT NULL DEFAULT 0 CHECK(used >= 0 AND used <= count),"
    " expires INTEGER NOT NULL, chip_family TEXT NOT NULL,"
    " devauth_id TEXT NOT NULL REFERENCES firmware(id), assurance TEXT NOT NULL,"
    " cm_operator TEXT NOT NULL, has_uid_list INTEGER NOT NULL, state TEXT NOT NULL"
    "  CHECK(state='created' OR state='exported' OR state='active' OR state='stopped'),"
    " sequence INTEGER NOT NULL DEFAULT 0, token_hash BLOB,"
    " ledger_sequence INTEGER NOT NULL DEFAULT 0, ledger_hash BLOB NOT NULL,"
    " peer_sequence INTEGER NOT NULL DEFAULT 0, peer_hash BLOB NOT NULL,"
    " created INTEGER NOT NULL, created_by TEXT NOT NULL"
    ") WITHOUT ROWID;"
    "CREATE TABLE job_uids(job_id TEXT NOT NULL REFERENCES jobs(id), uid BLOB NOT NULL,"
    " PRIMARY KEY(job_id, uid)) WITHOUT ROWID;"
    "CREATE TABLE packages("
    " sequence INTEGER PRIMARY KEY AUTOINCREMENT, job_id TEXT NOT NULL REFERENCES jobs(id),"
    " programmer_id TEXT NOT NULL, epoch INTEGER NOT NULL, token_hash BLOB NOT NULL,"
    " issued INTEGER NOT NULL);"
    "CREATE TABLE units("
    " id BLOB NOT NULL UNIQUE, job_id TEXT NOT NULL, uid BLOB NOT NULL,"
    " attempt INTEGER NOT NULL,"
    " state INTEGER NOT NULL, counted INTEGER NOT NULL, permitted INTEGER NOT NULL DEFAULT 0,"
    " programmer_id TEXT NOT NULL, nonce BLOB NOT NULL, csr_hash BLOB, certificate_serial BLOB,"
    " certificate_hash BLOB, auth_key_hash BLOB, step TEXT, reason TEXT,"
    " milliseconds INTEGER NOT NULL DEFAULT 0, created INTEGER NOT NULL, updated INTEGER NOT NULL);"
    "CREATE UNIQUE INDEX units_by_uid ON units(job_id, uid, attempt);"
    "CREATE TABLE devices("
    " uid BLOB NOT NULL UNIQUE, job_id TEXT NOT NULL, unit_id BLOB NOT NULL,"
    " programmer_id TEXT NOT NULL, auth_key BLOB NOT NULL, enc_key BLOB NOT NULL,"
    " tls_key BLOB NOT NULL, certificate_serial BLOB NOT NULL, issued INTEGER NOT NULL);"
    /* Keys are random, so a few bytes find one and keep the index small. */
    "CREATE INDEX devices_by_auth_key ON devices(substr(auth_key, 1, 8));"
    /* Not WITHOUT ROWID: a row above a quarter of a page would take a page of its own there. */
    "CREATE TABLE certificates("
    " serial BLOB NOT NULL UNIQUE, kind TEXT NOT NULL, hash BLOB NOT NULL, owner TEXT NOT NULL,"
    " state TEXT NOT NULL CHECK(state='valid' OR state='revoked' OR state='superseded'),"
    " issued INTEGER NOT NULL, not_after INTEGER NOT NULL, revoked INTEGER, reason TEXT,"
    " der BLOB NOT NULL, csr BLOB);"
    "CREATE TABLE permits("
    " device_nonce BLOB PRIMARY KEY, unit_id BLOB NOT NULL, command INTEGER NOT NULL,"
    " auth_key_hash BLOB NOT NULL, permit BLOB NOT NULL, issued INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE ledger_server(job_id TEXT NOT NULL, sequence INTEGER NOT NULL,"
    " entry BLOB NOT NULL, hash BLOB NOT NULL, PRIMARY KEY(job_id, sequence)) WITHOUT ROWID;"
    "CREATE TABLE ledger_programmer(job_id TEXT NOT NULL, sequence INTEGER NOT NULL,"
    " entry BLOB NOT NULL, hash BLOB NOT NULL, PRIMARY KEY(job_id, sequence)) WITHOUT ROWID;"
    "CREATE TABLE events(id INTEGER PRIMARY KEY, time INTEGER NOT NULL,"
    " type TEXT NOT NULL, actor TEXT NOT NULL, subject TEXT NOT NULL, job_id TEXT, detail TEXT);"
    "CREATE TRIGGER events_no_update BEFORE UPDATE ON events"
    " BEGIN SELECT RAISE(ABORT, 'events is append-only'); END;"
    "CREATE TRIGGER events_no_delete BEFORE DELETE ON events"
    " BEGIN SELECT RAISE(ABORT, 'events is append-only'); END;"
    "CREATE TRIGGER ledger_server_no_update BEFORE UPDATE ON ledger_server"
    " BEGIN SELECT RAISE(ABORT, 'ledger_server is append-only'); END;"
    "CREATE TRIGGER ledger_server_no_delete BEFORE DELETE ON ledger_server"
    " BEGIN SELECT RAISE(ABORT, 'ledger_server is append-only'); END;"
    "CREATE TRIGGER ledger_programmer_no_update BEFORE UPDATE ON ledger_programmer"
    " BEGIN SELECT RAISE(ABORT, 'ledger_programmer is append-only'); END;"
    "CREATE TRIGGER ledger_programmer_no_delete BEFORE DELETE ON ledger_programmer"
    " BEGIN SELECT RAISE(ABORT, 'ledger_programmer is append-only'); END;"
    "PRAGMA user_version=1;";

/* Secure boot: releases, per-device keys, challenges, what was released to whom. */
static const char schema_2[] =
    "ALTER TABLE jobs ADD COLUMN bl2_id TEXT REFERENCES firmware(id);"
    "ALTER TABLE jobs ADD COLUMN bl3_id TEXT REFERENCES firmware(id);"
    "ALTER TABLE jobs ADD COLUMN debug TEXT NOT NULL DEFAULT 'locked';"
    "ALTER TABLE units ADD COLUMN secured INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE units ADD COLUMN boot INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE releases("
    " firmware_id TEXT PRIMARY KEY REFERENCES firmware(id), security_counter INTEGER NOT NULL,"
    " header_size INTEGER NOT NULL, image_digest BLOB NOT NULL, body_sha256 BLOB NOT NULL,"
    " body_size INTEGER NOT NULL, content_key BLOB) WITHOUT ROWID;"
    "CREATE TABLE boot_keys("
    " uid BLOB NOT NULL, target INTEGER NOT NULL, public_key BLOB NOT NULL, wrapped BLOB NOT NULL,"
    " created INTEGER NOT NULL, UNIQUE(uid, target));"
    "CREATE TABLE challenges("
    " nonce BLOB NOT NULL UNIQUE, unit_id BLOB NOT NULL, programmer_id TEXT NOT NULL,"
    " step INTEGER NOT NULL, expires INTEGER NOT NULL, transcript_hash BLOB);"
    /* Only the open ones, which are few: what is looked for when they are cleared away. */
    "CREATE INDEX challenges_open ON challenges(expires) WHERE transcript_hash IS NULL;"
    "CREATE TABLE images("
    " nonce BLOB NOT NULL UNIQUE, unit_id BLOB NOT NULL, target INTEGER NOT NULL,"
    " tlvs BLOB NOT NULL, issued INTEGER NOT NULL);"
    "CREATE TABLE attestations("
    " uid BLOB NOT NULL UNIQUE, step INTEGER NOT NULL, measurements BLOB NOT NULL,"
    " measured INTEGER NOT NULL);"
    "CREATE TABLE records("
    " unit_id BLOB NOT NULL UNIQUE, record BLOB NOT NULL, site TEXT NOT NULL,"
    " received INTEGER NOT NULL);"
    "CREATE TABLE object_ids(uid BLOB PRIMARY KEY, object_id BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE rma("
    " uid BLOB PRIMARY KEY, reason TEXT NOT NULL, actor TEXT NOT NULL,"
    " authorised INTEGER NOT NULL, permitted INTEGER) WITHOUT ROWID;"
    "CREATE TABLE uploads("
    " id TEXT PRIMARY KEY, kind TEXT NOT NULL, family TEXT NOT NULL, version TEXT NOT NULL,"
    " security_counter INTEGER NOT NULL, header_size INTEGER NOT NULL, size INTEGER NOT NULL,"
    " sha256 BLOB NOT NULL, actor TEXT NOT NULL, created INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE UNIQUE INDEX uploads_by_content ON uploads(actor, sha256);"
    "CREATE TRIGGER records_no_update BEFORE UPDATE ON records"
    " BEGIN SELECT RAISE(ABORT, 'records is append-only'); END;"
    "CREATE TRIGGER records_no_delete BEFORE DELETE ON records"
    " BEGIN SELECT RAISE(ABORT, 'records is append-only'); END;"
    "PRAGMA user_version=2;";

/* What the OEM decides about a job, beside how far it has come. */
static const char schema_3[] = "ALTER TABLE jobs ADD COLUMN hold TEXT NOT NULL DEFAULT 'none'"
                               " CHECK(hold='none' OR hold='paused' OR hold='closed');"
                               "PRAGMA user_version=3;";

/* Where and how long a unit was made, chips that will never come back, what a job does not allow.
 */
static const char schema_4[] =
    "ALTER TABLE units ADD COLUMN site TEXT;"
    "ALTER TABLE units ADD COLUMN serial TEXT;"
    "ALTER TABLE units ADD COLUMN steps TEXT;"
    "ALTER TABLE jobs ADD COLUMN retries INTEGER NOT NULL DEFAULT 999;"
    "CREATE TABLE denied_uids(job_id TEXT NOT NULL REFERENCES jobs(id), uid BLOB NOT NULL,"
    " PRIMARY KEY(job_id, uid)) WITHOUT ROWID;"
    "CREATE INDEX units_by_time ON units(job_id, created, uid, attempt);"
    "CREATE INDEX units_by_serial ON units(job_id, serial) WHERE serial IS NOT NULL;"
    /* What a TPM has to sign, and by which attestation key, until the programmer is enrolled. */
    "CREATE TABLE tpm_challenges("
    " id TEXT PRIMARY KEY, nonce BLOB NOT NULL, ak_public BLOB NOT NULL,"
    " ek_certificate_hash BLOB NOT NULL, expires INTEGER NOT NULL"
    ") WITHOUT ROWID;"
    "PRAGMA user_version=4;";

/* Step i brings version i to version i + 1. Steps are never edited once released. */
static const char *const steps[STORE_SCHEMA_VERSION] = {schema_1, schema_2, schema_3, schema_4};

static int schema_version(struct store_db *db, int64_t *version, struct error *error) {
    sqlite3_stmt *row;
    int result = -1;

    if (store_query(db, &row, error, "PRAGMA user_version", "") == 0 &&
        store_step(db, row, error) == 1) {
        *version = store_column_number(row, 0);
        result = 0;
    }
    store_done(row);
    return result;
}

int store_schema_update(struct store_db *db, struct error *error) {
    int64_t version;

    if (schema_version(db, &version, error) != 0)
        return -1;
    if (version > STORE_SCHEMA_VERSION) {
        error_set(error, ERROR_UNSUPPORTED,
                  "the database has schema version %lld, this program "
                  "knows up to %d",
                  (long long)version, STORE_SCHEMA_VERSION);
        return error_hint(error, "run the newer program");
    }
    for (; version < STORE_SCHEMA_VERSION; version++) {
        if (store_script(db, "BEGIN IMMEDIATE", error) != 0)
            return -1;
        if (store_script(db, steps[version], error) != 0 ||
            store_script(db, "COMMIT", error) != 0) {
            struct error ignored;

            store_script(db, "ROLLBACK", &ignored);
            return error_prefix(error, "schema version %lld", (long long)version + 1);
        }
    }
    return 0;
}
