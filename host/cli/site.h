/* Targets on a command line: --site and --board, for `produce` and `chip`. */
#ifndef NUSEC_CLI_SITE_H
#define NUSEC_CLI_SITE_H

#include "base/options.h"

#include <jansson.h>

struct site_options {
    struct option_list sites;  /* NAME=DEBUG,UART */
    struct option_list boards; /* folders of virtual boards */
    const char *config;        /* a file that names the sites of this programmer; NULL: none */
    uint64_t count;            /* of those, the first ones; 0: all */
};

/* The longest file of sites. */
#define SITE_CONFIG_MAX 65536

/*
 * An array of {name, debug, uart}, a new reference; NULL with ERROR_USAGE if there is none, or two
 * with one name. Without --site and --board the file of --config is used, or that of $NUSEC_SITES:
 *
 *     {"sites": [{"name": "left", "debug": "tcp:localhost:3333", "uart": "/dev/ttyACM0"}, ...]}
 */
json_t *site_options_read(const struct site_options *options, struct error *error);

/* The one site; NULL with ERROR_USAGE if none or more were given. */
json_t *site_options_read_one(const struct site_options *options, struct error *error);

#endif
