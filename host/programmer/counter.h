/*
 * How often this programmer ever reserved, counted by its TPM as well: what tells a state directory
 * that was set back to an older copy, before any server is asked (docs/decisions/0081).
 *
 * A `reserving` entry of a ledger carries the value that the TPM's counter is raised to right after
 * it. So the values of all ledgers, and of those that were forgotten, are all the values there have
 * been, each once: fewer means an older copy. The ledger entry is the write-ahead: one that is a
 * single value ahead of the TPM was cut off before the TPM was raised, and that is made up for.
 *
 *     counter_open(&counter, store, directory, may_make, error);     NULL: the store has no counter
 *     counter_add(counter, last, units);     for each ledger
 *     counter_settle(counter);
 *     counter_begin(counter, &value, error); the entry; counter_commit(counter, error);  or
 * _abandon
 *
 * Everything but _open and _close takes NULL as a counter that always agrees. Thread-safe.
 */
#ifndef NUSEC_PROGRAMMER_COUNTER_H
#define NUSEC_PROGRAMMER_COUNTER_H

#include "programmer/key_store.h"

struct counter;

/* `may_make`: there is nothing yet that could have been counted. Otherwise a missing record
 * (counter.json) is a problem, as counter_check says. */
int counter_open(struct counter **counter, const struct key_store *store, const char *directory,
                 bool may_make, struct error *error);
void counter_close(struct counter *counter);

/* A ledger that has `units` values, the last of which is `last`. */
void counter_add(struct counter *counter, uint64_t last, uint64_t units);
/* A ledger that cannot be counted: from now on nothing agrees. */
void counter_spoil(struct counter *counter, const struct error *why);
/* All ledgers were added. What does not agree is the problem from now on. */
void counter_settle(struct counter *counter);

/* ERROR_LEDGER_ROLLED_BACK when ledgers and TPM do not agree; the TPM is asked. */
int counter_check(struct counter *counter, struct error *error);
/* What was found last, without asking: 0, or the problem. */
int counter_problem(struct counter *counter, struct error *error);

/* The value for the entry to come; then no other begins until _commit, which raises the TPM's
 * counter, or _abandon, if the entry was not written. On failure nothing is begun. */
int counter_begin(struct counter *counter, uint64_t *value, struct error *error);
int counter_commit(struct counter *counter, struct error *error);
void counter_abandon(struct counter *counter);

/* A ledger is about to be removed; _forgotten once it is. In between, and after a crash there,
 * counter_forgetting names the job whose removal is to be finished; else NULL. */
int counter_forget(struct counter *counter, const char *job_id, uint64_t units,
                   struct error *error);
int counter_forgotten(struct counter *counter, struct error *error);
const char *counter_forgetting(const struct counter *counter);

#endif
