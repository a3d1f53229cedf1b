/* Reading units, and what the steps share; the steps themselves are in store_unit_reserve.c,
 * store_unit_issue.c, store_unit_permit.c and store_unit_status.c. */
#include "store/store_unit.h"

#include "base/encoding.h"
#include "store/store_unit_internal.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#define UNIT_COLUMNS                                                                               \
    "id, job_id, programmer_id, uid, attempt, state, counted, permitted, nonce, csr_hash,"         \
    " certificate_serial, certificate_hash, auth_key_hash, step, reason, milliseconds, created, "  \
    "updated, secured, boot, site, serial, steps"

void store_unit_id(const char *job_id, const uint8_t uid[STORE_UID_SIZE], uint32_t attempt,
                   uint8_t id[UNIT_ID_SIZE]) {
    uint8_t input[STORE_ID_MAX + STORE_UID_SIZE + 4];
    uint8_t digest[SHA256_DIGEST_LENGTH];
    struct writer writer;

    writer_init(&writer, input, sizeof input);
    write_bytes(&writer, bytes_of(job_id, strlen(job_id)));
    write_bytes(&writer, bytes_of(uid, STORE_UID_SIZE));
    write_u32be(&writer, attempt);
    SHA256(input, writer.size, digest);
    memcpy(id, digest, UNIT_ID_SIZE);
}

static void read_unit(sqlite3_stmt *row, struct store_unit *unit) {
    memset(unit, 0, sizeof *unit);
    store_column_copy(row, 0, unit->id, sizeof unit->id);
    store_column_text(row, 1, unit->job_id, sizeof unit->job_id);
    store_column_text(row, 2, unit->programmer_id, sizeof unit->programmer_id);
    store_column_copy(row, 3, unit->uid, sizeof unit->uid);
    unit->attempt = (uint64_t)store_column_number(row, 4);
    unit->state = (enum unit_state)store_column_number(row, 5);
    unit->counted = store_column_number(row, 6) != 0;
    unit->permitted = store_column_number(row, 7) != 0;
    store_column_copy(row, 8, unit->nonce, sizeof unit->nonce);
    unit->certified = store_column_copy(row, 9, unit->csr_hash, sizeof unit->csr_hash) == 0;
    if (unit->certified) {
        store_column_copy(row, 10, unit->serial, sizeof unit->serial);
        store_column_copy(row, 11, unit->certificate_hash, sizeof unit->certificate_hash);
        store_column_copy(row, 12, unit->auth_key_hash, sizeof unit->auth_key_hash);
    }
    store_column_text(row, 13, unit->step, sizeof unit->step);
    store_column_text(row, 14, unit->reason, sizeof unit->reason);
    unit->milliseconds = (uint64_t)store_column_number(row, 15);
    unit->created = (uint64_t)store_column_number(row, 16);
    unit->updated = (uint64_t)store_column_number(row, 17);
    unit->secured = store_column_number(row, 18) != 0;
    unit->boot = (unsigned)store_column_number(row, 19);
    store_column_text(row, 20, unit->line.site, sizeof unit->line.site);
    store_column_text(row, 21, unit->line.serial, sizeof unit->line.serial);
    store_column_text(row, 22, unit->line.steps, sizeof unit->line.steps);
}

int unit_find(struct store_db *db, const uint8_t id[UNIT_ID_SIZE], struct store_unit *unit,
              struct error *error) {
    sqlite3_stmt *row;
    int found = -1;

    if (store_query(db, &row, error, "SELECT " UNIT_COLUMNS " FROM units WHERE id=?", "b",
                    bytes_of(id, UNIT_ID_SIZE)) == 0)
        found = store_step(db, row, error);
    if (found == 1)
        read_unit(row, unit);
    store_done(row);
    return found;
}

int store_unit_find(struct store_db *db, const uint8_t id[UNIT_ID_SIZE], struct store_unit *unit,
                    struct error *error) {
    int found = unit_find(db, id, unit, error);

    if (found == 0)
        return error_set(error, ERROR_NOT_FOUND, "there is no such unit");
    return found == 1 ? 0 : -1;
}

