/*
 * Files a job keeps for one unit, in jobs/<id>/units/: "<UID>.<kind>". Written in one durable step;
 * what they say is in the journal or is checked by whoever gets it, so a lost or altered one costs
 * a step that is done again, nothing else.
 */
#ifndef NUSEC_PROGRAMMER_JOB_FILE_H
#define NUSEC_PROGRAMMER_JOB_FILE_H

#include "programmer/job.h"

/* The signed unit record, until the server has it. */
#define JOB_FILE_RECORD "record"
/* TLVs of the unit's BL2 behind the id and the hash of its body: a chip that cannot start its BL2
 * can prove nothing to the server, so what it once got is kept. */
#define JOB_FILE_BL2 "bl2"

#define JOB_FILE_MAX 8192

int job_file_keep(const struct job *job, const uint8_t uid[JOB_UID_SIZE], const char *kind,
                  struct bytes contents, struct error *error);
/* Appended to `out`; ERROR_NOT_FOUND. */
int job_file_read(const struct job *job, const uint8_t uid[JOB_UID_SIZE], const char *kind,
                  struct buffer *out, struct error *error);
/* Best effort. */
void job_file_forget(const struct job *job, const uint8_t uid[JOB_UID_SIZE], const char *kind);

/* Removes all of them, and their directory. */
void job_file_clean(const char *job_directory);

#endif
