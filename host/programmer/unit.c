#include "programmer/unit_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "programmer/recovery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINK_RETRIES 2

/* Of all of a unit with firmware, how far its identity comes. */
#define IDENTITY_PERCENT 30

enum step_recovery {
    RECOVERY_NONE,
    RECOVERY_SESSION, /* a lost link: new session, then the step again */
    RECOVERY_REPEAT,  /* the step opens its session itself */
};

enum step_part { PART_IDENTITY, PART_BOOT };

/* In the order of unit.h. */
static const struct {
    const char *name;
    enum step_part part;
    unsigned percent; /* when it starts; of the identity, or of a unit with firmware */
    enum step_recovery recovery;
    unit_step_function *run;
    bool (*is_needed)(const struct unit *unit); /* NULL: by every chip */
} steps[] = {
    {"attach", PART_IDENTITY, 0, RECOVERY_NONE, unit_attach, NULL},
    {"load", PART_IDENTITY, 5, RECOVERY_NONE, unit_load, unit_needs_debug},
    {"session", PART_IDENTITY, 15, RECOVERY_REPEAT, unit_session, NULL},
    {"reserve", PART_IDENTITY, 30, RECOVERY_NONE, unit_reserve, unit_needs_identity},
    {"keys", PART_IDENTITY, 35, RECOVERY_SESSION, unit_keys, unit_needs_identity},
    {"csr", PART_IDENTITY, 45, RECOVERY_SESSION, unit_csr, unit_needs_identity},
    {"certificate", PART_IDENTITY, 55, RECOVERY_NONE, unit_certificate, unit_needs_identity},
    {"install", PART_IDENTITY, 60, RECOVERY_SESSION, unit_install, unit_needs_identity},
    {"verify", PART_IDENTITY, 70, RECOVERY_REPEAT, unit_verify, unit_needs_proof},
    {"root_hash", PART_IDENTITY, 85, RECOVERY_SESSION, unit_root_hash, unit_needs_proof},
    {"confirm", PART_IDENTITY, 95, RECOVERY_SESSION, unit_confirm, unit_needs_proof},
    {"bl2_challenge", PART_BOOT, 30, RECOVERY_REPEAT, unit_bl2_challenge, unit_needs_bl2_challenge},
    {"bl2_install", PART_BOOT, 33, RECOVERY_REPEAT, unit_bl2_install, unit_needs_bl2_install},
    {"bl2_key", PART_BOOT, 43, RECOVERY_REPEAT, unit_bl2_key, unit_needs_bl2_key},
    {"bl2_start", PART_BOOT, 45, RECOVERY_REPEAT, unit_bl2_start, unit_needs_bl2_start},
    {"bl3_key", PART_BOOT, 48, RECOVERY_REPEAT, unit_bl3_key, unit_needs_bl3_key},
    {"lock", PART_BOOT, 50, RECOVERY_REPEAT, unit_lock, unit_needs_lock},
    {"debug_refused", PART_BOOT, 53, RECOVERY_REPEAT, unit_debug_refused, unit_needs_debug_refused},
    {"bl3_challenge", PART_BOOT, 54, RECOVERY_REPEAT, unit_bl3_challenge, unit_needs_bl3},
    {"bl3_install", PART_BOOT, 56, RECOVERY_REPEAT, unit_bl3_install, unit_needs_bl3},
    {"application", PART_BOOT, 85, RECOVERY_REPEAT, unit_application, unit_needs_application},
    {"record", PART_BOOT, 96, RECOVERY_REPEAT, unit_record, unit_needs_record},
};
#define STEP_COUNT (sizeof steps / sizeof steps[0])
_Static_assert(STEP_COUNT <= UNIT_STEPS_MAX, "a result holds the time of every step");
/* The first step that counts or writes something; where a dry run ends. */
#define STEP_FIRST_LASTING 3

static double seconds_since(uint64_t began_ms) {
    return (double)(clock_monotonic_ms() - began_ms) / 1000.0;
}

uint32_t unit_milliseconds(const struct unit *unit) {
    return (uint32_t)(clock_monotonic_ms() - unit->began_ms);
}

/* The running step's time so far, in the result. */
static void step_time(struct unit *unit) {
    struct unit_result *result = unit->result;
    if (result->step_count > 0)
        result->steps[result->step_count - 1].milliseconds =
            (uint32_t)(clock_monotonic_ms() - unit->step_began_ms);
}

