#include "programmer/job.h"

#include "base/encoding.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "programmer/job_boot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT        1
#define PACKAGE_FILE  "package.json"
#define LEDGER_FILE   "ledger"
#define STOPPED_FILE  "stopped"
#define STOPPED_LIMIT 512
#define RECORD_LIMIT  ((size_t)2 * PACKAGE_SIZE_MAX)

bool job_id_is_safe(const char *id) {
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    size_t size = strlen(id);
    return size > 0 && size <= PACKAGE_TEXT_MAX && strspn(id, allowed) == size;
}

int job_package_open(const struct job_keys *keys, struct bytes encoded, uint32_t epoch,
                     uint64_t now_s, struct package *package, struct error *error) {
    struct key_store_epoch key;
    if (key_store_epoch(keys->key_store, epoch, &key, error) != 0)
        return -1;
    struct package_reader reader = {
        .epoch = epoch,
        .root = buffer_bytes(&keys->identity->root),
        .operations_ca = buffer_bytes(&keys->identity->operations_ca),
        .cipher = key_store_package_cipher(&key),
    };
    memcpy(reader.programmer_certificate_sha256, keys->identity->certificate_sha256, 32);
    return package_open(encoded, &reader, now_s, package, error);
}

static char *job_directory(const char *state_directory, const char *id) {
    char *jobs = path_join(state_directory, "jobs");
    char *directory = jobs != NULL ? path_join(jobs, id) : NULL;
    free(jobs);
    return directory;
}

bool job_exists(const char *state_directory, const char *id) {
    char *directory = job_directory(state_directory, id);
    char *path = directory != NULL ? path_join(directory, PACKAGE_FILE) : NULL;
    /* Without memory to look, nothing may be taken for absent. */
    bool exists = path == NULL || file_exists(path);
    free(path);
    free(directory);
    return exists;
}

/* "code: why", as job_stop writes it. */
static int stopped_load(struct job *job, struct error *error) {
    struct buffer text = {0};
    char *path = path_join(job->directory, STOPPED_FILE);
    int failed = 0;
    if (path != NULL && file_exists(path)) {
        (void)file_read(path, STOPPED_LIMIT, &text, error);
        char *reason = strstr(buffer_text(&text), ": ");
        enum error_code code = ERROR_LEDGER_DIVERGED;
        if (reason != NULL) {
            *reason = '\0';
            reason += 2;
            code = error_code_of_name(buffer_text(&text));
        }
        failed = error_set(error, code == ERROR_INTERNAL ? ERROR_LEDGER_DIVERGED : code,
                           "the job is stopped: %s", reason != NULL ? reason : "for no reason");
        (void)error_hint(error, "%s", JOB_STOPPED_HINT);
    }
    free(path);
    buffer_free(&text);
    return failed;
}

void job_stop(struct job *job, const struct error *why) {
    struct error error;
    char text[STOPPED_LIMIT];
    char *path = path_join(job->directory, STOPPED_FILE);
    (void)snprintf(text, sizeof text, "%s: %s", error_name(why->code), why->message);
    if (path == NULL || file_write_durable(path, bytes_of(text, strlen(text)), 0600, &error) != 0)
        log_failure("job.stop", "job", job->id, "error", "the reason was not stored");
    free(path);
    (void)pthread_mutex_lock(&job->problem_lock);
    job->problem = *why;
    (void)pthread_mutex_unlock(&job->problem_lock);
    log_failure("job.stopped", "job", job->id, "why", why->message);
}

static int package_decode(struct job *job, const json_t *record, const struct job_keys *keys,
                          struct error *error) {
    struct buffer encoded = {0};
    uint32_t format = 0;
    uint32_t epoch = 0;
    uint64_t imported_s = 0;
    int failed = -1;
    if (json_read_u32(record, "format", &format, error) == 0 &&
        json_read_u32(record, "epoch", &epoch, error) == 0 &&
        json_read_u64(record, "imported", &imported_s, error) == 0 &&
        json_read_base64_buffer(record, "package_b64", PACKAGE_SIZE_MAX, &encoded, error) == 0)
        failed = format == FORMAT
                     ? job_package_open(keys, buffer_bytes(&encoded), epoch, imported_s,
                                        &job->package, error)
                     : error_set(error, ERROR_UNSUPPORTED, "format %u is not known", format);
    buffer_free(&encoded);
    if (failed == 0 && strcmp(job->package.job_id, job->id) != 0)
        failed = error_set(error, ERROR_ALTERED, "the package in jobs/%s is for %s", job->id,
                           job->package.job_id);
    return failed;
}

