/*
 * A production under way: units of one job at several sites, a thread per site, so that no site
 * ever waits for another.
 *
 *   once         one unit at each site, whatever is in it
 *   continuous   unit after unit at each site: the next one begins when another chip is in, until
 * the job has no room left, the client goes away, or something is wrong with the line
 *
 * A site whose chip would be one too many waits: a chip that fails elsewhere may give back its
 * place.
 */
#ifndef NUSEC_PROGRAMMER_PRODUCTION_H
#define NUSEC_PROGRAMMER_PRODUCTION_H

#include "programmer/programmer.h"
#include "programmer/unit.h"

struct production;

struct production_site {
    struct production *production;
    struct unit_order order;
    struct unit_result result; /* of the last unit */
    bool is_at_work;           /* under the production's lock */
    pthread_t thread;
    bool started;
    int slot; /* in the daemon's list of busy sites, -1 when not taken */
};

struct production {
    struct programmer *programmer;
    struct control_call *call;
    struct job *job;
    enum unit_mode mode;
    bool is_continuous;
    uint64_t most; /* units to make, if continuous */
    struct firmware firmware;
    struct image_store images;
    struct production_site sites[PROGRAMMER_SITES_MAX];
    size_t site_count;
    pthread_mutex_t lock;
    uint32_t identified; /* made now in this state; under `lock`, as are: */
    uint32_t done;
    uint32_t failed;       /* FAILED or OPEN; not those for which the job had no room */
    bool is_full;          /* the server has no room, whatever is thought here */
    struct error ended_by; /* continuous: what stopped the line, if anything did */
};

/* Runs every site to its end. */
void production_run_sites(struct production *production);

/* A unit as docs/formats/control.md has it; a new reference. */
json_t *production_unit_json(const struct production_site *site);

/* Counts of the production and what remains of the job; a new reference. */
json_t *production_totals(struct production *production);

#endif
