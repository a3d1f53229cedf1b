/* "Are you sure?" before what cannot be undone. */
#ifndef NUSEC_CLI_CONFIRM_H
#define NUSEC_CLI_CONFIRM_H

#include "base/error.h"

#include <stdbool.h>

/*
 * 0 when the person at the terminal typed `answer` (in either case) to the question, or `is_sure`
 * (--yes) says so. Without a terminal there is nobody to ask: ERROR_USAGE, with --yes as the hint.
 * ERROR_DENIED for any other answer.
 */
int confirm(bool is_sure, const char *question, const char *answer, struct error *error);

#endif
