#include "store/store_audit.h"

#include "base/buffer.h"
#include "store/store.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TYPE_PREFIX "unit."

/* A unit as its row has it, and as the ledger has it so far. */
struct audited {
    uint8_t id[UNIT_ID_SIZE];
    enum unit_state row_state;
    enum unit_state state;
    bool counted;
    bool certified;
    uint8_t row_certificate[32];
    uint8_t certificate[32];
};

struct audit_run {
    struct store_audit *audit;
    store_finding_visitor *visit;
    void *context;
    struct buffer units; /* struct audited, sorted by id */
    struct ledger_head head;
    /* the job as the entries have it so far */
    uint64_t used;
    uint64_t ordered;
    enum job_hold hold;
    bool is_stopped;
};

static struct audited *units_of(const struct audit_run *run, size_t *count) {
    *count = run->units.size / sizeof(struct audited);
    return (struct audited *)(void *)run->units.data;
}

static void find(struct audit_run *run, uint64_t sequence, const uint8_t *unit_id,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));

static void find(struct audit_run *run, uint64_t sequence, const uint8_t *unit_id,
                 const char *format, ...) {
    struct store_finding finding = {.sequence = sequence, .has_unit = unit_id != NULL};
    va_list list;

    if (unit_id != NULL)
        memcpy(finding.unit_id, unit_id, UNIT_ID_SIZE);
    va_start(list, format);
    vsnprintf(finding.message, sizeof finding.message, format, list);
    va_end(list);
    run->audit->findings++;
    run->visit(run->context, &finding);
}

static void add_unit(void *context, const struct store_unit *unit) {
    struct audit_run *run = context;
    struct audited audited = {
        .row_state = unit->state, .counted = unit->counted, .certified = unit->certified};

    memcpy(audited.id, unit->id, UNIT_ID_SIZE);
    memcpy(audited.row_certificate, unit->certificate_hash, 32);
    buffer_append(&run->units, &audited, sizeof audited);
}

static int compare(const void *left, const void *right) {
    return memcmp(left, right, UNIT_ID_SIZE);
}

static enum unit_event event_of(const char *name) {
    for (int event = 0; event < UNIT_EVENTS; event++)
        if (strcmp(unit_event_name((enum unit_event)event), name) == 0)
            return (enum unit_event)event;
    return UNIT_EVENTS;
}

static struct audited *unit_of(const struct audit_run *run, const uint8_t id[UNIT_ID_SIZE]) {
    size_t count;
    struct audited *units = units_of(run, &count);

    return count == 0 ? NULL : bsearch(id, units, count, sizeof *units, compare);
}

/* What the OEM ordered and decided, and a stop. */
static void replay_job(struct audit_run *run, const struct ledger_entry *entry) {
    if (strcmp(entry->type, "job.created") == 0 &&
        ledger_body_number(entry, "count", &run->ordered) != 0)
        find(run, entry->sequence, NULL, "the order has no count");
    else if (strcmp(entry->type, "job.paused") == 0)
        run->hold = JOB_PAUSED;
    else if (strcmp(entry->type, "job.resumed") == 0)
        run->hold = JOB_GOES_ON;
    else if (strcmp(entry->type, "job.closed") == 0)
        run->hold = JOB_CLOSED;
    else if (strcmp(entry->type, "job.stopped") == 0)
        run->is_stopped = true;
}

/* One step of a unit. */
static void replay_unit(struct audit_run *run, const struct ledger_entry *entry) {
    const struct unit_transition *step;
    struct audited *unit;
    struct bytes id, certificate;
    enum unit_event event = event_of(entry->type + strlen(TYPE_PREFIX));

    if (event == UNIT_EVENTS || ledger_body_bytes(entry, "unit", &id) != 0 ||
        id.size != UNIT_ID_SIZE || ledger_body_number(entry, "used", &run->used) != 0) {
        find(run, entry->sequence, NULL, "the entry is not one of a unit's");
        return;
    }
    unit = unit_of(run, id.data);
    if (unit == NULL) {
        find(run, entry->sequence, id.data, "the ledger has this unit, the table has not");
        return;
    }
    step = unit_transition_find(unit->state, event);
    if (step == NULL)
        find(run, entry->sequence, id.data, "%s cannot follow %s", unit_event_name(event),
             unit_state_name(unit->state));
    else
        unit->state = step->next;
    if (ledger_body_bytes(entry, "certificate", &certificate) == 0 && certificate.size == 32)
        memcpy(unit->certificate, certificate.data, 32);
}

