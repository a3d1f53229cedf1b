/* The writer thread. What it costs and why it waits: an fsync is paid per commit, so at 64 clients
 * a batch of twenty makes it free, while at one client any wait would only add latency. The wait
 * therefore grows with the number of requests that are known to be on their way. */
#include "base/clock.h"
#include "store/store.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCH_MAX           128
#define WAIT_PER_REQUEST_NS 60000L
#define WAIT_MAX_NS         1500000L

struct store {
    char *path;
    struct store_config config;
    struct store_db *db; /* the writer thread's */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    struct store_write *first;
    struct store_write **last;
    unsigned queued;
    unsigned wake_at; /* the writer sleeps until so many are queued; 0: it is not sleeping */
    unsigned last_batch;
    bool stop;
    struct store_statistics statistics;
};

static unsigned outstanding(const struct store *store) {
    return store->config.outstanding != NULL
               ? store->config.outstanding(store->config.outstanding_context)
               : 0;
}

static struct timespec time_after(long nanoseconds) {
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_nsec += nanoseconds;
    time.tv_sec += time.tv_nsec / 1000000000L;
    time.tv_nsec %= 1000000000L;
    return time;
}

/* Called with the lock held and something queued. Waits for what the workers have in hand and,
 * while requests keep coming in numbers, for half as many again as last time, so that batches grow
 * with the load. A lone client never waits: nothing is in hand, and its last batch was one. */
static void wait_for_more(struct store *store) {
    unsigned in_hand = store->queued + outstanding(store);
    unsigned grown = store->last_batch + store->last_batch / 2;
    unsigned target = in_hand > grown ? in_hand : grown;
    struct timespec until;
    long wait_ns;

    if (target > BATCH_MAX)
        target = BATCH_MAX;
    if (target <= store->queued || store->stop)
        return;
    wait_ns = (long)target * WAIT_PER_REQUEST_NS;
    until = time_after(wait_ns < WAIT_MAX_NS ? wait_ns : WAIT_MAX_NS);
    store->wake_at = target;
    while (store->queued < store->wake_at && !store->stop &&
           pthread_cond_timedwait(&store->arrived, &store->lock, &until) == 0)
        ;
    store->wake_at = 0;
}

/* Takes up to BATCH_MAX writes; NULL when the store is closing and nothing is left. */
static struct store_write *take_batch(struct store *store) {
    struct store_write *batch, *tail;

    pthread_mutex_lock(&store->lock);
    while (store->queued == 0 && !store->stop) {
        store->wake_at = 1;
        pthread_cond_wait(&store->arrived, &store->lock);
        store->wake_at = 0;
    }
    if (store->queued != 0)
        wait_for_more(store);
    batch = tail = store->first;
    if (batch != NULL) {
        unsigned taken = 1;

        for (; tail->next != NULL && taken < BATCH_MAX; taken++)
            tail = tail->next;
        store->first = tail->next;
        if (store->first == NULL)
            store->last = &store->first;
        tail->next = NULL;
        store->queued -= taken;
        store->last_batch = taken;
    }
    pthread_mutex_unlock(&store->lock);
    return batch;
}

/* Runs one write inside the open transaction. -1: the transaction must not be committed. */
static int run_write(struct store *store, struct store_write *write) {
    int64_t before = store_changes_total(store->db);

    write->result = write->run(store->db, write->context, &write->error);
    return write->result != 0 && store_changes_total(store->db) != before ? -1 : 0;
}

static void roll_back(struct store *store) {
    struct error ignored;

    /* Fails when SQLite already rolled back by itself (disk full), which is as good. */
    store_script(store->db, "ROLLBACK", &ignored);
}

static int commit(struct store *store, struct error *error) {
    if (store_exec(store->db, error, "COMMIT", "") != 0) {
        roll_back(store);
        return -1;
    }
    pthread_mutex_lock(&store->lock);
    store->statistics.commits++;
    pthread_mutex_unlock(&store->lock);
    return 0;
}

/* All of a batch in one transaction; -1: rolled back, none of it happened. */
static int run_together(struct store *store, struct store_write *batch) {
    struct error error;

    if (store_exec(store->db, &error, "BEGIN IMMEDIATE", "") != 0)
        return -1;
    for (struct store_write *write = batch; write != NULL; write = write->next) {
        if (run_write(store, write) != 0) {
            roll_back(store);
            return -1;
        }
    }
    return commit(store, &error);
}

