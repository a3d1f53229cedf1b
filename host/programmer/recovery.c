#include "programmer/recovery.h"

#include "base/log.h"

#define INTERRUPTED_STEP   "reserve"
#define INTERRUPTED_REASON "interrupted before the chip got its certificate"

int recovery_report(struct job *job, struct server *server, struct job_unit *unit,
                    struct error *error) {
    bool identified = unit->state == JOB_UNIT_IDENTIFIED;
    const struct server_outcome outcome = {
        .state = job_unit_state_name(unit->state),
        .step = identified ? "done" : unit->step,
        .reason = identified ? "" : unit->reason,
        .milliseconds = unit->milliseconds,
        .certificate_sha256 = identified ? unit->certificate_sha256 : NULL,
    };
    if (server_report(server, unit->unit_id, &outcome, SERVER_PATIENCE_PROMPT_MS, error) != 0)
        return -1;
    return job_journal_reported(job->journal, unit, error);
}

/* Whether the server ever saw the reservation is not known: asking again finds it or makes it. */
static int reservation_settle(struct job *job, struct server *server, struct job_unit *unit,
                              struct error *error) {
    struct server_reservation reservation;
    if (server_reserve(server, &job->package, unit->uid, unit->attempt, &reservation, error) == 0)
        return job_journal_reserved(job->journal, unit, reservation.unit_id, error);
    if (error->code == ERROR_OFFLINE)
        return -1;
    return job_journal_refused(job->journal, unit, error_name(error->code), error);
}

static int unit_settle(struct job *job, struct server *server, struct job_unit *unit,
                       struct error *error) {
    if (unit->state == JOB_UNIT_RESERVING && reservation_settle(job, server, unit, error) != 0)
        return -1;
    if (unit->state == JOB_UNIT_RESERVED &&
        job_journal_failed(job->journal, unit, INTERRUPTED_STEP, INTERRUPTED_REASON, 0, error) != 0)
        return -1;
    bool final = unit->state == JOB_UNIT_IDENTIFIED || unit->state == JOB_UNIT_FAILED;
    if (!final || unit->reported)
        return 0;
    return recovery_report(job, server, unit, error);
}

static bool needs_settling(const struct job_unit *unit) {
    switch (unit->state) {
    case JOB_UNIT_RESERVING:
    case JOB_UNIT_RESERVED: return true;
    case JOB_UNIT_IDENTIFIED:
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
        job_journal_give(job->journal, unit.uid);
        if (failed != 0 && error->code == ERROR_OFFLINE)
            return -1;
        /* What the server refuses stays unreported and in sight; the others go on. */
        if (failed != 0)
            log_error_event("recovery.unit", error);
    }
    return job_sync(job, server, error);
}
