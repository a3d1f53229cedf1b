/*
 * One SQLite connection with its prepared statements, and the few calls everything in host/store
 * is written with.
 *
 *     store_query(db, &row, error, "SELECT state FROM jobs WHERE id=?", "t", job_id);
 *     while ((more = store_step(db, row, error)) == 1)
 *         state = store_column_number(row, 0);
 *     store_done(row);
 *
 * `types` says what follows, one letter a parameter:
 *     t  const char * (NULL: SQL NULL)     i  int64_t     b  struct bytes (empty: SQL NULL)
 * Values are borrowed until store_done or the next use of the same statement. Statements are kept
 * per connection under the address of their text, so the text must be a literal.
 *
 * A connection is used by one thread at a time.
 */
#ifndef NUSEC_STORE_DB_H
#define NUSEC_STORE_DB_H

#include "base/bytes.h"
#include "base/error.h"

#include <sqlite3.h>
#include <stdint.h>

struct store_db;

enum store_mode {
    STORE_READ,  /* the file must exist; writing fails */
    STORE_WRITE, /* WAL, synchronous=FULL; the file is created with mode 0600 when missing */
};

struct store_db *store_db_open(const char *path, enum store_mode mode, struct error *error);
void store_db_close(struct store_db *db);

/* Runs one or more statements without parameters, uncached. */
int store_script(struct store_db *db, const char *sql, struct error *error);

/* A statement with its parameters bound, not yet stepped. */
int store_query(struct store_db *db, sqlite3_stmt **row, struct error *error, const char *sql,
                const char *types, ...);
/* 1: a row, 0: no more, -1: `error`. */
int store_step(struct store_db *db, sqlite3_stmt *row, struct error *error);
void store_done(sqlite3_stmt *row);

/* A statement that returns no rows. */
int store_exec(struct store_db *db, struct error *error, const char *sql, const char *types, ...);

/* Rows changed by the connection since it was opened, and by its last statement. */
int64_t store_changes_total(const struct store_db *db);
int store_changes_last(const struct store_db *db);
int64_t store_last_rowid(const struct store_db *db);

int64_t store_column_number(sqlite3_stmt *row, int column);
/* Copied, cut at `capacity` - 1; NULL gives "". */
void store_column_text(sqlite3_stmt *row, int column, char *out, size_t capacity);
/* Borrowed until the next step. */
struct bytes store_column_bytes(sqlite3_stmt *row, int column);
/* Exactly `size` bytes, else zeroes and -1. */
int store_column_copy(sqlite3_stmt *row, int column, void *out, size_t size);

#endif
