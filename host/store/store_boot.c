#include "store/store_boot.h"

#include "base/encoding.h"
#include "store/store_device.h"
#include "store/store_unit_internal.h"

#include <openssl/sha.h>
#include <string.h>

int store_boot_key_find(struct store_db *db, const uint8_t uid[STORE_UID_SIZE],
                        enum store_target target, struct store_boot_key *key, struct error *error) {
    sqlite3_stmt *row;
    int found = -1;

    memset(key, 0, sizeof *key);
    if (store_query(db, &row, error,
                    "SELECT public_key, wrapped, created FROM boot_keys WHERE uid=? AND target=?",
                    "bi", bytes_of(uid, STORE_UID_SIZE), (int64_t)target) == 0)
        found = store_step(db, row, error);
    if (found == 1) {
        struct bytes wrapped = store_column_bytes(row, 1);

        memcpy(key->uid, uid, STORE_UID_SIZE);
        key->target = target;
        store_column_copy(row, 0, key->public_key, sizeof key->public_key);
        if (wrapped.size <= sizeof key->wrapped) {
            memcpy(key->wrapped, wrapped.data, wrapped.size);
            key->wrapped_size = wrapped.size;
        }
        key->created = (uint64_t)store_column_number(row, 2);
    }
    store_done(row);
    return found;
}

int store_boot_key_keep(struct store_db *db, void *context, struct error *error) {
    struct store_boot_key *key = context;
    struct store_boot_key known;
    int found = store_boot_key_find(db, key->uid, key->target, &known, error);

    if (found == 1)
        *key = known;
    if (found != 0)
        return found < 0 ? -1 : 0;
    return store_exec(db, error,
                      "INSERT INTO boot_keys(uid, target, public_key, wrapped, created)"
                      " VALUES(?,?,?,?,?)",
                      "bibbi", bytes_of(key->uid, STORE_UID_SIZE), (int64_t)key->target,
                      bytes_of(key->public_key, 64), bytes_of(key->wrapped, key->wrapped_size),
                      (int64_t)key->created);
}

static enum unit_event event_of(enum store_step_id step) {
    return step == STORE_STEP_RECORD ? UNIT_EVENT_RECORD : UNIT_EVENT_IMAGE;
}

/* BL2 goes to an identified unit; what comes after the lock goes to a locked one, unless the job's
 * boards are never locked. */
static int check_step(const struct store_unit *unit, const struct store_job *job,
                      enum store_step_id step, struct error *error) {
    bool may;

    if (store_job_check_running(job, error) != 0)
        return -1;
    if (job->bl2_id[0] == '\0')
        return error_set(error, ERROR_WRONG_STATE, "the job has no firmware");
    if (unit_step_allowed(unit, event_of(step), error) != 0)
        return -1;
    may = step == STORE_STEP_BL2 ? unit->state == UNIT_IDENTIFIED
          : job->debug_open      ? unit->state == UNIT_IDENTIFIED
                                 : unit->state == UNIT_SECURED;
    if (may)
        return 0;
    error_set(error, ERROR_WRONG_STATE, "the unit is %s", unit_state_name(unit->state));
    return error_hint(error,
                      step == STORE_STEP_BL2 ? "BL2 comes before the lock" : "first lock the chip");
}

static int unit_for_step(struct store_db *db, const uint8_t unit_id[UNIT_ID_SIZE],
                         const char *programmer_id, enum store_step_id step,
                         struct store_unit *unit, struct store_job *job, struct error *error) {
    if (unit_of_programmer(db, unit_id, programmer_id, unit, job, error) != 0 ||
        check_step(unit, job, step, error) != 0)
        return -1;
    return store_unit_check_certificate(db, unit, error);
}

int store_challenge_add(struct store_db *db, void *context, struct error *error) {
    const struct store_challenge *challenge = context;
    struct store_unit unit;
    struct store_job job;

    if (unit_for_step(db, challenge->unit_id, challenge->programmer_id, challenge->step, &unit,
                      &job, error) != 0)
        return -1;
    /* Those nobody answered are of no use to anybody. */
    if (store_exec(db, error, "DELETE FROM challenges WHERE expires<? AND transcript_hash IS NULL",
                   "i", (int64_t)challenge->now) != 0)
        return -1;
    return store_exec(db, error,
                      "INSERT INTO challenges(nonce, unit_id, programmer_id, step, expires)"
                      " VALUES(?,?,?,?,?)",
                      "bbtii", bytes_of(challenge->nonce, 32),
                      bytes_of(challenge->unit_id, UNIT_ID_SIZE), challenge->programmer_id,
                      (int64_t)challenge->step, (int64_t)challenge->expires);
}

