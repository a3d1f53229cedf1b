#include "server/job_report.h"

#include "base/encoding.h"

struct report {
    json_t *units;
    uint64_t states[UNIT_STATES];
    uint64_t first;
    uint64_t last;
};

static json_t *hex_upper(const void *data, size_t size) {
    char text[65];

    hex_encode_upper(bytes_of(data, size), text);
    return json_string(text);
}

static void add_unit(void *context, const struct store_unit *unit) {
    struct report *report = context;
    json_t *certificate;

    report->states[unit->state]++;
    if (report->first == 0 || unit->created < report->first)
        report->first = unit->created;
    if (unit->updated > report->last)
        report->last = unit->updated;
    if (unit->state == UNIT_SUPERSEDED)
        return;
    certificate = unit->certified
                      ? json_hex(bytes_of(unit->certificate_hash, sizeof unit->certificate_hash))
                      : json_null();
    json_array_append_new(report->units,
                          json_pack("{s:o, s:o, s:s, s:s, s:s, s:f, s:I, s:o, s:I}", "uid",
                                    hex_upper(unit->uid, STORE_UID_SIZE), "unit_id",
                                    json_hex(bytes_of(unit->id, UNIT_ID_SIZE)), "state",
                                    unit_state_name(unit->state), "step", unit->step, "reason",
                                    unit->reason, "seconds", (double)unit->milliseconds / 1000.0,
                                    "attempt", (json_int_t)unit->attempt, "certificate_sha256_hex",
                                    certificate, "updated", (json_int_t)unit->updated));
}

int job_report(struct store_db *reader, const struct store_job *job, json_t **out,
               struct error *error) {
    struct report report = {.units = json_array()};
    uint64_t identified, failed, good;
    double yield;

    if (store_unit_list(reader, job->id, add_unit, &report, error) != 0) {
        json_decref(report.units);
        return -1;
    }
    identified = report.states[UNIT_IDENTIFIED];
    failed = report.states[UNIT_FAILED];
    /* What has its identity is on its way to done, or there already. */
    good = identified + report.states[UNIT_SECURED] + report.states[UNIT_DONE];
    yield = good + failed == 0 ? 0.0 : (double)good / (double)(good + failed);
    *out = json_pack(
        "{s:{s:s, s:s, s:I, s:I, s:s, s:s}, s:{s:I, s:I, s:I, s:I, s:I, s:I, s:I}, s:f, s:o, s:I, "
        "s:I}",
        "job", "id", job->id, "product", job->product, "count", (json_int_t)job->count, "expires",
        (json_int_t)job->expires, "state", job_state_name(job->state), "programmer_id",
        job->programmer_id, "counts", "ordered", (json_int_t)job->count, "reserved",
        (json_int_t)report.states[UNIT_RESERVED], "identified", (json_int_t)identified, "secured",
        (json_int_t)report.states[UNIT_SECURED], "done", (json_int_t)report.states[UNIT_DONE],
        "failed", (json_int_t)failed, "remaining", (json_int_t)(job->count - job->used), "yield",
        yield, "units", report.units, "started", (json_int_t)report.first, "last",
        (json_int_t)report.last);
    return *out != NULL ? 0 : error_set(error, ERROR_INTERNAL, "out of memory");
}
