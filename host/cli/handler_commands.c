/* nusec handler */
#include "cli/command.h"
#include "cli/control.h"
#include "cli/handler.h"
#include "cli/site.h"

#include "base/endpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    struct site_options sites;
    const char *listen;
} arguments;

static volatile sig_atomic_t stop;

static void on_signal(int number) {
    (void)number;
    stop = 1;
}

/* Signals arrive only while the handler waits, so none is missed between looking and waiting. */
static void signals_set(sigset_t *wait_mask) {
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t blocked;

    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigemptyset(&blocked);
    (void)sigaddset(&blocked, SIGTERM);
    (void)sigaddset(&blocked, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &blocked, wait_mask);
    (void)sigdelset(wait_mask, SIGTERM);
    (void)sigdelset(wait_mask, SIGINT);
}

/* Whoever reaches the socket may start units: not a thing to offer to a network. */
static int check_endpoint(const struct endpoint *endpoint, struct error *error) {
    bool is_local =
        endpoint->kind == ENDPOINT_UNIX ||
        (endpoint->kind == ENDPOINT_TCP &&
         (strcmp(endpoint->address, "127.0.0.1") == 0 || strcmp(endpoint->address, "::1") == 0));

    if (is_local)
        return 0;
    (void)error_set(error, ERROR_USAGE, "--listen: only unix:/path or tcp:127.0.0.1:port");
    return error_hint(error, "for a handler on another machine use an SSH tunnel");
}

/* The programmer is there and has the job, before a handler is told that it may start. */
static int check_job(const char *job, struct error *error) {
    json_t *report = command_ask_programmer("report", json_pack("{s:s}", "job_id", job), error);

    json_decref(report);
    return report == NULL ? -1 : 0;
}

static int handler(const struct option_list *operands, struct error *error) {
    struct endpoint endpoint;
    sigset_t wait_mask;
    struct handler_options options = {
        .programmer = command_programmer_endpoint(),
        .job = operands->items[0],
        .stop = &stop,
        .wait_mask = &wait_mask,
    };
    int result = -1;

    if (endpoint_parse(arguments.listen, &endpoint, error) != 0 ||
        check_endpoint(&endpoint, error) != 0 || check_job(options.job, error) != 0)
        return -1;
    json_t *sites = site_options_read(&arguments.sites, error);
    options.sites = sites;
    options.listener = sites == NULL ? -1 : endpoint_listen(&endpoint, error);
    if (options.listener >= 0) {
        signals_set(&wait_mask);
        (void)printf("ready\n");
        (void)fflush(stdout);
        result = handler_run(&options, error);
        (void)close(options.listener);
        if (endpoint.kind == ENDPOINT_UNIX)
            (void)unlink(endpoint.address);
    }
    json_decref(sites);
    return result;
}

static const struct option_entry handler_entries[] = {
    {OPTION_TEXT, "listen", "ENDPOINT", "unix:/path or tcp:127.0.0.1:port", &arguments.listen,
     OPTION_REQUIRED},
    {OPTION_LIST, "site", "NAME=DEBUG,UART", "a target's debug port and UART; may be repeated",
     &arguments.sites.sites, OPTION_OPTIONAL},
    {OPTION_LIST, "board", "DIR", "a virtual board; may be repeated", &arguments.sites.boards,
     OPTION_OPTIONAL},
    {OPTION_TEXT, "config", "FILE", "the sites of this programmer (else $NUSEC_SITES)",
     &arguments.sites.config, OPTION_OPTIONAL},
    {OPTION_NUMBER, "sites", "N", "only the first N of them", &arguments.sites.count,
     OPTION_OPTIONAL},
    COMMAND_PROGRAMMER_OPTION,
    COMMAND_JSON_OPTION};
static const struct option_set handler_options_set = COMMAND_OPTION_SET(
    "nusec handler", "JOB --listen ENDPOINT [--config FILE | --site ...]",
    "Lets a handler or an MES start units and learn their bins, by text lines on a socket.",
    handler_entries, 1, 1);

const struct command handler_commands[] = {{&handler_options_set, handler}, {0}};
