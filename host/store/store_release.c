#include "store/store_release.h"

#include <string.h>

int store_release_insert(struct store_db *db, const struct store_release *release,
                         struct error *error) {
    return store_exec(db, error,
                      "INSERT INTO releases(firmware_id, security_counter, header_size,"
                      " image_digest, body_sha256, body_size, content_key) VALUES(?,?,?,?,?,?,?)",
                      "tiibbib", release->firmware_id, (int64_t)release->security_counter,
                      (int64_t)release->header_size, bytes_of(release->image_digest, 32),
                      bytes_of(release->body_sha256, 32), (int64_t)release->body_size,
                      bytes_of(release->content_key, release->content_key_size));
}

int store_release_find(struct store_db *db, const char *firmware_id, struct store_release *release,
                       struct error *error) {
    sqlite3_stmt *row;
    int found = -1;

    memset(release, 0, sizeof *release);
    if (store_query(db, &row, error,
                    "SELECT firmware_id, security_counter, header_size, image_digest, body_sha256,"
                    " body_size, content_key FROM releases WHERE firmware_id=?",
                    "t", firmware_id) == 0)
        found = store_step(db, row, error);
    if (found == 1) {
        struct bytes key = store_column_bytes(row, 6);

        store_column_text(row, 0, release->firmware_id, sizeof release->firmware_id);
        release->security_counter = (uint64_t)store_column_number(row, 1);
        release->header_size = (uint64_t)store_column_number(row, 2);
        store_column_copy(row, 3, release->image_digest, sizeof release->image_digest);
        store_column_copy(row, 4, release->body_sha256, sizeof release->body_sha256);
        release->body_size = (uint64_t)store_column_number(row, 5);
        if (key.size != 0 && key.size <= sizeof release->content_key) {
            memcpy(release->content_key, key.data, key.size);
            release->content_key_size = key.size;
        }
    }
    store_done(row);
    if (found == 0)
        return error_set(error, ERROR_NOT_FOUND, "%.32s is no BL2 or BL3", firmware_id);
    return found == 1 ? 0 : -1;
}

#define UPLOAD_COLUMNS                                                                             \
    "id, kind, family, version, security_counter, header_size, size, sha256, actor, created"

static void read_upload(sqlite3_stmt *row, struct store_upload *upload) {
    memset(upload, 0, sizeof *upload);
    store_column_text(row, 0, upload->id, sizeof upload->id);
    store_column_text(row, 1, upload->kind, sizeof upload->kind);
    store_column_text(row, 2, upload->family, sizeof upload->family);
    store_column_text(row, 3, upload->version, sizeof upload->version);
    upload->security_counter = (uint64_t)store_column_number(row, 4);
    upload->header_size = (uint64_t)store_column_number(row, 5);
    upload->size = (uint64_t)store_column_number(row, 6);
    store_column_copy(row, 7, upload->sha256, sizeof upload->sha256);
    store_column_text(row, 8, upload->actor, sizeof upload->actor);
    upload->created = (uint64_t)store_column_number(row, 9);
}

static int find_by_content(struct store_db *db, const struct store_upload *wanted,
                           struct store_upload *upload, struct error *error) {
    sqlite3_stmt *row;
    int found = -1;

    if (store_query(db, &row, error,
                    "SELECT " UPLOAD_COLUMNS " FROM uploads WHERE actor=? AND sha256=?", "tb",
                    wanted->actor, bytes_of(wanted->sha256, 32)) == 0)
        found = store_step(db, row, error);
    if (found == 1)
        read_upload(row, upload);
    store_done(row);
    return found;
}

static bool is_same(const struct store_upload *a, const struct store_upload *b) {
    return strcmp(a->kind, b->kind) == 0 && strcmp(a->family, b->family) == 0 &&
           strcmp(a->version, b->version) == 0 && a->size == b->size &&
           a->security_counter == b->security_counter && a->header_size == b->header_size;
}

int store_upload_begin(struct store_db *db, struct store_upload *upload, struct error *error) {
    struct store_upload known;
    int found = find_by_content(db, upload, &known, error);

    if (found < 0)
        return -1;
    if (found == 1 && !is_same(&known, upload))
        return error_set(error, ERROR_CONFLICT, "these octets are being uploaded as %s %s %s",
                         known.kind, known.family, known.version);
    if (found == 1) {
        *upload = known;
        return 0;
    }
    return store_exec(db, error,
                      "INSERT INTO uploads(" UPLOAD_COLUMNS ") VALUES(?,?,?,?,?,?,?,?,?,?)",
                      "ttttiiibti", upload->id, upload->kind, upload->family, upload->version,
                      (int64_t)upload->security_counter, (int64_t)upload->header_size,
                      (int64_t)upload->size, bytes_of(upload->sha256, 32), upload->actor,
                      (int64_t)upload->created) == 0
               ? 1
               : -1;
}

int store_upload_find(struct store_db *db, const char *id, const char *actor,
                      struct store_upload *upload, struct error *error) {
    sqlite3_stmt *row;
    int found = -1;

    if (store_query(db, &row, error, "SELECT " UPLOAD_COLUMNS " FROM uploads WHERE id=?", "t",
                    id) == 0)
        found = store_step(db, row, error);
    if (found == 1)
        read_upload(row, upload);
    store_done(row);
    if (found == 0)
        return error_set(error, ERROR_NOT_FOUND, "there is no upload %.32s", id);
    if (found == 1 && strcmp(upload->actor, actor) != 0)
        return error_set(error, ERROR_DENIED, "the upload is somebody else's");
    return found == 1 ? 0 : -1;
}

int store_upload_end(struct store_db *db, const char *id, struct error *error) {
    return store_exec(db, error, "DELETE FROM uploads WHERE id=?", "t", id);
}

int store_upload_count(struct store_db *db, uint64_t *count, struct error *error) {
    sqlite3_stmt *row;
    int found = -1;

    if (store_query(db, &row, error, "SELECT COUNT(*) FROM uploads", "") == 0)
        found = store_step(db, row, error);
    *count = found == 1 ? (uint64_t)store_column_number(row, 0) : 0;
    store_done(row);
    return found == 1 ? 0 : -1;
}

int store_upload_stale(struct store_db *db, uint64_t before, char ids[][STORE_ID_MAX + 1],
                       size_t capacity, size_t *count, struct error *error) {
    sqlite3_stmt *row;
    int more = -1;

    *count = 0;
    if (store_query(db, &row, error, "SELECT id FROM uploads WHERE created<?", "i",
                    (int64_t)before) == 0)
        while (*count < capacity && (more = store_step(db, row, error)) == 1)
            store_column_text(row, 0, ids[(*count)++], STORE_ID_MAX + 1);
    store_done(row);
    return more < 0 ? -1 : 0;
}
