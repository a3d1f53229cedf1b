/*
 * One imported job: the package, kept as it came, and the journal of what was made under it.
 *
 * On disk, in jobs/<id>/ of the state directory:
 *   package.json   the package, still encrypted under AES_NuLink3, with its epoch and import time;
 *                  so the token is stored only as the key store protects it, and count, expiry and
 *                  UID list are read from under the OEM's signature each time
 *   ledger         job_journal.h
 *   acknowledged.json  the last entry the server has confirmed
 *   stopped        why the job was stopped for good, if it was
 */
#ifndef NUSEC_PROGRAMMER_JOB_H
#define NUSEC_PROGRAMMER_JOB_H

#include "programmer/identity.h"
#include "programmer/job_journal.h"
#include "programmer/key_store.h"
#include "programmer/server.h"

#include <pthread.h>

struct job {
    char id[PACKAGE_TEXT_MAX + 1];
    char *directory;
    struct package package;
    struct job_journal *journal; /* NULL if the job could not be loaded: `problem` says why */
    pthread_mutex_t problem_lock;
    struct error problem;
    unsigned users;                  /* running calls; under the owner's lock, as is: */
    bool is_claimed;                 /* an import is about to replace it */
    pthread_mutex_t sync_lock;       /* one synchronisation at a time */
    bool head_agreed;                /* the server's head was compared since the daemon started */
    bool run_noted;                  /* this run of the daemon has its entry */
    struct ledger_head acknowledged; /* the last entry the server has */
    struct ledger_head kept;         /* of that, what the file says */
    struct job *next;
};

/* What opening a package and making its units needs. */
struct job_keys {
    const struct identity *identity;
    const struct key_store *key_store;
    struct counter *counter; /* NULL: none */
};

/* Opens `encoded` with the key of `epoch`; package_open's errors. */
int job_package_open(const struct job_keys *keys, struct bytes encoded, uint32_t epoch,
                     uint64_t now_s, struct package *package, struct error *error);

/* Letters, digits, '-' and '_' only: ids become file names and URL paths. */
bool job_id_is_safe(const char *id);

/* False for a directory that never got its package, or is losing the rest. */
bool job_exists(const char *state_directory, const char *id);

/*
 * Loads jobs/<id>. A job that cannot be read is returned all the same, with `problem`, so that
 * status can name it. NULL only without memory.
 */
struct job *job_load(const char *state_directory, const char *id, const struct job_keys *keys,
                     struct error *error);
void job_free(struct job *job);

/* Tells the counter what a job's ledger has, also if the job cannot be used otherwise. */
void job_count(struct job *job, struct counter *counter);

/* Stores a package that was checked and activated; then the job can be loaded. */
int job_store(const char *state_directory, const struct package *package, struct bytes encoded,
              uint32_t epoch, uint64_t imported_s, struct error *error);

/* 0 if units may be made; else why not (damaged, stopped). */
int job_check(struct job *job, struct error *error);

/* Stops the job for good: its ledger and the server's cannot both be right. */
#define JOB_STOPPED_HINT "the OEM has to look into it, and order the rest under a new job"
void job_stop(struct job *job, const struct error *why);

/* Units of the job that were begun and whose chips have to come back: those open, and for a job
 * with firmware also those that have only their identity. */
uint32_t job_unfinished(const struct job *job, const struct job_numbers *numbers);

/* "active", "finishing", "complete", "stopped" or "damaged" (docs/formats/control.md). */
const char *job_state(struct job *job, const struct job_numbers *numbers);

/*
 * Sends the entries the server does not have. ERROR_LEDGER_DIVERGED, _PROGRAMMER_ROLLED_BACK or
 * _SERVER_ROLLED_BACK when the two ledgers disagree: the job is then stopped for good, and the
 * message names the entry.
 */
int job_sync(struct job *job, struct server *server, struct error *error);

/* The same after a unit; does nothing while another thread is at it, which then, or at the latest
 * the end of the production, sends these entries too. Failures are logged. */
void job_sync_if_free(struct job *job, struct server *server);

/* Both sides have said where their ledgers stand, since the daemon started, and they agree. */
bool job_is_agreed(struct job *job);

#endif
