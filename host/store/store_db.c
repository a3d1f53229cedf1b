#include "store/store_db.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATEMENT_SLOTS 512 /* power of two, several times the number of statements in the code */

struct statement_slot {
    const char *sql; /* the literal's address is the key */
    sqlite3_stmt *statement;
};

struct store_db {
    sqlite3 *sqlite;
    struct statement_slot slots[STATEMENT_SLOTS];
};

static int sqlite_failed(struct store_db *db, int rv, struct error *error) {
    int system_errno = sqlite3_system_errno(db->sqlite);

    if (rv == SQLITE_FULL || ((rv & 0xFF) == SQLITE_IOERR && system_errno == ENOSPC)) {
        error_set(error, ERROR_STORAGE_FULL, "the disk of the database is full");
        error_hint(error, "nothing was changed; free disk space and repeat");
    } else if ((rv & 0xFF) == SQLITE_BUSY || (rv & 0xFF) == SQLITE_LOCKED) {
        error_set(error, ERROR_BUSY, "the database is busy");
        error_hint(error, "nothing was changed; repeat");
    } else {
        error_set(error, ERROR_STORAGE, "the database failed");
        error_hint(error, "nothing was changed; see the server's log");
    }
    return error_detail(error, "sqlite %d: %s", rv, sqlite3_errmsg(db->sqlite));
}

int store_script(struct store_db *db, const char *sql, struct error *error) {
    int rv = sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL);

    return rv == SQLITE_OK ? 0 : sqlite_failed(db, rv, error);
}

static int configure(struct store_db *db, enum store_mode mode, struct error *error) {
    sqlite3_extended_result_codes(db->sqlite, 1);
    sqlite3_busy_timeout(db->sqlite, 10000);
    if (mode == STORE_READ)
        return store_script(db, "PRAGMA query_only=1; PRAGMA cache_size=-8000", error);
    return store_script(db,
                        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                        "PRAGMA foreign_keys=ON; PRAGMA cache_size=-32000;"
                        /* or INSERT OR REPLACE would slip past the append-only triggers */
                        "PRAGMA recursive_triggers=ON",
                        error);
}

struct store_db *store_db_open(const char *path, enum store_mode mode, struct error *error) {
    struct store_db *db = calloc(1, sizeof *db);
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE;
    int rv;

