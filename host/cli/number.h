/* Numbers on the command line that may be hexadecimal or have a bound of their own. */
#ifndef NUSEC_CLI_NUMBER_H
#define NUSEC_CLI_NUMBER_H

#include "base/error.h"

#include <stdint.h>

/* Decimal, or hexadecimal with 0x; at most `maximum`. ERROR_USAGE names the option. */
int number_parse(const char *option, const char *text, uint64_t maximum, uint64_t *value,
                 struct error *error);

#endif
