/*
 * The programmer's ledger as the server received it (docs/formats/ledger.md). Entries must extend
 * the chain the server already has; otherwise one of the two sides was set back or copied, the job
 * stops and says where.
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

#endif
