/* status and report: what the daemon knows, no network, no waiting. */
#include "programmer/programmer.h"

#include "base/encoding.h"
#include "base/file.h"
#include "base/json.h"
#include "cose/manifest.h"
#include "programmer/launch.h"
#include "programmer/software.h"

#include <stdlib.h>

static json_t *job_summary(struct job *job) {
    struct job_numbers numbers = {0};
    struct error problem = {0};
    if (job->journal != NULL)
        job_journal_numbers(job->journal, &numbers);
    json_t *summary = json_pack(
        "{s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:s,s:s}", "id", job->id, "count",
        (json_int_t)numbers.count, "remaining", (json_int_t)numbers.remaining, "open",
        (json_int_t)job_unfinished(job, &numbers), "identified", (json_int_t)numbers.identified,
        "done", (json_int_t)numbers.done, "scrapped", (json_int_t)numbers.scrapped, "unreported",
        (json_int_t)numbers.unreported, "expires", (json_int_t)job->package.expiry_s, "chip_family",
        job->package.chip_family, "state", job_state(job, &numbers));
    if (job_check(job, &problem) != 0)
        (void)json_object_set_new(summary, "problem", json_string(problem.message));
    return summary;
}

static json_t *jobs_summary(struct programmer *programmer) {
    json_t *jobs = json_array();
    (void)pthread_mutex_lock(&programmer->jobs_lock);
    for (struct job *job = programmer->jobs; job != NULL; job = job->next)
        (void)json_array_append_new(jobs, job_summary(job));
    (void)pthread_mutex_unlock(&programmer->jobs_lock);
    return jobs;
}

/* The version of the signed software that the launcher may start; null if there is none. */
static json_t *software_version(const struct programmer *programmer) {
    struct buffer manifest = {0};
    struct software software;
    struct error error;
    json_t *version = NULL;
    char *path = path_join(programmer->directory, LAUNCH_MANIFEST_FILE);
    if (path != NULL && programmer->identity.installed &&
        file_read(path, MANIFEST_MAX, &manifest, &error) == 0 &&
        software_read_manifest(buffer_bytes(&manifest), programmer->identity.boot_key,
                               MANIFEST_KIND_PROGRAMMER, &software, &error) == 0)
        version = json_string(software.version);
    free(path);
    buffer_free(&manifest);
    return version != NULL ? version : json_null();
}

int programmer_status(void *context, const json_t *params, struct control_call *call,
                      json_t **result, struct error *error) {
    struct programmer *programmer = context;
    struct error problem = {0};
    (void)params;
    (void)call;
    (void)pthread_rwlock_rdlock(&programmer->lock);
    const struct identity *identity = &programmer->identity;
    *result = json_pack("{s:s,s:b,s:s,s:s,s:I,s:s,s:I,s:o,s:o}", "name", identity->name, "prepared",
                        (int)identity_is_prepared(identity), "programmer_id",
                        identity->programmer_id, "assurance", programmer->key_store.assurance,
                        "epoch", (json_int_t)identity->epoch, "server_url", identity->server_url,
                        "import_floor", (json_int_t)identity->import_floor, "software_version",
                        software_version(programmer), "jobs", jobs_summary(programmer));
    (void)pthread_rwlock_unlock(&programmer->lock);
    if (*result != NULL && counter_problem(programmer->counter, &problem) != 0)
        (void)json_object_set_new(
            *result, "problem", json_sprintf("%s: %s", error_name(problem.code), problem.message));
    return *result != NULL ? 0 : error_set(error, ERROR_INTERNAL, "out of memory");
}

static json_t *unit_summary(const struct job_unit *unit) {
    char uid[2 * JOB_UID_SIZE + 1];
    hex_encode_upper(bytes_of(unit->uid, JOB_UID_SIZE), uid);
    json_t *summary =
        json_pack("{s:s,s:s,s:I,s:s,s:b,s:f,s:I}", "uid", uid, "unit_id", unit->unit_id, "attempt",
                  (json_int_t)unit->attempt, "state", job_unit_state_name(unit->state), "reported",
                  (int)unit->reported, "seconds", (double)unit->milliseconds / 1000.0, "updated",
                  (json_int_t)unit->updated_s);
    if (unit->state == JOB_UNIT_FAILED)
        (void)json_object_set_new(summary, "step", json_string(unit->step));
    if (unit->state == JOB_UNIT_FAILED || unit->state == JOB_UNIT_REFUSED ||
        unit->state == JOB_UNIT_SCRAPPED)
        (void)json_object_set_new(summary, "reason", json_string(unit->reason));
    return summary;
}

static int report_make(struct job *job, json_t **result, struct error *error) {
    struct job_unit unit;
    struct ledger_head head;
    if (job->journal == NULL)
        return job_check(job, error);
    json_t *units = json_array();
    for (size_t i = 0; job_journal_unit(job->journal, i, &unit); i++)
        if (unit.state != JOB_UNIT_NONE)
            (void)json_array_append_new(units, unit_summary(&unit));
    job_journal_head(job->journal, &head);
    *result = json_pack("{s:o,s:o,s:{s:I,s:o}}", "job", job_summary(job), "units", units, "ledger",
                        "head_sequence", (json_int_t)head.sequence, "head_hash_hex",
                        json_hex(bytes_of(head.hash, LEDGER_HASH_SIZE)));
    return *result != NULL ? 0 : error_set(error, ERROR_INTERNAL, "out of memory");
}

int programmer_report(void *context, const json_t *params, struct control_call *call,
                      json_t **result, struct error *error) {
    struct programmer *programmer = context;
    const char *id = NULL;
    (void)call;
    if (json_read_string(params, "job_id", &id, error) != 0)
        return -1;
    struct job *job = programmer_job_use(programmer, id, error);
    if (job == NULL)
        return -1;
    int failed = report_make(job, result, error);
    programmer_job_release(programmer, job);
    return failed;
}
