#include "plan.h"

const char *const plan_steps[] = {
    "attach",        "load",        "session",     "reserve",   "keys",    "csr",
    "certificate",   "install",     "verify",      "root_hash", "confirm", "bl2_challenge",
    "bl2_install",   "bl2_key",     "bl2_start",   "bl3_key",   "lock",    "debug_refused",
    "bl3_challenge", "bl3_install", "application", "record",
};
const size_t plan_step_count = sizeof plan_steps / sizeof plan_steps[0];
const size_t plan_identity_steps = 11;

/* At most this many flash and OTP operations later power fails. */
#define TEAR_OPERATIONS 900
#define CUT_BYTES       3000
#define PAUSE_MS        200

static const enum fault walking[] = {
    FAULT_PROGRAMMER_KILLED, FAULT_SERVER_KILLED, FAULT_TOOL_KILLED, FAULT_NETWORK_CUT,
    FAULT_POWER_CUT,         FAULT_UNPLUGGED,     FAULT_SWAPPED};
#define WALKING (sizeof walking / sizeof walking[0])

/* Of a thousand chips behind the walk. Killing a program disturbs all sites, the others one. */
static const struct {
    enum fault fault;
    unsigned per_mille;
} drawn[] = {
    {FAULT_PROGRAMMER_KILLED, 8}, {FAULT_SERVER_KILLED, 8}, {FAULT_TOOL_KILLED, 30},
    {FAULT_NETWORK_CUT, 40},      {FAULT_POWER_CUT, 60},    {FAULT_UNPLUGGED, 30},
    {FAULT_SWAPPED, 30},          {FAULT_TORN, 80},
};
#define DRAWN (sizeof drawn / sizeof drawn[0])

const char *fault_name(enum fault fault) {
    static const char *const names[FAULT_KINDS] = {
        [FAULT_NONE] = "none",
        [FAULT_PROGRAMMER_KILLED] = "programmer killed",
        [FAULT_SERVER_KILLED] = "server killed",
        [FAULT_TOOL_KILLED] = "tool killed",
        [FAULT_NETWORK_CUT] = "network cut",
        [FAULT_POWER_CUT] = "power cut",
        [FAULT_UNPLUGGED] = "unplugged",
        [FAULT_SWAPPED] = "swapped",
        [FAULT_TORN] = "operation torn",
    };
    return names[fault];
}

/* SplitMix64: the state after `index` steps is known without taking them. */
uint64_t plan_random(uint64_t seed, uint64_t stream, uint64_t index) {
    uint64_t z = seed + stream * 0xD1342543DE82EF95u + (index + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

size_t plan_walk_count(void) {
    return WALKING * plan_step_count;
}

static uint32_t number_for(enum fault fault, uint64_t random) {
    switch (fault) {
    case FAULT_TORN: return 1 + (uint32_t)(random % TEAR_OPERATIONS);
    case FAULT_NETWORK_CUT: return (uint32_t)(random % CUT_BYTES);
    default: return (uint32_t)(random % PAUSE_MS);
    }
}

static void add(struct plan *plan, enum fault fault, unsigned step, uint64_t random) {
    plan->faults[plan->count++] =
        (struct planned_fault){.fault = fault, .step = step, .number = number_for(fault, random)};
}

static enum fault draw(uint64_t random) {
    unsigned place = (unsigned)(random % 1000);
    for (size_t i = 0; i < DRAWN; i++) {
        if (place < drawn[i].per_mille)
            return drawn[i].fault;
        place -= drawn[i].per_mille;
    }
    return FAULT_NONE;
}

void plan_make(uint64_t seed, size_t chip, bool has_firmware, struct plan *plan) {
    *plan = (struct plan){0};
    if (chip < plan_walk_count()) {
        add(plan, walking[chip % WALKING], (unsigned)(chip / WALKING), plan_random(seed, 1, chip));
        return;
    }
    for (uint64_t i = 0; i < PLAN_FAULTS_MAX; i++) {
        enum fault fault = draw(plan_random(seed, 2 + 3 * i, chip));
        size_t steps = has_firmware ? plan_step_count : plan_identity_steps;
        if (fault != FAULT_NONE)
            add(plan, fault, (unsigned)(plan_random(seed, 3 + 3 * i, chip) % steps),
                plan_random(seed, 4 + 3 * i, chip));
    }
}
