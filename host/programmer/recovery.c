#include "programmer/recovery.h"

#include "base/encoding.h"
#include "base/log.h"
#include "crypto/crypto.h"
#include "programmer/job_file.h"

#include <string.h>

#define UNIT_ID_SIZE       16
#define INTERRUPTED_STEP   "reserve"
#define SCRAPPED_BY_OEM    "scrapped by the OEM"
#define INTERRUPTED_REASON "interrupted before the chip got its certificate"

int recovery_report(struct job *job, struct server *server, struct job_unit *unit,
                    const struct server_line *line, struct error *error) {
    bool identified = unit->state == JOB_UNIT_IDENTIFIED;
    bool scrapped = unit->state == JOB_UNIT_SCRAPPED;
    bool is_counted = false;
    const struct server_outcome outcome = {
        .state = job_unit_state_name(unit->state),
        .step = identified ? "done" : unit->step,
        .reason = identified ? "" : unit->reason,
        .milliseconds = unit->milliseconds,
        .certificate_sha256 = identified ? unit->certificate_sha256 : NULL,
        .scrapped_uid = scrapped ? unit->uid : NULL,
        .line = line,
    };
    if (server_report(server, unit->unit_id, &outcome, SERVER_PATIENCE_PROMPT_MS, &is_counted,
                      error) != 0)
        return -1;
    return scrapped ? job_journal_scrap_reported(job->journal, unit, is_counted, error)
                    : job_journal_reported(job->journal, unit, error);
}

static int record_read(struct job *job, const struct job_unit *unit, struct buffer *record,
                       struct error *error) {
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    if (job_file_read(job, unit->uid, JOB_FILE_RECORD, record, error) != 0)
        return -1;
    crypto_sha256(buffer_bytes(record), digest);
    if (memcmp(digest, unit->record_sha256, sizeof digest) != 0)
        return error_set(error, ERROR_ALTERED, "the unit record is not the one in the journal");
    return 0;
}

int recovery_record(struct job *job, struct server *server, struct job_unit *unit,
                    const struct server_line *line, long patience_ms, struct error *error) {
    struct buffer record = {0};
    int failed = record_read(job, unit, &record, error);
    if (failed == 0)
        failed =
            server_record(server, unit->unit_id, buffer_bytes(&record), line, patience_ms, error);
    if (failed == 0)
        failed = job_journal_done(job->journal, unit, error);
    if (failed == 0)
        job_file_forget(job, unit->uid, JOB_FILE_RECORD);
    buffer_free(&record);
    return failed;
}

/* docs/formats/database.md: what the server calls the unit, whether it has answered or not. */
static void unit_id_make(const struct job *job, struct job_unit *unit) {
    uint8_t input[PACKAGE_TEXT_MAX + JOB_UID_SIZE + 4];
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    struct writer writer;
    writer_init(&writer, input, sizeof input);
    write_bytes(&writer, bytes_of(job->id, strlen(job->id)));
    write_bytes(&writer, bytes_of(unit->uid, JOB_UID_SIZE));
    write_u32be(&writer, unit->attempt);
    crypto_sha256(writer_bytes(&writer), digest);
    hex_encode(bytes_of(digest, UNIT_ID_SIZE), unit->unit_id);
}

static int failure_noted(struct job *job, struct job_unit *unit, struct error *error) {
    char unit_id[JOB_UNIT_ID_MAX + 1];
    memcpy(unit_id, unit->unit_id, sizeof unit_id);
    if (job_journal_reserved(job->journal, unit, unit_id, error) != 0 ||
        job_journal_failed(job->journal, unit, INTERRUPTED_STEP, INTERRUPTED_REASON, 0, error) != 0)
        return -1;
    return job_journal_reported(job->journal, unit, error);
}

int recovery_refused(struct job *job, struct server *server, struct job_unit *unit,
                     enum error_code refusal, struct error *error) {
    const struct server_outcome outcome = {
        .state = "failed", .step = INTERRUPTED_STEP, .reason = INTERRUPTED_REASON};
    bool is_counted = false;
    unit_id_make(job, unit);
    if (server_report(server, unit->unit_id, &outcome, SERVER_PATIENCE_PROMPT_MS, &is_counted,
                      error) == 0)
        return failure_noted(job, unit, error);
    unit->unit_id[0] = '\0';
    if (error->code != ERROR_NOT_FOUND)
        return -1;
    return job_journal_refused(job->journal, unit, error_name(refusal), error);
}

