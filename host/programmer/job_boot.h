/*
 * What firmware a job puts on its chips, from the settings of its package.
 *
 *   bl2, bl3   firmware ids, both or none
 *   debug      "locked" (default) or "open"
 */
#ifndef NUSEC_PROGRAMMER_JOB_BOOT_H
#define NUSEC_PROGRAMMER_JOB_BOOT_H

#include "package/package.h"

struct job_boot {
    bool wanted;        /* false: a unit ends when it is identified */
    bool locks_debug;   /* the chip's debug port is closed for good */
    const char *bl2_id; /* borrowed from the package */
    const char *bl3_id;
};

/* ERROR_BAD_PACKAGE for a contradiction or a value nobody here knows. */
int job_boot_read(const struct package *package, struct job_boot *boot, struct error *error);

#endif
