#include "programmer/retention.h"

#include "base/file.h"
#include "base/log.h"
#include "programmer/job_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

bool retention_is_over(struct job *job, uint64_t now_s) {
    struct job_numbers numbers;
    struct error problem;
    if (job_check(job, &problem) != 0 || now_s < RETENTION_S ||
        job->package.expiry_s > now_s - RETENTION_S)
        return false;
    job_journal_numbers(job->journal, &numbers);
    return job_unfinished(job, &numbers) == 0 && numbers.unreported == 0;
}

/* The package goes first: a job without its ledger would start counting anew. */
void retention_clean(const char *state_directory, const char *id) {
    static const char *const names[] = {"/package.json", "/ledger", "/acknowledged.json",
                                        "/stopped"};
    char directory[4096];
    char path[4096 + 32];
    int size = snprintf(directory, sizeof directory, "%s/jobs/%s", state_directory, id);
    if (size < 0 || (size_t)size >= sizeof directory)
        return;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s%s", directory, names[i]);
        if (unlink(path) != 0 && errno != ENOENT)
            log_warn("retention.remove", "path", path);
    }
    job_file_clean(directory);
    if (rmdir(directory) != 0 && errno != ENOENT)
        log_warn("retention.remove", "path", directory);
}

static int floor_raise(struct programmer *programmer, uint64_t sequence, struct error *error) {
    if (sequence < programmer->identity.import_floor)
        return 0;
    uint64_t before = programmer->identity.import_floor;
    /* The floor is the lowest sequence still accepted. */
    programmer->identity.import_floor = sequence + 1;
    if (identity_save(&programmer->identity, programmer->directory, error) == 0)
        return 0;
    programmer->identity.import_floor = before;
    return -1;
}

static bool any_is_over(const struct programmer *programmer, uint64_t now_s) {
    for (struct job *job = programmer->jobs; job != NULL; job = job->next)
        if (retention_is_over(job, now_s))
            return true;
    return false;
}

/* A local clock that runs ahead must not end jobs: a job that is exported again after its ledger is
 * gone looks like one that was set back. */
static int time_take(struct programmer *programmer, uint64_t *now_s) {
    struct error error = {0};
    *now_s = clock_now_s(programmer->clock);
    if (!any_is_over(programmer, *now_s))
        return -1;
    if (programmer_time(programmer, now_s, &error) == 0)
        return 0;
    log_error_event("retention.time", &error);
    return -1;
}

/* Clears the counter's note only once the ledger is gone: with both, its units would be counted
 * twice at the next start, and nothing could be made any more. */
static int removal_finish(struct programmer *programmer, const char *id, struct error *error) {
    char ledger[4096 + 32];
    retention_clean(programmer->directory, id);
    int size = snprintf(ledger, sizeof ledger, "%s/jobs/%s/ledger", programmer->directory, id);
    if (size < 0 || (size_t)size >= sizeof ledger || file_exists(ledger)) {
        (void)error_set(error, ERROR_STORAGE, "the ledger of the forgotten job %s is still there",
                        id);
        return error_hint(error, "remove jobs/%s from the state directory, then start again", id);
    }
    return counter_forgotten(programmer->counter, error);
}

/* The counter knows first that a ledger is about to go, or it would be missed. */
static int job_forget(struct programmer *programmer, struct job *job, struct error *error) {
    uint64_t last = 0;
    uint64_t units = 0;
    job_journal_counted(job->journal, &last, &units);
    if (counter_forget(programmer->counter, job->id, units, error) != 0)
        return -1;
    /* Were the job imported again now, the next start would take it for the one to remove. */
    if (removal_finish(programmer, job->id, error) != 0)
        counter_spoil(programmer->counter, error);
    return 0;
}

int retention_resume(struct programmer *programmer, struct error *error) {
    const char *id = counter_forgetting(programmer->counter);
    if (id == NULL)
        return 0;
    if (!job_id_is_safe(id))
        return error_set(error, ERROR_STORAGE, "the counter's record names no job");
    return removal_finish(programmer, id, error);
}

void retention_apply(struct programmer *programmer) {
    uint64_t now_s = 0;
    struct job **place = &programmer->jobs;
    struct error problem;
    /* What does not agree is for somebody to look into, as it is. */
    if (counter_problem(programmer->counter, &problem) != 0 || time_take(programmer, &now_s) != 0)
        return;
    while (*place != NULL) {
        struct job *job = *place;
        struct error error = {0};
        if (!retention_is_over(job, now_s)) {
            place = &job->next;
            continue;
        }
        if (floor_raise(programmer, job->package.sequence, &error) != 0) {
            log_error_event("retention.floor", &error);
            return;
        }
        log_info("job.forgotten", "job", job->id, "floor",
                 LOG_NUMBER(programmer->identity.import_floor));
        if (job_forget(programmer, job, &error) != 0) {
            log_error_event("retention.counter", &error);
            return;
        }
        *place = job->next;
        job_free(job);
    }
}