/* Whether the server ever saw the reservation is not known: asking again finds it or makes it. */
static int reservation_settle(struct job *job, struct server *server, struct job_unit *unit,
                              struct error *error) {
    struct server_reservation reservation;
    if (server_reserve(server, &job->package, unit->uid, unit->attempt, NULL, &reservation,
                       error) == 0)
        return job_journal_reserved(job->journal, unit, reservation.unit_id, error);
    if (error->code == ERROR_OFFLINE)
        return -1;
    return recovery_refused(job, server, unit, error->code, error);
}

/* A unit that was scrapped before the server had answered its reservation: if the server has it, it
 * is scrapped there, and if it never heard of it, there is nothing to scrap. Any other answer
 * leaves it to be told. */
static int scrap_unanswered(struct job *job, struct server *server, struct job_unit *unit,
                            struct error *error) {
    unit_id_make(job, unit);
    if (recovery_report(job, server, unit, NULL, error) == 0)
        return 0;
    unit->unit_id[0] = '\0';
    if (error->code != ERROR_NOT_FOUND)
        return -1;
    return job_journal_scrap_reported(job->journal, unit, false, error);
}

int recovery_scrap(struct job *job, struct server *server, struct job_unit *unit,
                   struct error *error) {
    return unit->unit_id[0] == '\0' ? scrap_unanswered(job, server, unit, error)
                                    : recovery_report(job, server, unit, NULL, error);
}

int recovery_learn_scrapped(struct job *job, struct server *server, struct job_unit *unit,
                            struct error *error) {
    job_file_forget(job, unit->uid, JOB_FILE_RECORD);
    return job_journal_scrapped(job->journal, unit, SCRAPPED_BY_OEM, error) != 0
               ? -1
               : recovery_scrap(job, server, unit, error);
}

static int unit_settle(struct job *job, struct server *server, struct job_unit *unit,
                       struct error *error) {
    if (unit->state == JOB_UNIT_RESERVING && reservation_settle(job, server, unit, error) != 0)
        return -1;
    if (unit->state == JOB_UNIT_RESERVED &&
        job_journal_failed(job->journal, unit, INTERRUPTED_STEP, INTERRUPTED_REASON, 0, error) != 0)
        return -1;
    if (unit->state == JOB_UNIT_SCRAPPED)
        return recovery_scrap(job, server, unit, error);
    if (unit->state == JOB_UNIT_RECORDED)
        return recovery_record(job, server, unit, NULL, SERVER_PATIENCE_PROMPT_MS, error);
    bool final = unit->state == JOB_UNIT_IDENTIFIED || unit->state == JOB_UNIT_FAILED;
    if (!final || unit->reported)
        return 0;
    return recovery_report(job, server, unit, NULL, error);
}

static bool needs_settling(const struct job_unit *unit) {
    switch (unit->state) {
    case JOB_UNIT_RESERVING:
    case JOB_UNIT_RESERVED:
    case JOB_UNIT_RECORDED: return true;
    case JOB_UNIT_IDENTIFIED:
    case JOB_UNIT_SCRAPPED:
    case JOB_UNIT_FAILED: return !unit->reported;
    default: return false;
    }
}

int recovery_run(struct job *job, struct server *server, struct error *error) {
    struct job_unit unit;
    for (size_t i = 0; job_journal_unit(job->journal, i, &unit); i++) {
        if (unit.in_work || !needs_settling(&unit))
            continue;
        if (job_journal_take(job->journal, unit.uid, &unit, error) != 0)
            continue;
        int failed = needs_settling(&unit) ? unit_settle(job, server, &unit, error) : 0;
        if (failed != 0 && error->code == ERROR_UNIT_SCRAPPED &&
            job_unit_may_be_scrapped(unit.state))
            failed = recovery_learn_scrapped(job, server, &unit, error);
        job_journal_give(job->journal, unit.uid);
        if (failed != 0 && error->code == ERROR_OFFLINE)
            return -1;
        /* What the server refuses stays unreported and in sight; the others go on. */
        if (failed != 0)
            log_error_event("recovery.unit", error);
    }
    return job_sync(job, server, error);
}
