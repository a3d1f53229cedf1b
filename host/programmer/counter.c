#include "programmer/counter.h"

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT       1
#define COUNTER_FILE "counter.json"
#define FILE_LIMIT   4096

struct counter {
    pthread_mutex_t lock;
    const struct key_store *store;
    char *path;
    /* The file. */
    uint32_t index;
    uint64_t base;      /* the value before the first reservation */
    uint64_t forgotten; /* values in ledgers that were removed */
    char forgetting[PACKAGE_TEXT_MAX + 1];
    /* What the ledgers say. */
    uint64_t expected;
    uint64_t last;
    struct error problem;
};

static int rolled_back(struct counter *counter, const char *why) {
    struct error *problem = &counter->problem;
    (void)error_set(problem, ERROR_LEDGER_ROLLED_BACK, "%s", why);
    (void)error_hint(problem, "this state directory is an older copy, or a copy is in use: "
                              "put the right one back, or have the programmer prepared anew");
    log_error_event("counter", problem);
    return -1;
}

static int file_decode(struct counter *counter, const json_t *object, struct error *error) {
    const char *forgetting = NULL;
    uint32_t format = 0;
    if (json_read_u32(object, "format", &format, error) != 0 ||
        json_read_u32(object, "index", &counter->index, error) != 0 ||
        json_read_u64(object, "base", &counter->base, error) != 0 ||
        json_read_u64(object, "forgotten", &counter->forgotten, error) != 0 ||
        json_read_string(object, "forgetting", &forgetting, error) != 0)
        return -1;
    if (format != FORMAT || strlen(forgetting) >= sizeof counter->forgetting)
        return error_set(error, ERROR_UNSUPPORTED, "format %u is not known", format);
    (void)snprintf(counter->forgetting, sizeof counter->forgetting, "%s", forgetting);
    return 0;
}

static int file_load(struct counter *counter, struct error *error) {
    struct buffer text = {0};
    json_t *object = NULL;
    int failed = -1;
    if (file_read(counter->path, FILE_LIMIT, &text, error) == 0 &&
        (object = json_parse_object(buffer_bytes(&text), error)) != NULL)
        failed = file_decode(counter, object, error);
    json_decref(object);
    buffer_free(&text);
    return failed == 0 ? 0 : error_prefix(error, "%s", counter->path);
}

static int file_save(const struct counter *counter, struct error *error) {
    struct buffer text = {0};
    json_t *object =
        json_pack("{s:i,s:I,s:I,s:I,s:s}", "format", FORMAT, "index", (json_int_t)counter->index,
                  "base", (json_int_t)counter->base, "forgotten", (json_int_t)counter->forgotten,
                  "forgetting", counter->forgetting);
    int failed = object == NULL ? error_set(error, ERROR_INTERNAL, "out of memory") : 0;
    if (failed == 0)
        failed = json_write(object, &text, error);
    if (failed == 0)
        failed = file_write_durable(counter->path, buffer_bytes(&text), 0600, error);
    json_decref(object);
    buffer_free(&text);
    return failed;
}

static int counter_make(struct counter *counter, struct error *error) {
    if (key_store_counter_make(counter->store, &counter->index, &counter->base, error) != 0)
        return -1;
    return file_save(counter, error);
}

static int counter_fill(struct counter *counter, const char *directory, bool may_make,
                        struct error *error) {
    counter->path = path_join(directory, COUNTER_FILE);
    if (counter->path == NULL)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    int failed = 0;
    if (file_exists(counter->path))
        failed = file_load(counter, error);
    else if (may_make)
        failed = counter_make(counter, error);
    else
        (void)rolled_back(counter, "the record of the TPM's counter is gone");
    counter->expected = counter->base + counter->forgotten;
    return failed;
}

int counter_open(struct counter **counter, const struct key_store *store, const char *directory,
                 bool may_make, struct error *error) {
    *counter = NULL;
    if (!key_store_has_counter(store))
        return 0;
    struct counter *opened = calloc(1, sizeof *opened);
    if (opened == NULL)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    (void)pthread_mutex_init(&opened->lock, NULL);
    opened->store = store;
    if (counter_fill(opened, directory, may_make, error) != 0) {
        counter_close(opened);
        return -1;
    }
    *counter = opened;
    return 0;
}

