#include "store/store_ledger.h"

#include "store/store_event.h"

#include <stdio.h>
#include <string.h>

/* 1: the same bytes are stored under that sequence, 0: others, -1: error. */
static int is_stored(struct store_db *db, const struct store_ledger_batch *batch, uint64_t sequence,
                     struct bytes entry, struct error *error) {
    sqlite3_stmt *row;
    int found = -1, same = 0;

    if (store_query(db, &row, error,
                    "SELECT entry FROM ledger_programmer WHERE job_id=? AND sequence=?", "ti",
                    batch->job_id, (int64_t)sequence) == 0)
        found = store_step(db, row, error);
    if (found == 1)
        same = bytes_equal(store_column_bytes(row, 0), entry);
    store_done(row);
    return found < 0 ? -1 : same;
}

/* Ends the job for good; `refusal` says why, the event under which name. */
static int stop_job(struct store_db *db, struct store_job *job, uint64_t sequence,
                    const struct error *refusal, uint64_t now, struct error *error) {
    char actor[STORE_ID_MAX + sizeof "programmer:"], type[64];
    struct store_event event = {.time = now,
                                .type = type,
                                .actor = actor,
                                .subject = job->id,
                                .job_id = job->id,
                                .detail = refusal->message};
    const struct ledger_member members[] = {
        {.key = "sequence", .kind = LEDGER_NUMBER, .number = sequence}};

    snprintf(type, sizeof type, "job.%s", error_name(refusal->code));
    snprintf(actor, sizeof actor, "programmer:%s", job->programmer_id);
    job->state = JOB_STOPPED;
    if (store_job_record(db, job, now, "job.stopped", members, 1, error) != 0 ||
        store_job_save(db, job, error) != 0)
        return -1;
    return store_event_add(db, &event, error);
}

static int stop_diverged(struct store_db *db, struct store_ledger_batch *batch,
                         struct store_job *job, uint64_t sequence, struct error *error) {
    error_set(&batch->refusal, ERROR_LEDGER_DIVERGED,
              "the programmer's ledger differs from the received one at entry %llu",
              (unsigned long long)sequence);
    error_hint(&batch->refusal, "the job is stopped; find out which side was set back or copied");
    batch->head = job->peer;
    return stop_job(db, job, sequence, &batch->refusal, batch->now, error);
}

static int insert_entry(struct store_db *db, const struct store_job *job, struct bytes entry,
                        struct error *error) {
    return store_exec(db, error,
                      "INSERT INTO ledger_programmer(job_id, sequence, entry, hash)"
                      " VALUES(?,?,?,?)",
                      "tibb", job->id, (int64_t)job->peer.sequence, entry,
                      bytes_of(job->peer.hash, LEDGER_HASH_SIZE));
}

/* Every entry is checked against the chain before the first one is stored. Returns the sequence
 * where the ledgers differ, 0 when they do not, or -1. */
static int64_t find_divergence(struct store_db *db, const struct store_ledger_batch *batch,
                               const struct store_job *job, struct error *error) {
    struct ledger_head head = job->peer;

    for (size_t i = 0; i < batch->entry_count; i++) {
        uint64_t sequence = batch->from_sequence + i;
        struct ledger_entry entry;
        int same;

        if (ledger_parse(batch->entries[i], &entry, error) != 0)
            return -1;
        if (sequence <= job->peer.sequence) {
            same = is_stored(db, batch, sequence, batch->entries[i], error);
            if (same != 1)
                return same < 0 ? -1 : (int64_t)sequence;
        } else if (ledger_extend(&head, batch->entries[i], &entry, error) != 0) {
            return error->code == ERROR_LEDGER_DIVERGED ? (int64_t)sequence : -1;
        }
    }
    return 0;
}

static int append_entries(struct store_db *db, const struct store_ledger_batch *batch,
                          struct store_job *job, struct error *error) {
    for (size_t i = 0; i < batch->entry_count; i++) {
        struct ledger_entry entry;

        if (batch->from_sequence + i <= job->peer.sequence)
            continue;
        if (ledger_extend(&job->peer, batch->entries[i], &entry, error) != 0 ||
            insert_entry(db, job, batch->entries[i], error) != 0)
            return -1;
    }
    return store_job_save(db, job, error);
}

