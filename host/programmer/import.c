/*
 * package.import and package.inspect. An import is refused, each with its own code: for another
 * programmer, of another epoch, altered, not by a job authority, offline, expired, replayed, below
 * the import floor, count zero, unknown to the server.
 */
#include "programmer/programmer.h"

#include "base/encoding.h"
#include "base/json.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

static int package_param(const json_t *params, struct buffer *encoded, struct error *error) {
    return json_read_base64_buffer(params, "package_b64", PACKAGE_SIZE_MAX, encoded, error);
}

int programmer_time(struct programmer *programmer, uint64_t *now_s, struct error *error) {
    uint8_t nonce[32];
    struct buffer message = {0};
    int failed = key_store_random(&programmer->key_store, nonce, sizeof nonce, error);
    if (failed == 0)
        failed = server_time(programmer->server, nonce, &message, error);
    if (failed == 0)
        failed = signed_time_read(buffer_bytes(&message), nonce,
                                  buffer_bytes(&programmer->identity.root),
                                  buffer_bytes(&programmer->identity.operations_ca), now_s, error);
    buffer_free(&message);
    return failed;
}

static int package_open_now(struct programmer *programmer, struct bytes encoded,
                            struct package *package, uint64_t *now_s, struct error *error) {
    const struct job_keys keys = {&programmer->identity, &programmer->key_store,
                                  programmer->counter};
    struct error time_error;
    *now_s = 0;
    int offline = programmer_time(programmer, now_s, &time_error);
    /* What is wrong with the package itself is worth more than that the server is away. */
    uint64_t check_s = offline == 0 ? *now_s : clock_now_s(programmer->clock);
    if (job_package_open(&keys, encoded, programmer->identity.epoch, check_s, package, error) != 0)
        return -1;
    if (offline == 0)
        return 0;
    package_free(package);
    *error = time_error;
    return error_prefix(error, "the package cannot be checked without the server's time");
}

static int package_vet(const struct programmer *programmer, const struct package *package,
                       const struct job *known, uint64_t now_s, struct error *error) {
    const struct package_history history = {
        .last_sequence = known != NULL ? known->package.sequence : 0,
        .floor_sequence = programmer->identity.import_floor,
    };
    if (strcmp(package->programmer_id, programmer->identity.programmer_id) != 0)
        return error_set(error, ERROR_WRONG_PROGRAMMER, "the package is for programmer %s",
                         package->programmer_id);
    return package_check(package, &history, now_s, error);
}

static int package_activate(struct programmer *programmer, const struct package *package,
                            struct error *error) {
    if (server_activate(programmer->server, package, error) == 0)
        return 0;
    if (error->code == ERROR_NOT_FOUND)
        error->code = ERROR_UNKNOWN_JOB;
    return -1;
}

/* A fresh job from what is on disk; `error` if it is of no use. */
static struct job *job_make(struct programmer *programmer, const struct package *package,
                            struct bytes encoded, uint64_t now_s, struct error *error) {
    const struct job_keys keys = {&programmer->identity, &programmer->key_store,
                                  programmer->counter};
    if (job_store(programmer->directory, package, encoded, programmer->identity.epoch, now_s,
                  error) != 0)
        return NULL;
    struct job *job = job_load(programmer->directory, package->job_id, &keys, error);
    if (job != NULL && job_check(job, error) != 0) {
        job_free(job);
        return NULL;
    }
    return job;
}

static int claimed_import(struct programmer *programmer, const struct package *package,
                          struct bytes encoded, uint64_t now_s, struct error *error) {
    struct job *known = NULL;
    struct job *fresh = NULL;
    if (programmer_job_claim(programmer, package->job_id, &known, error) != 0)
        return -1;
    if (package_vet(programmer, package, known, now_s, error) == 0 &&
        package_activate(programmer, package, error) == 0)
        fresh = job_make(programmer, package, encoded, now_s, error);
    if (fresh == NULL) {
        programmer_job_unclaim(programmer, known);
        return -1;
    }
    programmer_job_replace(programmer, known, fresh);
    return 0;
}

static json_t *import_result(struct programmer *programmer, const struct package *package,
                             struct error *error) {
    struct job_numbers numbers = {0};
    struct job *job = programmer_job_use(programmer, package->job_id, error);
    if (job == NULL)
        return NULL;
    job_journal_numbers(job->journal, &numbers);
    programmer_job_release(programmer, job);
    return json_pack("{s:s,s:I,s:I,s:I,s:s,s:I}", "job_id", package->job_id, "count",
                     (json_int_t)package->count, "remaining", (json_int_t)numbers.remaining,
                     "expires", (json_int_t)package->expiry_s, "chip_family", package->chip_family,
                     "uid_list", (json_int_t)package->uid_count);
}

