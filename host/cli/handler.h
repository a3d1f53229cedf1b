/*
 * The line protocol by which a handler or an MES drives the sites of a programmer: text lines on a
 * socket (docs/formats/handler.md). One client at a time; a site has a thread while its unit runs,
 * so sites never wait for each other. A client that goes away does not stop a unit; how it ended is
 * told to the next one that asks.
 */
#ifndef NUSEC_CLI_HANDLER_H
#define NUSEC_CLI_HANDLER_H

#include "base/error.h"

#include <jansson.h>
#include <signal.h>

#define HANDLER_VERSION   1
#define HANDLER_LINE_MAX  512 /* without the line break */
#define HANDLER_SITES_MAX 64

struct handler_options {
    const char *programmer; /* its control socket */
    const char *job;
    const json_t *sites; /* of site_options_read */
    int listener;        /* non-blocking; closed by the caller */
    const volatile sig_atomic_t *stop;
    const sigset_t *wait_mask; /* the signals that set `stop` are blocked but for this */
};

/* Serves until `stop`; then waits for the units that run. */
int handler_run(const struct handler_options *options, struct error *error);

#endif
