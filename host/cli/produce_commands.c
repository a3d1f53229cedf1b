/* nusec produce */
#include "cli/command.h"
#include "cli/control.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/site.h"

#include <string.h>
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

static const struct output_column planned_columns[] = {
    {"SITE", "site", OUTPUT_TEXT},
    {"UID", "uid", OUTPUT_TEXT},
    {"NEXT STEP", "step", OUTPUT_TEXT},
    {"WHAT WOULD BE DONE", "message", OUTPUT_TEXT},
};

static const struct output_column result_columns[] = {
    {"done", "done", OUTPUT_TEXT},
    {"identified", "identified", OUTPUT_TEXT},
    {"failed", "failed", OUTPUT_TEXT},
    {"remaining", "remaining", OUTPUT_TEXT},
};

static const struct output_column check_columns[] = {
    {"ready", "ok", OUTPUT_TEXT},
    {"job", "state", OUTPUT_TEXT},
    {"remaining", "remaining", OUTPUT_TEXT},
    {"server", "server_text", OUTPUT_TEXT},
    {"DevAuth image", "firmware_text", OUTPUT_TEXT},
};

static const struct output_column check_site_columns[] = {
    {"SITE", "site", OUTPUT_TEXT},
    {"READY", "ok", OUTPUT_TEXT},
    {"POWER", "power", OUTPUT_TEXT},
    {"DEBUG", "debug_state", OUTPUT_TEXT},
    {"UART", "uart_state", OUTPUT_TEXT},
    {"UID", "uid", OUTPUT_TEXT},
    {"STAGE", "stage", OUTPUT_TEXT},
    {"LIFE CYCLE", "life_cycle", OUTPUT_TEXT},
    {"WHAT IS WRONG", "message", OUTPUT_TEXT},
};

static void on_event(void *context, const json_t *event) {
    progress_event(context, event);
}

static enum progress_style progress_style(void) {
    if (command_common.json)
        return PROGRESS_JSON;
    return isatty(STDOUT_FILENO) ? PROGRESS_TERMINAL : PROGRESS_LINES;
}

static void print_rows(const struct output_column *columns, size_t count, const json_t *rows) {
    (void)fputc('\n', stdout);
    output_table(stdout, columns, count, rows);
}
#define PRINT_ROWS(columns, rows) print_rows(columns, sizeof(columns) / sizeof((columns)[0]), rows)

static bool is_planned(const json_t *unit) {
    const char *state = json_string_value(json_object_get(unit, "state"));

    return state != NULL && strcmp(state, "planned") == 0;
}

/* Why, and what to do with it, for every chip that has to go into the red box; and the plan of a
 * dry run. */
static void print_units(const json_t *result) {
    json_t *failures = json_array();
    json_t *planned = json_array();
    size_t index = 0;
    json_t *unit = NULL;

    json_array_foreach(json_object_get(result, "units"), index, unit) {
        if (json_object_get(unit, "code") != NULL)
            (void)json_array_append(failures, unit);
        else if (is_planned(unit))
            (void)json_array_append(planned, unit);
    }
    if (json_array_size(planned) > 0)
        PRINT_ROWS(planned_columns, planned);
    if (json_array_size(failures) > 0)
        PRINT_ROWS(failed_columns, failures);
    json_decref(failures);
    json_decref(planned);
}