static void run_alone(struct store *store, struct store_write *write) {
    write->result = store_exec(store->db, &write->error, "BEGIN IMMEDIATE", "");
    if (write->result != 0)
        return;
    if (run_write(store, write) != 0 || write->result != 0)
        roll_back(store);
    else
        write->result = commit(store, &write->error);
}

static void count_batch(struct store *store, const struct store_write *batch) {
    uint64_t size = 0;

    pthread_mutex_lock(&store->lock);
    for (; batch != NULL; batch = batch->next) {
        size++;
        if (batch->result != 0 &&
            (batch->error.code == ERROR_STORAGE || batch->error.code == ERROR_STORAGE_FULL))
            store->statistics.failures++;
    }
    store->statistics.writes += size;
    if (size > store->statistics.largest_batch)
        store->statistics.largest_batch = size;
    pthread_mutex_unlock(&store->lock);
}

static void *writer_main(void *context) {
    struct store *store = context;
    struct store_write *batch;

    pthread_setname_np(pthread_self(), "store-writer");
    while ((batch = take_batch(store)) != NULL) {
        if (run_together(store, batch) != 0)
            for (struct store_write *write = batch; write != NULL; write = write->next)
                run_alone(store, write);
        count_batch(store, batch);
        while (batch != NULL) {
            struct store_write *write = batch;

            batch = batch->next; /* `done` may free the write */
            write->done(write);
        }
    }
    return NULL;
}

struct store *store_open(const char *path, const struct store_config *config, struct error *error) {
    struct store *store = calloc(1, sizeof *store);
    pthread_condattr_t attributes;

    if (store == NULL || (store->path = strdup(path)) == NULL) {
        free(store);
        error_set(error, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    if (config != NULL)
        store->config = *config;
    store->last = &store->first;
    pthread_mutex_init(&store->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&store->arrived, &attributes);
    pthread_condattr_destroy(&attributes);
    store->db = store_db_open(path, STORE_WRITE, error);
    if (store->db == NULL || store_schema_update(store->db, error) != 0)
        goto failed;
    if (pthread_create(&store->thread, NULL, writer_main, store) != 0) {
        error_set(error, ERROR_INTERNAL, "cannot start the database thread");
        goto failed;
    }
    return store;

failed:
    store_db_close(store->db);
    free(store->path);
    free(store);
    return NULL;
}

void store_close(struct store *store) {
    if (store == NULL)
        return;
    pthread_mutex_lock(&store->lock);
    store->stop = true;
    pthread_cond_signal(&store->arrived);
    pthread_mutex_unlock(&store->lock);
    pthread_join(store->thread, NULL);
    store_db_close(store->db);
    pthread_cond_destroy(&store->arrived);
    pthread_mutex_destroy(&store->lock);
    free(store->path);
    free(store);
}

struct store_db *store_reader_open(struct store *store, struct error *error) {
    return store_db_open(store->path, STORE_READ, error);
}

void store_submit(struct store *store, struct store_write *write) {
    write->next = NULL;
    pthread_mutex_lock(&store->lock);
    *store->last = write;
    store->last = &write->next;
    store->queued++;
    if (store->wake_at != 0 && store->queued >= store->wake_at)
        pthread_cond_signal(&store->arrived);
    pthread_mutex_unlock(&store->lock);
}

struct blocking_write {
    struct store_write write;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool is_done;
};

static void blocking_done(struct store_write *write) {
    struct blocking_write *blocking = (struct blocking_write *)write;

    pthread_mutex_lock(&blocking->lock);
    blocking->is_done = true;
    pthread_cond_signal(&blocking->ended);
    pthread_mutex_unlock(&blocking->lock);
}

int store_run(struct store *store, store_write_function *run, void *context, struct error *error) {
    struct blocking_write blocking = {.write = {.run = run, .context = context}};

    blocking.write.done = blocking_done;
    pthread_mutex_init(&blocking.lock, NULL);
    pthread_cond_init(&blocking.ended, NULL);
    store_submit(store, &blocking.write);
    pthread_mutex_lock(&blocking.lock);
    while (!blocking.is_done)
        pthread_cond_wait(&blocking.ended, &blocking.lock);
    pthread_mutex_unlock(&blocking.lock);
    pthread_cond_destroy(&blocking.ended);
    pthread_mutex_destroy(&blocking.lock);
    if (blocking.write.result != 0)
        *error = blocking.write.error;
    return blocking.write.result;
}

void store_statistics(struct store *store, struct store_statistics *statistics) {
    pthread_mutex_lock(&store->lock);
    *statistics = store->statistics;
    pthread_mutex_unlock(&store->lock);
}
