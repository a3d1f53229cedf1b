#include "programmer/programmer.h"

#include "base/file.h"
#include "base/log.h"
#include "programmer/recovery.h"
#include "programmer/retention.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct control_method programmer_methods[] = {
    {"status", programmer_status},
    {"prepare.csr", programmer_prepare_csr},
    {"prepare.tpm_begin", programmer_prepare_tpm_begin},
    {"prepare.tpm_prove", programmer_prepare_tpm_prove},
    {"prepare.install", programmer_prepare_install},
    {"prepare.agree_begin", programmer_prepare_agree_begin},
    {"prepare.agree_finish", programmer_prepare_agree_finish},
    {"prepare.software", programmer_prepare_software},
    {"package.import", programmer_package_import},
    {"package.inspect", programmer_package_inspect},
    {"produce", programmer_produce},
    {"scrap", programmer_scrap},
    {"chip.show", programmer_chip_show},
    {"chip.rma", programmer_chip_rma},
    {"report", programmer_report},
};
const size_t programmer_method_count = sizeof programmer_methods / sizeof programmer_methods[0];

int programmer_connect(struct programmer *programmer, struct error *error) {
    server_close(programmer->server);
    programmer->server = NULL;
    const struct server_options options = {
        .directory = programmer->directory,
        .url = programmer->server_url != NULL ? programmer->server_url
                                              : programmer->identity.server_url,
        .identity = &programmer->identity,
        .key_store = &programmer->key_store,
        .stop = &programmer->stop,
    };
    programmer->server = server_open(&options, error);
    return programmer->server != NULL ? 0 : -1;
}

int programmer_check_prepared(const struct programmer *programmer, struct error *error) {
    if (identity_is_prepared(&programmer->identity) && programmer->server != NULL)
        return 0;
    (void)error_set(error, ERROR_NOT_PREPARED, "this programmer is not prepared");
    return error_hint(error, "run \"nusec programmer prepare\" at the OEM");
}

int programmer_check_ready(const struct programmer *programmer, struct error *error) {
    if (programmer_check_prepared(programmer, error) != 0)
        return -1;
    return counter_check(programmer->counter, error);
}

static int jobs_load(struct programmer *programmer, struct error *error) {
    const struct job_keys keys = {&programmer->identity, &programmer->key_store,
                                  programmer->counter};
    char *path = path_join(programmer->directory, "jobs");
    DIR *directory = NULL;
    int failed = -1;
    if (path == NULL)
        (void)error_set(error, ERROR_INTERNAL, "out of memory");
    else if (directory_create_private(path, error) == 0 && (directory = opendir(path)) == NULL)
        (void)error_set(error, ERROR_STORAGE, "cannot read %s", path);
    for (const struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
        if (!job_id_is_safe(entry->d_name)) /* ".", ".." */
            continue;
        if (!job_exists(programmer->directory, entry->d_name)) {
            retention_clean(programmer->directory, entry->d_name);
            continue;
        }
        struct job *job = job_load(programmer->directory, entry->d_name, &keys, error);
        if (job != NULL) {
            job_count(job, programmer->counter);
            job->next = programmer->jobs;
            programmer->jobs = job;
        }
    }
    if (directory != NULL) {
        (void)closedir(directory);
        failed = 0;
    }
    free(path);
    return failed;
}

static int directory_take(struct programmer *programmer, struct error *error) {
    if (directory_create_private(programmer->directory, error) != 0)
        return -1;
    char *path = path_join(programmer->directory, "lock");
    if (path == NULL)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    programmer->directory_lock = file_lock(path, error);
    free(path);
    if (programmer->directory_lock < 0 && error->code == ERROR_BUSY)
        (void)error_set(error, ERROR_BUSY, "another programmer runs on %s", programmer->directory);
    return programmer->directory_lock >= 0 ? 0 : -1;
}

static int state_open(struct programmer *programmer, const struct programmer_options *options,
                      struct error *error) {
    const struct key_store_options key_options = {
        .directory = programmer->directory,
        .tpm = options->tpm,
        .module_path = options->module_path,
        .token_label = options->token_label,
        .pin_file = options->pin_file,
    };
    if (directory_take(programmer, error) != 0 ||
        key_store_open(&programmer->key_store, &key_options, error) != 0 ||
        identity_load(&programmer->identity, programmer->directory, error) != 0 ||
        counter_open(&programmer->counter, &programmer->key_store, programmer->directory,
                     !programmer->identity.installed, error) != 0)
        return -1;
    if (!programmer->identity.installed)
        return 0;
    if (identity_check_key(&programmer->identity, programmer->key_store.public_key, error) != 0)
        return -1;
    /* The root's PEM file follows the identity; a crash may have left an older one. */
    if (identity_save(&programmer->identity, programmer->directory, error) != 0 ||
        programmer_connect(programmer, error) != 0)
        return -1;
    if (retention_resume(programmer, error) != 0 || jobs_load(programmer, error) != 0)
        return -1;
    counter_settle(programmer->counter);
    retention_apply(programmer);
    return 0;
}

