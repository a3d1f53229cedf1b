/* nusec job create | list | show | export | report */
#include "cli/command.h"
#include "cli/confirm.h"
#include "cli/moment.h"
#include "cli/output.h"
#include "cli/uid_list.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#define PACKAGE_LIMIT ((size_t)32 << 20)

#define NOT_GIVEN UINT64_MAX /* the server has its own default */

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
    struct option_list denied;
    const char *deny_file;
    uint64_t retries;
    const char *assurance;
    const char *output;
    const char *reason;
    bool yes;
} arguments = {.expires = "+30d", .retries = NOT_GIVEN};

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
    {"recalled", "recalled", OUTPUT_TEXT},
    {"expires", "expires", OUTPUT_TIME},
    {"programmer", "programmer_id", OUTPUT_TEXT},
    {"assurance", "assurance", OUTPUT_TEXT},
    {"family", "chip_family", OUTPUT_TEXT},
    {"UID list", "uid_list", OUTPUT_TEXT},
    {"DevAuth", "devauth_id", OUTPUT_TEXT},
    {"BL2", "bl2_id", OUTPUT_TEXT},
    {"BL3", "bl3_id", OUTPUT_TEXT},
    {"debug port", "debug", OUTPUT_TEXT},
    {"retries", "retries", OUTPUT_TEXT},
    {"package", "sequence", OUTPUT_TEXT},
    {"created", "created", OUTPUT_TIME},
    {"created by", "created_by", OUTPUT_TEXT},
};
#define JOB_COLUMNS (sizeof(job_columns) / sizeof(job_columns[0]))

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
    json_t *denied =
        uids != NULL ? uid_list_read(&arguments.denied, arguments.deny_file, error) : NULL;
    if (denied == NULL) {
        json_decref(uids);
        return -1;
    }
    json_t *request =
        json_pack("{s:s,s:s,s:I,s:I,s:s,s:s,s:o,s:o}", "product", arguments.product,
                  "programmer_id", arguments.programmer_id, "count", (json_int_t)arguments.count,
                  "expires", (json_int_t)expires, "chip_family", arguments.family, "devauth_id",
                  arguments.firmware, "uids", uids, "denied_uids", denied);
    if (arguments.retries != NOT_GIVEN)
        (void)json_object_set_new(request, "retries", json_integer((json_int_t)arguments.retries));
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

static int hold(const struct option_list *operands, const char *what, struct error *error) {
    char *path = command_path("/v1/jobs/%s/%s", operands->items[0], what);
    json_t *request = json_object();

    set_text(request, "reason", arguments.reason);
    json_t *answer = command_post(path, request, error);
    free(path);
    return output_answer(answer, NULL, job_columns, JOB_COLUMNS);
}

static int pause_job(const struct option_list *operands, struct error *error) {
    return hold(operands, "pause", error);
}

static int resume_job(const struct option_list *operands, struct error *error) {
    return hold(operands, "resume", error);
}

static int deny(const struct option_list *operands, struct error *error) {
    static const struct output_column columns[] = {{"job", "job_id", OUTPUT_TEXT},
                                                   {"denied", "denied", OUTPUT_TEXT}};
    json_t *uids = uid_list_read(&arguments.denied, arguments.deny_file, error);

    if (uids == NULL)
        return -1;
    char *path = command_path("/v1/jobs/%s/deny", operands->items[0]);
    json_t *answer = command_post(path, json_pack("{s:o}", "uids", uids), error);
    free(path);
    return output_answer(answer, NULL, columns, 2);
}

static int close_job(const struct option_list *operands, struct error *error) {
    char question[256];

    (void)snprintf(question, sizeof(question),
                   "No unit of %s will begin any more, and it cannot be opened again.",
                   operands->items[0]);
    if (confirm(arguments.yes, question, operands->items[0], error) != 0)
        return -1;
    return hold(operands, "close", error);
}

static int scrap_unit(const struct option_list *operands, struct error *error) {
    static const struct output_column columns[] = {{"state", "state", OUTPUT_TEXT},
                                                   {"still counted", "counted", OUTPUT_TEXT},
                                                   {"remaining", "remaining", OUTPUT_TEXT}};
    const char *uid = operands->items[1];
    char question[256];

    (void)snprintf(question, sizeof(question),
                   "%s will be given up for good: its certificate is revoked, and it is never made "
                   "again under %s.",
                   uid, operands->items[0]);
    if (confirm(arguments.yes, question, uid, error) != 0)
        return -1;
    char *path = command_path("/v1/jobs/%s/units/%s/scrap", operands->items[0], uid);
    json_t *answer = command_post(path, json_pack("{s:s}", "reason", arguments.reason), error);

    free(path);
    return output_answer(answer, NULL, columns, 3);
}

