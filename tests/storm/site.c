/*
 * One site. A chip is put in and made; whenever something went wrong it is put in again, as an
 * operator would, until it is at its end. Then it is put in once more, and must be recognised.
 */
#include "storm.h"

#include "base/clock.h"
#include "tool.h"

#include <signal.h>
#include <string.h>

#define RUNS_MAX 60
/* A site whose tool died may be at work for as long as a dead chip is waited for. */
#define CHIP_TIME_MS    180000
#define CHIP_PAUSE_MS   100
#define STRANGER_NUMBER 1000000u /* chips beyond those of the plan */

struct site {
    struct storm *storm;
    unsigned index;
    char name[16];
    char link[CHIP_PATH_SIZE];
    size_t number; /* of the chip in the plan */
    const struct storm_job *job;
    struct plan plan;
    struct chip chip;
    struct chip stranger; /* in its place after a swap */
    bool swapped;
};

static bool has_failed(const struct site *site, int result, const struct error *error) {
    if (result == 0)
        return false;
    storm_fail(site->storm, "%s: %s", site->name, error->message);
    return true;
}

static void new_chip(const struct site *site, uint64_t number, struct chip *chip) {
    char folder[CHIP_PATH_SIZE];
    char name[32];
    uint8_t uid[16];
    for (unsigned i = 0; i < 2; i++) {
        uint64_t random = plan_random(site->storm->seed, 100 + i, number);
        memcpy(uid + (size_t)8 * i, &random, sizeof random);
    }
    (void)snprintf(folder, sizeof folder, "%.100s/chips", site->storm->line);
    (void)snprintf(name, sizeof name, "%llu", (unsigned long long)number);
    chip_make(chip, folder, name, uid);
}

static bool put_in(struct site *site, struct chip *chip) {
    struct error error;
    return !has_failed(site, chip_put_in(chip, site->link, &error), &error) &&
           !has_failed(site, chip_start(chip, &error), &error);
}

/* The faults */

static void swap(struct site *site) {
    chip_stop(&site->chip, SIGKILL);
    new_chip(site, STRANGER_NUMBER + site->number, &site->stranger);
    site->swapped = put_in(site, &site->stranger);
}

static void cut_power(struct site *site) {
    char answer[256];
    (void)chip_control(&site->chip, "power-cut", answer, sizeof answer);
    (void)chip_control(&site->chip, "power-on", answer, sizeof answer);
}

/* False: the tool is dead. */
static bool strike(struct site *site, const struct planned_fault *fault) {
    struct storm *storm = site->storm;
    struct error error;
    switch (fault->fault) {
    case FAULT_PROGRAMMER_KILLED:
        (void)has_failed(site, daemon_kill_and_start(&storm->programmer, 0, &error), &error);
        return true;
    case FAULT_SERVER_KILLED:
        (void)has_failed(site, daemon_kill_and_start(&storm->server, fault->number, &error),
                         &error);
        return true;
    case FAULT_TOOL_KILLED: return false;
    case FAULT_NETWORK_CUT:
        network_cut_after(&storm->network,
                          fault->number % 2 == 0 ? NETWORK_TO_SERVER : NETWORK_TO_PROGRAMMER,
                          fault->number);
        return true;
    case FAULT_POWER_CUT: cut_power(site); return true;
    case FAULT_UNPLUGGED: chip_stop(&site->chip, SIGKILL); return true;
    case FAULT_SWAPPED: swap(site); return true;
    default: return true;
    }
}

/* Each planned fault strikes once, when its step begins. */
static bool on_state(void *context, const char *state) {
    struct site *site = context;
    bool alive = true;
    for (size_t i = 0; i < site->plan.count && alive; i++) {
        struct planned_fault *fault = &site->plan.faults[i];
        if (fault->fault == FAULT_NONE || fault->fault == FAULT_TORN ||
            strcmp(state, plan_steps[fault->step]) != 0)
            continue;
        atomic_fetch_add(&site->storm->hits[fault->fault][fault->step], 1);
        alive = strike(site, fault);
        fault->fault = FAULT_NONE;
    }
    return alive;
}

static void arm_tear(struct site *site) {
    char command[32];
    char answer[256];
    for (size_t i = 0; i < site->plan.count; i++) {
        struct planned_fault *fault = &site->plan.faults[i];
        if (fault->fault != FAULT_TORN)
            continue;
        (void)snprintf(command, sizeof command, "tear %u", fault->number);
        (void)chip_control(&site->chip, command, answer, sizeof answer);
        fault->fault = FAULT_NONE;
    }
}

/* The chip */

/* A stranger that came before the programmer knew the chip has become the unit: it takes its place,
 * and the other one must be as it came. One that came later must be as it came itself. */
static void settle_swap(struct site *site, const char *made) {
    if (!site->swapped)
        return;
    site->swapped = false;
    if (strcmp(made, site->stranger.uid) == 0) {
        struct chip other = site->chip;
        site->chip = site->stranger;
        site->stranger = other;
    }
    chip_stop(&site->stranger, SIGTERM);
    if (chip_read(&site->stranger) != CHIP_BLANK)
        storm_fail(site->storm, "%s: chip %s was put in while %s was made, and is %s", site->name,
                   site->stranger.uid, site->chip.uid, chip_state_name(chip_read(&site->stranger)));
    chip_remove(&site->stranger);
}

/* Whatever the last run left: the chip is in its place and has power. */
static bool make_ready(struct site *site) {
    if (site->chip.launcher == 0)
        return put_in(site, &site->chip);
    struct error error;
    if (has_failed(site, chip_put_in(&site->chip, site->link, &error), &error))
        return false;
    if (chip_was_torn(&site->chip))
        atomic_fetch_add(&site->storm->hits[FAULT_TORN][0], 1);
    chip_power_on(&site->chip);
    return true;
}

