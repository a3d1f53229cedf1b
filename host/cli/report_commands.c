/* nusec job report | watch | audit: what became of an order */
#include "cli/command.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/report_files.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LINE_SIZE      512
#define INTERVAL_MAX_S 3600

static struct {
    const char *format;
    uint64_t interval;
} arguments = {.interval = 2};

static const struct output_column report_columns[] = {
    {"job", "id", OUTPUT_TEXT},
    {"product", "product", OUTPUT_TEXT},
    {"state", "state", OUTPUT_TEXT},
    {"expires", "expires", OUTPUT_TIME},
    {"ordered", "ordered", OUTPUT_TEXT},
    {"done", "done", OUTPUT_TEXT},
    {"secured", "secured", OUTPUT_TEXT},
    {"identified", "identified", OUTPUT_TEXT},
    {"reserved", "reserved", OUTPUT_TEXT},
    {"failed", "failed", OUTPUT_TEXT},
    {"scrapped", "scrapped", OUTPUT_TEXT},
    {"remaining", "remaining", OUTPUT_TEXT},
    {"recalled", "recalled", OUTPUT_TEXT},
    {"yield", "yield", OUTPUT_PERCENT},
    {"count adds up", "adds_up", OUTPUT_TEXT},
    {"complete", "complete", OUTPUT_TEXT},
    {"last hour", "last_hour", OUTPUT_TEXT},
    {"per hour", "per_hour", OUTPUT_SECONDS},
    {"first-pass yield", "first_pass_yield", OUTPUT_PERCENT},
    {"started", "started", OUTPUT_TIME},
    {"last", "last", OUTPUT_TIME},
};
#define REPORT_COLUMNS (sizeof(report_columns) / sizeof(report_columns[0]))
static const struct output_column report_unit_columns[] = {
    {"UID", "uid", OUTPUT_TEXT},
    {"STATE", "state", OUTPUT_TEXT},
    {"STEP", "step", OUTPUT_TEXT},
    {"SITE", "site", OUTPUT_TEXT},
    {"SERIAL", "serial", OUTPUT_TEXT},
    {"ATTEMPT", "attempt", OUTPUT_TEXT},
    {"SECONDS", "seconds", OUTPUT_SECONDS},
    {"CERTIFICATE", "certificate_sha256_hex", OUTPUT_SHORT},
    {"UPDATED", "updated", OUTPUT_TIME},
    {"REASON", "reason", OUTPUT_TEXT},
};

static const struct output_column report_cycle_columns[] = {
    {"CYCLE", "step", OUTPUT_TEXT},
    {"COUNT", "count", OUTPUT_TEXT},
    {"MEDIAN", "median_s", OUTPUT_SECONDS},
    {"90 %", "p90_s", OUTPUT_SECONDS},
};
static const struct output_column report_failure_columns[] = {
    {"FAILURES", "step", OUTPUT_TEXT}, {"CAUSE", "code", OUTPUT_TEXT},
    {"COUNT", "count", OUTPUT_TEXT},   {"SHARE", "share", OUTPUT_PERCENT},
    {"", "bar", OUTPUT_TEXT},
};
static const struct output_column report_place_columns[] = {
    {"PLACE", "name", OUTPUT_TEXT},
    {"COMPLETE", "complete", OUTPUT_TEXT},
    {"FAILED", "failed", OUTPUT_TEXT},
    {"SCRAPPED", "scrapped", OUTPUT_TEXT},
    {"LAST HOUR", "last_hour", OUTPUT_TEXT},
    {"PER HOUR", "per_hour", OUTPUT_SECONDS},
    {"FIRST PASS", "first_pass_yield", OUTPUT_PERCENT},
};

#define PLACE_COLUMNS (sizeof(report_place_columns) / sizeof(report_place_columns[0]))

/* The share of each cause as a bar: what to look at first is seen before it is read. */
static void draw_bars(json_t *failures) {
    size_t index = 0;
    json_t *row = NULL;
    char bar[PROGRESS_BAR_SIZE];

    json_array_foreach(failures, index, row) {
        progress_bar(100.0 * json_number_value(json_object_get(row, "share")), bar);
        (void)json_object_set_new(row, "bar", json_string(bar));
    }
}

