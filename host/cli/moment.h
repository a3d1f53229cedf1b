/* Points in time as people write them on a command line. */
#ifndef NUSEC_CLI_MOMENT_H
#define NUSEC_CLI_MOMENT_H

#include "base/error.h"

#include <stdint.h>

/*
 * "2026-12-31" (the end of that day), "2026-12-31T12:00:00Z", both UTC, or "+30d", "+12h", "+10m",
 * "+5s" from `now`. Unix seconds; ERROR_USAGE otherwise.
 */
int moment_parse(const char *text, uint64_t now, uint64_t *moment, struct error *error);

#endif
