/* nusec job create | list | show | export | report */
#include "cli/command.h"
#include "cli/moment.h"
#include "cli/output.h"
#include "cli/uid_list.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#define PACKAGE_LIMIT ((size_t)32 << 20)

static struct {
    const char *product;
    const char *programmer_id;
    uint64_t count;
    const char *expires;
    const char *family;
    const char *firmware;
    const char *bl2;
    const char *bl3;
    const char *debug;
    struct option_list uids;
    const char *uid_file;
    const char *assurance;
    const char *output;
} arguments = {.expires = "+30d"};

static const struct output_column list_columns[] = {
    {"ID", "id", OUTPUT_TEXT},
    {"PRODUCT", "product", OUTPUT_TEXT},
    {"STATE", "state", OUTPUT_TEXT},
    {"COUNT", "count", OUTPUT_TEXT},
    {"REMAINING", "remaining", OUTPUT_TEXT},
    {"EXPIRES", "expires", OUTPUT_TIME},
    {"PROGRAMMER", "programmer_id", OUTPUT_TEXT},
    {"FAMILY", "chip_family", OUTPUT_TEXT},
    {"DEVAUTH", "devauth_id", OUTPUT_TEXT},
    {"BL2", "bl2_id", OUTPUT_TEXT},
    {"BL3", "bl3_id", OUTPUT_TEXT},
    {"DEBUG", "debug", OUTPUT_TEXT},
};
#define LIST_COLUMNS (sizeof(list_columns) / sizeof(list_columns[0]))

static const struct output_column job_columns[] = {
    {"id", "id", OUTPUT_TEXT},
    {"product", "product", OUTPUT_TEXT},
    {"state", "state", OUTPUT_TEXT},
    {"count", "count", OUTPUT_TEXT},
    {"used", "used", OUTPUT_TEXT},
    {"remaining", "remaining", OUTPUT_TEXT},
    {"expires", "expires", OUTPUT_TIME},
    {"programmer", "programmer_id", OUTPUT_TEXT},
    {"assurance", "assurance", OUTPUT_TEXT},
    {"family", "chip_family", OUTPUT_TEXT},
    {"UID list", "uid_list", OUTPUT_TEXT},
    {"DevAuth", "devauth_id", OUTPUT_TEXT},
    {"BL2", "bl2_id", OUTPUT_TEXT},
    {"BL3", "bl3_id", OUTPUT_TEXT},
    {"debug port", "debug", OUTPUT_TEXT},
    {"package", "sequence", OUTPUT_TEXT},
    {"created", "created", OUTPUT_TIME},
    {"created by", "created_by", OUTPUT_TEXT},
};
#define JOB_COLUMNS (sizeof(job_columns) / sizeof(job_columns[0]))

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
    {"remaining", "remaining", OUTPUT_TEXT},
    {"yield", "yield", OUTPUT_PERCENT},
    {"started", "started", OUTPUT_TIME},
    {"last", "last", OUTPUT_TIME},
};
#define REPORT_COLUMNS (sizeof(report_columns) / sizeof(report_columns[0]))
static const struct output_column report_unit_columns[] = {
    {"UID", "uid", OUTPUT_TEXT},
    {"STATE", "state", OUTPUT_TEXT},
    {"STEP", "step", OUTPUT_TEXT},
    {"ATTEMPT", "attempt", OUTPUT_TEXT},
    {"SECONDS", "seconds", OUTPUT_SECONDS},
    {"CERTIFICATE", "certificate_sha256_hex", OUTPUT_SHORT},
    {"UPDATED", "updated", OUTPUT_TIME},
    {"REASON", "reason", OUTPUT_TEXT},
};

static void set_text(json_t *request, const char *member, const char *text) {
    if (text != NULL)
        (void)json_object_set_new(request, member, json_string(text));
}