int store_challenge_check(struct store_db *db, const struct store_answer *answer,
                          struct error *error) {
    char programmer_id[STORE_ID_MAX + 1] = "";
    sqlite3_stmt *row;
    int found = -1;
    bool is_ours = false, is_used = false, is_same = false, is_late = false;

    if (store_query(db, &row, error,
                    "SELECT unit_id, programmer_id, step, expires, transcript_hash FROM challenges"
                    " WHERE nonce=?",
                    "b", bytes_of(answer->nonce, 32)) == 0)
        found = store_step(db, row, error);
    if (found == 1) {
        struct bytes used = store_column_bytes(row, 4);

        store_column_text(row, 1, programmer_id, sizeof programmer_id);
        is_ours =
            bytes_equal(store_column_bytes(row, 0), bytes_of(answer->unit_id, UNIT_ID_SIZE)) &&
            strcmp(programmer_id, answer->programmer_id) == 0 &&
            store_column_number(row, 2) == (int64_t)answer->step;
        is_used = used.size != 0;
        is_same = bytes_equal(used, bytes_of(answer->transcript_hash, 32));
        is_late = (uint64_t)store_column_number(row, 3) < answer->now;
    }
    store_done(row);
    if (found < 0)
        return -1;
    if (!is_ours || (is_used && !is_same)) {
        error_set(error, ERROR_REPLAYED, "this is not an open challenge of this unit and step");
        return error_hint(error, "ask for a new challenge");
    }
    if (is_used)
        return 0;
    if (is_late) {
        error_set(error, ERROR_CHALLENGE_EXPIRED, "the chip answered too late");
        return error_hint(error, "ask for a new challenge");
    }
    return 1;
}

int store_challenge_open(struct store_db *db, const struct store_answer *answer,
                         struct error *error) {
    int open = store_challenge_check(db, answer, error);

    if (open != 0)
        return open < 0 ? -1 : 0;
    error_set(error, ERROR_REPLAYED, "this answer to the challenge was refused before");
    return error_hint(error, "ask for a new challenge");
}

/* The challenge is used up, and what the chip measured is the newest that is known of it. */
static int keep_attestation(struct store_db *db, const struct store_attestation *attestation,
                            struct error *error) {
    const struct store_answer *answer = &attestation->answer;

    if (store_exec(db, error, "UPDATE challenges SET transcript_hash=? WHERE nonce=?", "bb",
                   bytes_of(answer->transcript_hash, 32), bytes_of(answer->nonce, 32)) != 0)
        return -1;
    if (attestation->measurements.size == 0)
        return 0;
    return store_exec(db, error,
                      "INSERT OR REPLACE INTO attestations(uid, step, measurements, measured)"
                      " VALUES(?,?,?,?)",
                      "bibi", bytes_of(attestation->uid, STORE_UID_SIZE), (int64_t)answer->step,
                      attestation->measurements, (int64_t)answer->now);
}

int store_attestation_refuse(struct store_db *db, void *context, struct error *error) {
    const struct store_refusal *refusal = context;
    const struct store_answer *answer = &refusal->attestation.answer;
    struct store_unit unit;
    struct store_job job;

    if (unit_of_programmer(db, answer->unit_id, answer->programmer_id, &unit, &job, error) != 0 ||
        store_challenge_open(db, answer, error) != 0 ||
        keep_attestation(db, &refusal->attestation, error) != 0)
        return -1;
    return unit_flag(db, "unit.attestation_refused", &unit, refusal->why, answer->now, error);
}

int store_image_find(struct store_db *db, const uint8_t nonce[32], struct store_image *image,
                     struct error *error) {
    sqlite3_stmt *row;
    int found = -1;

    if (store_query(db, &row, error, "SELECT target, tlvs FROM images WHERE nonce=?", "b",
                    bytes_of(nonce, 32)) == 0)
        found = store_step(db, row, error);
    if (found == 1) {
        struct bytes tlvs = store_column_bytes(row, 1);

        image->target = (enum store_target)store_column_number(row, 0);
        image->tlvs_size = tlvs.size <= sizeof image->tlvs ? tlvs.size : 0;
        if (image->tlvs_size != 0)
            memcpy(image->tlvs, tlvs.data, tlvs.size);
    }
    store_done(row);
    return found;
}

