/* nusec programmer prepare | status | list | show | revoke | rotate */
#include "cli/command.h"
#include "cli/confirm.h"
#include "cli/output.h"
#include "cli/prepare.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

#define KEY_AGE_MAX_S ((uint64_t)365 * 24 * 3600)

static struct prepare arguments = {.software_version = NUSEC_VERSION};
static struct {
    const char *reason;
    bool yes;
} revocation;

static const struct output_column prepare_columns[] = {
    {"programmer", "programmer_id", OUTPUT_TEXT},
    {"certificate SHA-256", "certificate_sha256_hex", OUTPUT_TEXT},
    {"assurance", "assurance", OUTPUT_TEXT},
    {"epoch", "epoch", OUTPUT_TEXT},
    {"software", "software_id", OUTPUT_TEXT},
};

static const struct output_column list_columns[] = {
    {"ID", "id", OUTPUT_TEXT},           {"NAME", "name", OUTPUT_TEXT},
    {"STATE", "state", OUTPUT_TEXT},     {"ASSURANCE", "assurance", OUTPUT_TEXT},
    {"EPOCH", "epoch", OUTPUT_TEXT},     {"CERTIFICATE", "certificate_sha256_hex", OUTPUT_SHORT},
    {"CREATED", "created", OUTPUT_TIME}, {"KEY AGREED", "agreed", OUTPUT_TIME},
};

static const struct output_column show_columns[] = {
    {"id", "id", OUTPUT_TEXT},
    {"name", "name", OUTPUT_TEXT},
    {"state", "state", OUTPUT_TEXT},
    {"assurance", "assurance", OUTPUT_TEXT},
    {"epoch", "epoch", OUTPUT_TEXT},
    {"certificate SHA-256", "certificate_sha256_hex", OUTPUT_TEXT},
    {"created", "created", OUTPUT_TIME},
    {"key agreed", "agreed", OUTPUT_TIME},
};

static const struct output_column status_columns[] = {
    {"name", "name", OUTPUT_TEXT},
    {"prepared", "prepared", OUTPUT_TEXT},
    {"programmer", "programmer_id", OUTPUT_TEXT},
    {"assurance", "assurance", OUTPUT_TEXT},
    {"epoch", "epoch", OUTPUT_TEXT},
    {"software", "software_version", OUTPUT_TEXT},
    {"import floor", "import_floor", OUTPUT_TEXT},
    {"problem", "problem", OUTPUT_TEXT}, /* the last: not always there */
};
static const struct output_column status_job_columns[] = {
    {"JOB", "id", OUTPUT_TEXT},          {"STATE", "state", OUTPUT_TEXT},
    {"COUNT", "count", OUTPUT_TEXT},     {"REMAINING", "remaining", OUTPUT_TEXT},
    {"EXPIRES", "expires", OUTPUT_TIME},
};

static int prepare(const struct option_list *operands, struct error *error) {
    (void)operands;
    return output_answer(prepare_programmer(&arguments, error), NULL, prepare_columns, 5);
}

static int status(const struct option_list *operands, struct error *error) {
    json_t *answer = command_ask_programmer("status", NULL, error);

    (void)operands;
    if (answer == NULL || command_common.json)
        return output_answer(answer, NULL, NULL, 0);
    output_fields(stdout, status_columns, json_object_get(answer, "problem") != NULL ? 8 : 7,
                  answer);
    (void)fputc('\n', stdout);
    output_table(stdout, status_job_columns, 5, json_object_get(answer, "jobs"));
    json_decref(answer);
    return 0;
}

static const struct output_column affected_columns[] = {
    {"JOB", "job_id", OUTPUT_TEXT},
    {"RESERVED", "reserved", OUTPUT_TEXT},
    {"IDENTIFIED", "identified", OUTPUT_TEXT},
    {"SECURED", "secured", OUTPUT_TEXT},
    {"DONE", "done", OUTPUT_TEXT},
    {"FAILED", "failed", OUTPUT_TEXT},
};

static void affected_print(FILE *out, const json_t *affected) {
    json_t *rows = json_array();
    size_t index = 0;
    json_t *job = NULL;

    json_array_foreach(json_object_get(affected, "jobs"), index, job) {
        json_t *row = json_deep_copy(json_object_get(job, "units"));
        (void)json_object_set(row, "job_id", json_object_get(job, "job_id"));
        (void)json_array_append_new(rows, row);
    }
    output_table(out, affected_columns, 6, rows);
    json_decref(rows);
}

/* AES_NuLink3 is to be agreed anew every year. */
static void remind_rotation(const json_t *programmer) {
    uint64_t agreed = (uint64_t)json_integer_value(json_object_get(programmer, "agreed"));
    const char *state = json_string_value(json_object_get(programmer, "state"));

    if (agreed != 0 && state != NULL && strcmp(state, "ready") == 0 &&
        clock_now_s(&clock_system) > agreed + KEY_AGE_MAX_S)
        (void)fprintf(stderr,
                      "the package key of %s is more than a year old: nusec programmer rotate\n",
                      json_string_value(json_object_get(programmer, "id")));
}

static int list(const struct option_list *operands, struct error *error) {
    (void)operands;
    json_t *answer = command_get("/v1/programmers", error);
    size_t index = 0;
    json_t *programmer = NULL;

    json_array_foreach(json_object_get(answer, "programmers"), index, programmer) {
        remind_rotation(programmer);
    }
    return output_answer(answer, "programmers", list_columns, 8);
}