/* Half of an order for firmware would only be noticed when the package is exported. */
static int check_firmware(struct error *error) {
    bool has_firmware = arguments.bl2 != NULL || arguments.bl3 != NULL;

    if (has_firmware && (arguments.bl2 == NULL || arguments.bl3 == NULL))
        return error_set(error, ERROR_USAGE, "--bl2 and --bl3 belong together");
    if (arguments.debug == NULL)
        return 0;
    if (strcmp(arguments.debug, "locked") != 0 && strcmp(arguments.debug, "open") != 0)
        return error_set(error, ERROR_USAGE, "--debug is locked or open, not %s", arguments.debug);
    return has_firmware ? 0 : error_set(error, ERROR_USAGE, "--debug needs --bl2 and --bl3");
}

static int create(const struct option_list *operands, struct error *error) {
    uint64_t expires = 0;

    (void)operands;
    if (check_firmware(error) != 0)
        return -1;
    if (moment_parse(arguments.expires, clock_now_s(&clock_system), &expires, error) != 0)
        return error_prefix(error, "--expires");
    json_t *uids = uid_list_read(&arguments.uids, arguments.uid_file, error);
    if (uids == NULL)
        return -1;
    json_t *request =
        json_pack("{s:s,s:s,s:I,s:I,s:s,s:s,s:o}", "product", arguments.product, "programmer_id",
                  arguments.programmer_id, "count", (json_int_t)arguments.count, "expires",
                  (json_int_t)expires, "chip_family", arguments.family, "devauth_id",
                  arguments.firmware, "uids", uids);
    set_text(request, "assurance", arguments.assurance);
    set_text(request, "bl2_id", arguments.bl2);
    set_text(request, "bl3_id", arguments.bl3);
    set_text(request, "debug", arguments.debug);
    return output_answer(command_post("/v1/jobs", request, error), NULL, job_columns, JOB_COLUMNS);
}

static int list(const struct option_list *operands, struct error *error) {
    (void)operands;
    return output_answer(command_get("/v1/jobs", error), "jobs", list_columns, LIST_COLUMNS);
}

static int show(const struct option_list *operands, struct error *error) {
    char *path = command_path("/v1/jobs/%s", operands->items[0]);
    json_t *answer = command_get(path, error);

    free(path);
    return output_answer(answer, NULL, job_columns, JOB_COLUMNS);
}

static int save_package(const json_t *answer, const char *path, struct error *error) {
    struct buffer package = {0};
    int result = json_read_base64_buffer(answer, "package_b64", PACKAGE_LIMIT, &package, error);

    if (result == 0)
        result = file_write_durable(path, buffer_bytes(&package), 0600, error);
    buffer_free(&package);
    return result;
}

static int export(const struct option_list *operands, struct error *error) {
    uint64_t sequence = 0;
    char *path = command_path("/v1/jobs/%s/export", operands->items[0]);
    json_t *answer = command_post(path, NULL, error);
    int result = -1;

    if (answer != NULL && json_read_u64(answer, "sequence", &sequence, error) == 0)
        result = save_package(answer, arguments.output, error);
    json_decref(answer);
    free(path);
    if (result != 0)
        return -1;
    answer = json_pack("{s:s,s:I,s:s}", "job_id", operands->items[0], "sequence",
                       (json_int_t)sequence, "file", arguments.output);
    static const struct output_column columns[] = {{"job", "job_id", OUTPUT_TEXT},
                                                   {"sequence", "sequence", OUTPUT_TEXT},
                                                   {"package", "file", OUTPUT_TEXT}};
    return output_answer(answer, NULL, columns, 3);
}

static int report(const struct option_list *operands, struct error *error) {
    char *path = command_path("/v1/jobs/%s/report", operands->items[0]);
    json_t *answer = command_get(path, error);

    free(path);
    if (answer == NULL || command_common.json)
        return output_answer(answer, NULL, NULL, 0);
    json_t *shown = json_deep_copy(json_object_get(answer, "job"));
    (void)json_object_update(shown, json_object_get(answer, "counts"));
    (void)json_object_update_missing(shown, answer);
    output_fields(stdout, report_columns, REPORT_COLUMNS, shown);
    json_decref(shown);
    (void)fputc('\n', stdout);
    output_table(stdout, report_unit_columns, 8, json_object_get(answer, "units"));
    json_decref(answer);
    return 0;
}

