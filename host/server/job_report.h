/*
 * The report of a job: what was ordered, what became of each chip, and what that comes to in
 * numbers.
 */
#ifndef NUSEC_SERVER_JOB_REPORT_H
#define NUSEC_SERVER_JOB_REPORT_H

#include "base/json.h"
#include "store/store_unit.h"

enum job_report_units {
    JOB_REPORT_UNITS,
    JOB_REPORT_NO_UNITS, /* numbers only: what a large job can be polled for */
};

/* Rows of units in one answer; jobs may have millions. */
#define JOB_REPORT_PAGE 10000

/* A new reference. Only the newest attempt at each chip is shown and counted; failures are those of
 * every attempt. */
int job_report(struct store_db *reader, const struct store_job *job, enum job_report_units shown,
               uint64_t now, json_t **report, struct error *error);

/*
 * The rows of units behind unit `after` (NULL: from the first one), by time of reservation, at most
 * JOB_REPORT_PAGE: {units, next}, `next` the unit to go on behind, or null. A new reference.
 * ERROR_NOT_FOUND if the job has no such unit.
 */
int job_report_units(struct store_db *reader, const char *job_id, const uint8_t *after,
                     json_t **page, struct error *error);

#endif