static int extend_job(const struct option_list *operands, struct error *error) {
    uint64_t expires = 0;

    if (moment_parse(arguments.expires, clock_now_s(&clock_system), &expires, error) != 0)
        return error_prefix(error, "--expires");
    char *path = command_path("/v1/jobs/%s/extend", operands->items[0]);
    json_t *answer = command_post(path, json_pack("{s:I}", "expires", (json_int_t)expires), error);

    free(path);
    if (answer != NULL && !command_common.json)
        (void)printf("The programmer's package still has the old time: export and import it "
                     "again.\n\n");
    return output_answer(answer, NULL, job_columns, JOB_COLUMNS);
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
    {OPTION_TEXT, "uid-file", "FILE", "such chips: UIDs, one a line, or CSV with a column uid",
     &arguments.uid_file, OPTION_OPTIONAL},
    {OPTION_LIST, "deny", "UID", "a chip that must not be made; may be repeated", &arguments.denied,
     OPTION_OPTIONAL},
    {OPTION_TEXT, "deny-file", "FILE", "such chips, as in --uid-file", &arguments.deny_file,
     OPTION_OPTIONAL},
    {OPTION_NUMBER, "retries", "N", "attempts at a chip after the first (999)", &arguments.retries,
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

static const struct option_entry hold_entries[] = {
    {OPTION_TEXT, "reason", "TEXT", "why, for the record", &arguments.reason, OPTION_OPTIONAL},
    COMMAND_PROFILE_OPTION,
    COMMAND_JSON_OPTION};
static const struct option_set pause_options = COMMAND_OPTION_SET(
    "nusec job pause", "JOB [--reason TEXT] [options]",
    "Holds a job: no unit begins or gets anything until it is resumed. Units under way stay open.",
    hold_entries, 1, 1);
static const struct option_set resume_options =
    COMMAND_OPTION_SET("nusec job resume", "JOB [--reason TEXT] [options]",
                       "Lets a paused job go on.", hold_entries, 1, 1);
static const struct option_entry extend_entries[] = {
    {OPTION_TEXT, "expires", "TIME", "as in job create", &arguments.expires, OPTION_REQUIRED},
    COMMAND_PROFILE_OPTION,
    COMMAND_JSON_OPTION};
static const struct option_set extend_options = COMMAND_OPTION_SET(
    "nusec job extend", "JOB --expires TIME [options]",
    "Gives a job another end. The programmer needs a new package for it.", extend_entries, 1, 1);
static const struct option_entry deny_entries[] = {
    {OPTION_LIST, "uid", "UID", "a chip; may be repeated", &arguments.denied, OPTION_OPTIONAL},
    {OPTION_TEXT, "uid-file", "FILE", "chips: UIDs, one a line, or CSV with a column uid",
     &arguments.deny_file, OPTION_OPTIONAL},
    COMMAND_PROFILE_OPTION,
    COMMAND_JSON_OPTION};
static const struct option_set deny_options = COMMAND_OPTION_SET(
    "nusec job deny", "JOB (--uid UID | --uid-file FILE)... [options]",
    "Names chips that are not to be made under a job, from now on. What was made stays.",
    deny_entries, 1, 1);
static const struct option_entry close_entries[] = {
    {OPTION_TEXT, "reason", "TEXT", "why, for the record", &arguments.reason, OPTION_OPTIONAL},
    {OPTION_FLAG, "yes", NULL, "do not ask", &arguments.yes, OPTION_OPTIONAL},
    COMMAND_PROFILE_OPTION,
    COMMAND_JSON_OPTION};
static const struct option_set close_options = COMMAND_OPTION_SET(
    "nusec job close", "JOB [--reason TEXT] [--yes] [options]",
    "Ends a job for good and recalls its unused count. Units under way may still come to their "
    "end.",
    close_entries, 1, 1);

static const struct option_entry scrap_entries[] = {
    {OPTION_TEXT, "reason", "TEXT", "why, for the record", &arguments.reason, OPTION_REQUIRED},
    {OPTION_FLAG, "yes", NULL, "do not ask", &arguments.yes, OPTION_OPTIONAL},
    COMMAND_PROFILE_OPTION,
    COMMAND_JSON_OPTION};
static const struct option_set scrap_options = COMMAND_OPTION_SET(
    "nusec job scrap", "JOB UID --reason TEXT [--yes] [options]",
    "Gives up a unit that is not complete: its certificate is revoked, its chip is never made "
    "again\n"
    "under the job. Its count comes back only if nothing was permitted to the chip yet.",
    scrap_entries, 2, 2);

const struct command job_commands[] = {{&create_options, create},
                                       {&list_options, list},
                                       {&show_options, show},
                                       {&export_options, export},
                                       {&pause_options, pause_job},
                                       {&resume_options, resume_job},
                                       {&close_options, close_job},
                                       {&extend_options, extend_job},
                                       {&deny_options, deny},
                                       {&scrap_options, scrap_unit},
                                       {0}};