int store_ledger_receive(struct store_db *db, void *context, struct error *error) {
    struct store_ledger_batch *batch = context;
    struct store_job job;
    int64_t diverged;

    error_clear(&batch->refusal);
    if (store_job_find(db, batch->job_id, &job, error) != 0)
        return -1;
    if (strcmp(job.programmer_id, batch->programmer_id) != 0)
        return error_set(error, ERROR_DENIED, "the job belongs to another programmer");
    if (batch->from_sequence == 0 || batch->from_sequence > job.peer.sequence + 1) {
        error_set(error, ERROR_CONFLICT, "the last entry received is %llu",
                  (unsigned long long)job.peer.sequence);
        return error_hint(error, "send from entry %llu", (unsigned long long)job.peer.sequence + 1);
    }
    diverged = find_divergence(db, batch, &job, error);
    if (diverged != 0)
        return diverged < 0 ? -1 : stop_diverged(db, batch, &job, (uint64_t)diverged, error);
    if (append_entries(db, batch, &job, error) != 0)
        return -1;
    batch->head = job.peer;
    return 0;
}

/* 1: the entry of this number is the one received, 0: it is another, -1: error. Entry 0 is before
 * every ledger's first. */
static int is_received(struct store_db *db, const char *job_id, const struct ledger_head *head,
                       struct error *error) {
    sqlite3_stmt *row;
    int found = -1, same = 0;

    if (head->sequence == 0)
        return 1;
    if (store_query(db, &row, error,
                    "SELECT hash FROM ledger_programmer WHERE job_id=? AND sequence=?", "ti",
                    job_id, (int64_t)head->sequence) == 0)
        found = store_step(db, row, error);
    if (found == 1)
        same = bytes_equal(store_column_bytes(row, 0), bytes_of(head->hash, sizeof head->hash));
    store_done(row);
    return found < 0 ? -1 : same;
}

static int set_back(struct error *refusal, enum error_code code, uint64_t ends, uint64_t known) {
    bool here = code == ERROR_SERVER_ROLLED_BACK;

    error_set(refusal, code,
              here ? "the server's ledger ends at entry %llu, and it has acknowledged entry %llu"
                   : "the programmer's ledger ends at entry %llu, and the server has entry %llu",
              (unsigned long long)ends, (unsigned long long)known);
    return error_hint(
        refusal, here ? "the server's database is an older copy; the job is stopped"
                      : "the programmer's state directory is an older copy, or a copy of it is "
                        "in use; the job is stopped");
}

static int forked(struct error *refusal, uint64_t sequence) {
    error_set(refusal, ERROR_LEDGER_DIVERGED,
              "the programmer has another ledger entry %llu than the server",
              (unsigned long long)sequence);
    return error_hint(refusal,
                      "two programmers write this ledger: a state directory was copied; the job is "
                      "stopped");
}

/* Fills the refusal; 0 there is none, 1 there is, -1 error. */
static int judge_claim(struct store_db *db, struct store_ledger_claim *claim,
                       const struct store_job *job, struct error *error) {
    uint64_t here = job->peer.sequence;
    const struct ledger_head *heads[] = {&claim->acknowledged, &claim->head};

    if (claim->acknowledged.sequence > here) {
        set_back(&claim->refusal, ERROR_SERVER_ROLLED_BACK, here, claim->acknowledged.sequence);
        return 1;
    }
    for (int i = 0; i < 2; i++) {
        int same = heads[i]->sequence > here ? 1 : is_received(db, job->id, heads[i], error);

        if (same < 0)
            return -1;
        if (same == 0) {
            forked(&claim->refusal, heads[i]->sequence);
            return 1;
        }
    }
    if (claim->head.sequence >= here)
        return 0;
    set_back(&claim->refusal, ERROR_PROGRAMMER_ROLLED_BACK, claim->head.sequence, here);
    return 1;
}

int store_ledger_agree(struct store_db *db, void *context, struct error *error) {
    struct store_ledger_claim *claim = context;
    struct store_job job;
    int judged;

    error_clear(&claim->refusal);
    if (store_job_find(db, claim->job_id, &job, error) != 0)
        return -1;
    if (strcmp(job.programmer_id, claim->programmer_id) != 0)
        return error_set(error, ERROR_DENIED, "the job belongs to another programmer");
    claim->received = job.peer;
    judged = judge_claim(db, claim, &job, error);
    if (judged <= 0 || job.state == JOB_STOPPED)
        return judged < 0 ? -1 : 0;
    return stop_job(db, &job, claim->head.sequence, &claim->refusal, claim->now, error);
}
