/*
 * What a job's attempts come to in numbers, counted one attempt after another: states, yield, cycle
 * times and the failure Pareto, of the whole job and of each programmer and site.
 *
 * Memory does not grow with the units: times go into a histogram of REPORT_BUCKETS logarithmic
 * buckets, sixteen to each doubling, so that a median or percentile is at most a sixteenth too
 * high. Places and causes are bounded; what comes after goes under "other".
 */
#ifndef NUSEC_SERVER_REPORT_NUMBERS_H
#define NUSEC_SERVER_REPORT_NUMBERS_H

#include "base/json.h"
#include "store/store_unit.h"

struct report_numbers;

/* NULL when out of memory. `now` ends the hour of the rate. */
struct report_numbers *report_numbers_new(uint64_t now);
void report_numbers_free(struct report_numbers *numbers);

/* The attempts of one job, in any order. With `complete_state` a unit is at its end: DONE, or
 * IDENTIFIED for a job without firmware. */
void report_numbers_add(struct report_numbers *numbers, const struct store_unit *unit,
                        enum unit_state complete_state);

/* New members of `report`: rate, yield, cycle times, failures, programmers, sites. */
int report_numbers_put(const struct report_numbers *numbers, json_t *report, struct error *error);

#endif
