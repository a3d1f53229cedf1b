/*
 * record_cost DATABASE: what the ledger entry and the event of a unit's step cost, beside the whole
 * step. All in transactions of 64 steps, as a loaded server commits them. Prints JSON.
 */
#include "store/store_event.h"
#include "store/store_job.h"
#include "store/store_unit.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

#define JOB   "job-1"
#define STEPS 12800
#define BATCH 64

enum what { RESERVE, RECORD };

struct run {
    enum what what;
    unsigned from;
    struct error error;
};

static int reserve_one(struct store_db *db, unsigned number, struct error *error) {
    struct store_reservation reservation = {
        .job_id = JOB, .programmer_id = "prog-1", .attempt = 1, .now = 1};
    memcpy(reservation.uid, &number, sizeof number);
    return store_unit_reserve(db, &reservation, error);
}

/* The two things unit_record does, without the step that it records. */
static int record_one(struct store_db *db, struct store_job *job, unsigned number,
                      struct error *error) {
    uint8_t id[16] = {0};
    const struct ledger_member members[] = {
        {.key = "unit", .kind = LEDGER_BYTES, .bytes = bytes_of(id, sizeof id)},
        {.key = "uid", .kind = LEDGER_BYTES, .bytes = bytes_of(id, sizeof id)},
        {.key = "used", .kind = LEDGER_NUMBER, .number = number},
    };
    const struct store_event event = {.time = 1,
                                      .type = "unit.reserved",
                                      .actor = "programmer:prog-1",
                                      .subject = "00000000000000000000000000000000",
                                      .job_id = JOB};
    memcpy(id, &number, sizeof number);
    return store_job_record(db, job, 1, "unit.reserved", members, 3, error) == 0
               ? store_event_add(db, &event, error)
               : -1;
}

static int batch(struct store_db *db, void *context, struct error *error) {
    const struct run *run = context;
    struct store_job job;
    if (store_job_find(db, JOB, &job, error) != 0)
        return -1;
    for (unsigned i = run->from; i < run->from + BATCH; i++)
        if ((run->what == RESERVE ? reserve_one(db, i, error) : record_one(db, &job, i, error)) !=
            0)
            return -1;
    return run->what == RESERVE ? 0 : store_job_save(db, &job, error);
}

static int make_job(struct store_db *db, void *context, struct error *error) {
    (void)context;
    return store_script(
        db,
        "INSERT INTO programmers VALUES('prog-1','p','ready','software',1,x'00',x'00',1);"
        "INSERT INTO firmware VALUES('fw-1','devauth','F','1',1,x'00',0,NULL,1);"
        "INSERT INTO jobs(id,product,programmer_id,count,expires,chip_family,devauth_id,assurance,"
        " cm_operator,has_uid_list,state,sequence,token_hash,ledger_hash,peer_hash,created,"
        " created_by) VALUES('" JOB "','p','prog-1',1000000,9999999999,'F','fw-1','software','',0,"
        " 'active',1,zeroblob(32),zeroblob(32),zeroblob(32),1,'x');",
        error);
}

/* Microseconds per step; the processor's, so that the disk's do not matter. */
static double cost(struct store *store, enum what what, struct error *error) {
    struct timespec before, after;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    for (unsigned i = 0; i < STEPS; i += BATCH) {
        struct run run = {.what = what, .from = i};
        if (store_run(store, batch, &run, error) != 0)
            return -1;
    }
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    return ((double)(after.tv_sec - before.tv_sec) * 1e6 +
            (double)(after.tv_nsec - before.tv_nsec) / 1e3) /
           STEPS;
}

int main(int argc, char **argv) {
    struct error error = {0};
    struct store *store = argc == 2 ? store_open(argv[1], NULL, &error) : NULL;
    double whole = -1;
    double record = -1;
    if (store != NULL && store_run(store, make_job, NULL, &error) == 0 &&
        (whole = cost(store, RESERVE, &error)) > 0)
        record = cost(store, RECORD, &error);
    store_close(store);
    if (record < 0) {
        (void)fprintf(stderr, "record_cost: %s\n", error.message);
        return 1;
    }
    printf("{\"step_us\": %.1f, \"record_us\": %.1f}\n", whole, record);
    return 0;
}
