/*
 * A line in a storm: many sites make chips while programs are killed, networks cut, boards
 * unplugged and swapped; in the end server, programmer and chips must agree to the unit.
 *
 *   plan     what goes wrong where, from the seed
 *   daemon   server and programmer, killed and started
 *   network  between the two, cut
 *   chip     a board at a site
 *   tool     what drives the programmer at a site
 *   site     makes one chip after the other, whatever happens
 *   judge    compares the three
 *
 * The line itself (keys, jobs, packages) is made before, by the script that starts this.
 */
#ifndef NUSEC_TESTS_STORM_STORM_H
#define NUSEC_TESTS_STORM_STORM_H

#include "chip.h"
#include "daemon.h"
#include "network.h"
#include "plan.h"

#include <stdio.h>

#define STORM_JOBS      2
#define STORM_SITES_MAX 32

struct storm_job {
    const char *id;
    bool has_firmware;
    size_t count; /* ordered, and so many chips are brought */
};

/* What became of one chip. Written by the site that has it, read by the judge afterwards. */
struct storm_chip {
    char uid[33];
    const struct storm_job *job;
    enum chip_state state;
    unsigned runs;
};

struct storm {
    const char *line; /* folder */
    uint64_t seed;
    unsigned sites;
    struct storm_job jobs[STORM_JOBS];
    size_t chip_count; /* of all jobs */
    char socket_path[CHIP_PATH_SIZE];
    char database[CHIP_PATH_SIZE];
    struct daemon server;
    struct daemon programmer;
    struct network network;
    struct storm_chip *chips;
    atomic_size_t next; /* chip to be made */
    atomic_size_t finished;
    atomic_size_t recognised; /* finished, put in again and recognised */
    atomic_bool failed;       /* a site found something wrong and said so */
    atomic_uint hits[FAULT_KINDS][PLAN_STEPS_MAX];
    uint64_t began_ms;
};

/* Says what is wrong and how to repeat it; the storm ends. */
void storm_fail(struct storm *storm, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Makes chips at site `index` until none is left. */
void storm_site_run(struct storm *storm, unsigned index);

/* While it goes on: nothing is counted beyond what was ordered. */
void storm_judge_bounds(struct storm *storm);
/* In the end, when no chip is in work: the three agree, and the plan was carried out. */
void storm_judge_end(struct storm *storm);

#endif
