/* A golden sample: a unit known to be good, put into a site to show that the site is good as well.
 */
#ifndef NUSEC_CLI_GOLDEN_H
#define NUSEC_CLI_GOLDEN_H

#include "base/error.h"

#include <jansson.h>

struct control;

/*
 * Asks the programmer about the chip at `site` {name, debug, uart}; changes and counts nothing. The
 * sample is good if this programmer made it under `job`, and it proves its key with the certificate
 * of then, over cables that work. A unit as `produce` answers it (docs/formats/control.md), state
 * "golden" or "failed"; NULL with `error` only if the programmer cannot be asked.
 */
json_t *golden_check(struct control *control, const char *job, json_t *site, struct error *error);

#endif