int unit_latest(struct store_db *db, const char *job_id, const uint8_t uid[STORE_UID_SIZE],
                struct store_unit *unit, struct error *error) {
    sqlite3_stmt *row;
    int found = -1;

    if (store_query(db, &row, error,
                    "SELECT " UNIT_COLUMNS " FROM units WHERE job_id=? AND uid=?"
                    " ORDER BY attempt DESC LIMIT 1",
                    "tb", job_id, bytes_of(uid, STORE_UID_SIZE)) == 0)
        found = store_step(db, row, error);
    if (found == 1)
        read_unit(row, unit);
    store_done(row);
    return found;
}

/* Ends the query. */
static int visit_all(struct store_db *db, sqlite3_stmt *row, store_unit_visitor *visit,
                     void *context, struct error *error) {
    struct store_unit unit;
    int more = row != NULL ? 1 : -1;

    while (more == 1 && (more = store_step(db, row, error)) == 1) {
        read_unit(row, &unit);
        visit(context, &unit);
    }
    store_done(row);
    return more < 0 ? -1 : 0;
}

int store_unit_list(struct store_db *db, const char *job_id, store_unit_visitor *visit,
                    void *context, struct error *error) {
    sqlite3_stmt *row = NULL;

    if (store_query(db, &row, error,
                    "SELECT " UNIT_COLUMNS " FROM units WHERE job_id=?"
                    " ORDER BY created, uid, attempt",
                    "t", job_id) != 0)
        return -1;
    return visit_all(db, row, visit, context, error);
}

int store_unit_page(struct store_db *db, const char *job_id, const struct store_unit *after,
                    size_t limit, store_unit_visitor *visit, void *context, struct error *error) {
    static const struct store_unit none;
    const struct store_unit *last = after != NULL ? after : &none;
    sqlite3_stmt *row = NULL;

    if (store_query(db, &row, error,
                    "SELECT " UNIT_COLUMNS " FROM units WHERE job_id=?"
                    " AND (created, uid, attempt) > (?, ?, ?)"
                    " ORDER BY created, uid, attempt LIMIT ?",
                    "tibii", job_id, (int64_t)last->created, bytes_of(last->uid, STORE_UID_SIZE),
                    (int64_t)last->attempt, (int64_t)limit) != 0)
        return -1;
    return visit_all(db, row, visit, context, error);
}

int unit_of_programmer(struct store_db *db, const uint8_t id[UNIT_ID_SIZE],
                       const char *programmer_id, struct store_unit *unit, struct store_job *job,
                       struct error *error) {
    if (store_unit_find(db, id, unit, error) != 0)
        return -1;
    if (strcmp(unit->programmer_id, programmer_id) != 0)
        return error_set(error, ERROR_DENIED, "the unit belongs to another programmer");
    return store_job_find(db, unit->job_id, job, error);
}

int unit_step_allowed(const struct store_unit *unit, enum unit_event event, struct error *error) {
    if (unit_transition_find(unit->state, event) != NULL)
        return 0;
    if (unit->state == UNIT_SCRAPPED)
        return unit_is_scrapped(error);
    return error_set(error, ERROR_WRONG_STATE, "the unit is %s: no %s now",
                     unit_state_name(unit->state), unit_event_name(event));
}

int unit_is_scrapped(struct error *error) {
    error_set(error, ERROR_UNIT_SCRAPPED, "this chip's unit was scrapped");
    return error_hint(error, "nothing more is made of it under this job: put it to the scrap");
}

int unit_end_allowed(const struct store_unit *unit, const struct store_job *job,
                     enum unit_event event, struct error *error) {
    if (unit_step_allowed(unit, event, error) != 0)
        return -1;
    if (unit->state != UNIT_IDENTIFIED || job->bl2_id[0] != '\0')
        return 0;
    return error_set(error, ERROR_WRONG_STATE, "the unit is identified, and so complete");
}

int unit_record(struct store_db *db, struct store_job *job, const struct store_unit *unit,
                enum unit_event event, const char *detail, uint64_t now, struct error *error) {
    char actor[STORE_ID_MAX + sizeof "programmer:"];
    const struct unit_note note = {.event = event, .actor = actor, .detail = detail, .now = now};

    snprintf(actor, sizeof actor, "programmer:%s", unit->programmer_id);
    return unit_record_note(db, job, unit, &note, error);
}

