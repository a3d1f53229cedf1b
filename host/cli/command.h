/*
 * What the commands of `nusec` have in common: the table that dispatches them, the options every
 * one of them takes, and the connections they use.
 *
 * Calling sequence (main.c): find the command whose words were given, parse with its option set,
 * then run it. A command opens what it needs (command_server, command_programmer), prints with
 * output.h, and returns 0 or -1 with `error` filled; only main.c prints errors and exits.
 */
#ifndef NUSEC_CLI_COMMAND_H
#define NUSEC_CLI_COMMAND_H

#include "base/options.h"
#include "http/http_client.h"

struct control;

struct command {
    const struct option_set *options;
    int (*run)(const struct option_list *operands, struct error *error);
};

/* Values of the options that several commands share; filled by options_parse. */
struct command_common {
    bool json;
    const char *profile;
    const char *programmer;
};
extern struct command_common command_common;

#define COMMAND_JSON_OPTION                                                                        \
    {                                                                                              \
        OPTION_FLAG, "json", NULL, "print JSON, errors included", &command_common.json,            \
            OPTION_OPTIONAL                                                                        \
    }
#define COMMAND_PROFILE_OPTION                                                                     \
    {                                                                                              \
        OPTION_TEXT, "profile", "DIR", "operator profile (else $NUSEC_PROFILE)",                   \
            &command_common.profile, OPTION_OPTIONAL                                               \
    }
#define COMMAND_PROGRAMMER_OPTION                                                                  \
    {                                                                                              \
        OPTION_TEXT, "programmer", "ENDPOINT",                                                     \
            "control socket, unix:/path (else $NUSEC_PROGRAMMER)", &command_common.programmer,     \
            OPTION_OPTIONAL                                                                        \
    }
#define COMMAND_OPTION_SET(name, usage, summary, entries, minimum, maximum)                        \
    { name, usage, summary, entries, sizeof(entries) / sizeof((entries)[0]), minimum, maximum }

/* Exit code when the command itself worked but a unit did not (see nusec.1). */
#define COMMAND_EXIT_UNITS_FAILED 70

/* One table per file of commands, ended by a row without options. */
extern const struct command server_commands[];
extern const struct command programmer_commands[];
extern const struct command firmware_commands[];
extern const struct command image_commands[];
extern const struct command job_commands[];
extern const struct command report_commands[];
extern const struct command package_commands[];
extern const struct command produce_commands[];
extern const struct command handler_commands[];
extern const struct command scrap_commands[];
extern const struct command chip_commands[];
extern const struct command device_commands[];

/* The server of the profile; free with http_client_free. `*url` (may be NULL) receives its base URL
 * in a new string. */
struct http_client *command_server(char **url, struct error *error);

/* Where the programmer's control socket is: --programmer, $NUSEC_PROGRAMMER, or the usual place. */
const char *command_programmer_endpoint(void);

/* The programmer's control socket; free with control_close. */
struct control *command_programmer(struct error *error);

/* GET of `path` from the profile's server; a new reference, NULL on failure. */
json_t *command_get(const char *path, struct error *error);

/* POST of `request` (taken over, NULL sends {}) to `path`; a new reference, NULL on failure. */
json_t *command_post(const char *path, json_t *request, struct error *error);

/* One request to the programmer without events; `parameters` is taken over. NULL on failure. */
json_t *command_ask_programmer(const char *method, json_t *parameters, struct error *error);

/* A path from a format whose every argument is a string that is percent-encoded (RFC 3986) first:
 * only %s is understood. A new string, NULL when out of memory. */
char *command_path(const char *format, ...);

#endif