static void print_numbers(const json_t *report) {
    const json_t *production = json_object_get(report, "production");

    (void)fputc('\n', stdout);
    output_table(stdout, report_cycle_columns, 4, json_object_get(production, "cycle"));
    (void)fputc('\n', stdout);
    draw_bars(json_object_get(production, "failures"));
    output_table(stdout, report_failure_columns, 5, json_object_get(production, "failures"));
    (void)fputc('\n', stdout);
    output_table(stdout, report_place_columns, PLACE_COLUMNS,
                 json_object_get(report, "programmers"));
    (void)fputc('\n', stdout);
    output_table(stdout, report_place_columns, PLACE_COLUMNS, json_object_get(report, "sites"));
}

typedef void report_writer(FILE *out, const json_t *report);

/* NULL: for people. */
static int report_format(report_writer **writer, struct error *error) {
    const char *format = arguments.format;

    *writer = NULL;
    if (format == NULL || strcmp(format, "text") == 0)
        return 0;
    if (strcmp(format, "csv") == 0)
        *writer = report_csv;
    else if (strcmp(format, "junit") == 0)
        *writer = report_junit;
    else
        return error_set(error, ERROR_USAGE, "--format is text, csv or junit, not %s", format);
    return command_common.json ? error_set(error, ERROR_USAGE, "--json is a format of its own") : 0;
}

/* Adds the rows that did not fit into the first answer. */
static int add_rows(const char *job, json_t *report, struct error *error) {
    const char *next = json_string_value(json_object_get(report, "next"));

    while (next != NULL) {
        char *path = command_path("/v1/jobs/%s/units?after=%s", job, next);
        json_t *page = command_get(path, error);
        free(path);
        if (page == NULL || json_array_extend(json_object_get(report, "units"),
                                              json_object_get(page, "units")) != 0) {
            json_decref(page);
            return -1;
        }
        (void)json_object_set(report, "next", json_object_get(page, "next"));
        json_decref(page);
        next = json_string_value(json_object_get(report, "next"));
    }
    (void)json_object_del(report, "next");
    return 0;
}

static int report(const struct option_list *operands, struct error *error) {
    report_writer *write_file = NULL;

    if (report_format(&write_file, error) != 0)
        return -1;
    char *path = command_path("/v1/jobs/%s/report", operands->items[0]);
    json_t *answer = command_get(path, error);

    free(path);
    if (answer != NULL && add_rows(operands->items[0], answer, error) != 0) {
        json_decref(answer);
        return -1;
    }
    if (answer == NULL || command_common.json)
        return output_answer(answer, NULL, NULL, 0);
    if (write_file != NULL) {
        write_file(stdout, answer);
        json_decref(answer);
        return 0;
    }
    json_t *shown = json_deep_copy(json_object_get(answer, "job"));
    (void)json_object_update(shown, json_object_get(answer, "counts"));
    (void)json_object_update_missing(shown, answer);
    (void)json_object_update_missing(shown, json_object_get(answer, "production"));
    output_fields(stdout, report_columns, REPORT_COLUMNS, shown);
    json_decref(shown);
    print_numbers(answer);
    (void)fputc('\n', stdout);
    output_table(stdout, report_unit_columns, 10, json_object_get(answer, "units"));
    json_decref(answer);
    return 0;
}

static const struct output_column finding_columns[] = {{"ENTRY", "sequence", OUTPUT_TEXT},
                                                       {"UNIT", "unit_id", OUTPUT_TEXT},
                                                       {"WHAT", "message", OUTPUT_TEXT}};

/* Disagreement is the worst thing a job can have: never an exit code of 0. */
static int audit(const struct option_list *operands, struct error *error) {
    static const struct output_column columns[] = {{"job", "job_id", OUTPUT_TEXT},
                                                   {"agrees", "agrees", OUTPUT_TEXT},
                                                   {"entries", "entries", OUTPUT_TEXT},
                                                   {"units", "units", OUTPUT_TEXT},
                                                   {"findings", "finding_count", OUTPUT_TEXT}};
    char *path = command_path("/v1/jobs/%s/audit", operands->items[0]);
    json_t *answer = command_get(path, error);
    bool agrees = json_is_true(json_object_get(answer, "agrees"));
    json_t *findings = json_incref(json_object_get(answer, "findings"));

    free(path);
    int result = output_answer(answer, NULL, columns, 5);
    if (result == 0 && !command_common.json && json_array_size(findings) > 0) {
        (void)fputc('\n', stdout);
        output_table(stdout, finding_columns, 3, findings);
    }
    json_decref(findings);
    if (result != 0 || agrees)
        return result;
    return error_exit_code(ERROR_LEDGER_DIVERGED);
}

