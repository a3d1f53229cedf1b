#include "programmer/unit_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "programmer/recovery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINK_RETRIES 2

enum step_kind {
    STEP_ALWAYS,
    STEP_UNLESS_RESUMED, /* the chip has its certificate already */
};

enum step_recovery {
    RECOVERY_NONE,
    RECOVERY_SESSION, /* a lost link: new session, then the step again */
    RECOVERY_REPEAT,  /* the step opens its session itself */
};

static const struct {
    const char *name;
    unsigned percent; /* when it starts */
    enum step_kind kind;
    enum step_recovery recovery;
    unit_step_function *run;
} steps[] = {
    {"attach", 0, STEP_ALWAYS, RECOVERY_NONE, unit_attach},
    {"load", 5, STEP_ALWAYS, RECOVERY_NONE, unit_load},
    {"session", 15, STEP_ALWAYS, RECOVERY_REPEAT, unit_session},
    {"reserve", 30, STEP_UNLESS_RESUMED, RECOVERY_NONE, unit_reserve},
    {"keys", 35, STEP_UNLESS_RESUMED, RECOVERY_SESSION, unit_keys},
    {"csr", 45, STEP_UNLESS_RESUMED, RECOVERY_SESSION, unit_csr},
    {"certificate", 55, STEP_UNLESS_RESUMED, RECOVERY_NONE, unit_certificate},
    {"install", 60, STEP_UNLESS_RESUMED, RECOVERY_SESSION, unit_install},
    {"verify", 70, STEP_ALWAYS, RECOVERY_REPEAT, unit_verify},
    {"root_hash", 85, STEP_ALWAYS, RECOVERY_SESSION, unit_root_hash},
    {"confirm", 95, STEP_ALWAYS, RECOVERY_SESSION, unit_confirm},
};
#define STEP_COUNT (sizeof steps / sizeof steps[0])

struct run {
    struct unit unit;
    uint64_t began_ms;
    unsigned percent;
};

static double seconds_since(uint64_t began_ms) {
    return (double)(clock_monotonic_ms() - began_ms) / 1000.0;
}

static void progress(struct run *run, const char *state, const char *message) {
    const struct unit *unit = &run->unit;
    const struct unit_progress step = {
        .unit_id = unit->record.unit_id,
        .uid = unit->result->uid,
        .state = state,
        .percent = run->percent,
        .seconds = seconds_since(run->began_ms),
        .message = message,
    };
    unit->order->on_progress(unit->order->context, &step);
}

static bool is_stopping(const struct unit *unit) {
    return atomic_load(unit->order->stop);
}

static bool may_retry(const struct unit *unit, const struct error *error) {
    return error->code == ERROR_DEVICE_LINK && !is_stopping(unit);
}

/* Runs one step, again when the link was lost and the step allows it. */
static int step_run(struct run *run, size_t index, struct error *error) {
    struct unit *unit = &run->unit;
    int failed = steps[index].run(unit, error);
    for (int i = 0; i < LINK_RETRIES && failed != 0 && may_retry(unit, error) &&
                    steps[index].recovery != RECOVERY_NONE;
         i++) {
        progress(run, steps[index].name, error->message);
        log_warn("unit.link", "site", unit->order->site.name, "step", steps[index].name, "error",
                 error->message);
        failed = steps[index].recovery == RECOVERY_SESSION ? chip_session(&unit->chip, error) : 0;
        if (failed == 0)
            failed = steps[index].run(unit, error);
    }
    return failed;
}

static bool step_applies(const struct unit *unit, size_t index) {
    return !(unit->resumed && steps[index].kind == STEP_UNLESS_RESUMED);
}

/* `failed_step` is where it ended when -1 is returned. */
static int steps_run(struct run *run, const char **failed_step, struct error *error) {
    struct unit *unit = &run->unit;
    for (size_t i = 0; i < STEP_COUNT && !unit->already; i++) {
        *failed_step = steps[i].name;
        if (!step_applies(unit, i))
            continue;
        if (is_stopping(unit))
            return error_set(error, ERROR_BUSY, "the programmer is stopping");
        run->percent = steps[i].percent;
        progress(run, steps[i].name, "");
        if (step_run(run, i, error) != 0)
            return -1;
    }
    return 0;
}

int unit_end_attempt(struct unit *unit, const char *step, const char *reason, struct error *error) {
    if (job_journal_failed(unit->order->job->journal, &unit->record, step, reason,
                           (uint32_t)(unit->result->seconds * 1000.0), error) != 0)
        return -1;
    return recovery_report(unit->order->job, unit->order->server, &unit->record, error);
}

