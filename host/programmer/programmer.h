/*
 * The programmer daemon's root object: what every method of the control socket works on.
 *
 * Locks, in this order:
 *   lock        identity, server, agreement: read by whoever makes units or imports, written by
 *               prepare.*, which is refused (BUSY) instead of waiting
 *   jobs_lock   the job list and the users count of each job
 * Journals, key store and server connections have locks of their own.
 */
#ifndef NUSEC_PROGRAMMER_PROGRAMMER_H
#define NUSEC_PROGRAMMER_PROGRAMMER_H

#include "base/clock.h"
#include "programmer/control.h"
#include "programmer/identity.h"
#include "programmer/job.h"
#include "programmer/key_store.h"
#include "programmer/server.h"

#include <pthread.h>
#include <stdatomic.h>

#define PROGRAMMER_SITES_MAX 64

struct programmer_options {
    const char *state_directory;
    const char *server_url; /* NULL: the one installed by prepare */
    const char *tpm;        /* these four: key_store.h */
    const char *module_path;
    const char *token_label;
    const char *pin_file;
    const struct clock *clock; /* borrowed */
};

struct programmer {
    char *directory;
    const struct clock *clock;
    char *server_url;
    int directory_lock;
    atomic_bool stop; /* set once: units end at the next safe point */
    struct key_store key_store;
    struct counter *counter; /* NULL: the key store has none */
    pthread_rwlock_t lock;
    struct identity identity;
    struct server *server;         /* NULL before prepare.install */
    struct key_store_proof *proof; /* begun by prepare.tpm_begin, under `lock` */
    struct key_store_agreement *agreement;
    uint8_t agreement_point[HSM_POINT_SIZE];
    pthread_mutex_t import_lock; /* imports one after another; taken before jobs_lock */
    pthread_mutex_t jobs_lock;
    struct job *jobs;
    pthread_mutex_t sites_lock;
    char *busy_sites[PROGRAMMER_SITES_MAX]; /* debug endpoints in use */
    pthread_t recovery;
    bool recovery_started;
};

/* Opens state directory, key store and jobs. ERROR_BUSY if another daemon has the directory. */
int programmer_open(struct programmer *programmer, const struct programmer_options *options,
                    struct error *error);
/* After all methods returned. */
void programmer_close(struct programmer *programmer);

/* Tells the server what it does not know yet about units that ended, in the background. */
void programmer_start_recovery(struct programmer *programmer);

/* Connects with the identity as it is now. The caller holds `lock` for writing. */
int programmer_connect(struct programmer *programmer, struct error *error);

/* 0 when certificate and AES_NuLink3 are there. The caller holds `lock`. */
int programmer_check_prepared(const struct programmer *programmer, struct error *error);
/* The same, and the ledgers are all there (counter.h): before anything is counted. */
int programmer_check_ready(const struct programmer *programmer, struct error *error);

/* The server's signed word for what time it is, fresh: the local clock belongs to the factory. The
 * caller holds `lock` or has the programmer for itself; `server` is there. */
int programmer_time(struct programmer *programmer, uint64_t *now_s, struct error *error);

/* Finds a job and counts the caller as its user until programmer_job_release; ERROR_UNKNOWN_JOB. */
struct job *programmer_job_use(struct programmer *programmer, const char *id, struct error *error);
void programmer_job_release(struct programmer *programmer, struct job *job);

/*
 * For import: keeps everybody else off the job of this id until _replace or _unclaim. `job` is NULL
 * if there is none. ERROR_BUSY while it is in use. One caller at a time (import_lock).
 */
int programmer_job_claim(struct programmer *programmer, const char *id, struct job **job,
                         struct error *error);
void programmer_job_unclaim(struct programmer *programmer, struct job *job);
/* Puts `fresh` in the place of the claimed `old` (NULL: adds it) and frees `old`. */
void programmer_job_replace(struct programmer *programmer, struct job *old, struct job *fresh);

/* The methods of the control socket (docs/formats/control.md). */
extern const struct control_method programmer_methods[];
extern const size_t programmer_method_count;

control_method_function programmer_prepare_csr;
control_method_function programmer_prepare_tpm_begin;
control_method_function programmer_prepare_tpm_prove;
control_method_function programmer_prepare_install;
control_method_function programmer_prepare_agree_begin;
control_method_function programmer_prepare_agree_finish;
control_method_function programmer_prepare_software;
control_method_function programmer_package_import;
control_method_function programmer_package_inspect;
control_method_function programmer_produce;
control_method_function programmer_scrap;
control_method_function programmer_chip_show;
control_method_function programmer_chip_rma;
control_method_function programmer_status;
control_method_function programmer_report;

#endif