static void step_begin(struct unit *unit, const char *name) {
    struct unit_result *result = unit->result;
    unit->step_began_ms = clock_monotonic_ms();
    result->steps[result->step_count++].name = name;
}

struct server_line unit_line(struct unit *unit) {
    if (unit->step_runs)
        step_time(unit);
    return (struct server_line){.site = unit->order->site.name,
                                .serial = unit->order->site.serial,
                                .steps = unit->result->steps,
                                .step_count = unit->result->step_count};
}

void unit_report(struct unit *unit, const char *state, const char *message) {
    const struct unit_progress step = {
        .unit_id = unit->record.unit_id,
        .uid = unit->result->uid,
        .state = state,
        .percent = unit->percent,
        .seconds = seconds_since(unit->began_ms),
        .message = message,
    };
    unit->order->on_progress(unit->order->context, &step);
}

static unsigned percent_of(const struct unit *unit, size_t index) {
    if (index >= STEP_COUNT)
        return 100;
    bool scaled = unit->boot.wanted && steps[index].part == PART_IDENTITY;
    return scaled ? steps[index].percent * IDENTITY_PERCENT / 100 : steps[index].percent;
}

static bool is_stopping(const struct unit *unit) {
    return atomic_load(unit->order->stop);
}

static bool may_retry(const struct unit *unit, const struct error *error) {
    return error->code == ERROR_DEVICE_LINK && !is_stopping(unit);
}

/* Runs one step, again when the link was lost and the step allows it. */
static int step_run(struct unit *unit, size_t index, struct error *error) {
    int failed = steps[index].run(unit, error);
    for (int i = 0; i < LINK_RETRIES && failed != 0 && may_retry(unit, error) &&
                    steps[index].recovery != RECOVERY_NONE;
         i++) {
        unit_report(unit, steps[index].name, error->message);
        log_warn("unit.link", "site", unit->order->site.name, "step", steps[index].name, "error",
                 error->message);
        failed = steps[index].recovery == RECOVERY_SESSION ? chip_session(&unit->chip, error) : 0;
        if (failed == 0)
            failed = steps[index].run(unit, error);
    }
    return failed;
}

static bool step_applies(const struct unit *unit, size_t index) {
    if (steps[index].part == PART_BOOT && !unit->boot.wanted)
        return false;
    return steps[index].is_needed == NULL || steps[index].is_needed(unit);
}

static bool is_dry_end(const struct unit *unit, size_t index) {
    return unit->order->mode == UNIT_DRY_RUN && index >= STEP_FIRST_LASTING;
}

/* `unit->step` is where it ended when -1 is returned, or where a dry run would have gone on. */
static int steps_run(struct unit *unit, struct error *error) {
    for (size_t i = 0; i < STEP_COUNT && !unit->already; i++) {
        if (!step_applies(unit, i))
            continue;
        unit->step = steps[i].name;
        if (is_dry_end(unit, i))
            return 0;
        if (is_stopping(unit))
            return error_set(error, ERROR_BUSY, "the programmer is stopping");
        unit->percent = percent_of(unit, i);
        unit->percent_end = percent_of(unit, i + 1);
        unit_report(unit, steps[i].name, "");
        step_begin(unit, steps[i].name);
        unit->step_runs = true;
        int failed = step_run(unit, i, error);
        unit->step_runs = false;
        step_time(unit);
        if (failed != 0)
            return -1;
    }
    return 0;
}

int unit_end_attempt(struct unit *unit, const char *step, const char *reason, struct error *error) {
    if (job_journal_failed(unit->order->job->journal, &unit->record, step, reason,
                           unit_milliseconds(unit), error) != 0)
        return -1;
    const struct server_line line = unit_line(unit);
    return recovery_report(unit->order->job, unit->order->server, &unit->record, &line, error);
}

/* The journal first, then the server; what the server does not hear now it hears later. */
static void finish_identified(struct unit *unit) {
    struct unit_result *result = unit->result;
    struct job *job = unit->order->job;
    const struct server_line line = unit_line(unit);
    struct error error = {0};
    if (!unit->already &&
        job_journal_identified(job->journal, &unit->record, unit_milliseconds(unit), &error) != 0) {
        result->end = UNIT_END_OPEN;
        result->error = error;
        return;
    }
    result->end = unit->already ? UNIT_END_ALREADY : UNIT_END_IDENTIFIED;
    if (unit->record.state == JOB_UNIT_IDENTIFIED && !unit->record.reported &&
        recovery_report(job, unit->order->server, &unit->record, &line, &error) != 0)
        log_error_event("unit.report", &error);
    result->reported = unit->record.reported;
}