void counter_close(struct counter *counter) {
    if (counter == NULL)
        return;
    (void)pthread_mutex_destroy(&counter->lock);
    free(counter->path);
    free(counter);
}

void counter_add(struct counter *counter, uint64_t last, uint64_t units) {
    if (counter == NULL)
        return;
    counter->expected += units;
    if (counter->last < last)
        counter->last = last;
}

void counter_spoil(struct counter *counter, const struct error *why) {
    char text[sizeof why->message];
    if (counter == NULL || counter->problem.code != ERROR_NONE)
        return;
    (void)snprintf(text, sizeof text, "a ledger cannot be counted: %.200s", why->message);
    (void)rolled_back(counter, text);
}

/* The caller holds the lock. A TPM that does not answer is an error of the moment, not a problem.
 */
static int tpm_agree(struct counter *counter, struct error *error) {
    char text[160];
    uint64_t value = 0;
    int failed = counter->problem.code != ERROR_NONE ? -1 : 0;
    if (failed != 0)
        *error = counter->problem;
    if (failed == 0)
        failed = key_store_counter_read(counter->store, counter->index, &value, error);
    if (failed == 0 && value + 1 == counter->expected && counter->last == counter->expected) {
        failed = key_store_counter_raise(counter->store, counter->index, error);
        if (failed == 0)
            failed = key_store_counter_read(counter->store, counter->index, &value, error);
    }
    if (failed != 0 && error->code != ERROR_NOT_FOUND)
        return -1;
    if (failed == 0 && value == counter->expected && counter->last <= counter->expected)
        return 0;
    (void)snprintf(text, sizeof text, "the ledgers count up to %llu, the TPM to %llu",
                   (unsigned long long)counter->expected, (unsigned long long)value);
    (void)rolled_back(counter, failed != 0 ? error->message : text);
    *error = counter->problem;
    return -1;
}

int counter_check(struct counter *counter, struct error *error) {
    if (counter == NULL)
        return 0;
    (void)pthread_mutex_lock(&counter->lock);
    int failed = tpm_agree(counter, error);
    (void)pthread_mutex_unlock(&counter->lock);
    return failed;
}

void counter_settle(struct counter *counter) {
    struct error error;
    (void)counter_check(counter, &error);
}

int counter_problem(struct counter *counter, struct error *error) {
    if (counter == NULL)
        return 0;
    (void)pthread_mutex_lock(&counter->lock);
    *error = counter->problem;
    (void)pthread_mutex_unlock(&counter->lock);
    return error->code == ERROR_NONE ? 0 : -1;
}

int counter_begin(struct counter *counter, uint64_t *value, struct error *error) {
    *value = 0;
    if (counter == NULL)
        return 0;
    (void)pthread_mutex_lock(&counter->lock);
    if (tpm_agree(counter, error) != 0) {
        (void)pthread_mutex_unlock(&counter->lock);
        return -1;
    }
    *value = counter->expected + 1;
    return 0;
}

int counter_commit(struct counter *counter, struct error *error) {
    if (counter == NULL)
        return 0;
    counter->expected++;
    counter->last = counter->expected;
    int failed = tpm_agree(counter, error);
    (void)pthread_mutex_unlock(&counter->lock);
    return failed;
}

void counter_abandon(struct counter *counter) {
    if (counter != NULL)
        (void)pthread_mutex_unlock(&counter->lock);
}

int counter_forget(struct counter *counter, const char *job_id, uint64_t units,
                   struct error *error) {
    if (counter == NULL)
        return 0;
    (void)pthread_mutex_lock(&counter->lock);
    (void)snprintf(counter->forgetting, sizeof counter->forgetting, "%s", job_id);
    counter->forgotten += units;
    int failed = file_save(counter, error);
    if (failed != 0) {
        counter->forgotten -= units;
        counter->forgetting[0] = '\0';
    }
    (void)pthread_mutex_unlock(&counter->lock);
    return failed;
}

int counter_forgotten(struct counter *counter, struct error *error) {
    if (counter == NULL)
        return 0;
    (void)pthread_mutex_lock(&counter->lock);
    counter->forgetting[0] = '\0';
    int failed = file_save(counter, error);
    (void)pthread_mutex_unlock(&counter->lock);
    return failed;
}

const char *counter_forgetting(const struct counter *counter) {
    return counter != NULL && counter->forgetting[0] != '\0' ? counter->forgetting : NULL;
}