static size_t terminal_columns(void) {
    struct winsize size = {0};

    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

static int finish(const json_t *result) {
    if (command_common.json) {
        output_json_line(stdout, result);
    } else {
        print_units(result);
        (void)fputc('\n', stdout);
        output_fields(stdout, result_columns, sizeof(result_columns) / sizeof(result_columns[0]),
                      result);
    }
    return json_integer_value(json_object_get(result, "failed")) > 0 ? COMMAND_EXIT_UNITS_FAILED
                                                                     : 0;
}

static json_t *produce_parameters(const char *job, json_t *sites) {
    json_t *parameters = json_pack("{s:s,s:O}", "job_id", job, "sites", sites);

    if (arguments.units > 0)
        (void)json_object_set_new(parameters, "units", json_integer((json_int_t)arguments.units));
    if (arguments.dry_run)
        (void)json_object_set_new(parameters, "dry_run", json_true());
    if (arguments.check)
        (void)json_object_set_new(parameters, "check", json_true());
    return parameters;
}

/* "ok" or what is wrong, of a member {ok, code, message}. */
static void add_finding(json_t *to, const char *name, const json_t *finding) {
    const json_t *message = json_object_get(finding, "message");

    (void)json_object_set_new(to, name,
                              json_string(json_is_true(json_object_get(finding, "ok")) ? "ok"
                                          : message == NULL ? "not checked"
                                                            : json_string_value(message)));
}

/* What was found at one site, as one row. */
static json_t *check_row(const json_t *site) {
    const json_t *debug = json_object_get(site, "debug");
    const json_t *uart = json_object_get(site, "uart");
    const json_t *debug_message = json_object_get(debug, "message");
    const json_t *uart_message = json_object_get(uart, "message");
    json_t *row = json_copy((json_t *)site);

    (void)json_object_update_missing(row, json_object_get(uart, "chip"));
    (void)json_object_set(row, "debug_state", json_object_get(debug, "state"));
    (void)json_object_set(row, "uart_state", json_object_get(uart, "state"));
    (void)json_object_set(row, "message",
                          (json_t *)(uart_message != NULL ? uart_message : debug_message));
    return row;
}

static void print_check(const json_t *result) {
    json_t *shown = json_copy((json_t *)result);
    json_t *rows = json_array();
    size_t index = 0;
    const json_t *site = NULL;

    add_finding(shown, "server_text", json_object_get(result, "server"));
    add_finding(shown, "firmware_text", json_object_get(result, "firmware"));
    json_array_foreach(json_object_get(result, "sites"), index, site)(void)
        json_array_append_new(rows, check_row(site));
    output_fields(stdout, check_columns, sizeof(check_columns) / sizeof(check_columns[0]), shown);
    PRINT_ROWS(check_site_columns, rows);
    json_decref(rows);
    json_decref(shown);
}

/* Nothing is begun: no progress, one answer. */
static int check(struct control *control, json_t *parameters, struct error *error) {
    json_t *result = control_call(control, "produce", parameters, NULL, NULL, error);

    if (result == NULL)
        return -1;
    if (command_common.json)
        output_json(stdout, result);
    else
        print_check(result);
    bool is_ready = json_is_true(json_object_get(result, "ok"));
    json_decref(result);
    return is_ready ? 0 : COMMAND_EXIT_UNITS_FAILED;
}

static int make(struct control *control, json_t *parameters, const json_t *sites,
                struct error *error) {
    static struct progress progress;
    size_t index = 0;
    const json_t *site = NULL;

    progress_init(&progress, stdout, progress_style(), terminal_columns());
    json_array_foreach(sites, index, site)
        progress_add_site(&progress, json_string_value(json_object_get(site, "name")));
    json_t *result = control_call(control, "produce", parameters, on_event, &progress, error);
    progress_finish(&progress);
    int exit_code = result == NULL ? -1 : finish(result);
    json_decref(result);
    return exit_code;
}

static int produce(const struct option_list *operands, struct error *error) {
    int result = -1;

    if (arguments.check && (arguments.dry_run || arguments.units > 0))
        return error_set(error, ERROR_USAGE, "--check begins no unit: it goes alone");
    json_t *sites = site_options_read(&arguments.sites, error);
    struct control *control = sites == NULL ? NULL : command_programmer(error);
    if (control != NULL) {
        json_t *parameters = produce_parameters(operands->items[0], sites);
        result = arguments.check ? check(control, parameters, error)
                                 : make(control, parameters, sites, error);
    }
    control_close(control);
    json_decref(sites);
    return result;
}

static const struct option_entry produce_entries[] = {
    {OPTION_LIST, "site", "NAME=DEBUG,UART", "a target's debug port and UART; may be repeated",
     &arguments.sites.sites, OPTION_OPTIONAL},
    {OPTION_LIST, "board", "DIR", "a virtual board; may be repeated", &arguments.sites.boards,
     OPTION_OPTIONAL},
    {OPTION_NUMBER, "units", "N", "stop after N units", &arguments.units, OPTION_OPTIONAL},
    {OPTION_FLAG, "dry-run", NULL, "stop each unit before anything is counted or written for good",
     &arguments.dry_run, OPTION_OPTIONAL},
    {OPTION_FLAG, "check", NULL, "only test cables, power, server and the remaining count",
     &arguments.check, OPTION_OPTIONAL},
    COMMAND_PROGRAMMER_OPTION,
    COMMAND_JSON_OPTION};
static const struct option_set produce_options = COMMAND_OPTION_SET(
    "nusec produce", "JOB --site NAME=DEBUG,UART [options]",
    "Makes one unit at each site, as far as the job allows, and shows how it goes.",
    produce_entries, 1, 1);

const struct command produce_commands[] = {{&produce_options, produce}, {0}};