static int replay(struct store_db *db, const struct store_job *job, struct audit_run *run,
                  struct error *error) {
    struct ledger_entry entry;
    sqlite3_stmt *row;
    int more = -1;

    if (store_query(db, &row, error,
                    "SELECT entry, sequence FROM ledger_server WHERE job_id=? ORDER BY sequence",
                    "t", job->id) == 0)
        while ((more = store_step(db, row, error)) == 1) {
            run->audit->entries++;
            if (ledger_extend(&run->head, store_column_bytes(row, 0), &entry, error) != 0) {
                /* Nothing behind it means anything. */
                find(run, (uint64_t)store_column_number(row, 1), NULL,
                     "the chain of entries is broken here");
                more = 0;
                break;
            }
            if (strncmp(entry.type, TYPE_PREFIX, strlen(TYPE_PREFIX)) == 0)
                replay_unit(run, &entry);
            else
                replay_job(run, &entry);
        }
    store_done(row);
    return more < 0 ? -1 : 0;
}

static void compare_units(struct audit_run *run) {
    size_t count;
    const struct audited *units = units_of(run, &count);

    for (size_t i = 0; i < count; i++) {
        const struct audited *unit = &units[i];

        if (unit->state != unit->row_state)
            find(run, 0, unit->id, "the table says %s, the ledger %s",
                 unit_state_name(unit->row_state), unit_state_name(unit->state));
        if (unit->certified && memcmp(unit->certificate, unit->row_certificate, 32) != 0)
            find(run, 0, unit->id, "the table has another certificate than the ledger");
    }
}

static void compare_decisions(struct audit_run *run, const struct store_job *job) {
    if (run->ordered != job->count)
        find(run, 0, NULL, "the job's count is %llu, %llu were ordered",
             (unsigned long long)job->count, (unsigned long long)run->ordered);
    if (run->hold != job->hold || run->is_stopped != (job->state == JOB_STOPPED))
        find(run, 0, NULL, "the job is %s, and the ledger has another decision",
             store_job_status(job));
}

static void compare_job(struct audit_run *run, const struct store_job *job) {
    uint64_t counted = 0;
    size_t count;
    const struct audited *units = units_of(run, &count);

    for (size_t i = 0; i < count; i++)
        counted += units[i].counted ? 1 : 0;
    if (counted != job->used)
        find(run, 0, NULL, "the job has used %llu, and %llu units are counted",
             (unsigned long long)job->used, (unsigned long long)counted);
    if (run->used != job->used)
        find(run, 0, NULL, "the job has used %llu, the ledger says %llu",
             (unsigned long long)job->used, (unsigned long long)run->used);
    if (run->head.sequence != job->ledger.sequence ||
        memcmp(run->head.hash, job->ledger.hash, LEDGER_HASH_SIZE) != 0)
        find(run, run->head.sequence, NULL, "the job's last entry is %llu, the ledger ends at %llu",
             (unsigned long long)job->ledger.sequence, (unsigned long long)run->head.sequence);
}

static int audit_job(struct store_db *db, const char *job_id, struct audit_run *run,
                     struct error *error) {
    struct store_job job;
    struct audited *units;
    size_t count;

    if (store_job_find(db, job_id, &job, error) != 0 ||
        store_unit_list(db, job_id, add_unit, run, error) != 0 ||
        buffer_check(&run->units, error) != 0)
        return -1;
    units = units_of(run, &count);
    if (count > 0)
        qsort(units, count, sizeof *units, compare);
    run->audit->units = count;
    if (replay(db, &job, run, error) != 0)
        return -1;
    compare_units(run);
    compare_decisions(run, &job);
    compare_job(run, &job);
    return 0;
}

int store_audit(struct store_db *db, const char *job_id, store_finding_visitor *visit,
                void *context, struct store_audit *audit, struct error *error) {
    struct audit_run run = {.audit = audit, .visit = visit, .context = context};
    struct error ignored;

    *audit = (struct store_audit){0};
    /* One snapshot: units are made meanwhile. */
    if (store_script(db, "BEGIN", error) != 0)
        return -1;
    int result = audit_job(db, job_id, &run, error);
    (void)store_script(db, "ROLLBACK", &ignored);
    buffer_free(&run.units);
    return result;
}