static void run(struct site *site, struct tool_result *result) {
    const struct tool_order order = {
        .socket_path = site->storm->socket_path,
        .job_id = site->job->id,
        .site = site->name,
        .link = site->link,
        .on_state = on_state,
        .context = site,
    };
    tool_produce(&order, result);
    settle_swap(site, result->uid);
}

static bool is_end(const struct site *site, const char *state, bool before) {
    if (site->job->has_firmware)
        return strcmp(state, "already_done") == 0 || (!before && strcmp(state, "done") == 0);
    return strcmp(state, "already_identified") == 0 ||
           (!before && strcmp(state, "identified") == 0);
}

/* What a chip that is put in again may not get away with. */
static bool is_final_refusal(const char *code) {
    static const char *const codes[] = {"job_full",
                                        "ledger_diverged",
                                        "uid_under_other_key",
                                        "key_under_other_uid",
                                        "already_identified",
                                        "attestation_refused",
                                        "revoked",
                                        "wrong_token"};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (strcmp(code, codes[i]) == 0)
            return true;
    return false;
}

static void complain(struct site *site, const struct tool_result *result, unsigned runs) {
    storm_fail(site->storm, "%s: chip %zu (%s) of %s is not made after %u runs: %s at %s, %s: %s",
               site->name, site->number, site->chip.uid, site->job->id, runs,
               result->end == TOOL_LOST ? "no answer" : result->state, result->step, result->code,
               result->reason);
}

/* Nothing was tried: the last run still goes on, or a program is being started. */
static bool is_waiting(const struct tool_result *result) {
    return result->end == TOOL_LOST ||
           (result->end == TOOL_REFUSED && strcmp(result->code, "busy") == 0);
}

/* A complete job begins nothing any more, not even for the chip that made it so. */
static bool is_job_full(const struct tool_result *result) {
    return result->end == TOOL_REFUSED && strcmp(result->code, "job_full") == 0;
}

static bool make_chip(struct site *site, struct storm_chip *entry) {
    struct tool_result result = {0};
    bool was_lost = false;
    uint64_t deadline = clock_monotonic_ms() + CHIP_TIME_MS;
    entry->runs = 1;
    while (entry->runs <= RUNS_MAX && clock_monotonic_ms() < deadline) {
        if (atomic_load(&site->storm->failed) || !make_ready(site))
            return false;
        arm_tear(site);
        run(site, &result);
        if (result.end == TOOL_RESULT && is_end(site, result.state, false))
            return true;
        /* The last unit was made, and that it was got lost; the judge looks into the chip. */
        if (was_lost && is_job_full(&result))
            return true;
        was_lost = was_lost || result.end == TOOL_LOST;
        if (is_final_refusal(result.code))
            break;
        entry->runs += is_waiting(&result) ? 0 : 1;
        storm_sleep_ms(CHIP_PAUSE_MS);
    }
    complain(site, &result, entry->runs);
    return false;
}

/* Only the chip itself can show that it is the one that was made; the last ones cannot. */
static bool is_recognised(struct site *site) {
    struct tool_result result = {0};
    unsigned runs = 0;
    uint64_t deadline = clock_monotonic_ms() + CHIP_TIME_MS;
    site->plan.count = 0;
    while (clock_monotonic_ms() < deadline) {
        if (atomic_load(&site->storm->failed) || !make_ready(site))
            return false;
        runs++;
        run(site, &result);
        if (result.end == TOOL_RESULT && is_end(site, result.state, true)) {
            atomic_fetch_add(&site->storm->recognised, 1);
            return true;
        }
        if (is_job_full(&result))
            return true;
        storm_sleep_ms(CHIP_PAUSE_MS);
    }
    complain(site, &result, runs);
    return false;
}

static void one_chip(struct site *site, struct storm_chip *entry) {
    new_chip(site, site->number, &site->chip);
    bool good = make_chip(site, entry) && is_recognised(site);
    chip_stop(&site->chip, SIGTERM);
    (void)snprintf(entry->uid, sizeof entry->uid, "%s", site->chip.uid);
    entry->state = chip_read(&site->chip);
    if (good)
        chip_remove(&site->chip); /* else it stays, to be looked at */
}

/* Chips of both jobs, mixed; those that walk have firmware. */
static const struct storm_job *job_of(const struct storm *storm, size_t number) {
    const struct storm_job *first = &storm->jobs[0];
    size_t walk = plan_walk_count();
    if (number < walk)
        return first;
    /* Spread evenly: Bresenham's way. */
    size_t rest = storm->chip_count - walk;
    size_t mine = first->count - walk;
    size_t place = number - walk;
    bool is_first = (place + 1) * mine / rest > place * mine / rest;
    return is_first ? first : &storm->jobs[1];
}

void storm_site_run(struct storm *storm, unsigned index) {
    struct site site = {.storm = storm, .index = index};
    (void)snprintf(site.name, sizeof site.name, "site-%u", index);
    (void)snprintf(site.link, sizeof site.link, "%.90s/sites/%u", storm->line, index);
    while (!atomic_load(&storm->failed)) {
        site.number = atomic_fetch_add(&storm->next, 1);
        if (site.number >= storm->chip_count)
            return;
        site.job = job_of(storm, site.number);
        plan_make(storm->seed, site.number, site.job->has_firmware, &site.plan);
        storm->chips[site.number].job = site.job;
        one_chip(&site, &storm->chips[site.number]);
        if ((atomic_fetch_add(&storm->finished, 1) + 1) % 50 == 0)
            storm_judge_bounds(storm);
    }
}