/* The journal first, then the server; what the server does not hear now it hears later. */
static void finish_identified(struct run *run) {
    struct unit *unit = &run->unit;
    struct unit_result *result = unit->result;
    struct job *job = unit->order->job;
    struct error error = {0};
    if (!unit->already &&
        job_journal_identified(job->journal, &unit->record, (uint32_t)(result->seconds * 1000.0),
                               &error) != 0) {
        result->end = UNIT_END_OPEN;
        result->error = error;
        return;
    }
    result->end = unit->already ? UNIT_END_ALREADY : UNIT_END_IDENTIFIED;
    if (!unit->record.reported &&
        recovery_report(job, unit->order->server, &unit->record, &error) != 0)
        log_error_event("unit.report", &error);
    result->reported = unit->record.reported;
}

static void finish_failed(struct run *run, const char *step, const struct error *why) {
    struct unit *unit = &run->unit;
    struct unit_result *result = unit->result;
    struct error error = {0};
    char reason[JOB_REASON_MAX + 1];
    bool failable =
        unit->record.state == JOB_UNIT_RESERVED || unit->record.state == JOB_UNIT_ISSUED;
    result->error = *why;
    result->end = UNIT_END_FAILED;
    (void)snprintf(result->step, sizeof result->step, "%s", step);
    (void)snprintf(reason, sizeof reason, "%s: %.120s", error_name(why->code), why->message);
    if (!unit->has_uid || unit->record.state == JOB_UNIT_REFUSED)
        return;
    /* Once a permit may be out, the chip may be provisioned: only the chip can tell. */
    if (unit->record.state == JOB_UNIT_RESERVING ||
        (failable && (unit->permit_asked || unit->resumed || is_stopping(unit)))) {
        result->end = UNIT_END_OPEN;
        return;
    }
    if (failable && unit_end_attempt(unit, step, reason, &error) != 0)
        log_error_event("unit.report", &error);
    result->reported = unit->record.reported;
}

static void result_fill(struct run *run) {
    struct unit *unit = &run->unit;
    struct unit_result *result = unit->result;
    result->resumed = unit->resumed;
    result->seconds = seconds_since(run->began_ms);
    result->debug_s = (double)unit->debug_us / 1e6;
    result->link_s = (double)unit->chip.link.waited_us / 1e6;
    result->server_s = (double)unit->server_us / 1e6;
    result->link_bytes = unit->chip.link.bytes;
    (void)snprintf(result->unit_id, sizeof result->unit_id, "%s", unit->record.unit_id);
}

static void run_release(struct run *run) {
    struct unit *unit = &run->unit;
    debug_port_close(unit->port);
    if (unit->chip_is_open)
        chip_close(&unit->chip);
    if (unit->has_uid)
        job_journal_give(unit->order->job->journal, unit->record.uid);
    buffer_free(&unit->csr);
    buffer_free(&unit->leaf);
    free(run);
}

static void finish(struct run *run, int failed, const char *step, const struct error *why) {
    struct unit *unit = &run->unit;
    const char *state = "failed";
    result_fill(run);
    if (failed != 0)
        finish_failed(run, step, why);
    else
        finish_identified(run);
    result_fill(run);
    switch (unit->result->end) {
    case UNIT_END_IDENTIFIED:
    case UNIT_END_ALREADY:
        state = "done";
        run->percent = 100;
        (void)snprintf(unit->result->step, sizeof unit->result->step, "done");
        break;
    case UNIT_END_OPEN: state = "open"; break;
    case UNIT_END_FAILED: break;
    }
    log_info("unit.end", "site", unit->order->site.name, "job", unit->order->job->id, "uid",
             unit->result->uid, "state", state, "step", unit->result->step, "error",
             unit->result->error.message);
    progress(run, state,
             unit->result->end == UNIT_END_ALREADY ? "was identified before"
                                                   : unit->result->error.message);
    if (unit->has_uid && unit->result->end != UNIT_END_OPEN)
        job_sync_if_free(unit->order->job, unit->order->server);
}

void unit_run(const struct unit_order *order, struct unit_result *result) {
    struct error error = {0};
    const char *step = steps[0].name;
    *result = (struct unit_result){.end = UNIT_END_FAILED};
    struct run *run = calloc(1, sizeof *run);
    if (run == NULL) {
        (void)error_set(&result->error, ERROR_INTERNAL, "out of memory");
        return;
    }
    run->began_ms = clock_monotonic_ms();
    run->unit.order = order;
    run->unit.result = result;
    int failed = steps_run(run, &step, &error);
    finish(run, failed, step, &error);
    run_release(run);
}
