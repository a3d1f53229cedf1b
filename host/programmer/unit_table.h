/*
 * The units of a job in memory, found by UID. Only job_journal.c uses it, under its lock.
 */
#ifndef NUSEC_PROGRAMMER_UNIT_TABLE_H
#define NUSEC_PROGRAMMER_UNIT_TABLE_H

#include "programmer/job_journal.h"

struct unit_table {
    struct job_unit *units; /* in order of first appearance */
    size_t count;
    size_t capacity;
    uint32_t *slots;   /* open addressing; index into units plus one, 0 = free */
    size_t slot_count; /* a power of two, at most half full */
};

/* NULL if there is none. Valid until the next unit_table_add. */
struct job_unit *unit_table_find(const struct unit_table *table, const uint8_t uid[JOB_UID_SIZE]);
/* The unit of this UID, added in state NONE if it is new. NULL when out of memory. */
struct job_unit *unit_table_add(struct unit_table *table, const uint8_t uid[JOB_UID_SIZE]);
void unit_table_free(struct unit_table *table);

#endif
