#include "store/store_firmware.h"

#include <string.h>

#define FIRMWARE_COLUMNS "id, kind, family, version, size, sha256, counter, manifest, created"

static void read_firmware(sqlite3_stmt *row, struct store_firmware *firmware) {
    struct bytes manifest;

    memset(firmware, 0, sizeof *firmware);
    store_column_text(row, 0, firmware->id, sizeof firmware->id);
    store_column_text(row, 1, firmware->kind, sizeof firmware->kind);
    store_column_text(row, 2, firmware->family, sizeof firmware->family);
    store_column_text(row, 3, firmware->version, sizeof firmware->version);
    firmware->size = (uint64_t)store_column_number(row, 4);
    store_column_copy(row, 5, firmware->sha256, sizeof firmware->sha256);
    firmware->counter = (uint64_t)store_column_number(row, 6);
    manifest = store_column_bytes(row, 7);
    if (manifest.size <= sizeof firmware->manifest && manifest.size != 0) {
        memcpy(firmware->manifest, manifest.data, manifest.size);
        firmware->manifest_size = manifest.size;
    }
    firmware->created = (uint64_t)store_column_number(row, 8);
}

int store_firmware_insert(struct store_db *db, const struct store_firmware *firmware,
                          struct error *error) {
    struct store_firmware stored;

    if (store_exec(db, error,
                   "INSERT OR IGNORE INTO firmware(" FIRMWARE_COLUMNS ")"
                   " VALUES(?,?,?,?,?,?,?,?,?)",
                   "ttttibibi", firmware->id, firmware->kind, firmware->family, firmware->version,
                   (int64_t)firmware->size, bytes_of(firmware->sha256, sizeof firmware->sha256),
                   (int64_t)firmware->counter,
                   bytes_of(firmware->manifest, firmware->manifest_size),
                   (int64_t)firmware->created) != 0)
        return -1;
    if (store_changes_last(db) != 0)
        return 1;
    if (store_firmware_find(db, firmware->id, &stored, error) != 0)
        return -1;
    if (memcmp(stored.sha256, firmware->sha256, sizeof stored.sha256) != 0 ||
        strcmp(stored.kind, firmware->kind) != 0 || strcmp(stored.family, firmware->family) != 0 ||
        strcmp(stored.version, firmware->version) != 0)
        return error_set(error, ERROR_CONFLICT, "the same octets were uploaded as %s %s %s",
                         stored.kind, stored.family, stored.version);
    return 0;
}

int store_firmware_find(struct store_db *db, const char *id, struct store_firmware *firmware,
                        struct error *error) {
    sqlite3_stmt *row;
    int found = -1;

    if (store_query(db, &row, error, "SELECT " FIRMWARE_COLUMNS " FROM firmware WHERE id=?", "t",
                    id) == 0)
        found = store_step(db, row, error);
    if (found == 1)
        read_firmware(row, firmware);
    store_done(row);
    if (found == 0)
        return error_set(error, ERROR_NOT_FOUND, "there is no firmware %.32s", id);
    return found == 1 ? 0 : -1;
}

int store_firmware_list(struct store_db *db, store_firmware_visitor *visit, void *context,
                        struct error *error) {
    struct store_firmware firmware;
    sqlite3_stmt *row;
    int more = -1;

    if (store_query(db, &row, error,
                    "SELECT " FIRMWARE_COLUMNS " FROM firmware ORDER BY created, id", "") == 0)
        while ((more = store_step(db, row, error)) == 1) {
            read_firmware(row, &firmware);
            visit(context, &firmware);
        }
    store_done(row);
    return more < 0 ? -1 : 0;
}

int store_firmware_is_for(struct store_db *db, const struct store_firmware *firmware,
                          const char *programmer_id, struct error *error) {
    sqlite3_stmt *row;
    int found = -1;

    if (strcmp(firmware->kind, "programmer") == 0)
        return 1;
    if (store_query(db, &row, error,
                    "SELECT 1 FROM jobs WHERE programmer_id=?1 AND state<>'stopped'"
                    " AND (devauth_id=?2 OR bl2_id=?2 OR bl3_id=?2) LIMIT 1",
                    "tt", programmer_id, firmware->id) == 0)
        found = store_step(db, row, error);
    store_done(row);
    return found;
}