/* What every entry of a unit has. */
static size_t put_members(const struct store_job *job, const struct store_unit *unit,
                          struct ledger_member members[4]) {
    members[0] = (struct ledger_member){
        .key = "unit", .kind = LEDGER_BYTES, .bytes = bytes_of(unit->id, UNIT_ID_SIZE)};
    members[1] = (struct ledger_member){
        .key = "uid", .kind = LEDGER_BYTES, .bytes = bytes_of(unit->uid, STORE_UID_SIZE)};
    members[2] = (struct ledger_member){.key = "used", .kind = LEDGER_NUMBER, .number = job->used};
    if (!unit->certified)
        return 3;
    members[3] = (struct ledger_member){
        .key = "certificate",
        .kind = LEDGER_BYTES,
        .bytes = bytes_of(unit->certificate_hash, sizeof unit->certificate_hash)};
    return 4;
}

int unit_record_note(struct store_db *db, struct store_job *job, const struct store_unit *unit,
                     const struct unit_note *note, struct error *error) {
    char uid[2 * STORE_UID_SIZE + 1];
    char type[32];
    struct ledger_member members[4 + UNIT_NOTE_MEMBERS_MAX];
    size_t count = put_members(job, unit, members);
    const struct store_event entry = {.time = note->now,
                                      .type = type,
                                      .actor = note->actor,
                                      .subject = uid,
                                      .job_id = job->id,
                                      .detail = note->detail};

    for (size_t i = 0; i < note->member_count; i++)
        members[count++] = note->members[i];
    snprintf(type, sizeof type, "unit.%s", unit_event_name(note->event));
    hex_encode_upper(bytes_of(unit->uid, STORE_UID_SIZE), uid);
    if (store_job_record(db, job, note->now, type, members, count, error) != 0 ||
        store_job_save(db, job, error) != 0)
        return -1;
    return store_event_add(db, &entry, error);
}

int unit_flag(struct store_db *db, const char *type, const struct store_unit *unit,
              const struct error *refusal, uint64_t now, struct error *error) {
    char actor[STORE_ID_MAX + sizeof "programmer:"], uid[2 * STORE_UID_SIZE + 1];
    struct store_event entry = {.time = now,
                                .type = type,
                                .actor = actor,
                                .subject = uid,
                                .job_id = unit->job_id,
                                .detail = refusal->message};

    snprintf(actor, sizeof actor, "programmer:%s", unit->programmer_id);
    hex_encode_upper(bytes_of(unit->uid, STORE_UID_SIZE), uid);
    return store_event_add(db, &entry, error);
}

int unit_end_certificate(struct store_db *db, const struct store_unit *unit, const char *state,
                         const char *reason, uint64_t now, struct error *error) {
    if (!unit->certified)
        return 0;
    return store_exec(db, error,
                      "UPDATE certificates SET state=?, revoked=?, reason=?"
                      " WHERE serial=? AND state='valid'",
                      "titb", state, (int64_t)now, reason,
                      bytes_of(unit->serial, UNIT_SERIAL_SIZE));
}

int store_unit_check_certificate(struct store_db *db, const struct store_unit *unit,
                                 struct error *error) {
    sqlite3_stmt *row;
    int found = -1;

    if (store_query(db, &row, error, "SELECT 1 FROM certificates WHERE serial=? AND state='valid'",
                    "b", bytes_of(unit->serial, UNIT_SERIAL_SIZE)) == 0)
        found = store_step(db, row, error);
    store_done(row);
    if (found == 0)
        return error_set(error, ERROR_REVOKED, "the unit's certificate was revoked");
    return found == 1 ? 0 : -1;
}

int store_unit_certificate(struct store_db *db, const struct store_unit *unit, uint8_t *der,
                           size_t capacity, size_t *size, struct error *error) {
    sqlite3_stmt *row;
    int found = -1;

    if (store_query(db, &row, error, "SELECT der FROM certificates WHERE serial=?", "b",
                    bytes_of(unit->serial, UNIT_SERIAL_SIZE)) == 0)
        found = store_step(db, row, error);
    if (found == 1) {
        struct bytes stored = store_column_bytes(row, 0);

        *size = stored.size;
        if (stored.size <= capacity)
            memcpy(der, stored.data, stored.size);
        else
            found = 0;
    }
    store_done(row);
    if (found == 0)
        return error_set(error, ERROR_NOT_FOUND, "the unit has no certificate");
    return found == 1 ? 0 : -1;
}
