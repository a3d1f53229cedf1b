/* nusec produce */
#include "cli/command.h"
#include "cli/control.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/site.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

static struct {
    struct site_options sites;
    uint64_t units;
    bool dry_run;
    bool check;
} arguments;

static const struct output_column failed_columns[] = {
    {"SITE", "site", OUTPUT_TEXT},     {"UID", "uid", OUTPUT_TEXT},
    {"STATE", "state", OUTPUT_TEXT},   {"STEP", "step", OUTPUT_TEXT},
    {"REASON", "reason", OUTPUT_TEXT}, {"WHAT TO DO", "hint", OUTPUT_TEXT},
};

static const struct output_column result_columns[] = {
    {"identified", "identified", OUTPUT_TEXT},
    {"done", "done", OUTPUT_TEXT},
    {"failed", "failed", OUTPUT_TEXT},
    {"remaining", "remaining", OUTPUT_TEXT},
};

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
        output_fields(stdout, result_columns, 4, result);
    }
    return json_integer_value(json_object_get(result, "failed")) > 0 ? COMMAND_EXIT_UNITS_FAILED
                                                                     : 0;
}

static const struct output_column check_site_columns[] = {
    {"SITE", "site", OUTPUT_TEXT},
    {"POWER", "power", OUTPUT_TEXT},
    {"DEBUG PORT", "debug", OUTPUT_TEXT},
    {"UART", "uart", OUTPUT_TEXT},
    {"WHAT IS WRONG", "problem", OUTPUT_TEXT},
};

static const char *text_of(const json_t *object, const char *member, const char *part) {
    const char *text = json_string_value(json_object_get(json_object_get(object, member), part));

    return text != NULL ? text : "";
}

/* {debug, uart} of a site are objects; a table wants words. */
static json_t *check_row(const json_t *site) {
    const char *problem = text_of(site, "debug", "message");

    if (problem[0] == '\0')
        problem = text_of(site, "uart", "message");
    return json_pack("{s:O,s:O,s:s,s:s,s:s}", "site", json_object_get(site, "site"), "power",
                     json_object_get(site, "power"), "debug", text_of(site, "debug", "state"),
                     "uart", text_of(site, "uart", "state"), "problem", problem);
}

static void print_part(const json_t *result, const char *member) {
    const json_t *part = json_object_get(result, member);
    bool is_ok = json_is_true(json_object_get(part, "ok"));

    (void)printf("%-10s %s%s%s\n", member, is_ok ? "ok" : "NOT OK", is_ok ? "" : ": ",
                 text_of(result, member, "message"));
}

static int finish_check(const json_t *result) {
    json_t *rows = json_array();
    size_t index = 0;
    json_t *site = NULL;

    if (command_common.json) {
        output_json_line(stdout, result);
    } else {
        json_array_foreach(json_object_get(result, "sites"), index, site)(void)
            json_array_append_new(rows, check_row(site));
        output_table(stdout, check_site_columns, 5, rows);
        print_part(result, "server");
        print_part(result, "firmware");
        (void)printf("%-10s %lld\n", "remaining",
                     (long long)json_integer_value(json_object_get(result, "remaining")));
    }
    json_decref(rows);
    return json_is_true(json_object_get(result, "ok")) ? 0 : COMMAND_EXIT_UNITS_FAILED;
}

static int produce(const struct option_list *operands, struct error *error) {
    static struct progress progress;
    size_t index = 0;
    json_t *site = NULL;
    json_t *sites = site_options_read(&arguments.sites, error);
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
    if (arguments.dry_run)
        (void)json_object_set_new(parameters, "dry_run", json_true());
    if (arguments.check)
        (void)json_object_set_new(parameters, "check", json_true());
    json_t *result = control_call(control, "produce", parameters, on_event, &progress, error);
    progress_finish(&progress);
    int exit_code = result == NULL ? -1 : arguments.check ? finish_check(result) : finish(result);
    json_decref(result);
    control_close(control);
    return exit_code;
}

static const struct option_entry produce_entries[] = {
    {OPTION_LIST, "site", "NAME=DEBUG,UART", "a target's debug port and UART; may be repeated",
     &arguments.sites.sites, OPTION_OPTIONAL},
    {OPTION_LIST, "board", "DIR", "a virtual board; may be repeated", &arguments.sites.boards,
     OPTION_OPTIONAL},
    {OPTION_FLAG, "dry-run", NULL, "stop where something would be counted or written for good",
     &arguments.dry_run, OPTION_OPTIONAL},
    {OPTION_FLAG, "check", NULL, "test cables, power, server and remaining count; begin nothing",
     &arguments.check, OPTION_OPTIONAL},
    {OPTION_NUMBER, "units", "N", "stop after N units", &arguments.units, OPTION_OPTIONAL},
    COMMAND_PROGRAMMER_OPTION,
    COMMAND_JSON_OPTION};
static const struct option_set produce_options = COMMAND_OPTION_SET(
    "nusec produce", "JOB --site NAME=DEBUG,UART [options]",
    "Makes one unit at each site, as far as the job allows, and shows how it goes.",
    produce_entries, 1, 1);

const struct command produce_commands[] = {{&produce_options, produce}, {0}};
