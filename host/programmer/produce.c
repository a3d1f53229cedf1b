/*
 * produce: one unit at each site, a thread per site. The call streams progress events and answers
 * when the last site is done; a client that goes away does not stop a chip.
 */
#include "programmer/programmer.h"

#include "base/json.h"
#include "base/log.h"
#include "programmer/produce_check.h"
#include "programmer/recovery.h"
#include "programmer/site.h"

#include <stdlib.h>
#include <string.h>

struct site {
    struct production *production;
    struct unit_order order;
    struct unit_result result;
    pthread_t thread;
    bool started;
    int slot; /* in the daemon's list of busy sites, -1 when not taken */
};

struct production {
    struct programmer *programmer;
    struct control_call *call;
    struct job *job;
    enum unit_mode mode;
    struct firmware firmware;
    struct image_store images;
    struct site sites[PROGRAMMER_SITES_MAX];
    size_t site_count;
};

static void on_progress(void *context, const struct unit_progress *progress) {
    const struct site *site = context;
    json_t *event =
        json_pack("{s:s,s:s,s:I,s:f}", "site", site->order.site.name, "state", progress->state,
                  "percent", (json_int_t)progress->percent, "seconds", progress->seconds);
    if (progress->unit_id[0] != '\0')
        (void)json_object_set_new(event, "unit_id", json_string(progress->unit_id));
    if (progress->uid[0] != '\0')
        (void)json_object_set_new(event, "uid", json_string(progress->uid));
    if (progress->message[0] != '\0')
        (void)json_object_set_new(event, "message", json_string(progress->message));
    control_event(site->production->call, event);
}

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
    uint64_t most = PROGRAMMER_SITES_MAX;
    if (json_read_array(params, "sites", PROGRAMMER_SITES_MAX, &list, error) != 0 ||
        json_read_optional_u64(params, "units", &most, error) != 0)
        return -1;
    for (size_t i = 0; i < json_array_size(list) && production->site_count < most; i++) {
        struct site *site = &production->sites[production->site_count];
        *site = (struct site){.production = production, .slot = -1};
        if (site_read(json_array_get(list, i), &site->order.site, error) != 0 ||
            sites_check(production, &site->order.site, error) != 0)
            return -1;
        production->site_count++;
    }
    if (production->site_count == 0)
        return error_set(error, ERROR_BAD_REQUEST, "there is no site to work at");
    return 0;
}

static void sites_give(struct production *production) {
    for (size_t i = 0; i < production->site_count; i++)
        site_give(production->programmer, production->sites[i].slot);
}

static void *site_thread(void *argument) {
    struct site *site = argument;
    unit_run(&site->order, &site->result);
    return NULL;
}

static void sites_run(struct production *production) {
    struct programmer *programmer = production->programmer;
    for (size_t i = 0; i < production->site_count; i++) {
        struct site *site = &production->sites[i];
        site->order.mode = production->mode;
        site->order.job = production->job;
        site->order.server = programmer->server;
        site->order.identity = &programmer->identity;
        site->order.key_store = &programmer->key_store;
        site->order.firmware = &production->firmware;
        site->order.images = &production->images;
        site->order.clock = programmer->clock;
        site->order.stop = &programmer->stop;
        site->order.on_progress = on_progress;
        site->order.context = site;
        site->started = pthread_create(&site->thread, NULL, site_thread, site) == 0;
        if (!site->started) {
            site->result.end = UNIT_END_FAILED;
            (void)error_set(&site->result.error, ERROR_INTERNAL, "no thread for the site");
        }
    }
    for (size_t i = 0; i < production->site_count; i++)
        if (production->sites[i].started)
            (void)pthread_join(production->sites[i].thread, NULL);
}

static const char *end_name(enum unit_end end) {
    switch (end) {
    case UNIT_END_IDENTIFIED: return "identified";
    case UNIT_END_ALREADY: return "already_identified";
    case UNIT_END_DONE: return "done";
    case UNIT_END_ALREADY_DONE: return "already_done";
    case UNIT_END_PLANNED: return "planned";
    case UNIT_END_OPEN: return "open";
    case UNIT_END_FAILED: break;
    }
    return "failed";
}

static json_t *unit_answer(const struct site *site) {
    const struct unit_result *result = &site->result;
    json_t *unit = json_pack(
        "{s:s,s:s,s:s,s:s,s:s,s:b,s:b,s:f,s:{s:f,s:f,s:f,s:I}}", "site", site->order.site.name,
        "uid", result->uid, "unit_id", result->unit_id, "state", end_name(result->end), "step",
        result->step, "resumed", (int)result->resumed, "reported", (int)result->reported, "seconds",
        result->seconds, "times", "debug", result->debug_s, "link", result->link_s, "server",
        result->server_s, "link_bytes", (json_int_t)result->link_bytes);
    if (result->message[0] != '\0')
        (void)json_object_set_new(unit, "message", json_string(result->message));
    if (result->error.code != ERROR_NONE) {
        (void)json_object_set_new(unit, "code", json_string(error_name(result->error.code)));
        (void)json_object_set_new(unit, "reason", json_string(result->error.message));
        (void)json_object_set_new(unit, "hint", json_string(result->error.hint));
    }
    return unit;
}

static json_t *production_answer(const struct production *production) {
    struct job_numbers numbers;
    json_int_t identified = 0;
    json_int_t done = 0;
    json_int_t failed = 0;
    json_t *units = json_array();
    for (size_t i = 0; i < production->site_count; i++) {
        enum unit_end end = production->sites[i].result.end;
        identified += end == UNIT_END_IDENTIFIED ? 1 : 0;
        done += end == UNIT_END_DONE ? 1 : 0;
        failed += end == UNIT_END_FAILED || end == UNIT_END_OPEN ? 1 : 0;
        (void)json_array_append_new(units, unit_answer(&production->sites[i]));
    }
    job_journal_numbers(production->job->journal, &numbers);
    return json_pack("{s:I,s:I,s:I,s:I,s:o}", "identified", identified, "done", done, "failed",
                     failed, "remaining", (json_int_t)numbers.remaining, "units", units);
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
    if (recovery_run(job, programmer->server, &unsettled) != 0)
        log_error_event("recovery", &unsettled);
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
        sites_run(production);
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
        struct site *site = &production->sites[i];
        sites[i] = &site->order.site;
        failed = site_take(programmer, &site->order.site, &site->slot, error);
    }
    if (failed == 0)
        *result = produce_check(programmer, production->job, sites, production->site_count);
    sites_give(production);
    return failed;
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
    int failed = -1;
    if (programmer_check_prepared(programmer, error) == 0 &&
        json_read_string(params, "job_id", &id, error) == 0 &&
        flag_read(params, "dry_run", &is_dry, error) == 0 &&
        flag_read(params, "check", &is_check, error) == 0 &&
        sites_read(production, params, error) == 0 &&
        (production->job = programmer_job_use(programmer, id, error)) != NULL) {
        production->mode = is_dry ? UNIT_DRY_RUN : UNIT_MAKE;
        failed = is_check ? sites_check_run(production, result, error)
                          : production_run(production, result, error);
        programmer_job_release(programmer, production->job);
    }
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
