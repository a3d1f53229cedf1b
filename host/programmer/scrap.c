/*
 * scrap: the line gives a unit up for good (docs/formats/control.md). It is in the journal before
 * anything else, so it holds without network; the server hears of it at once or with the next
 * recovery.
 */
#include "programmer/programmer.h"

#include "base/encoding.h"
#include "base/json.h"
#include "base/log.h"
#include "base/scrap_statement.h"
#include "programmer/job_boot.h"
#include "programmer/job_file.h"
#include "programmer/recovery.h"

#include <string.h>

struct scrap {
    struct programmer *programmer;
    struct job *job;
    uint8_t uid[JOB_UID_SIZE];
    const char *reason;
    struct job_unit unit;
};

/* The words that are signed are the words the server gets: nothing is replaced or cut. */
static int reason_check(const char *reason, struct error *error) {
    size_t size = strlen(reason);
    bool is_good = size > 0 && size <= SCRAP_REASON_MAX;
    for (size_t i = 0; i < size && is_good; i++)
        is_good = reason[i] >= ' ' && reason[i] <= '~';
    return is_good ? 0
                   : error_set(error, ERROR_BAD_REQUEST,
                               "\"reason\" must be 1 to %d printable characters", SCRAP_REASON_MAX);
}

static int params_read(struct scrap *scrap, const json_t *params, const char **job_id,
                       struct error *error) {
    if (json_read_string(params, "job_id", job_id, error) != 0 ||
        json_read_hex(params, "uid", scrap->uid, sizeof scrap->uid, error) != 0 ||
        json_read_string(params, "reason", &scrap->reason, error) != 0)
        return -1;
    return reason_check(scrap->reason, error);
}

static int is_complete(struct error *error) {
    (void)error_set(error, ERROR_WRONG_STATE, "the unit is complete");
    return error_hint(error, "the OEM takes complete units back: nusec device revoke");
}

/* Whether the server took the record decides if the unit is done: only the server can say. */
static int record_settle(struct scrap *scrap, struct error *error) {
    if (recovery_record(scrap->job, scrap->programmer->server, &scrap->unit, NULL,
                        SERVER_PATIENCE_PROMPT_MS, error) == 0)
        return is_complete(error);
    /* What the chip measured will not do, or a newer nonce has to be measured: it has no record. */
    if (error->code == ERROR_ATTESTATION_REFUSED || error->code == ERROR_CHALLENGE_EXPIRED)
        return 0;
    return error_prefix(error, "the unit may be done");
}

static int unit_judge(struct scrap *scrap, struct error *error) {
    struct job_boot boot;
    switch (scrap->unit.state) {
    case JOB_UNIT_NONE:
    case JOB_UNIT_REFUSED:
        return error_set(error, ERROR_NOT_FOUND, "no unit of this chip was begun here");
    case JOB_UNIT_DONE: return is_complete(error);
    case JOB_UNIT_RECORDED: return record_settle(scrap, error);
    case JOB_UNIT_IDENTIFIED:
        if (job_boot_read(&scrap->job->package, &boot, error) != 0)
            return -1;
        return boot.wanted ? 0 : is_complete(error);
    default: return 0;
    }
}

static int unit_scrap(struct scrap *scrap, struct error *error) {
    if (unit_judge(scrap, error) != 0)
        return -1;
    if (scrap->unit.state != JOB_UNIT_SCRAPPED &&
        job_journal_scrapped(scrap->job->journal, &scrap->unit, scrap->reason, error) != 0)
        return -1;
    job_file_forget(scrap->job, scrap->uid, JOB_FILE_RECORD);
    job_file_forget(scrap->job, scrap->uid, JOB_FILE_BL2);
    return 0;
}

/* Best effort: what the server does not hear now it hears later. */
static void unit_tell(struct scrap *scrap) {
    struct error error = {0};
    struct server *server = scrap->programmer->server;
    if (!scrap->unit.reported && recovery_scrap(scrap->job, server, &scrap->unit, &error) != 0)
        log_error_event("scrap.report", &error);
}

static json_t *answer_make(const struct scrap *scrap) {
    struct job_numbers numbers;
    char uid[2 * JOB_UID_SIZE + 1];
    hex_encode_upper(bytes_of(scrap->uid, sizeof scrap->uid), uid);
    job_journal_numbers(scrap->job->journal, &numbers);
    return json_pack("{s:s,s:s,s:s,s:b,s:b,s:I}", "job_id", scrap->job->id, "uid", uid, "state",
                     job_unit_state_name(scrap->unit.state), "reported", (int)scrap->unit.reported,
                     "counted", (int)!scrap->unit.given_back, "remaining",
                     (json_int_t)numbers.remaining);
}

static int job_scrap(struct scrap *scrap, json_t **result, struct error *error) {
    struct job_journal *journal = scrap->job->journal;
    if (job_check(scrap->job, error) != 0 ||
        job_journal_take(journal, scrap->uid, &scrap->unit, error) != 0)
        return -1;
    int failed = unit_scrap(scrap, error);
    if (failed == 0)
        unit_tell(scrap);
    job_journal_give(journal, scrap->uid);
    if (failed != 0)
        return -1;
    log_info("unit.scrapped", "job", scrap->job->id, "reason", scrap->reason);
    job_sync_if_free(scrap->job, scrap->programmer->server);
    *result = answer_make(scrap);
    return 0;
}

static int scrap_locked(struct programmer *programmer, const json_t *params, json_t **result,
                        struct error *error) {
    struct scrap scrap = {.programmer = programmer};
    const char *job_id = NULL;
    /* An older copy of the ledgers is not written on. */
    if (programmer_check_prepared(programmer, error) != 0 ||
        counter_problem(programmer->counter, error) != 0 ||
        params_read(&scrap, params, &job_id, error) != 0 ||
        (scrap.job = programmer_job_use(programmer, job_id, error)) == NULL)
        return -1;
    int failed = job_scrap(&scrap, result, error);
    programmer_job_release(programmer, scrap.job);
    return failed;
}

int programmer_scrap(void *context, const json_t *params, struct control_call *call,
                     json_t **result, struct error *error) {
    struct programmer *programmer = context;
    (void)call;
    (void)pthread_rwlock_rdlock(&programmer->lock);
    int failed = scrap_locked(programmer, params, result, error);
    (void)pthread_rwlock_unlock(&programmer->lock);
    return failed;
}