static int show(const struct option_list *operands, struct error *error) {
    char *path = command_path("/v1/programmers/%s", operands->items[0]);
    json_t *answer = command_get(path, error);

    free(path);
    if (answer != NULL)
        remind_rotation(answer);
    return output_answer(answer, NULL, show_columns, 8);
}

/* What hangs on it is shown before it is asked for. */
static int confirm_revocation(const char *id, struct error *error) {
    char *path = command_path("/v1/programmers/%s/affected", id);
    json_t *affected = command_get(path, error);
    char question[256];
    int result = -1;

    free(path);
    if (affected != NULL) {
        if (!command_common.json)
            affected_print(stderr, affected);
        (void)snprintf(
            question, sizeof question,
            "The server will refuse %s everything, for good. Its %lld units stay as they "
            "are.",
            id, (long long)json_integer_value(json_object_get(affected, "unit_count")));
        result = confirm(revocation.yes, question, id, error);
    }
    json_decref(affected);
    return result;
}

static int revoke(const struct option_list *operands, struct error *error) {
    const char *id = operands->items[0];

    if (confirm_revocation(id, error) != 0)
        return -1;
    json_t *request = json_object();
    if (revocation.reason != NULL)
        (void)json_object_set_new(request, "reason", json_string(revocation.reason));
    char *path = command_path("/v1/programmers/%s/revoke", id);
    json_t *answer = command_post(path, request, error);
    free(path);
    json_decref(answer);
    if (answer == NULL)
        return -1;
    /* As it stands now: what was begun meanwhile is in it. */
    path = command_path("/v1/programmers/%s/affected", id);
    answer = command_get(path, error);
    free(path);
    if (answer == NULL || command_common.json)
        return output_answer(answer, NULL, NULL, 0);
    (void)printf("revoked %s\n", id);
    json_decref(answer);
    return 0;
}

static int rotate(const struct option_list *operands, struct error *error) {
    static const struct output_column columns[] = {{"programmer", "programmer_id", OUTPUT_TEXT},
                                                   {"epoch", "epoch", OUTPUT_TEXT}};
    (void)operands;
    json_t *answer = prepare_rotate(error);
    if (answer != NULL && !command_common.json)
        (void)fputs("packages that were exported before and are not imported yet must be exported "
                    "again\n",
                    stderr);
    return output_answer(answer, NULL, columns, 2);
}

static const struct option_entry prepare_entries[] = {
    {OPTION_TEXT, "name", "NAME", "how the programmer is called", &arguments.name, OPTION_REQUIRED},
    {OPTION_TEXT, "software", "FILE", "the programmer's own executable, to be signed",
     &arguments.software, OPTION_REQUIRED},
    {OPTION_TEXT, "software-version", "TEXT", "its version (default: that of nusec)",
     &arguments.software_version, OPTION_OPTIONAL},
    {OPTION_TEXT, "assurance", "LEVEL",
     "enrol it with this assurance (default: what its key store is)", &arguments.assurance,
     OPTION_OPTIONAL},
    COMMAND_PROGRAMMER_OPTION,
    COMMAND_PROFILE_OPTION,
    COMMAND_JSON_OPTION};
static const struct option_set prepare_options =
    COMMAND_OPTION_SET("nusec programmer prepare", "--name NAME --software FILE [options]",
                       "Prepares a programmer for a factory. It gets its certificate, the trust "
                       "anchors, the key that\n"
                       "opens packages, and its own signed software. To be done in a trusted room.",
                       prepare_entries, 0, 0);

static const struct option_entry status_entries[] = {COMMAND_PROGRAMMER_OPTION,
                                                     COMMAND_JSON_OPTION};
static const struct option_set status_options =
    COMMAND_OPTION_SET("nusec programmer status", "[options]",
                       "Shows what the connected programmer is ready for.", status_entries, 0, 0);

static const struct option_entry server_entries[] = {COMMAND_PROFILE_OPTION, COMMAND_JSON_OPTION};
static const struct option_set list_options =
    COMMAND_OPTION_SET("nusec programmer list", "[options]",
                       "Lists the programmers that were prepared.", server_entries, 0, 0);
static const struct option_set show_options = COMMAND_OPTION_SET(
    "nusec programmer show", "ID [options]", "Shows one programmer.", server_entries, 1, 1);
static const struct option_entry revoke_entries[] = {
    {OPTION_TEXT, "reason", "TEXT", "why, for the record", &revocation.reason, OPTION_OPTIONAL},
    {OPTION_FLAG, "yes", NULL, "do not ask", &revocation.yes, OPTION_OPTIONAL},
    COMMAND_PROFILE_OPTION,
    COMMAND_JSON_OPTION};
static const struct option_set revoke_options =
    COMMAND_OPTION_SET("nusec programmer revoke", "ID [--reason TEXT] [--yes] [options]",
                       "Shows what a programmer has made and revokes it: from now on the server "
                       "refuses it everything.",
                       revoke_entries, 1, 1);
static const struct option_entry rotate_entries[] = {COMMAND_PROGRAMMER_OPTION,
                                                     COMMAND_PROFILE_OPTION, COMMAND_JSON_OPTION};
static const struct option_set rotate_options = COMMAND_OPTION_SET(
    "nusec programmer rotate", "[options]",
    "Agrees a new package key (AES_NuLink3) between the connected programmer and the server. To be "
    "done\nyearly; jobs that were imported before go on.",
    rotate_entries, 0, 0);

const struct command programmer_commands[] = {{&prepare_options, prepare},
                                              {&status_options, status},
                                              {&list_options, list},
                                              {&show_options, show},
                                              {&revoke_options, revoke},
                                              {&rotate_options, rotate},
                                              {0}};