static int import_locked(struct programmer *programmer, struct bytes encoded, json_t **result,
                         struct error *error) {
    struct package package = {0};
    uint64_t now_s = 0;
    if (programmer_check_ready(programmer, error) != 0 ||
        package_open_now(programmer, encoded, &package, &now_s, error) != 0)
        return -1;
    int failed = 0;
    if (!job_id_is_safe(package.job_id) || !job_id_is_safe(package.devauth_id))
        failed = error_set(error, ERROR_BAD_PACKAGE, "an id in the package has odd characters");
    if (failed == 0)
        failed = claimed_import(programmer, &package, encoded, now_s, error);
    if (failed == 0) {
        log_info("package.imported", "job", package.job_id, "count", LOG_NUMBER(package.count));
        *result = import_result(programmer, &package, error);
        failed = *result != NULL ? 0 : -1;
    }
    package_free(&package);
    return failed;
}

int programmer_package_import(void *context, const json_t *params, struct control_call *call,
                              json_t **result, struct error *error) {
    struct programmer *programmer = context;
    struct buffer encoded = {0};
    (void)call;
    int failed = package_param(params, &encoded, error);
    if (failed == 0) {
        (void)pthread_rwlock_rdlock(&programmer->lock);
        (void)pthread_mutex_lock(&programmer->import_lock);
        failed = import_locked(programmer, buffer_bytes(&encoded), result, error);
        (void)pthread_mutex_unlock(&programmer->import_lock);
        (void)pthread_rwlock_unlock(&programmer->lock);
    }
    if (failed != 0)
        log_error_event("package.refused", error);
    buffer_free(&encoded);
    return failed;
}

/* What the package says inside; the token stays there. */
static void inspect_inner(const struct package *package, json_t *answer) {
    json_t *inner = json_pack(
        "{s:b,s:s,s:s,s:I,s:I,s:I,s:I,s:s,s:s,s:I}", "opens", 1, "job_id", package->job_id,
        "programmer_id", package->programmer_id, "sequence", (json_int_t)package->sequence, "count",
        (json_int_t)package->count, "expires", (json_int_t)package->expiry_s, "issued",
        (json_int_t)package->issued_s, "chip_family", package->chip_family, "devauth_id",
        package->devauth_id, "uid_list", (json_int_t)package->uid_count);
    (void)json_object_update(answer, inner);
    json_decref(inner);
}

static int inspect_locked(struct programmer *programmer, struct bytes encoded, json_t **result,
                          struct error *error) {
    const struct job_keys keys = {&programmer->identity, &programmer->key_store,
                                  programmer->counter};
    struct package_recipient recipient;
    struct package package = {0};
    struct error why;
    if (package_read_recipient(encoded, &recipient, error) != 0)
        return -1;
    bool match =
        programmer->identity.installed && memcmp(recipient.programmer_certificate_sha256,
                                                 programmer->identity.certificate_sha256, 32) == 0;
    json_t *answer = json_pack("{s:b,s:I}", "programmer_match", (int)match, "epoch",
                               (json_int_t)recipient.epoch);
    if (programmer_check_prepared(programmer, &why) == 0 &&
        job_package_open(&keys, encoded, programmer->identity.epoch, clock_now_s(programmer->clock),
                         &package, &why) == 0)
        inspect_inner(&package, answer);
    else
        (void)json_object_update_new(answer, json_pack("{s:b,s:s,s:s}", "opens", 0, "reason",
                                                       why.message, "code", error_name(why.code)));
    package_free(&package);
    *result = answer;
    return 0;
}

int programmer_package_inspect(void *context, const json_t *params, struct control_call *call,
                               json_t **result, struct error *error) {
    struct programmer *programmer = context;
    struct buffer encoded = {0};
    (void)call;
    int failed = package_param(params, &encoded, error);
    if (failed == 0) {
        (void)pthread_rwlock_rdlock(&programmer->lock);
        failed = inspect_locked(programmer, buffer_bytes(&encoded), result, error);
        (void)pthread_rwlock_unlock(&programmer->lock);
    }
    buffer_free(&encoded);
    return failed;
}