int store_image_release(struct store_db *db, void *context, struct error *error) {
    struct store_image *image = context;
    const struct store_answer *answer = &image->attestation.answer;
    bool is_bl2 = image->target == STORE_BL2;
    struct store_unit unit;
    struct store_job job;
    int open;

    if (unit_for_step(db, answer->unit_id, answer->programmer_id, answer->step, &unit, &job,
                      error) != 0)
        return -1;
    open = store_challenge_check(db, answer, error);
    if (open < 0)
        return -1;
    if (open == 0) { /* the same request twice at the same time: the first one's image */
        int found = store_image_find(db, answer->nonce, image, error);

        return found == 0 ? store_challenge_open(db, answer, error) : found < 0 ? -1 : 0;
    }
    if (keep_attestation(db, &image->attestation, error) != 0 ||
        store_exec(db, error,
                   "INSERT INTO images(nonce, unit_id, target, tlvs, issued) VALUES(?,?,?,?,?)",
                   "bbibi", bytes_of(answer->nonce, 32), bytes_of(unit.id, UNIT_ID_SIZE),
                   (int64_t)image->target, bytes_of(image->tlvs, image->tlvs_size),
                   (int64_t)answer->now) != 0 ||
        store_exec(db, error, "UPDATE units SET permitted=1, boot=?, updated=? WHERE id=?", "iib",
                   (int64_t)(unit.boot | (is_bl2 ? UNIT_BOOT_BL2_IMAGE : 0u)), (int64_t)answer->now,
                   bytes_of(unit.id, UNIT_ID_SIZE)) != 0)
        return -1;
    return unit_record(db, &job, &unit, UNIT_EVENT_IMAGE, is_bl2 ? job.bl2_id : job.bl3_id,
                       answer->now, error);
}

int store_record_is_known(struct store_db *db, const uint8_t unit_id[UNIT_ID_SIZE],
                          struct bytes record, struct error *error) {
    sqlite3_stmt *row;
    int found = -1;

    if (store_query(db, &row, error, "SELECT record FROM records WHERE unit_id=?", "b",
                    bytes_of(unit_id, UNIT_ID_SIZE)) == 0)
        found = store_step(db, row, error);
    if (found == 1 && !bytes_equal(store_column_bytes(row, 0), record))
        found = error_set(error, ERROR_CONFLICT, "another record of this unit was accepted");
    store_done(row);
    return found;
}

int store_record_accept(struct store_db *db, void *context, struct error *error) {
    struct store_record *record = context;
    const struct store_answer *answer = &record->attestation.answer;
    struct store_unit unit;
    struct store_job job;
    int known = store_record_is_known(db, answer->unit_id, record->record, error);

    if (known < 0 ||
        unit_of_programmer(db, answer->unit_id, answer->programmer_id, &unit, &job, error) != 0)
        return -1;
    record->remaining = store_job_remaining(&job);
    record->is_repeated = known == 1;
    if (record->is_repeated)
        return 0;
    if (check_step(&unit, &job, answer->step, error) != 0 ||
        store_unit_check_certificate(db, &unit, error) != 0 ||
        store_challenge_open(db, answer, error) != 0)
        return -1;
    unit.state = unit_transition_find(unit.state, UNIT_EVENT_RECORD)->next;
    if (keep_attestation(db, &record->attestation, error) != 0 ||
        store_exec(db, error,
                   "INSERT INTO records(unit_id, record, site, received) VALUES(?,?,?,?)", "bbti",
                   bytes_of(unit.id, UNIT_ID_SIZE), record->record, record->site,
                   (int64_t)answer->now) != 0 ||
        store_exec(db, error,
                   "UPDATE units SET state=?, step='done', milliseconds=?, updated=? WHERE id=?",
                   "iiib", (int64_t)unit.state, (int64_t)record->milliseconds, (int64_t)answer->now,
                   bytes_of(unit.id, UNIT_ID_SIZE)) != 0 ||
        unit_take_line(db, &unit, &record->line, answer->now, error) != 0)
        return -1;
    return unit_record(db, &job, &unit, UNIT_EVENT_RECORD, NULL, answer->now, error);
}

static void take(struct bytes value, uint8_t *out, size_t capacity, size_t *size) {
    *size = value.size <= capacity ? value.size : 0;
    if (*size != 0)
        memcpy(out, value.data, value.size);
}

int store_boot_state_read(struct store_db *db, const uint8_t uid[STORE_UID_SIZE],
                          struct store_boot_state *state, struct error *error) {
    sqlite3_stmt *row;
    int found = -1;

    memset(state, 0, sizeof *state);
    if (store_query(db, &row, error,
                    "SELECT a.measurements, a.measured, o.object_id, r.authorised, r.permitted"
                    " FROM (SELECT ?1 AS uid) u LEFT JOIN attestations a ON a.uid=u.uid"
                    " LEFT JOIN object_ids o ON o.uid=u.uid LEFT JOIN rma r ON r.uid=u.uid",
                    "b", bytes_of(uid, STORE_UID_SIZE)) == 0)
        found = store_step(db, row, error);
    if (found == 1) {
        take(store_column_bytes(row, 0), state->measurements, sizeof state->measurements,
             &state->measurements_size);
        state->measured = (uint64_t)store_column_number(row, 1);
        take(store_column_bytes(row, 2), state->object_id, sizeof state->object_id,
             &state->object_id_size);
        state->rma_authorised = (uint64_t)store_column_number(row, 3);
        state->rma_permitted = (uint64_t)store_column_number(row, 4);
    }
    store_done(row);
    return found == 1 ? 0 : -1;
}

