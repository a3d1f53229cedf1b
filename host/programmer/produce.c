/*
 * produce: reads what is wanted, makes sure that it can be made, and runs it (production.h). The
 * call streams progress events and answers when the last site is done; a client that goes away does
 * not stop a chip.
 */
#include "programmer/production.h"

#include "base/json.h"
#include "base/log.h"
#include "programmer/produce_check.h"
#include "programmer/recovery.h"
#include "programmer/site.h"

#include <stdlib.h>
#include <string.h>

/* Two names for one chip would let two threads fight over it. */
static int sites_check(const struct production *production, const struct unit_site *site,
                       struct error *error) {
    for (size_t i = 0; i < production->site_count; i++) {
        const struct unit_site *other = &production->sites[i].order.site;
        if (strcmp(other->name, site->name) == 0 || strcmp(other->debug, site->debug) == 0 ||
            strcmp(other->uart, site->uart) == 0)
            return error_set(error, ERROR_BAD_REQUEST, "sites %s and %s are the same", other->name,
                             site->name);
    }
    return 0;
}

/* An absent member is false. */
static int flag_read(const json_t *params, const char *key, bool *value, struct error *error) {
    *value = false;
    return json_object_get(params, key) != NULL ? json_read_bool(params, key, value, error) : 0;
}

static int sites_read(struct production *production, const json_t *params, struct error *error) {
    json_t *list = NULL;
    production->most = UINT64_MAX;
    if (json_read_array(params, "sites", PROGRAMMER_SITES_MAX, &list, error) != 0 ||
        json_read_optional_u64(params, "units", &production->most, error) != 0)
        return -1;
    for (size_t i = 0; i < json_array_size(list) && production->site_count < production->most;
         i++) {
        struct production_site *site = &production->sites[production->site_count];
        *site = (struct production_site){.production = production, .slot = -1};
        if (site_read(json_array_get(list, i), &site->order.site, error) != 0 ||
            sites_check(production, &site->order.site, error) != 0)
            return -1;
        if (production->is_continuous && site->order.site.serial != NULL)
            return error_set(error, ERROR_BAD_REQUEST, "a serial number belongs to one unit");
        production->site_count++;
    }
    if (production->site_count == 0)
        return error_set(error, ERROR_BAD_REQUEST, "there is no site to work at");
    return 0;
}

static void sites_give(struct production *production) {
    for (size_t i = 0; i < production->site_count; i++) {
        site_give(production->programmer, production->sites[i].slot);
        production->sites[i].slot = -1;
    }
}

/* How many were made, and each of them; those of a continuous production were all told in events.
 */
static json_t *production_answer(struct production *production) {
    const struct error *ended_by = &production->ended_by;
    json_t *units = json_array();
    for (size_t i = 0; i < production->site_count && !production->is_continuous; i++)
        (void)json_array_append_new(units, production_unit_json(&production->sites[i]));
    json_t *answer = production_totals(production);
    (void)json_object_set_new(answer, "units", units);
    if (production->is_continuous && ended_by->code != ERROR_NONE)
        (void)json_object_set_new(answer, "ended_by",
                                  json_pack("{s:s,s:s,s:s}", "code", error_name(ended_by->code),
                                            "reason", ended_by->message, "hint", ended_by->hint));
    return answer;
}

/* Nothing to make and nothing to finish: say so before any chip is touched. */
static int room_check(struct production *production, struct error *error) {
    struct job_numbers numbers;
    if (production->mode == UNIT_DRY_RUN)
        return 0;
    job_journal_numbers(production->job->journal, &numbers);
    if (numbers.remaining > 0 || job_unfinished(production->job, &numbers) > 0)
        return 0;
    (void)error_set(error, ERROR_JOB_FULL, "all %u units of the job are made", numbers.count);
    return error_hint(error, "ask the OEM for a job with more units");
}

/* A unit made on an older copy of this directory would be one too many. A job that was stopped says
 * so itself, and a dry run makes nothing. */
static bool must_wait(const struct production *production) {
    struct error problem;
    return production->mode == UNIT_MAKE && job_check(production->job, &problem) == 0 &&
           !job_is_agreed(production->job);
}

