/* Permits: whether one may be issued now, and the row that says that it was, before it leaves. */
#include "store/store.h"
#include "store/store_boot.h"
#include "store/store_unit_internal.h"

#include <string.h>

/* 1: the nonce's permit named this object id too. */
static int is_same_object_id(struct store_db *db, const struct store_permit *permit,
                             struct error *error) {
    sqlite3_stmt *row;
    int found = -1;

    if (permit->event != UNIT_EVENT_OBJECT_ID)
        return 1;
    if (store_query(db, &row, error,
                    "SELECT 1 FROM object_ids o JOIN units u ON u.uid=o.uid"
                    " WHERE u.id=? AND o.object_id=?",
                    "bb", bytes_of(permit->unit_id, UNIT_ID_SIZE), permit->object_id) == 0)
        found = store_step(db, row, error);
    store_done(row);
    return found;
}

int store_permit_find(struct store_db *db, const struct store_permit *permit, struct buffer *out,
                      struct error *error) {
    sqlite3_stmt *row;
    int found = -1;
    int same = is_same_object_id(db, permit, error);

    if (same >= 0 && store_query(db, &row, error,
                                 "SELECT unit_id, command, auth_key_hash, permit FROM permits"
                                 " WHERE device_nonce=?",
                                 "b", bytes_of(permit->device_nonce, 32)) == 0) {
        found = store_step(db, row, error);
        if (found == 1) {
            struct bytes stored = store_column_bytes(row, 3);

            if (same == 0 ||
                !bytes_equal(store_column_bytes(row, 0), bytes_of(permit->unit_id, UNIT_ID_SIZE)) ||
                (uint64_t)store_column_number(row, 1) != permit->command ||
                !bytes_equal(store_column_bytes(row, 2), bytes_of(permit->auth_key_hash, 32)))
                found = error_set(error, ERROR_REPLAYED, "this device nonce was used before");
            else if (out != NULL)
                buffer_append(out, stored.data, stored.size);
        }
        store_done(row);
    }
    return found;
}

/* An image before its key, BL2 before BL3, and both keys before the lock: a chip is locked when it
 * can start what the OEM signed, and nothing else. */
static int check_order(const struct store_permit *permit, const struct store_unit *unit,
                       struct error *error) {
    if (permit->command == STORE_PERMIT_BL2_KEY &&
        (unit->boot & (UNIT_BOOT_BL2_IMAGE | UNIT_BOOT_BL2_KEY)) == 0)
        return error_set(error, ERROR_WRONG_STATE, "BL2 was not released to this unit");
    if (permit->command == STORE_PERMIT_BL3_KEY && (unit->boot & UNIT_BOOT_BL2_KEY) == 0)
        return error_set(error, ERROR_WRONG_STATE, "no BL3 key before the permit for BL2's");
    if (permit->event == UNIT_EVENT_LOCK && (unit->boot & UNIT_BOOT_KEYS) != UNIT_BOOT_KEYS)
        return error_set(error, ERROR_WRONG_STATE, "no lock before the permits for both boot keys");
    return 0;
}

static int check_job(const struct store_permit *permit, const struct store_job *job,
                     struct error *error) {
    if (store_job_check_running(job, error) != 0)
        return -1;
    if (permit->event != UNIT_EVENT_PERMIT && job->bl2_id[0] == '\0')
        return error_set(error, ERROR_WRONG_STATE, "the job has no firmware");
    if (permit->event == UNIT_EVENT_LOCK && job->debug_open)
        return error_set(error, ERROR_DENIED, "boards of this job are never locked");
    return 0;
}

int store_permit_check(struct store_db *db, const struct store_permit *permit,
                       struct store_unit *unit, struct store_job *job, struct error *error) {
    if (unit_of_programmer(db, permit->unit_id, permit->programmer_id, unit, job, error) != 0 ||
        check_job(permit, job, error) != 0 || unit_step_allowed(unit, permit->event, error) != 0)
        return -1;
    if (!unit->certified) {
        error_set(error, ERROR_WRONG_STATE, "the unit has no certificate: no permit now");
        return error_hint(error, "a permit comes after the certificate was stored in the chip");
    }
    if (memcmp(unit->auth_key_hash, permit->auth_key_hash, 32) != 0)
        return error_set(error, ERROR_UID_UNDER_OTHER_KEY,
                         "the unit's certificate is for another AUTH key");
    return store_unit_check_certificate(db, unit, error) != 0 ? -1
                                                              : check_order(permit, unit, error);
}

static unsigned boot_bit(const struct store_permit *permit) {
    switch (permit->command) {
    case STORE_PERMIT_BL2_KEY: return UNIT_BOOT_BL2_KEY;
    case STORE_PERMIT_BL3_KEY: return UNIT_BOOT_BL3_KEY;
    default: return 0;
    }
}

/* For the event; what else a permit is for, its type says. */
static const char *target_name(const struct store_permit *permit) {
    switch (permit->command) {
    case STORE_PERMIT_BL2_KEY: return "BL2";
    case STORE_PERMIT_BL3_KEY: return "BL3";
    default: return NULL;
    }
}

int store_unit_permit(struct store_db *db, void *context, struct error *error) {
    const struct store_permit *permit = context;
    struct store_unit unit;
    struct store_job job;
    int found;

    if (store_permit_check(db, permit, &unit, &job, error) != 0)
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
                   "UPDATE units SET permitted=1, state=?, secured=?, boot=?, updated=?"
                   " WHERE id=?",
                   "iiiib", (int64_t)unit_transition_find(unit.state, permit->event)->next,
                   (int64_t)(unit.secured || permit->event == UNIT_EVENT_LOCK),
                   (int64_t)(unit.boot | boot_bit(permit)), (int64_t)permit->now,
                   bytes_of(unit.id, UNIT_ID_SIZE)) != 0)
        return -1;
    if (permit->event == UNIT_EVENT_OBJECT_ID &&
        store_object_id_keep(db, unit.uid, permit->object_id, error) != 0)
        return -1;
    return unit_record(db, &job, &unit, permit->event, target_name(permit), permit->now, error);
}