    if (db == NULL) {
        error_set(error, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    /* A read-only open of a WAL database cannot create the shared-memory file, so readers open
     * for writing too and are held back by query_only. */
    if (mode == STORE_WRITE)
        flags |= SQLITE_OPEN_CREATE;
    rv = sqlite3_open_v2(path, &db->sqlite, flags, NULL);
    if (db->sqlite == NULL) {
        error_set(error, ERROR_INTERNAL, "out of memory");
        free(db);
        return NULL;
    }
    if (rv != SQLITE_OK) {
        sqlite_failed(db, rv, error);
        error_prefix(error, "%s", path);
        store_db_close(db);
        return NULL;
    }
    if (configure(db, mode, error) != 0) {
        store_db_close(db);
        return NULL;
    }
    return db;
}

void store_db_close(struct store_db *db) {
    if (db == NULL)
        return;
    for (size_t i = 0; i < STATEMENT_SLOTS; i++)
        sqlite3_finalize(db->slots[i].statement);
    sqlite3_close(db->sqlite);
    free(db);
}

static struct statement_slot *find_slot(struct store_db *db, const char *sql) {
    size_t place = ((uintptr_t)sql >> 3) * 2654435761u;

    for (size_t i = 0; i < STATEMENT_SLOTS; i++) {
        struct statement_slot *slot = &db->slots[(place + i) % STATEMENT_SLOTS];

        if (slot->sql == sql || slot->sql == NULL)
            return slot;
    }
    return NULL;
}

static int prepare(struct store_db *db, const char *sql, sqlite3_stmt **statement,
                   struct error *error) {
    struct statement_slot *slot = find_slot(db, sql);
    int rv;

    if (slot == NULL)
        return error_set(error, ERROR_INTERNAL, "too many database statements");
    if (slot->sql == NULL) {
        rv = sqlite3_prepare_v3(db->sqlite, sql, -1, SQLITE_PREPARE_PERSISTENT, &slot->statement,
                                NULL);
        if (rv != SQLITE_OK)
            return sqlite_failed(db, rv, error);
        slot->sql = sql;
    }
    sqlite3_reset(slot->statement);
    *statement = slot->statement;
    return 0;
}

static int bind(sqlite3_stmt *statement, const char *types, va_list *values) {
    int rv = SQLITE_OK;

    for (int i = 1; *types != '\0' && rv == SQLITE_OK; types++, i++) {
        if (*types == 't') {
            rv = sqlite3_bind_text(statement, i, va_arg(*values, const char *), -1, SQLITE_STATIC);
        } else if (*types == 'i') {
            rv = sqlite3_bind_int64(statement, i, va_arg(*values, int64_t));
        } else {
            struct bytes blob = va_arg(*values, struct bytes);

            rv = blob.size == 0
                     ? sqlite3_bind_null(statement, i)
                     : sqlite3_bind_blob64(statement, i, blob.data, blob.size, SQLITE_STATIC);
        }
    }
    return rv;
}

static int query(struct store_db *db, sqlite3_stmt **row, struct error *error, const char *sql,
                 const char *types, va_list *values) {
    int rv;

    *row = NULL;
    if (prepare(db, sql, row, error) != 0)
        return -1;
    rv = bind(*row, types, values);
    return rv == SQLITE_OK ? 0 : sqlite_failed(db, rv, error);
}

int store_query(struct store_db *db, sqlite3_stmt **row, struct error *error, const char *sql,
                const char *types, ...) {
    va_list values;
    int result;

    va_start(values, types);
    result = query(db, row, error, sql, types, &values);
    va_end(values);
    return result;
}

int store_step(struct store_db *db, sqlite3_stmt *row, struct error *error) {
    int rv = sqlite3_step(row);

    if (rv == SQLITE_ROW)
        return 1;
    if (rv == SQLITE_DONE) {
        sqlite3_reset(row);
        return 0;
    }
    sqlite_failed(db, rv, error);
    sqlite3_reset(row);
    return -1;
}

void store_done(sqlite3_stmt *row) {
    if (row != NULL)
        sqlite3_reset(row);
}

int store_exec(struct store_db *db, struct error *error, const char *sql, const char *types, ...) {
    sqlite3_stmt *row;
    va_list values;
    int result;

    va_start(values, types);
    result = query(db, &row, error, sql, types, &values);
    va_end(values);
    if (result == 0)
        result = store_step(db, row, error) < 0 ? -1 : 0;
    store_done(row);
    return result;
}

int64_t store_changes_total(const struct store_db *db) {
    return sqlite3_total_changes64(db->sqlite);
}

int store_changes_last(const struct store_db *db) {
    return sqlite3_changes(db->sqlite);
}

int64_t store_last_rowid(const struct store_db *db) {
    return sqlite3_last_insert_rowid(db->sqlite);
}

int64_t store_column_number(sqlite3_stmt *row, int column) {
    return sqlite3_column_int64(row, column);
}

void store_column_text(sqlite3_stmt *row, int column, char *out, size_t capacity) {
    const unsigned char *text = sqlite3_column_text(row, column);
    size_t size;

    out[0] = '\0';
    if (text == NULL)
        return;
    size = (size_t)sqlite3_column_bytes(row, column);
    if (size >= capacity)
        size = capacity - 1;
    memcpy(out, text, size);
    out[size] = '\0';
}

struct bytes store_column_bytes(sqlite3_stmt *row, int column) {
    const void *data = sqlite3_column_blob(row, column);

    return bytes_of(data, (size_t)sqlite3_column_bytes(row, column));
}

int store_column_copy(sqlite3_stmt *row, int column, void *out, size_t size) {
    struct bytes blob = store_column_bytes(row, column);

    memset(out, 0, size);
    if (blob.size != size || blob.data == NULL)
        return -1;
    memcpy(out, blob.data, size);
    return 0;
}
