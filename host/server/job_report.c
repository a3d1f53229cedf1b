#include "server/job_report.h"

#include "base/encoding.h"
#include "server/report_numbers.h"

#include <string.h>

struct report {
    struct report_numbers *numbers;
    enum unit_state complete_state;
    uint64_t counted;        /* attempts that hold one of the job's count */
    uint64_t failed_counted; /* failed ones of these */
    uint64_t scrapped_counted;
    uint64_t states[UNIT_STATES];
    uint64_t first;
    uint64_t last;
};

static json_t *hex_upper(const void *data, size_t size) {
    char text[65];

    hex_encode_upper(bytes_of(data, size), text);
    return json_string(text);
}

static json_t *steps_json(const struct store_unit *unit) {
    json_t *steps = json_loads(unit->line.steps, 0, NULL);

    return steps != NULL ? steps : json_object();
}

static void add_unit(void *context, const struct store_unit *unit) {
    struct report *report = context;

    report->states[unit->state]++;
    if (report->first == 0 || unit->created < report->first)
        report->first = unit->created;
    if (unit->updated > report->last)
        report->last = unit->updated;
    report->counted += unit->counted ? 1 : 0;
    report->failed_counted += unit->counted && unit->state == UNIT_FAILED ? 1 : 0;
    report->scrapped_counted += unit->counted && unit->state == UNIT_SCRAPPED ? 1 : 0;
    report_numbers_add(report->numbers, unit, report->complete_state);
}

struct page {
    json_t *units;
    size_t visited;
    uint8_t last[UNIT_ID_SIZE];
};

static void add_row(void *context, const struct store_unit *unit) {
    struct page *page = context;
    json_t *certificate;

    page->visited++;
    memcpy(page->last, unit->id, sizeof page->last);
    if (unit->state == UNIT_SUPERSEDED)
        return;
    certificate = unit->certified
                      ? json_hex(bytes_of(unit->certificate_hash, sizeof unit->certificate_hash))
                      : json_null();
    json_array_append_new(
        page->units,
        json_pack("{s:o, s:o, s:s, s:s, s:s, s:f, s:I, s:o, s:I, s:s, s:s, s:o}", "uid",
                  hex_upper(unit->uid, STORE_UID_SIZE), "unit_id",
                  json_hex(bytes_of(unit->id, UNIT_ID_SIZE)), "state", unit_state_name(unit->state),
                  "step", unit->step, "reason", unit->reason, "seconds",
                  (double)unit->milliseconds / 1000.0, "attempt", (json_int_t)unit->attempt,
                  "certificate_sha256_hex", certificate, "updated", (json_int_t)unit->updated,
                  "site", unit->line.site, "serial", unit->line.serial, "steps", steps_json(unit)));
}

int job_report_units(struct store_db *reader, const char *job_id, const uint8_t *after,
                     json_t **out, struct error *error) {
    struct store_unit unit;
    struct page page = {.units = json_array()};
    int result = 0;

    *out = NULL;
    if (after != NULL)
        result = store_unit_find(reader, after, &unit, error);
    if (result == 0 && after != NULL && strcmp(unit.job_id, job_id) != 0)
        result = error_set(error, ERROR_NOT_FOUND, "the job has no such unit");
    if (result == 0)
        result = store_unit_page(reader, job_id, after != NULL ? &unit : NULL, JOB_REPORT_PAGE,
                                 add_row, &page, error);
    if (result == 0)
        *out = json_pack("{s:O, s:o}", "units", page.units, "next",
                         page.visited == JOB_REPORT_PAGE
                             ? json_hex(bytes_of(page.last, sizeof page.last))
                             : json_null());
    json_decref(page.units);
    return result;
}

/* Checked, not assumed: what holds the count, and where the ordered units are. */
static bool adds_up(const struct report *report, const struct store_job *job) {
    const uint64_t *states = report->states;
    uint64_t held = states[UNIT_RESERVED] + states[UNIT_IDENTIFIED] + states[UNIT_SECURED] +
                    states[UNIT_DONE] + report->failed_counted + report->scrapped_counted;

    return job->used == report->counted && job->used == held &&
           job->count == job->used + store_job_remaining(job) + store_job_recalled(job);
}

static json_t *counts_json(const struct report *report, const struct store_job *job) {
    const uint64_t *states = report->states;

    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "ordered",
        (json_int_t)job->count, "used", (json_int_t)job->used, "reserved",
        (json_int_t)states[UNIT_RESERVED], "identified", (json_int_t)states[UNIT_IDENTIFIED],
        "secured", (json_int_t)states[UNIT_SECURED], "done", (json_int_t)states[UNIT_DONE],
        "failed", (json_int_t)states[UNIT_FAILED], "failed_counted",
        (json_int_t)report->failed_counted, "scrapped", (json_int_t)states[UNIT_SCRAPPED],
        "scrapped_counted", (json_int_t)report->scrapped_counted, "remaining",
        (json_int_t)store_job_remaining(job), "recalled", (json_int_t)store_job_recalled(job),
        "adds_up", (int)adds_up(report, job));
}

static json_t *job_json(const struct store_job *job) {
    return json_pack("{s:s, s:s, s:I, s:I, s:s, s:s}", "id", job->id, "product", job->product,
                     "count", (json_int_t)job->count, "expires", (json_int_t)job->expires, "state",
                     store_job_status(job), "programmer_id", job->programmer_id);
}

/* What has its identity is on its way to done, or there already. */
static double yield_of(const struct report *report) {
    uint64_t failed = report->states[UNIT_FAILED] + report->states[UNIT_SCRAPPED];
    uint64_t good =
        report->states[UNIT_IDENTIFIED] + report->states[UNIT_SECURED] + report->states[UNIT_DONE];

    return good + failed == 0 ? 0.0 : (double)good / (double)(good + failed);
}

static int write_report(const struct report *report, const struct store_job *job, json_t **out,
                        struct error *error) {
    *out = json_pack("{s:o, s:o, s:f, s:I, s:I}", "job", job_json(job), "counts",
                     counts_json(report, job), "yield", yield_of(report), "started",
                     (json_int_t)report->first, "last", (json_int_t)report->last);
    if (*out == NULL)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    return report_numbers_put(report->numbers, *out, error);
}

int job_report(struct store_db *reader, const struct store_job *job, enum job_report_units shown,
               uint64_t now, json_t **out, struct error *error) {
    json_t *page = NULL;
    struct report report = {.numbers = report_numbers_new(now),
                            .complete_state = job->bl2_id[0] != '\0' ? UNIT_DONE : UNIT_IDENTIFIED};
    int result = report.numbers != NULL ? 0 : error_set(error, ERROR_INTERNAL, "out of memory");

    *out = NULL;
    if (result == 0)
        result = store_unit_list(reader, job->id, add_unit, &report, error);
    if (result == 0)
        result = write_report(&report, job, out, error);
    if (result == 0 && shown == JOB_REPORT_UNITS)
        result = job_report_units(reader, job->id, NULL, &page, error);
    if (page != NULL)
        (void)json_object_update(*out, page);
    json_decref(page);
    if (result != 0) {
        json_decref(*out);
        *out = NULL;
    }
    report_numbers_free(report.numbers);
    return result;
}