int store_object_id_keep(struct store_db *db, const uint8_t uid[STORE_UID_SIZE],
                         struct bytes object_id, struct error *error) {
    return store_exec(db, error, "INSERT OR REPLACE INTO object_ids(uid, object_id) VALUES(?,?)",
                      "bb", bytes_of(uid, STORE_UID_SIZE), object_id);
}

static int rma_event(struct store_db *db, const char *type, const struct store_device *device,
                     const char *actor, const char *detail, uint64_t now, struct error *error) {
    char uid[2 * STORE_UID_SIZE + 1];
    const struct store_event event = {.time = now,
                                      .type = type,
                                      .actor = actor,
                                      .subject = uid,
                                      .job_id = device->job_id,
                                      .detail = detail};

    hex_encode_upper(bytes_of(device->uid, STORE_UID_SIZE), uid);
    return store_event_add(db, &event, error);
}

int store_rma_authorise(struct store_db *db, void *context, struct error *error) {
    const struct store_rma *rma = context;
    struct store_device_revoke revoke = {
        .reason = rma->reason, .actor = rma->actor, .now = rma->now};
    struct store_device device;

    memcpy(revoke.uid, rma->uid, sizeof revoke.uid);
    if (store_device_find(db, rma->uid, &device, error) != 0 ||
        store_device_revoke(db, &revoke, error) != 0 ||
        store_exec(db, error,
                   "INSERT OR IGNORE INTO rma(uid, reason, actor, authorised) VALUES(?,?,?,?)",
                   "btti", bytes_of(rma->uid, STORE_UID_SIZE), rma->reason, rma->actor,
                   (int64_t)rma->now) != 0)
        return -1;
    if (store_changes_last(db) == 0)
        return 0;
    return rma_event(db, "device.rma_authorised", &device, rma->actor, rma->reason, rma->now,
                     error);
}

int store_rma_check(struct store_db *db, const struct store_rma_permit *permit,
                    struct error *error) {
    struct store_boot_state state;
    struct store_device device;
    uint8_t hash[SHA256_DIGEST_LENGTH];

    if (store_device_find(db, permit->uid, &device, error) != 0 ||
        store_boot_state_read(db, permit->uid, &state, error) != 0)
        return -1;
    if (state.rma_authorised == 0) {
        error_set(error, ERROR_DENIED, "RMA of this device was not authorised");
        return error_hint(error, "an OEM admin runs: nusec device rma UID --reason TEXT");
    }
    SHA256(device.auth_key, sizeof device.auth_key, hash);
    if (memcmp(hash, permit->auth_key_hash, sizeof hash) != 0)
        return error_set(error, ERROR_UID_UNDER_OTHER_KEY,
                         "the device's certificate is for another AUTH key");
    return 0;
}

int store_rma_permit(struct store_db *db, void *context, struct error *error) {
    const struct store_rma_permit *permit = context;
    struct store_device device;
    sqlite3_stmt *row;
    int found = -1;

    if (store_rma_check(db, permit, error) != 0 ||
        store_device_find(db, permit->uid, &device, error) != 0)
        return -1;
    if (store_query(db, &row, error, "SELECT 1 FROM permits WHERE device_nonce=?", "b",
                    bytes_of(permit->device_nonce, 32)) == 0)
        found = store_step(db, row, error);
    store_done(row);
    if (found == 1)
        return error_set(error, ERROR_REPLAYED, "this device nonce was used before");
    if (found < 0 ||
        store_exec(db, error,
                   "INSERT INTO permits(device_nonce, unit_id, command, auth_key_hash, permit,"
                   " issued) VALUES(?,?,4,?,?,?)",
                   "bbbbi", bytes_of(permit->device_nonce, 32),
                   bytes_of(device.unit_id, UNIT_ID_SIZE), bytes_of(permit->auth_key_hash, 32),
                   permit->permit, (int64_t)permit->now) != 0 ||
        store_exec(db, error, "UPDATE rma SET permitted=? WHERE uid=?", "ib", (int64_t)permit->now,
                   bytes_of(permit->uid, STORE_UID_SIZE)) != 0)
        return -1;
    return rma_event(db, "device.rma_permitted", &device, permit->actor, NULL, permit->now, error);
}
