/* Units that are given up for good. A scrapped unit costs its job what a failure at that point
 * would have cost: whoever scraps good units gains no count by it. */
#include "store/store_unit_internal.h"

#include <stdio.h>

#define REVOKED_BECAUSE "cessationOfOperation: unit scrapped"

/* Where a unit failed is worth knowing when it is scrapped later; the step of one that did not fail
 * is only how far it came. */
static void forget_step(struct store_unit *unit) {
    if (unit->state != UNIT_FAILED)
        unit->step[0] = '\0';
}

/* The ledger says who did it, why, and with the programmer's own signature. */
static int note_scrap(struct store_db *db, struct store_job *job, const struct store_unit *unit,
                      const struct unit_scrapping *scrapping, struct error *error) {
    const struct unit_note note = {
        .event = UNIT_EVENT_SCRAP,
        .actor = scrapping->actor,
        .detail = scrapping->reason,
        .members = {{.key = "actor", .kind = LEDGER_TEXT, .text = scrapping->actor},
                    {.key = "reason", .kind = LEDGER_TEXT, .text = scrapping->reason},
                    {.key = "signature", .kind = LEDGER_BYTES, .bytes = scrapping->signature}},
        .member_count = scrapping->signature.size != 0 ? 3 : 2,
        .now = scrapping->now,
    };

    return unit_record_note(db, job, unit, &note, error);
}

int unit_scrap(struct store_db *db, struct store_job *job, struct store_unit *unit,
               const struct unit_scrapping *scrapping, struct error *error) {
    uint64_t now = scrapping->now;

    /* What has a permit keeps its count, and loses its certificate all the same. */
    if (unit_give_back(db, job, unit, REVOKED_BECAUSE, now, error) != 0 ||
        unit_end_certificate(db, unit, "revoked", REVOKED_BECAUSE, now, error) != 0)
        return -1;
    forget_step(unit);
    unit->state = unit_transition_find(unit->state, UNIT_EVENT_SCRAP)->next;
    snprintf(unit->reason, sizeof unit->reason, "%s", scrapping->reason);
    if (store_exec(db, error,
                   "UPDATE units SET state=?, counted=?, step=?, reason=?, updated=? WHERE id=?",
                   "iittib", (int64_t)unit->state, (int64_t)unit->counted, unit->step, unit->reason,
                   (int64_t)now, bytes_of(unit->id, UNIT_ID_SIZE)) != 0)
        return -1;
    return note_scrap(db, job, unit, scrapping, error);
}

static int check_scrap(const struct store_unit *unit, const struct store_job *job,
                       struct error *error) {
    if (unit_end_allowed(unit, job, UNIT_EVENT_SCRAP, error) == 0)
        return 0;
    return error_hint(error, "what is complete leaves by: nusec device revoke, nusec device rma");
}

int store_unit_scrap(struct store_db *db, void *context, struct error *error) {
    struct store_scrap *scrap = context;
    const struct unit_scrapping scrapping = {
        .actor = scrap->actor, .reason = scrap->reason, .now = scrap->now};
    struct store_job job;
    int found;

    if (store_job_find(db, scrap->job_id, &job, error) != 0)
        return -1;
    found = unit_latest(db, job.id, scrap->uid, &scrap->unit, error);
    if (found == 0)
        return error_set(error, ERROR_NOT_FOUND, "the job has no unit of that UID");
    if (found < 0)
        return -1;
    scrap->is_repeated = scrap->unit.state == UNIT_SCRAPPED;
    if (!scrap->is_repeated && (check_scrap(&scrap->unit, &job, error) != 0 ||
                                unit_scrap(db, &job, &scrap->unit, &scrapping, error) != 0))
        return -1;
    scrap->remaining = store_job_remaining(&job);
    return 0;
}
