/* nusec programmer prepare | status | list | show | revoke */
#include "cli/command.h"
#include "cli/output.h"
#include "cli/prepare.h"

#include <stdlib.h>

static struct prepare arguments = {.software_version = NUSEC_VERSION};

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
    {"CREATED", "created", OUTPUT_TIME},
};

static const struct output_column show_columns[] = {
    {"id", "id", OUTPUT_TEXT},
    {"name", "name", OUTPUT_TEXT},
    {"state", "state", OUTPUT_TEXT},
    {"assurance", "assurance", OUTPUT_TEXT},
    {"epoch", "epoch", OUTPUT_TEXT},
    {"certificate SHA-256", "certificate_sha256_hex", OUTPUT_TEXT},
    {"created", "created", OUTPUT_TIME},
};

static const struct output_column status_columns[] = {
    {"name", "name", OUTPUT_TEXT},
    {"prepared", "prepared", OUTPUT_TEXT},
    {"programmer", "programmer_id", OUTPUT_TEXT},
    {"assurance", "assurance", OUTPUT_TEXT},
    {"epoch", "epoch", OUTPUT_TEXT},
    {"software", "software_version", OUTPUT_TEXT},
    {"import floor", "import_floor", OUTPUT_TEXT},
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
    output_fields(stdout, status_columns, 7, answer);
    (void)fputc('\n', stdout);
    output_table(stdout, status_job_columns, 5, json_object_get(answer, "jobs"));
    json_decref(answer);
    return 0;
}

static int list(const struct option_list *operands, struct error *error) {
    (void)operands;
    return output_answer(command_get("/v1/programmers", error), "programmers", list_columns, 7);
}

static int show(const struct option_list *operands, struct error *error) {
    char *path = command_path("/v1/programmers/%s", operands->items[0]);
    json_t *answer = command_get(path, error);

    free(path);
    return output_answer(answer, NULL, show_columns, 7);
}

static int revoke(const struct option_list *operands, struct error *error) {
    char *path = command_path("/v1/programmers/%s/revoke", operands->items[0]);
    json_t *answer = command_post(path, NULL, error);

    free(path);
    if (answer == NULL || command_common.json)
        return output_answer(answer, NULL, NULL, 0);
    (void)printf("revoked %s\n", operands->items[0]);
    json_decref(answer);
    return 0;
}

static const struct option_entry prepare_entries[] = {
    {OPTION_TEXT, "name", "NAME", "how the programmer is called", &arguments.name, OPTION_REQUIRED},
    {OPTION_TEXT, "software", "FILE", "the programmer's own executable, to be signed",
     &arguments.software, OPTION_REQUIRED},
    {OPTION_TEXT, "software-version", "TEXT", "its version (default: that of nusec)",
     &arguments.software_version, OPTION_OPTIONAL},
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
static const struct option_set revoke_options = COMMAND_OPTION_SET(
    "nusec programmer revoke", "ID [options]",
    "Revokes a programmer: from now on the server refuses it everything.", server_entries, 1, 1);

const struct command programmer_commands[] = {
    {&prepare_options, prepare}, {&status_options, status}, {&list_options, list},
    {&show_options, show},       {&revoke_options, revoke}, {0}};
