/*
 * Jobs are forgotten some time after they are over, and the import floor rises to the sequence of
 * the newest forgotten package: without its record a replay could no longer be told.
 */
#ifndef NUSEC_PROGRAMMER_RETENTION_H
#define NUSEC_PROGRAMMER_RETENTION_H

#include "programmer/programmer.h"

/* After its expiry a job is kept for reports and late synchronisation. */
#define RETENTION_S ((uint64_t)90 * 86400)

/* Over: expired for RETENTION_S at `now_s`, nothing open, nothing the server does not know. A job
 * with a problem is kept for whoever looks into it. */
bool retention_is_over(struct job *job, uint64_t now_s);

/* Forgets the jobs that are over by the server's time, which is asked for only when the local clock
 * says that there are any; the caller has the programmer for itself (start). Failures are logged: a
 * job too many does no harm. */
void retention_apply(struct programmer *programmer);

/* Ends a removal that the counter knows of and that was cut short; before the jobs are loaded. */
int retention_resume(struct programmer *programmer, struct error *error);

/* Removes what a removal or an import that was cut short left in jobs/<id>; the package is always
 * the first to go and the last to come. */
void retention_clean(const char *state_directory, const char *id);

#endif