/* The record step has left everything in journal and server. A chip that only had to be repaired
 * was counted as done before. */
static void finish_done(struct unit *unit) {
    bool anew = !unit->already && unit->step != NULL && strcmp(unit->step, "record") == 0;
    unit->result->end = anew ? UNIT_END_DONE : UNIT_END_ALREADY_DONE;
    unit->result->reported = true;
}

/* DevAuth is only in SRAM: the chip is left as it came. */
static void finish_planned(struct unit *unit) {
    struct unit_result *result = unit->result;
    struct error error;
    result->end = UNIT_END_PLANNED;
    (void)snprintf(result->step, sizeof result->step, "%s", unit->already ? "done" : unit->step);
    if (unit->already)
        (void)snprintf(result->message, sizeof result->message, "is at its end already");
    else
        (void)snprintf(result->message, sizeof result->message, "%s: next is %s",
                       unit->resumed ? "would be taken up again" : "would be made", unit->step);
    if (!unit->past_devauth && chip_reboot(&unit->chip, DEVAUTH_REBOOT_NORMAL, &error) != 0)
        log_error_event("unit.dry_run", &error);
}

static void finish_made(struct unit *unit) {
    struct unit_result *result = unit->result;
    if (unit->boot.wanted)
        finish_done(unit);
    else
        finish_identified(unit);
    if (result->end == UNIT_END_OPEN)
        return;
    unit->percent = 100;
    (void)snprintf(result->step, sizeof result->step, "done");
    if (unit->already)
        (void)snprintf(result->message, sizeof result->message,
                       unit->boot.wanted ? "was done before" : "was identified before");
}

static void finish_well(struct unit *unit) {
    if (unit->order->mode == UNIT_DRY_RUN)
        finish_planned(unit);
    else
        finish_made(unit);
    chip_end_session(&unit->chip);
}

/* The server has made up its mind about a chip with an identity. NOT_FOUND and the like are about
 * the request. */
static bool is_verdict(enum error_code code) {
    switch (code) {
    case ERROR_ATTESTATION_REFUSED:
    case ERROR_DENIED:
    case ERROR_REVOKED:
    case ERROR_JOB_CLOSED:
    case ERROR_UID_UNDER_OTHER_KEY:
    case ERROR_KEY_UNDER_OTHER_UID: return true;
    default: return false;
    }
}

/* Nothing was said about the chip yet; it may just be put in again. */
static bool is_passing(enum error_code code) {
    switch (code) {
    case ERROR_DEVICE_LINK:
    case ERROR_DEVICE_DEBUG:
    case ERROR_TIMEOUT:
    case ERROR_OFFLINE:
    case ERROR_JOB_PAUSED:
    case ERROR_BUSY: return true;
    default: return false;
    }
}

/* Of a unit with an identity. What a chip does that did not prove to be this unit's says nothing
 * about the unit. */
static enum unit_end end_beyond(const struct unit *unit, const struct error *why, bool *is_noted) {
    *is_noted = false;
    if (!unit->is_ours)
        return is_passing(why->code) ? UNIT_END_OPEN : UNIT_END_FAILED;
    *is_noted = unit->boot.wanted && (unit->is_lost || is_verdict(why->code));
    return *is_noted ? UNIT_END_FAILED : UNIT_END_OPEN;
}

/* The table in unit.h. `is_noted`: the unit itself has failed, not only this attempt at it. */
static enum unit_end end_of_failure(const struct unit *unit, const struct error *why,
                                    bool *is_noted) {
    *is_noted = false;
    switch (unit->record.state) {
    case JOB_UNIT_RESERVING: return UNIT_END_OPEN;
    case JOB_UNIT_RESERVED:
    case JOB_UNIT_ISSUED:
        /* Once a permit may be out, the chip may be provisioned: only the chip can tell. */
        *is_noted = !unit->permit_asked && !unit->resumed && !is_stopping(unit) &&
                    why->code != ERROR_JOB_PAUSED;
        return *is_noted ? UNIT_END_FAILED : UNIT_END_OPEN;
    case JOB_UNIT_IDENTIFIED:
    case JOB_UNIT_SECURED:
    case JOB_UNIT_RECORDED: return end_beyond(unit, why, is_noted);
    default: return UNIT_END_FAILED;
    }
}