static int package_load(struct job *job, const struct job_keys *keys, struct error *error) {
    struct buffer text = {0};
    json_t *record = NULL;
    char *path = path_join(job->directory, PACKAGE_FILE);
    int failed = -1;
    if (path == NULL)
        (void)error_set(error, ERROR_INTERNAL, "out of memory");
    else if (file_read(path, RECORD_LIMIT, &text, error) == 0 &&
             (record = json_parse_object(buffer_bytes(&text), error)) != NULL)
        failed = package_decode(job, record, keys, error);
    json_decref(record);
    buffer_free(&text);
    free(path);
    return failed;
}

static int journal_load(struct job *job, struct error *error) {
    char *path = path_join(job->directory, LEDGER_FILE);
    if (path == NULL)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    int failed = job_journal_open(path, &job->journal, error);
    free(path);
    return failed;
}

/* Import stores the package and then notes it in the ledger; a crash in between is made good. */
static int import_note(struct job *job, struct error *error) {
    struct job_numbers numbers;
    job_journal_numbers(job->journal, &numbers);
    if (numbers.sequence >= job->package.sequence)
        return 0;
    return job_journal_imported(job->journal, job->id, job->package.sequence, job->package.count,
                                job->package.expiry_s, error);
}

struct job *job_load(const char *state_directory, const char *id, const struct job_keys *keys,
                     struct error *error) {
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL || (job->directory = job_directory(state_directory, id)) == NULL) {
        free(job);
        (void)error_set(error, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    (void)snprintf(job->id, sizeof job->id, "%s", id);
    (void)pthread_mutex_init(&job->sync_lock, NULL);
    (void)pthread_mutex_init(&job->problem_lock, NULL);
    if (package_load(job, keys, &job->problem) == 0 && journal_load(job, &job->problem) == 0 &&
        import_note(job, &job->problem) == 0 && stopped_load(job, &job->problem) == 0)
        error_clear(&job->problem); /* a callee that succeeds may leave anything in it */
    else
        log_error_event("job.problem", &job->problem);
    if (job->journal != NULL)
        job_journal_use_counter(job->journal, keys->counter);
    return job;
}

void job_count(struct job *job, struct counter *counter) {
    struct error error;
    uint64_t last = 0;
    uint64_t units = 0;
    bool is_borrowed = job->journal != NULL;
    if (counter == NULL)
        return;
    if (!is_borrowed && journal_load(job, &error) != 0) {
        counter_spoil(counter, &error);
        return;
    }
    job_journal_counted(job->journal, &last, &units);
    counter_add(counter, last, units);
    if (is_borrowed)
        return;
    job_journal_close(job->journal);
    job->journal = NULL;
}

void job_free(struct job *job) {
    if (job == NULL)
        return;
    job_journal_close(job->journal);
    package_free(&job->package);
    (void)pthread_mutex_destroy(&job->sync_lock);
    (void)pthread_mutex_destroy(&job->problem_lock);
    free(job->directory);
    free(job);
}

int job_store(const char *state_directory, const struct package *package, struct bytes encoded,
              uint32_t epoch, uint64_t imported_s, struct error *error) {
    struct buffer text = {0};
    char *directory = job_directory(state_directory, package->job_id);
    char *path = directory != NULL ? path_join(directory, PACKAGE_FILE) : NULL;
    json_t *record =
        json_pack("{s:i,s:I,s:I,s:o}", "format", FORMAT, "epoch", (json_int_t)epoch, "imported",
                  (json_int_t)imported_s, "package_b64", json_base64(encoded));
    int failed = -1;
    if (path == NULL || record == NULL)
        (void)error_set(error, ERROR_INTERNAL, "out of memory");
    else if (directory_create_private(directory, error) == 0 &&
             json_write(record, &text, error) == 0)
        failed = file_write_durable(path, buffer_bytes(&text), 0600, error);
    json_decref(record);
    buffer_free(&text);
    free(path);
    free(directory);
    return failed;
}

int job_check(struct job *job, struct error *error) {
    (void)pthread_mutex_lock(&job->problem_lock);
    int failed = job->problem.code == ERROR_NONE ? 0 : -1;
    if (failed != 0)
        *error = job->problem;
    (void)pthread_mutex_unlock(&job->problem_lock);
    return failed;
}

uint32_t job_unfinished(const struct job *job, const struct job_numbers *numbers) {
    struct job_boot boot;
    struct error unknown;
    if (job_boot_read(&job->package, &boot, &unknown) != 0 || !boot.wanted)
        return numbers->open;
    return numbers->open + numbers->booting;
}

const char *job_state(struct job *job, const struct job_numbers *numbers) {
    struct error error;
    if (job_check(job, &error) != 0)
        return job->journal == NULL ? "damaged" : "stopped";
    if (numbers->remaining > 0)
        return "active";
    return job_unfinished(job, numbers) + numbers->unreported > 0 ? "finishing" : "complete";
}
