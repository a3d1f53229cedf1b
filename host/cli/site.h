/* Targets on a command line: --site and --board, for `produce` and `chip`. */
#ifndef NUSEC_CLI_SITE_H
#define NUSEC_CLI_SITE_H

#include "base/options.h"

#include <jansson.h>

struct site_options {
    struct option_list sites;  /* NAME=DEBUG,UART */
    struct option_list boards; /* folders of virtual boards */
};

/* An array of {name, debug, uart}, a new reference; NULL with ERROR_USAGE if there is none, or two
 * with one name. */
json_t *site_options_read(const struct site_options *options, struct error *error);

/* The one site; NULL with ERROR_USAGE if none or more were given. */
json_t *site_options_read_one(const struct site_options *options, struct error *error);

#endif
