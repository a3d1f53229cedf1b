/*
 * The server's database: SQLite, write-ahead log, synchronous=FULL. One writer thread commits
 * whatever has arrived as one transaction (group commit); readers have connections of their own.
 *
 *     store = store_open(path, &config, error);           starts the writer thread
 *     reader = store_reader_open(store, error);           one per thread
 *     store_run(store, my_write, &context, error);        blocks until committed
 *     store_submit(store, &write);                        returns at once, write.done comes later
 *     store_close(store);                                 commits what was submitted, then ends
 *
 * A write function gets the writer's connection inside a transaction. It does all its checks
 * before it changes anything. 0 keeps its changes; -1 with `error` drops them. It may be run a
 * second time from the beginning: when one function of a batch fails after it changed something,
 * or the commit fails, the batch is rolled back and each function is run again in a transaction of
 * its own, so that a failure never takes another request with it.
 *
 * `done` is called from the writer thread after the commit (or failure) and owns the write again.
 */
#ifndef NUSEC_STORE_STORE_H
#define NUSEC_STORE_STORE_H

#include "store/store_db.h"

#include <stdint.h>

struct store;

typedef int store_write_function(struct store_db *db, void *context, struct error *error);

struct store_write {
    store_write_function *run;
    void *context;
    void (*done)(struct store_write *write);
    /* filled by the writer before `done` */
    int result;
    struct error error;
    struct store_write *next; /* the writer's */
};

struct store_config {
    /* How many requests are being worked on that may submit soon: the writer waits for them, but
     * never longer than 1.5 milliseconds. NULL: it never waits for them. */
    unsigned (*outstanding)(void *context);
    void *outstanding_context;
};

/* Creates the schema in a new file; ERROR_UNSUPPORTED for a schema newer than this program. */
struct store *store_open(const char *path, const struct store_config *config, struct error *error);
void store_close(struct store *store);

struct store_db *store_reader_open(struct store *store, struct error *error);

void store_submit(struct store *store, struct store_write *write);
int store_run(struct store *store, store_write_function *run, void *context, struct error *error);

struct store_statistics {
    uint64_t writes;
    uint64_t commits;
    uint64_t failures; /* writes that ended with a database error */
    uint64_t largest_batch;
};
void store_statistics(struct store *store, struct store_statistics *statistics);

/* Brings a connection's schema up to date (store_open does); for tests and tools. */
int store_schema_update(struct store_db *db, struct error *error);
#define STORE_SCHEMA_VERSION 4

#endif