int programmer_open(struct programmer *programmer, const struct programmer_options *options,
                    struct error *error) {
    *programmer = (struct programmer){.directory_lock = -1};
    (void)pthread_rwlock_init(&programmer->lock, NULL);
    (void)pthread_mutex_init(&programmer->import_lock, NULL);
    (void)pthread_mutex_init(&programmer->jobs_lock, NULL);
    (void)pthread_mutex_init(&programmer->sites_lock, NULL);
    programmer->clock = options->clock;
    programmer->directory = strdup(options->state_directory);
    if (options->server_url != NULL)
        programmer->server_url = strdup(options->server_url);
    int failed = 0;
    if (programmer->directory == NULL ||
        (options->server_url != NULL && programmer->server_url == NULL))
        failed = error_set(error, ERROR_INTERNAL, "out of memory");
    if (failed == 0)
        failed = state_open(programmer, options, error);
    if (failed != 0)
        programmer_close(programmer);
    return failed;
}

void programmer_close(struct programmer *programmer) {
    if (programmer->recovery_started)
        (void)pthread_join(programmer->recovery, NULL);
    key_store_proof_free(&programmer->key_store, programmer->proof);
    key_store_agreement_free(&programmer->key_store, programmer->agreement);
    for (struct job *job = programmer->jobs, *next; job != NULL; job = next) {
        next = job->next;
        job_free(job);
    }
    server_close(programmer->server);
    identity_free(&programmer->identity);
    counter_close(programmer->counter);
    key_store_close(&programmer->key_store);
    if (programmer->directory_lock >= 0)
        (void)close(programmer->directory_lock);
    free(programmer->directory);
    free(programmer->server_url);
    (void)pthread_mutex_destroy(&programmer->sites_lock);
    (void)pthread_mutex_destroy(&programmer->jobs_lock);
    (void)pthread_mutex_destroy(&programmer->import_lock);
    (void)pthread_rwlock_destroy(&programmer->lock);
}

static struct job *job_find(struct programmer *programmer, const char *id) {
    struct job *job = programmer->jobs;
    while (job != NULL && strcmp(job->id, id) != 0)
        job = job->next;
    return job;
}

struct job *programmer_job_use(struct programmer *programmer, const char *id, struct error *error) {
    (void)pthread_mutex_lock(&programmer->jobs_lock);
    struct job *job = job_find(programmer, id);
    bool claimed = job != NULL && job->is_claimed;
    if (job != NULL && !claimed)
        job->users++;
    (void)pthread_mutex_unlock(&programmer->jobs_lock);
    if (job == NULL) {
        (void)error_set(error, ERROR_UNKNOWN_JOB, "this programmer has no such job");
        (void)error_hint(error, "import its package first");
    } else if (claimed) {
        (void)error_set(error, ERROR_BUSY, "a package of this job is being imported");
        return NULL;
    }
    return job;
}

void programmer_job_release(struct programmer *programmer, struct job *job) {
    (void)pthread_mutex_lock(&programmer->jobs_lock);
    job->users--;
    (void)pthread_mutex_unlock(&programmer->jobs_lock);
}

int programmer_job_claim(struct programmer *programmer, const char *id, struct job **job,
                         struct error *error) {
    (void)pthread_mutex_lock(&programmer->jobs_lock);
    *job = job_find(programmer, id);
    bool busy = *job != NULL && (*job)->users > 0;
    if (*job != NULL && !busy)
        (*job)->is_claimed = true;
    (void)pthread_mutex_unlock(&programmer->jobs_lock);
    return busy ? error_set(error, ERROR_BUSY, "units of %s are being made", id) : 0;
}

void programmer_job_unclaim(struct programmer *programmer, struct job *job) {
    if (job == NULL)
        return;
    (void)pthread_mutex_lock(&programmer->jobs_lock);
    job->is_claimed = false;
    (void)pthread_mutex_unlock(&programmer->jobs_lock);
}

void programmer_job_replace(struct programmer *programmer, struct job *old, struct job *fresh) {
    (void)pthread_mutex_lock(&programmer->jobs_lock);
    struct job **place = &programmer->jobs;
    while (*place != NULL && *place != old)
        place = &(*place)->next;
    fresh->next = old != NULL ? old->next : NULL;
    *place = fresh;
    (void)pthread_mutex_unlock(&programmer->jobs_lock);
    job_free(old);
}

/* The id of the `index`th job; false behind the last. */
static bool job_id_at(struct programmer *programmer, size_t index, char id[PACKAGE_TEXT_MAX + 1]) {
    (void)pthread_mutex_lock(&programmer->jobs_lock);
    const struct job *job = programmer->jobs;
    while (job != NULL && index-- > 0)
        job = job->next;
    if (job != NULL)
        memcpy(id, job->id, sizeof job->id);
    (void)pthread_mutex_unlock(&programmer->jobs_lock);
    return job != NULL;
}

static void *recovery_thread(void *argument) {
    struct programmer *programmer = argument;
    char id[PACKAGE_TEXT_MAX + 1];
    (void)pthread_rwlock_rdlock(&programmer->lock);
    for (size_t i = 0; programmer->server != NULL && job_id_at(programmer, i, id); i++) {
        struct error error = {0};
        struct job *job = programmer_job_use(programmer, id, &error);
        if (job == NULL)
            continue;
        if (job_check(job, &error) == 0 && recovery_run(job, programmer->server, &error) != 0)
            log_error_event("recovery", &error);
        programmer_job_release(programmer, job);
    }
    (void)pthread_rwlock_unlock(&programmer->lock);
    return NULL;
}

void programmer_start_recovery(struct programmer *programmer) {
    if (programmer->jobs != NULL)
        programmer->recovery_started =
            pthread_create(&programmer->recovery, NULL, recovery_thread, programmer) == 0;
}
