/* nusec produce */
#include "cli/command.h"
#include "cli/control.h"
#include "cli/golden.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/site.h"
#include "cli/verdict.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static struct {
    struct site_options sites;
    struct option_list serials; /* SITE=TEXT */
    uint64_t units;
    bool continuous;
    bool dry_run;
    bool check;
    bool golden;
} arguments;

static const struct output_column failed_columns[] = {
    {"SITE", "site", OUTPUT_TEXT},     {"UID", "uid", OUTPUT_TEXT},
    {"STATE", "state", OUTPUT_TEXT},   {"STEP", "step", OUTPUT_TEXT},
    {"REASON", "reason", OUTPUT_TEXT}, {"HINT", "hint", OUTPUT_TEXT},
};

static const struct output_column golden_columns[] = {
    {"SITE", "site", OUTPUT_TEXT},     {"RESULT", "result", OUTPUT_TEXT},
    {"UID", "uid", OUTPUT_TEXT},       {"SECONDS", "seconds", OUTPUT_SECONDS},
    {"REASON", "reason", OUTPUT_TEXT}, {"WHAT TO DO", "action", OUTPUT_TEXT},
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

/* What stopped a line that runs from unit to unit, as an error of its own. */
static int ended_by(const json_t *result, struct error *error) {
    const json_t *ended = json_object_get(result, "ended_by");

    if (ended == NULL)
        return 0;
    const char *code = json_string_value(json_object_get(ended, "code"));
    const char *reason = json_string_value(json_object_get(ended, "reason"));
    const char *hint = json_string_value(json_object_get(ended, "hint"));
    (void)error_set(error, error_code_of_name(code == NULL ? "" : code), "the line stopped: %s",
                    reason == NULL ? "" : reason);
    return error_hint(error, "%s", hint == NULL ? "" : hint);
}

static int finish(const json_t *result, struct error *error) {
    if (command_common.json) {
        output_json_line(stdout, result);
    } else {
        print_units(result);
        (void)fputc('\n', stdout);
        output_fields(stdout, result_columns, sizeof(result_columns) / sizeof(result_columns[0]),
                      result);
    }
    if (ended_by(result, error) != 0)
        return -1;
    return json_integer_value(json_object_get(result, "failed")) > 0 ? COMMAND_EXIT_UNITS_FAILED
                                                                     : 0;
}

/* "SITE=TEXT" into the site it names. */
static int add_serial(json_t *sites, const char *text, struct error *error) {
    const char *equals = strchr(text, '=');
    size_t index = 0;
    json_t *site = NULL;

    json_array_foreach(sites, index, site) {
        const char *name = json_string_value(json_object_get(site, "name"));
        if (equals != NULL && strlen(name) == (size_t)(equals - text) &&
            strncmp(name, text, (size_t)(equals - text)) == 0)
            return json_object_set_new(site, "serial", json_string(equals + 1));
    }
    (void)error_set(error, ERROR_USAGE, "--serial %s: names no site", text);
    return error_hint(error, "for example --serial left=SN0815");
}

static json_t *read_sites(struct error *error) {
    json_t *sites = site_options_read(&arguments.sites, error);

    for (size_t i = 0; sites != NULL && i < arguments.serials.count; i++) {
        if (add_serial(sites, arguments.serials.items[i], error) != 0) {
            json_decref(sites);
            sites = NULL;
        }
    }
    return sites;
}

static json_t *produce_parameters(const char *job, json_t *sites) {
    json_t *parameters = json_pack("{s:s,s:O}", "job_id", job, "sites", sites);

    if (arguments.units > 0)
        (void)json_object_set_new(parameters, "units", json_integer((json_int_t)arguments.units));
    if (arguments.continuous)
        (void)json_object_set_new(parameters, "continuous", json_true());
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

/* The job as the programmer knows it, borrowed from its status; NULL if it does not. */
static const json_t *job_of(const json_t *status, const char *id) {
    size_t index = 0;
    const json_t *job = NULL;

    json_array_foreach(json_object_get(status, "jobs"), index, job) {
        const char *name = json_string_value(json_object_get(job, "id"));
        if (name != NULL && strcmp(name, id) == 0)
            return job;
    }
    return NULL;
}

/* After a power failure: what was cut off, and what will become of it. Returns what remains. */
static long long say_what_is_open(struct control *control, const char *id) {
    struct error error;
    long long remaining = -1;
    json_t *status = control_call(control, "status", NULL, NULL, NULL, &error);
    const json_t *job = job_of(status, id);

    if (job != NULL) {
        long long open = json_integer_value(json_object_get(job, "open"));
        long long unreported = json_integer_value(json_object_get(job, "unreported"));
        remaining = json_integer_value(json_object_get(job, "remaining"));
        if (open > 0 && !command_common.json)
            (void)printf(
                "%lld cut off earlier: each goes on where it stopped when its board is put "
                "in again\n",
                open);
        if (unreported > 0 && !command_common.json)
            (void)printf("%lld ended without the server knowing it: it is told now\n", unreported);
    }
    json_decref(status);
    return remaining;
}

static int make(struct control *control, const char *job, const json_t *sites, json_t *parameters,
                struct error *error) {
    static struct progress progress;
    size_t index = 0;
    const json_t *site = NULL;

    progress_init(&progress, stdout, progress_style(), terminal_columns(),
                  say_what_is_open(control, job));
    json_array_foreach(sites, index, site)
        progress_add_site(&progress, json_string_value(json_object_get(site, "name")));
    json_t *result = control_call(control, "produce", parameters, on_event, &progress, error);
    progress_finish(&progress);
    int exit_code = result == NULL ? -1 : finish(result, error);
    json_decref(result);
    return exit_code;
}

/* The samples are asked one after another: it is the cables that are tested, not the speed. */
static int golden(struct control *control, const char *job, json_t *sites, struct error *error) {
    json_t *units = json_array();
    size_t index = 0;
    json_t *site = NULL;
    int result = 0;

    json_array_foreach(sites, index, site) {
        json_t *unit = golden_check(control, job, site, error);
        if (unit == NULL) {
            json_decref(units);
            return -1;
        }
        const struct verdict verdict = verdict_of(unit);
        (void)json_object_set_new(unit, "result", json_string(verdict.is_pass ? "PASS" : "FAIL"));
        (void)json_object_set_new(unit, "bin", json_integer(verdict.bin));
        (void)json_object_set_new(unit, "action", json_string(verdict.action));
        (void)json_array_append_new(units, unit);
        result = verdict.is_pass ? result : COMMAND_EXIT_UNITS_FAILED;
    }
    if (command_common.json)
        output_json(stdout, units);
    else
        output_table(stdout, golden_columns, sizeof(golden_columns) / sizeof(golden_columns[0]),
                     units);
    json_decref(units);
    return result;
}

/* What cannot be asked for together. */
static int check_modes(struct error *error) {
    bool begins_none = arguments.check || arguments.golden;

    if (begins_none && (arguments.dry_run || arguments.continuous || arguments.units > 0 ||
                        (arguments.check && arguments.golden)))
        return error_set(error, ERROR_USAGE, "--%s begins no unit: it goes alone",
                         arguments.check ? "check" : "golden");
    if (arguments.continuous && (arguments.dry_run || arguments.serials.count > 0))
        return error_set(error, ERROR_USAGE, "--continuous goes without --%s",
                         arguments.dry_run ? "dry-run" : "serial");
    return 0;
}

static int produce(const struct option_list *operands, struct error *error) {
    const char *job = operands->items[0];
    int result = -1;

    if (check_modes(error) != 0)
        return -1;
    json_t *sites = read_sites(error);
    struct control *control = sites == NULL ? NULL : command_programmer(error);
    if (control == NULL)
        result = -1;
    else if (arguments.golden)
        result = golden(control, job, sites, error);
    else if (arguments.check)
        result = check(control, produce_parameters(job, sites), error);
    else
        result = make(control, job, sites, produce_parameters(job, sites), error);
    control_close(control);
    json_decref(sites);
    return result;
}

static const struct option_entry produce_entries[] = {
    {OPTION_LIST, "site", "NAME=DEBUG,UART", "a target's debug port and UART; may be repeated",
     &arguments.sites.sites, OPTION_OPTIONAL},
    {OPTION_LIST, "board", "DIR", "a virtual board; may be repeated", &arguments.sites.boards,
     OPTION_OPTIONAL},
    {OPTION_TEXT, "config", "FILE", "the sites of this programmer (else $NUSEC_SITES)",
     &arguments.sites.config, OPTION_OPTIONAL},
    {OPTION_NUMBER, "sites", "N", "only the first N of them", &arguments.sites.count,
     OPTION_OPTIONAL},
    {OPTION_LIST, "serial", "SITE=TEXT", "what the line calls the board there; may be repeated",
     &arguments.serials, OPTION_OPTIONAL},
    {OPTION_NUMBER, "units", "N", "stop after N units", &arguments.units, OPTION_OPTIONAL},
    {OPTION_FLAG, "continuous", NULL, "go on with the next chip at each site until the job is full",
     &arguments.continuous, OPTION_OPTIONAL},
    {OPTION_FLAG, "dry-run", NULL, "stop each unit before anything is counted or written for good",
     &arguments.dry_run, OPTION_OPTIONAL},
    {OPTION_FLAG, "check", NULL, "only test cables, power, server and the remaining count",
     &arguments.check, OPTION_OPTIONAL},
    {OPTION_FLAG, "golden", NULL, "test each site with a unit that was made under this job",
     &arguments.golden, OPTION_OPTIONAL},
    COMMAND_PROGRAMMER_OPTION,
    COMMAND_JSON_OPTION};
static const struct option_set produce_options = COMMAND_OPTION_SET(
    "nusec produce", "JOB [--site NAME=DEBUG,UART | --config FILE] [options]",
    "Makes one unit at each site, or one after another, as far as the job allows, and shows how it "
    "goes.",
    produce_entries, 1, 1);

const struct command produce_commands[] = {{&produce_options, produce}, {0}};
