/* nusec produce */
#include "cli/command.h"
#include "cli/control.h"
#include "cli/output.h"
#include "cli/progress.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static struct {
    struct option_list sites;
    struct option_list boards;
    uint64_t units;
} arguments;

static const struct output_column failed_columns[] = {
    {"SITE", "site", OUTPUT_TEXT},     {"UID", "uid", OUTPUT_TEXT},
    {"STATE", "state", OUTPUT_TEXT},   {"STEP", "step", OUTPUT_TEXT},
    {"REASON", "reason", OUTPUT_TEXT}, {"WHAT TO DO", "hint", OUTPUT_TEXT},
};

static const struct output_column result_columns[] = {
    {"identified", "identified", OUTPUT_TEXT},
    {"failed", "failed", OUTPUT_TEXT},
    {"remaining", "remaining", OUTPUT_TEXT},
};

/* "NAME=DEBUG,UART" */
static json_t *parse_site(const char *text, struct error *error) {
    const char *equals = strchr(text, '=');
    const char *comma = equals == NULL ? NULL : strchr(equals, ',');

    if (comma == NULL || equals == text || comma == equals + 1 || comma[1] == '\0' ||
        strchr(comma + 1, ',') != NULL) {
        (void)error_set(error, ERROR_USAGE, "--site %s: not NAME=DEBUG,UART", text);
        (void)error_hint(error, "for example --site left=tcp:localhost:3333,/dev/ttyACM0");
        return NULL;
    }
    return json_pack("{s:s%,s:s%,s:s}", "name", text, (size_t)(equals - text), "debug", equals + 1,
                     (size_t)(comma - equals - 1), "uart", comma + 1);
}

/* A virtual board's folder; the last part of its path names the site. */
static json_t *board_site(const char *folder) {
    size_t size = strlen(folder);

    while (size > 1 && folder[size - 1] == '/')
        size--;
    size_t start = size;
    while (start > 0 && folder[start - 1] != '/')
        start--;
    int length = (int)size;
    char debug[512];
    char uart[512];
    (void)snprintf(debug, sizeof(debug), "unix:%.*s/debug", length, folder);
    (void)snprintf(uart, sizeof(uart), "unix:%.*s/uart", length, folder);
    return json_pack("{s:s%,s:s,s:s}", "name", folder + start, size - start, "debug", debug, "uart",
                     uart);
}

static int add_site(json_t *sites, json_t *site, struct error *error) {
    size_t index = 0;
    const json_t *other = NULL;

    if (site == NULL)
        return -1;
    const char *name = json_string_value(json_object_get(site, "name"));
    json_array_foreach(sites, index, other) {
        if (strcmp(name, json_string_value(json_object_get(other, "name"))) == 0) {
            (void)error_set(error, ERROR_USAGE, "two sites are called %s", name);
            json_decref(site);
            return -1;
        }
    }
    return json_array_append_new(sites, site);
}

static json_t *read_sites(struct error *error) {
    json_t *sites = json_array();
    int result = 0;

    for (size_t i = 0; i < arguments.sites.count && result == 0; i++)
        result = add_site(sites, parse_site(arguments.sites.items[i], error), error);
    for (size_t i = 0; i < arguments.boards.count && result == 0; i++)
        result = add_site(sites, board_site(arguments.boards.items[i]), error);
    if (result == 0 && json_array_size(sites) == 0)
        result = error_set(error, ERROR_USAGE, "give at least one --site or --board");
    if (result != 0) {
        json_decref(sites);
        return NULL;
    }
    return sites;
}

static void on_event(void *context, const json_t *event) {
    progress_event(context, event);
}

static enum progress_style progress_style(void) {
    if (command_common.json)
        return PROGRESS_JSON;
    return isatty(STDOUT_FILENO) ? PROGRESS_TERMINAL : PROGRESS_LINES;
}

/* Why, and what to do with it, for every chip that has to go into the red box. */
static void print_failures(const json_t *result) {
    json_t *failures = json_array();
    size_t index = 0;
    json_t *unit = NULL;

    json_array_foreach(json_object_get(result, "units"), index, unit) {
        if (json_object_get(unit, "code") != NULL)
            (void)json_array_append(failures, unit);
    }
    if (json_array_size(failures) > 0) {
        (void)fputc('\n', stdout);
        output_table(stdout, failed_columns, sizeof(failed_columns) / sizeof(failed_columns[0]),
                     failures);
    }
    json_decref(failures);
}

static size_t terminal_columns(void) {
    struct winsize size = {0};

    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

static int finish(const json_t *result) {
    if (command_common.json) {
        output_json_line(stdout, result);
    } else {
        print_failures(result);
        (void)fputc('\n', stdout);
        output_fields(stdout, result_columns, 3, result);
    }
    return json_integer_value(json_object_get(result, "failed")) > 0 ? COMMAND_EXIT_UNITS_FAILED
                                                                     : 0;
}

static int produce(const struct option_list *operands, struct error *error) {
    static struct progress progress;
    size_t index = 0;
    json_t *site = NULL;
    json_t *sites = read_sites(error);
    struct control *control = sites == NULL ? NULL : command_programmer(error);

    if (control == NULL) {
        json_decref(sites);
        return -1;
    }
    progress_init(&progress, stdout, progress_style(), terminal_columns());
    json_array_foreach(sites, index, site)
        progress_add_site(&progress, json_string_value(json_object_get(site, "name")));
    json_t *parameters = json_pack("{s:s,s:o}", "job_id", operands->items[0], "sites", sites);
    if (arguments.units > 0)
        (void)json_object_set_new(parameters, "units", json_integer((json_int_t)arguments.units));
    json_t *result = control_call(control, "produce", parameters, on_event, &progress, error);
    progress_finish(&progress);
    int exit_code = result == NULL ? -1 : finish(result);
    json_decref(result);
    control_close(control);
    return exit_code;
}

static const struct option_entry produce_entries[] = {
    {OPTION_LIST, "site", "NAME=DEBUG,UART", "a target's debug port and UART; may be repeated",
     &arguments.sites, OPTION_OPTIONAL},
    {OPTION_LIST, "board", "DIR", "a virtual board; may be repeated", &arguments.boards,
     OPTION_OPTIONAL},
    {OPTION_NUMBER, "units", "N", "stop after N units", &arguments.units, OPTION_OPTIONAL},
    COMMAND_PROGRAMMER_OPTION,
    COMMAND_JSON_OPTION};
static const struct option_set produce_options = COMMAND_OPTION_SET(
    "nusec produce", "JOB --site NAME=DEBUG,UART [options]",
    "Makes one unit at each site, as far as the job allows, and shows how it goes.",
    produce_entries, 1, 1);

const struct command produce_commands[] = {{&produce_options, produce}, {0}};