/* watch */

/* A live view: what changes, and where the job stands. */
struct watch {
    size_t drawn;         /* lines on the terminal above the cursor */
    char last[LINE_SIZE]; /* printed last into a pipe */
    bool is_lost;         /* the server does not answer for the moment */
    bool is_over;
    bool is_short; /* fewer are complete than were ordered */
};

static json_int_t count_of(const json_t *report, const char *name) {
    return json_integer_value(json_object_get(json_object_get(report, "counts"), name));
}

static const char *state_of(const json_t *report) {
    const char *state = json_string_value(json_object_get(json_object_get(report, "job"), "state"));

    return state != NULL ? state : "";
}

static json_int_t complete_of(const json_t *report) {
    return json_integer_value(json_object_get(json_object_get(report, "production"), "complete"));
}

/* Begun, and neither complete, failed nor scrapped. */
static json_int_t under_way(const json_t *report) {
    return count_of(report, "reserved") + count_of(report, "identified") +
           count_of(report, "secured") + count_of(report, "done") - complete_of(report);
}

/* No unit may begin any more. */
static bool is_ended(const json_t *report) {
    json_int_t expires =
        json_integer_value(json_object_get(json_object_get(report, "job"), "expires"));

    return count_of(report, "remaining") == 0 || clock_now_s(&clock_system) >= (uint64_t)expires;
}

/* Nothing more will come. */
static bool is_over(const json_t *report) {
    return strcmp(state_of(report), "stopped") == 0 || (is_ended(report) && under_way(report) == 0);
}

static void summary_line(const json_t *report, char line[LINE_SIZE]) {
    const json_t *production = json_object_get(report, "production");
    json_int_t complete = complete_of(report);
    json_int_t ordered = count_of(report, "ordered");
    char bar[PROGRESS_BAR_SIZE];
    char scrapped[48] = "";

    /* Rare, so that a line is not made longer by it. */
    if (count_of(report, "scrapped") > 0)
        (void)snprintf(scrapped, sizeof(scrapped), " %lld scrapped,",
                       (long long)count_of(report, "scrapped"));
    progress_bar(ordered > 0 ? 100.0 * (double)complete / (double)ordered : 0, bar);
    (void)snprintf(line, LINE_SIZE,
                   "%s %lld of %lld complete, %lld failed,%s %lld remaining, %s; %lld in the last "
                   "hour, first pass %.1f %%",
                   bar, (long long)complete, (long long)ordered,
                   (long long)count_of(report, "failed"), scrapped,
                   (long long)count_of(report, "remaining"), state_of(report),
                   (long long)json_integer_value(json_object_get(production, "last_hour")),
                   100.0 * json_number_value(json_object_get(production, "first_pass_yield")));
}

static void draw_line(struct watch *watch, size_t columns, const char *text) {
    (void)printf("\r\033[K%.*s\n", (int)columns - 1, text);
    watch->drawn++;
}

static void place_line(const json_t *place, char line[LINE_SIZE]) {
    char name[PROGRESS_TEXT_SIZE];

    output_text(place, "name", OUTPUT_TEXT, name, sizeof(name));
    (void)snprintf(line, LINE_SIZE, "  %-16.16s %8lld complete %6lld failed %8.1f per hour", name,
                   (long long)json_integer_value(json_object_get(place, "complete")),
                   (long long)json_integer_value(json_object_get(place, "failed")),
                   json_number_value(json_object_get(place, "per_hour")));
}

static void draw(struct watch *watch, const json_t *report) {
    struct winsize size = {0};
    char line[LINE_SIZE];
    size_t index = 0;
    const json_t *site = NULL;
    size_t columns = 80;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        columns = size.ws_col;
    if (watch->drawn > 0)
        (void)printf("\033[%zuA\033[J", watch->drawn);
    watch->drawn = 0;
    summary_line(report, line);
    draw_line(watch, columns, line);
    json_array_foreach(json_object_get(report, "sites"), index, site) {
        /* The screen may be lower than the line is long. */
        if (size.ws_row > 0 && watch->drawn + 2 >= size.ws_row)
            break;
        place_line(site, line);
        draw_line(watch, columns, line);
    }
    (void)fflush(stdout);
}

