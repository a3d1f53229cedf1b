/*
 * What goes wrong with which chip, all of it from one seed.
 *
 * The first chips walk: every kind of fault at every step of a unit, once each, none left out. Then
 * the faults are drawn. The plan is the same for the same seed; which other units are in work at
 * that moment depends on the machine.
 */
#ifndef NUSEC_TESTS_STORM_PLAN_H
#define NUSEC_TESTS_STORM_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fault {
    FAULT_NONE,
    FAULT_PROGRAMMER_KILLED,
    FAULT_SERVER_KILLED,
    FAULT_TOOL_KILLED,
    FAULT_NETWORK_CUT,
    FAULT_POWER_CUT, /* and back at once */
    FAULT_UNPLUGGED, /* the board is gone and put back later */
    FAULT_SWAPPED,   /* another chip is in its place, and the first comes back later */
    FAULT_TORN,      /* power goes in the middle of a flash or OTP operation; has no step */
    FAULT_KINDS
};
const char *fault_name(enum fault fault);

#define PLAN_FAULTS_MAX 2
#define PLAN_STEPS_MAX  32

struct planned_fault {
    enum fault fault;
    unsigned step;   /* index in the order of steps, see plan_steps */
    uint32_t number; /* bytes, operations or milliseconds, as the fault needs it */
};

struct plan {
    struct planned_fault faults[PLAN_FAULTS_MAX];
    size_t count;
};

/* The steps of a unit in their order (docs/formats/control.md); with or without firmware. */
extern const char *const plan_steps[];
extern const size_t plan_step_count;
extern const size_t plan_identity_steps;

/* Chips that walk. Their job must have firmware. */
size_t plan_walk_count(void);

/* Of the chip with this number, from 0. */
void plan_make(uint64_t seed, size_t chip, bool has_firmware, struct plan *plan);

/* Further numbers from the seed, for whatever is not about one chip. */
uint64_t plan_random(uint64_t seed, uint64_t stream, uint64_t index);

#endif
