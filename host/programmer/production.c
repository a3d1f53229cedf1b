#include "programmer/production.h"

#include "base/encoding.h"
#include "programmer/site.h"
#include "programmer/site_check.h"

#include <string.h>
#include <unistd.h>

/* How often a site is looked at while no unit runs there. */
#define LOOK_MS 300
/* So many looks in a row must find nobody before a chip counts as taken out: one that starts is
 * silent for a moment, too. */
#define LOOKS_GONE 3

static void on_progress(void *context, const struct unit_progress *progress) {
    const struct production_site *site = context;
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

json_t *production_unit_json(const struct production_site *site) {
    const struct unit_result *result = &site->result;
    json_t *unit = json_pack(
        "{s:s,s:s,s:s,s:s,s:s,s:b,s:b,s:f,s:{s:f,s:f,s:f,s:I}}", "site", site->order.site.name,
        "uid", result->uid, "unit_id", result->unit_id, "state", end_name(result->end), "step",
        result->step, "resumed", (int)result->resumed, "reported", (int)result->reported, "seconds",
        result->seconds, "times", "debug", result->debug_s, "link", result->link_s, "server",
        result->server_s, "link_bytes", (json_int_t)result->link_bytes);
    if (site->order.site.serial != NULL)
        (void)json_object_set_new(unit, "serial", json_string(site->order.site.serial));
    if (result->message[0] != '\0')
        (void)json_object_set_new(unit, "message", json_string(result->message));
    if (result->error.code != ERROR_NONE) {
        (void)json_object_set_new(unit, "code", json_string(error_name(result->error.code)));
        (void)json_object_set_new(unit, "reason", json_string(result->error.message));
        (void)json_object_set_new(unit, "hint", json_string(result->error.hint));
    }
    return unit;
}

json_t *production_totals(struct production *production) {
    struct job_numbers numbers;
    job_journal_numbers(production->job->journal, &numbers);
    (void)pthread_mutex_lock(&production->lock);
    json_t *totals =
        json_pack("{s:I,s:I,s:I,s:I}", "identified", (json_int_t)production->identified, "done",
                  (json_int_t)production->done, "failed", (json_int_t)production->failed,
                  "remaining", (json_int_t)numbers.remaining);
    (void)pthread_mutex_unlock(&production->lock);
    return totals;
}

/* Not the chip's fault: the next one would end the same way. */
static bool stops_the_line(enum error_code code) {
    static const enum error_code codes[] = {
        ERROR_JOB_PAUSED,
        ERROR_JOB_CLOSED,
        ERROR_EXPIRED,
        ERROR_UNKNOWN_JOB,
        ERROR_WRONG_TOKEN,
        ERROR_REVOKED,
        ERROR_LEDGER_DIVERGED,
        ERROR_PROGRAMMER_ROLLED_BACK,
        ERROR_SERVER_ROLLED_BACK,
        ERROR_LEDGER_ROLLED_BACK,
        ERROR_STORAGE,
        ERROR_STORAGE_FULL,
        ERROR_HSM_UNAVAILABLE,
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (codes[i] == code)
            return true;
    return false;
}

/* Adds the unit that ended at a site to the totals, and tells the client. */
static void unit_ended(struct production_site *site) {
    struct production *production = site->production;
    const struct unit_result *result = &site->result;
    bool went_wrong = result->end == UNIT_END_FAILED || result->end == UNIT_END_OPEN;
    (void)pthread_mutex_lock(&production->lock);
    site->is_at_work = false;
    production->identified += result->end == UNIT_END_IDENTIFIED ? 1 : 0;
    production->done += result->end == UNIT_END_DONE ? 1 : 0;
    if (went_wrong && result->error.code == ERROR_JOB_FULL)
        production->is_full = true;
    if (went_wrong && !(production->is_continuous && result->error.code == ERROR_JOB_FULL))
        production->failed++;
    if (went_wrong && stops_the_line(result->error.code) && production->ended_by.code == ERROR_NONE)
        production->ended_by = result->error;
    (void)pthread_mutex_unlock(&production->lock);
    json_t *event = json_pack("{s:s,s:o,s:o}", "site", site->order.site.name, "unit",
                              production_unit_json(site), "totals", production_totals(production));
    control_event(production->call, event);
}

static void say(const struct production_site *site, const char *state, const char *message) {
    control_event(site->production->call,
                  json_pack("{s:s,s:s,s:i,s:f,s:s,s:s}", "site", site->order.site.name, "state",
                            state, "percent", 0, "seconds", 0.0, "uid", "", "message", message));
}

/* Something ends the whole production: the daemon, the client, or the line itself. */
static bool is_ended(struct production *production) {
    struct error problem;
    if (atomic_load(&production->programmer->stop) || !control_is_heard(production->call))
        return true;
    bool is_stopped = job_check(production->job, &problem) != 0;
    (void)pthread_mutex_lock(&production->lock);
    if (is_stopped && production->ended_by.code == ERROR_NONE)
        production->ended_by = problem;
    bool ended = production->ended_by.code != ERROR_NONE;
    (void)pthread_mutex_unlock(&production->lock);
    return ended;
}

enum turn { TURN_BEGIN, TURN_WAIT, TURN_OVER };

/*
 * Whether one more chip may be begun at `site`, which then is at work; with NULL only asks. Every
 * unit at work has its place in the job or will want one. Those that were cut off have theirs, and
 * wait for their chips.
 */
static enum turn turn_take(struct production *production, struct production_site *site) {
    struct job_numbers numbers;
    uint64_t at_work = 0;
    (void)pthread_mutex_lock(&production->lock);
    for (size_t i = 0; i < production->site_count; i++)
        at_work += production->sites[i].is_at_work ? 1 : 0;
    job_journal_numbers(production->job->journal, &numbers);
    uint64_t places = (uint64_t)numbers.remaining + job_unfinished(production->job, &numbers);
    uint64_t made = (uint64_t)production->identified + production->done;
    bool has_place = !production->is_full && places > at_work && made + at_work < production->most;
    if (has_place && site != NULL)
        site->is_at_work = true;
    (void)pthread_mutex_unlock(&production->lock);
    return has_place ? TURN_BEGIN : at_work > 0 ? TURN_WAIT : TURN_OVER;
}

/* What is in the socket, compared with what was there. */
struct look {
    unsigned gone; /* looks in a row that found nobody */
    bool was_gone;
};

static bool is_new_chip(const struct production_site *site, struct look *look) {
    struct site_findings findings;
    struct chip_options options = site_chip_options(site->production->programmer);
    char uid[2 * JOB_UID_SIZE + 1] = "";
    site_check(&site->order.site, &options, &findings);
    bool answers = findings.uart == SITE_UART_ANSWERS;
    if (!answers && findings.debug != DEBUG_PORT_OPEN) {
        bool is_unplugged =
            findings.uart == SITE_UART_ABSENT && findings.debug == DEBUG_PORT_ABSENT;
        look->gone = is_unplugged ? LOOKS_GONE : look->gone + 1;
        look->was_gone = look->was_gone || look->gone >= LOOKS_GONE;
        return false;
    }
    look->gone = 0;
    if (look->was_gone)
        return true;
    if (answers)
        hex_encode_upper(bytes_of(findings.info.uid, sizeof findings.info.uid), uid);
    return answers && site->result.uid[0] != '\0' && strcmp(uid, site->result.uid) != 0;
}

/* Waits until another chip is in and has its turn; false when there is nothing left to wait for. */
static bool next_chip(struct production_site *site, bool is_first) {
    struct look look = {.was_gone = is_first};
    bool is_in = false;
    enum turn turn = TURN_WAIT;
    const char *said = NULL;
    for (;;) {
        if (is_ended(site->production))
            return false;
        is_in = is_in || is_new_chip(site, &look);
        /* Without a chip, a turn is only asked for to learn that the production is over. */
        turn = turn_take(site->production, is_in ? site : NULL);
        if (turn == TURN_OVER || (is_in && turn == TURN_BEGIN))
            return turn == TURN_BEGIN;
        const char *saying = is_in           ? "its turn comes when another unit has ended"
                             : look.was_gone ? "put in a chip"
                                             : "take out the chip";
        if (said != saying)
            say(site, "waiting", saying);
        said = saying;
        (void)usleep(LOOK_MS * 1000);
    }
}

static void unit_at(struct production_site *site) {
    memset(&site->result, 0, sizeof site->result);
    unit_run(&site->order, &site->result);
    unit_ended(site);
}

static void *site_thread(void *argument) {
    struct production_site *site = argument;
    if (!site->production->is_continuous) {
        unit_at(site);
        return NULL;
    }
    for (bool is_first = true; next_chip(site, is_first); is_first = false)
        unit_at(site);
    return NULL;
}

static void site_start(struct production_site *site) {
    struct production *production = site->production;
    struct programmer *programmer = production->programmer;
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
        unit_ended(site);
    }
}

void production_run_sites(struct production *production) {
    for (size_t i = 0; i < production->site_count; i++)
        site_start(&production->sites[i]);
    for (size_t i = 0; i < production->site_count; i++)
        if (production->sites[i].started)
            (void)pthread_join(production->sites[i].thread, NULL);
}