static void show(struct watch *watch, const json_t *report) {
    char line[LINE_SIZE];

    if (command_common.json) {
        output_json_line(stdout, report);
    } else if (isatty(STDOUT_FILENO)) {
        draw(watch, report);
    } else {
        summary_line(report, line);
        if (strcmp(line, watch->last) != 0)
            (void)printf("%s\n", line);
        (void)snprintf(watch->last, sizeof(watch->last), "%s", line);
        (void)fflush(stdout);
    }
}

/* One look. A server that is away for a while is waited for: the line goes on without it, too. */
static int look(struct watch *watch, struct http_client **server, const char *path,
                struct error *error) {
    json_t *report = NULL;

    if (*server == NULL)
        *server = command_server(NULL, error);
    if (*server == NULL)
        return -1;
    if (http_client_get(*server, path, &report, error) != 0) {
        if (!http_client_is_transient(*server, error))
            return -1;
        if (!watch->is_lost)
            (void)fprintf(stderr, "nusec: %s; waiting for it\n", error->message);
        watch->is_lost = true;
        watch->drawn = 0;
        return 0;
    }
    watch->is_lost = false;
    show(watch, report);
    watch->is_over = is_over(report);
    watch->is_short = complete_of(report) < count_of(report, "ordered");
    json_decref(report);
    return 0;
}

/* Whoever watches a job of a million units may not keep the server busy with it: at least four
 * times as long as the answer took. */
static unsigned pause_after(uint64_t look_us) {
    unsigned pause = (unsigned)(4 * look_us / 1000000);

    return pause > arguments.interval ? pause : (unsigned)arguments.interval;
}

static int watch_job(const struct option_list *operands, struct error *error) {
    struct watch watch = {.drawn = 0};
    struct http_client *server = NULL;
    char *base = command_path("/v1/jobs/%s/report", operands->items[0]);
    char path[512];
    int result = 0;

    if (arguments.interval == 0 || arguments.interval > INTERVAL_MAX_S)
        result = error_set(error, ERROR_USAGE, "--interval is 1 to %d seconds", INTERVAL_MAX_S);
    (void)snprintf(path, sizeof(path), "%s?units=0", base != NULL ? base : "");
    free(base);
    while (result == 0 && !watch.is_over) {
        uint64_t begin = clock_monotonic_us();

        result = look(&watch, &server, path, error);
        if (result == 0 && !watch.is_over)
            (void)sleep(pause_after(clock_monotonic_us() - begin));
    }
    http_client_free(server);
    return result == 0 && watch.is_short ? COMMAND_EXIT_UNITS_FAILED : result;
}

static const struct option_entry audit_entries[] = {COMMAND_PROFILE_OPTION, COMMAND_JSON_OPTION};
static const struct option_entry report_entries[] = {{OPTION_TEXT, "format", "NAME",
                                                      "text (default), csv or junit",
                                                      &arguments.format, OPTION_OPTIONAL},
                                                     COMMAND_PROFILE_OPTION,
                                                     COMMAND_JSON_OPTION};
static const struct option_set report_options = COMMAND_OPTION_SET(
    "nusec job report", "JOB [options]", "Shows the status report of a job: its counts and units.",
    report_entries, 1, 1);

static const struct option_set audit_options = COMMAND_OPTION_SET(
    "nusec job audit", "JOB [options]",
    "Replays the ledger of a job and holds its units and counts against it.", audit_entries, 1, 1);

static const struct option_entry watch_entries[] = {{OPTION_NUMBER, "interval", "SECONDS",
                                                     "between two looks (2)", &arguments.interval,
                                                     OPTION_OPTIONAL},
                                                    COMMAND_PROFILE_OPTION,
                                                    COMMAND_JSON_OPTION};
static const struct option_set watch_options = COMMAND_OPTION_SET(
    "nusec job watch", "JOB [--interval SECONDS] [options]",
    "Shows how a job goes until it is over: progress, rate and yield, a line per site.",
    watch_entries, 1, 1);

const struct command report_commands[] = {
    {&report_options, report}, {&watch_options, watch_job}, {&audit_options, audit}, {0}};