/* The OEM has scrapped a unit that is in work or open here. */
static bool is_scrapped_there(const struct unit *unit, const struct error *why) {
    return why->code == ERROR_UNIT_SCRAPPED && job_unit_may_be_scrapped(unit->record.state);
}

static void finish_failed(struct unit *unit, const struct error *why) {
    struct unit_result *result = unit->result;
    struct error error = {0};
    char reason[JOB_REASON_MAX + 1];
    bool is_noted = false;
    result->error = *why;
    result->end = UNIT_END_FAILED;
    (void)snprintf(result->step, sizeof result->step, "%s", unit->step);
    (void)snprintf(reason, sizeof reason, "%s: %.120s", error_name(why->code), why->message);
    if (!unit->has_uid || unit->order->mode == UNIT_DRY_RUN)
        return;
    if (is_scrapped_there(unit, why)) {
        if (recovery_learn_scrapped(unit->order->job, unit->order->server, &unit->record, &error) !=
            0)
            log_error_event("unit.report", &error);
        result->reported = unit->record.reported;
        return;
    }
    result->end = end_of_failure(unit, why, &is_noted);
    if (result->end == UNIT_END_OPEN)
        return;
    if (is_noted && unit_end_attempt(unit, unit->step, reason, &error) != 0)
        log_error_event("unit.report", &error);
    result->reported = unit->record.reported;
}

static void result_fill(struct unit *unit) {
    struct unit_result *result = unit->result;
    result->resumed = unit->resumed;
    result->seconds = seconds_since(unit->began_ms);
    result->debug_s = (double)unit->debug_us / 1e6;
    result->link_s = (double)unit->chip.link.waited_us / 1e6;
    result->server_s = (double)unit->server_us / 1e6;
    result->link_bytes = unit->chip.link.bytes;
    (void)snprintf(result->unit_id, sizeof result->unit_id, "%s", unit->record.unit_id);
}

static void unit_release(struct unit *unit) {
    debug_port_close(unit->port);
    if (unit->chip_is_open)
        chip_close(&unit->chip);
    if (unit->has_uid)
        job_journal_give(unit->order->job->journal, unit->record.uid);
    buffer_free(&unit->csr);
    buffer_free(&unit->leaf);
    buffer_free(&unit->image.tlvs);
    buffer_free(&unit->image_bytes);
    free(unit);
}

static const char *end_state(enum unit_end end) {
    switch (end) {
    case UNIT_END_PLANNED: return "planned";
    case UNIT_END_OPEN: return "open";
    case UNIT_END_FAILED: return "failed";
    default: return "done";
    }
}

static void finish(struct unit *unit, int failed, const struct error *why) {
    const struct unit_result *result = unit->result;
    if (failed != 0)
        finish_failed(unit, why);
    else
        finish_well(unit);
    result_fill(unit);
    const char *state = end_state(result->end);
    log_info("unit.end", "site", unit->order->site.name, "job", unit->order->job->id, "uid",
             result->uid, "state", state, "step", result->step, "error", result->error.message);
    unit_report(unit, state, result->message[0] != '\0' ? result->message : result->error.message);
    if (unit->has_uid && result->end != UNIT_END_OPEN && result->end != UNIT_END_PLANNED)
        job_sync_if_free(unit->order->job, unit->order->server);
}

void unit_run(const struct unit_order *order, struct unit_result *result) {
    struct error error = {0};
    *result = (struct unit_result){.end = UNIT_END_FAILED};
    struct unit *unit = calloc(1, sizeof *unit);
    if (unit == NULL) {
        (void)error_set(&result->error, ERROR_INTERNAL, "out of memory");
        return;
    }
    unit->began_ms = clock_monotonic_ms();
    unit->order = order;
    unit->result = result;
    unit->step = steps[0].name;
    int failed = job_boot_read(&order->job->package, &unit->boot, &error);
    if (failed == 0)
        failed = steps_run(unit, &error);
    finish(unit, failed, &error);
    unit_release(unit);
}
