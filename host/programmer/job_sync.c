/* The job's ledger and the server's copy of it: agreeing on where they stand, and sending the rest.
 */
#include "programmer/job.h"

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#define ACKNOWLEDGED_FILE  "acknowledged.json"
#define ACKNOWLEDGED_LIMIT 256
#define SYNC_BATCH         64

/* What the server has confirmed outlives the daemon: only so can a server that was set back be told
 * from one that never had it. */
static int acknowledged_load(struct job *job, struct error *error) {
    struct buffer text = {0};
    json_t *object = NULL;
    char *path = path_join(job->directory, ACKNOWLEDGED_FILE);
    int failed = path == NULL ? error_set(error, ERROR_INTERNAL, "out of memory") : 0;
    if (failed == 0 && job->kept.sequence == 0 && file_exists(path)) {
        failed = -1;
        if (file_read(path, ACKNOWLEDGED_LIMIT, &text, error) == 0 &&
            (object = json_parse_object(buffer_bytes(&text), error)) != NULL &&
            json_read_u64(object, "sequence", &job->kept.sequence, error) == 0 &&
            json_read_hex(object, "hash_hex", job->kept.hash, LEDGER_HASH_SIZE, error) == 0)
            failed = 0;
    }
    json_decref(object);
    buffer_free(&text);
    free(path);
    return failed == 0 ? 0 : error_prefix(error, ACKNOWLEDGED_FILE);
}

static int acknowledged_keep(struct job *job, struct error *error) {
    struct buffer text = {0};
    char *path = path_join(job->directory, ACKNOWLEDGED_FILE);
    json_t *object =
        json_pack("{s:I,s:o}", "sequence", (json_int_t)job->acknowledged.sequence, "hash_hex",
                  json_hex(bytes_of(job->acknowledged.hash, LEDGER_HASH_SIZE)));
    int failed = 0;
    if (job->kept.sequence != job->acknowledged.sequence) {
        failed = path == NULL ? error_set(error, ERROR_INTERNAL, "out of memory")
                              : json_write(object, &text, error);
        if (failed == 0)
            failed = file_write_durable(path, buffer_bytes(&text), 0600, error);
        if (failed == 0)
            job->kept = job->acknowledged;
    }
    json_decref(object);
    buffer_free(&text);
    free(path);
    return failed;
}

static bool is_stopping(enum error_code code) {
    return code == ERROR_LEDGER_DIVERGED || code == ERROR_PROGRAMMER_ROLLED_BACK ||
           code == ERROR_SERVER_ROLLED_BACK;
}

static int batch_send(struct job *job, struct server *server, uint64_t head, struct error *error) {
    uint64_t first = job->acknowledged.sequence + 1;
    uint64_t last = head - first < SYNC_BATCH ? head : first + SYNC_BATCH - 1;
    json_t *lines = json_array();
    int failed = 0;
    for (uint64_t sequence = first; sequence <= last && failed == 0; sequence++) {
        struct buffer line = {0};
        failed = job_journal_line(job->journal, sequence, &line, error);
        if (failed == 0)
            (void)json_array_append_new(lines, json_string(buffer_text(&line)));
        buffer_free(&line);
    }
    if (failed == 0)
        failed = server_ledger_append(server, job->id, first, lines, error);
    if (failed == 0) {
        job->acknowledged.sequence = last;
        (void)job_journal_hash(job->journal, last, job->acknowledged.hash);
    }
    json_decref(lines);
    return failed;
}

/* The server is sent the entry that it has otherwise, so that it stops the job as well. */
static int diverged(struct job *job, struct server *server, uint64_t sequence,
                    struct error *error) {
    struct error told;
    job->acknowledged.sequence = sequence - 1;
    if (batch_send(job, server, sequence, &told) != 0)
        log_error_event("ledger.diverged", &told);
    (void)error_set(error, ERROR_LEDGER_DIVERGED, "the server has another ledger entry %llu",
                    (unsigned long long)sequence);
    return error_hint(error, "%s", JOB_STOPPED_HINT);
}

/* Both sides know where they stand before anything is added. */
static int head_agree(struct job *job, struct server *server, struct error *error) {
    struct ledger_head ours;
    struct ledger_head theirs;
    uint8_t hash[LEDGER_HASH_SIZE];
    if (acknowledged_load(job, error) != 0)
        return -1;
    job_journal_head(job->journal, &ours);
    if (server_ledger_agree(server, job->id, &ours, &job->kept, &theirs, error) != 0)
        return -1;
    if (!job_journal_hash(job->journal, theirs.sequence, hash) ||
        memcmp(hash, theirs.hash, sizeof hash) != 0)
        return diverged(job, server, theirs.sequence, error);
    job->acknowledged = theirs;
    job->head_agreed = true;
    return 0;
}

/* A job that is over needs no further entry. */
static int run_note(struct job *job, struct error *error) {
    struct job_numbers numbers;
    if (job->run_noted)
        return 0;
    job_journal_numbers(job->journal, &numbers);
    if (strcmp(job_state(job, &numbers), "complete") != 0 &&
        job_journal_run(job->journal, error) != 0)
        return -1;
    job->run_noted = true;
    return 0;
}

static int sync_locked(struct job *job, struct server *server, struct error *error) {
    struct ledger_head head;
    if (!job->head_agreed && head_agree(job, server, error) != 0)
        return -1;
    if (run_note(job, error) != 0)
        return -1;
    job_journal_head(job->journal, &head);
    while (job->acknowledged.sequence < head.sequence)
        if (batch_send(job, server, head.sequence, error) != 0) {
            /* A lost answer leaves the server ahead of what we think: ask again before judging. */
            job->head_agreed = false;
            return -1;
        }
    return acknowledged_keep(job, error);
}

/* The caller holds sync_lock. */
static int sync_and_judge(struct job *job, struct server *server, struct error *error) {
    int failed = job_check(job, error);
    if (failed == 0) {
        failed = sync_locked(job, server, error);
        if (failed != 0 && error->code == ERROR_LEDGER_DIVERGED)
            failed = sync_locked(job, server, error);
        if (failed != 0 && is_stopping(error->code))
            job_stop(job, error);
    }
    return failed;
}

int job_sync(struct job *job, struct server *server, struct error *error) {
    (void)pthread_mutex_lock(&job->sync_lock);
    int failed = sync_and_judge(job, server, error);
    (void)pthread_mutex_unlock(&job->sync_lock);
    return failed;
}

bool job_is_agreed(struct job *job) {
    (void)pthread_mutex_lock(&job->sync_lock);
    bool agreed = job->head_agreed;
    (void)pthread_mutex_unlock(&job->sync_lock);
    return agreed;
}

void job_sync_if_free(struct job *job, struct server *server) {
    struct error error = {0};
    if (pthread_mutex_trylock(&job->sync_lock) != 0)
        return;
    if (sync_and_judge(job, server, &error) != 0)
        log_error_event("ledger.sync", &error);
    (void)pthread_mutex_unlock(&job->sync_lock);
}
