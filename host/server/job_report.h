/*
 * The report of a job: what was ordered, what became of each chip.
 */
#ifndef NUSEC_SERVER_JOB_REPORT_H
#define NUSEC_SERVER_JOB_REPORT_H

#include "base/json.h"
#include "store/store_unit.h"

/* A new reference. Only the newest attempt at each chip is shown and counted. */
int job_report(struct store_db *reader, const struct store_job *job, json_t **report,
               struct error *error);

#endif
