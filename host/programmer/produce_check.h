/*
 * produce with `check`: could a production start here and now? Changes nothing and counts nothing.
 */
#ifndef NUSEC_PROGRAMMER_PRODUCE_CHECK_H
#define NUSEC_PROGRAMMER_PRODUCE_CHECK_H

#include "programmer/programmer.h"
#include "programmer/unit.h"

/* The answer of docs/formats/control.md; a new reference. The sites are the caller's meanwhile. */
json_t *produce_check(struct programmer *programmer, struct job *job,
                      const struct unit_site *const *sites, size_t site_count);

#endif