static const struct option_entry create_entries[] = {
    {OPTION_TEXT, "product", "NAME", "what is made", &arguments.product, OPTION_REQUIRED},
    {OPTION_TEXT, "programmer-id", "ID", "the only programmer that may make it",
     &arguments.programmer_id, OPTION_REQUIRED},
    {OPTION_NUMBER, "count", "N", "units ordered", &arguments.count, OPTION_REQUIRED},
    {OPTION_TEXT, "family", "NAME", "chip family", &arguments.family, OPTION_REQUIRED},
    {OPTION_TEXT, "firmware", "ID", "DevAuth image from the firmware store", &arguments.firmware,
     OPTION_REQUIRED},
    {OPTION_TEXT, "bl2", "ID", "bootloader to install, from the firmware store", &arguments.bl2,
     OPTION_OPTIONAL},
    {OPTION_TEXT, "bl3", "ID", "application to install, with --bl2", &arguments.bl3,
     OPTION_OPTIONAL},
    {OPTION_TEXT, "debug", "STATE",
     "locked (default) or open: boards for developers, whose debug port is never locked",
     &arguments.debug, OPTION_OPTIONAL},
    {OPTION_TEXT, "expires", "TIME", "2026-12-31, 2026-12-31T12:00:00Z, +30d (default), +12h",
     &arguments.expires, OPTION_OPTIONAL},
    {OPTION_LIST, "uid", "UID", "a chip that may be made; may be repeated", &arguments.uids,
     OPTION_OPTIONAL},
    {OPTION_TEXT, "uid-file", "FILE", "such chips, one UID per line", &arguments.uid_file,
     OPTION_OPTIONAL},
    {OPTION_TEXT, "assurance", "LEVEL", "key store the programmer must have: software or tpm",
     &arguments.assurance, OPTION_OPTIONAL},
    COMMAND_PROFILE_OPTION,
    COMMAND_JSON_OPTION};
static const struct option_set create_options = COMMAND_OPTION_SET(
    "nusec job create",
    "--product NAME --programmer-id ID --count N --family NAME --firmware ID [options]",
    "Opens a production job. Without UIDs any chip of the family may be made. Without BL2 and BL3 "
    "a\n"
    "unit ends with its identity.",
    create_entries, 0, 0);

static const struct option_entry plain_entries[] = {COMMAND_PROFILE_OPTION, COMMAND_JSON_OPTION};
static const struct option_set list_options = COMMAND_OPTION_SET(
    "nusec job list", "[options]", "Lists the jobs this profile may see.", plain_entries, 0, 0);
static const struct option_set show_options =
    COMMAND_OPTION_SET("nusec job show", "JOB [options]", "Shows one job.", plain_entries, 1, 1);
static const struct option_set report_options = COMMAND_OPTION_SET(
    "nusec job report", "JOB [options]", "Shows the status report of a job: its counts and units.",
    plain_entries, 1, 1);

static const struct option_entry export_entries[] = {{OPTION_TEXT, "output", "FILE",
                                                      "where to write the package",
                                                      &arguments.output, OPTION_REQUIRED},
                                                     COMMAND_PROFILE_OPTION,
                                                     COMMAND_JSON_OPTION};
static const struct option_set export_options = COMMAND_OPTION_SET(
    "nusec job export", "JOB --output FILE [options]",
    "Writes the encrypted production package for the job's programmer. A new export replaces the\n"
    "package exported before.",
    export_entries, 1, 1);

const struct command job_commands[] = {{&create_options, create}, {&list_options, list},
                                       {&show_options, show},     {&export_options, export},
                                       {&report_options, report}, {0}};
