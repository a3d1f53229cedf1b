/*
 * The programmer's ledger as the server received it (docs/formats/ledger.md). Entries must extend
 * the chain the server already has; otherwise one of the two sides was set back or copied, the job
 * stops and says which and where.
 */
#ifndef NUSEC_STORE_LEDGER_H
#define NUSEC_STORE_LEDGER_H

#include "store/store.h"
#include "store/store_job.h"

struct store_ledger_batch {
    const char *job_id;
    const char *programmer_id;
    uint64_t from_sequence;
    const struct bytes *entries;
    size_t entry_count;
    uint64_t now;
    /* results */
    struct ledger_head head;
    struct error refusal; /* ERROR_LEDGER_DIVERGED: the job is stopped */
};

/* A write function. Entries the server has already must be the same bytes. ERROR_UNKNOWN_JOB,
 * _DENIED, _BAD_REQUEST (no entry), _CONFLICT (a gap: nothing proven, send from the head). */
store_write_function store_ledger_receive;

/* What a programmer says when it starts: its head, and the last entry the server acknowledged. */
struct store_ledger_claim {
    const char *job_id;
    const char *programmer_id;
    struct ledger_head head;
    struct ledger_head acknowledged; /* all zero: none */
    uint64_t now;
    /* results */
    struct ledger_head received; /* what is here */
    struct error refusal;        /* the job is stopped */
};

/*
 * A write function. `refusal`: ERROR_PROGRAMMER_ROLLED_BACK (the programmer's ledger is an older
 * copy of ours), ERROR_SERVER_ROLLED_BACK (ours is older than what we acknowledged),
 * ERROR_LEDGER_DIVERGED (two programmers write it). Else ERROR_UNKNOWN_JOB, _DENIED. A head beyond
 * ours proves nothing yet: the entries will be checked when they come.
 */
store_write_function store_ledger_agree;

#endif