static int production_start(struct production *production, struct error *error) {
    struct programmer *programmer = production->programmer;
    struct job *job = production->job;
    const struct firmware_order order = {
        .state_directory = programmer->directory,
        .id = job->package.devauth_id,
        .chip_family = job->package.chip_family,
        .boot_key = programmer->identity.boot_key,
    };
    struct error unsettled;
    if (job_check(job, error) != 0)
        return -1;
    /* Earlier ends first: they may give back count. Offline they wait. */
    if (recovery_run(job, programmer->server, &unsettled) != 0) {
        log_error_event("recovery", &unsettled);
        if (must_wait(production)) {
            *error = unsettled;
            return -1;
        }
    }
    if (job_check(job, error) != 0 || room_check(production, error) != 0 ||
        firmware_get(programmer->server, &order, &production->firmware, error) != 0)
        return -1;
    for (size_t i = 0; i < production->site_count; i++)
        if (site_take(programmer, &production->sites[i].order.site, &production->sites[i].slot,
                      error) != 0)
            return -1;
    return 0;
}

static int production_run(struct production *production, json_t **result, struct error *error) {
    struct error unsynced;
    image_store_open(&production->images, production->programmer->directory,
                     production->programmer->server);
    int failed = production_start(production, error);
    if (failed == 0) {
        production_run_sites(production);
        sites_give(production); /* the next unit need not wait for the server */
        if (job_sync(production->job, production->programmer->server, &unsynced) != 0)
            log_error_event("ledger.sync", &unsynced);
        *result = production_answer(production);
    }
    sites_give(production);
    firmware_free(&production->firmware);
    image_store_close(&production->images);
    return failed;
}

static int sites_check_run(struct production *production, json_t **result, struct error *error) {
    struct programmer *programmer = production->programmer;
    const struct unit_site *sites[PROGRAMMER_SITES_MAX];
    int failed = 0;
    for (size_t i = 0; i < production->site_count && failed == 0; i++) {
        struct production_site *site = &production->sites[i];
        sites[i] = &site->order.site;
        failed = site_take(programmer, &site->order.site, &site->slot, error);
    }
    if (failed == 0)
        *result = produce_check(programmer, production->job, sites, production->site_count);
    sites_give(production);
    return failed;
}

static int modes_check(bool is_continuous, bool is_dry, bool is_check, struct error *error) {
    if (!is_continuous || (!is_dry && !is_check))
        return 0;
    return error_set(error, ERROR_BAD_REQUEST, "a dry run or a check is not continuous");
}

static int produce_locked(struct programmer *programmer, const json_t *params,
                          struct control_call *call, json_t **result, struct error *error) {
    const char *id = NULL;
    bool is_dry = false;
    bool is_check = false;
    struct production *production = calloc(1, sizeof *production);
    if (production == NULL)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    production->programmer = programmer;
    production->call = call;
    (void)pthread_mutex_init(&production->lock, NULL);
    int failed = -1;
    if (programmer_check_ready(programmer, error) == 0 &&
        json_read_string(params, "job_id", &id, error) == 0 &&
        flag_read(params, "dry_run", &is_dry, error) == 0 &&
        flag_read(params, "check", &is_check, error) == 0 &&
        flag_read(params, "continuous", &production->is_continuous, error) == 0 &&
        modes_check(production->is_continuous, is_dry, is_check, error) == 0 &&
        sites_read(production, params, error) == 0 &&
        (production->job = programmer_job_use(programmer, id, error)) != NULL) {
        production->mode = is_dry ? UNIT_DRY_RUN : UNIT_MAKE;
        failed = is_check ? sites_check_run(production, result, error)
                          : production_run(production, result, error);
        programmer_job_release(programmer, production->job);
    }
    (void)pthread_mutex_destroy(&production->lock);
    free(production);
    return failed;
}

int programmer_produce(void *context, const json_t *params, struct control_call *call,
                       json_t **result, struct error *error) {
    struct programmer *programmer = context;
    (void)pthread_rwlock_rdlock(&programmer->lock);
    int failed = produce_locked(programmer, params, call, result, error);
    (void)pthread_rwlock_unlock(&programmer->lock);
    return failed;
}
