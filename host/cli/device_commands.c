/* nusec device list | show | revoke | rma | certificate */
#include "cli/command.h"
#include "cli/output.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static struct {
    const char *job;
    const char *state;
    const char *reason;
    const char *output;
    bool csr;
    bool yes;
} arguments;

/* The columns of the device table in the concept: ID, PUB KEY, secure boot key, Revoke cert. */
static const struct output_column list_columns[] = {
    {"ID", "uid", OUTPUT_TEXT},
    {"PUB KEY", "auth_public_key_hex", OUTPUT_SHORT},
    {"ROTPK", "rotpk_hex", OUTPUT_SHORT},
    {"PK_BL3", "pk_bl3_hex", OUTPUT_SHORT},
    {"CERTIFICATE", "certificate_state", OUTPUT_TEXT},
    {"REVOKE CERT", "revoked", OUTPUT_TIME},
    {"STATE", "unit_state", OUTPUT_TEXT},
    {"JOB", "job_id", OUTPUT_TEXT},
};

static const struct output_column show_columns[] = {
    {"ID", "uid", OUTPUT_TEXT},
    {"job", "job_id", OUTPUT_TEXT},
    {"programmer", "programmer_id", OUTPUT_TEXT},
    {"state", "unit_state", OUTPUT_TEXT},
    {"PUB KEY (AUTH)", "auth_public_key_hex", OUTPUT_TEXT},
    {"PUB KEY (ENC)", "enc_public_key_hex", OUTPUT_TEXT},
    {"PUB KEY (TLS)", "tls_public_key_hex", OUTPUT_TEXT},
    {"ROTPK", "rotpk_hex", OUTPUT_TEXT},
    {"PK_BL3", "pk_bl3_hex", OUTPUT_TEXT},
    {"certificate", "certificate_state", OUTPUT_TEXT},
    {"certificate serial", "certificate_serial_hex", OUTPUT_TEXT},
    {"certificate SHA-256", "certificate_sha256_hex", OUTPUT_TEXT},
    {"issued", "issued", OUTPUT_TIME},
    {"revoke cert", "revoked", OUTPUT_TIME},
    {"object id", "object_id_hex", OUTPUT_TEXT},
    {"RMA", "rma", OUTPUT_TEXT},
};
#define SHOW_COLUMNS (sizeof(show_columns) / sizeof(show_columns[0]))

/* A filter that was not given is not sent: an empty one would match nothing. */
static char *list_path(void) {
    if (arguments.job != NULL && arguments.state != NULL)
        return command_path("/v1/devices?job=%s&state=%s", arguments.job, arguments.state);
    if (arguments.job != NULL)
        return command_path("/v1/devices?job=%s", arguments.job);
    if (arguments.state != NULL)
        return command_path("/v1/devices?state=%s", arguments.state);
    return command_path("/v1/devices");
}

static int list(const struct option_list *operands, struct error *error) {
    char *path = list_path();
    json_t *answer = command_get(path, error);

    (void)operands;
    free(path);
    return output_answer(answer, "devices", list_columns, 8);
}

static const struct output_column boot_columns[] = {
    {"measured", "measured_at", OUTPUT_TIME},
    {"stage", "stage", OUTPUT_TEXT},
    {"life cycle", "life_cycle", OUTPUT_TEXT},
};
static const struct output_column image_columns[] = {
    {"version", "version", OUTPUT_TEXT},
    {"security counter", "security_counter", OUTPUT_TEXT},
    {"chip's counter", "chip_counter", OUTPUT_TEXT},
    {"image hash", "digest_hex", OUTPUT_TEXT},
    {"key hash in OTP", "key_hash_hex", OUTPUT_TEXT},
};

static void print_image(const json_t *boot, const char *member, const char *title) {
    (void)printf("\n%s\n", title);
    output_fields(stdout, image_columns, 5, json_object_get(boot, member));
}

/* What the chip measured last, under its own signature. */
static void print_boot(const json_t *boot) {
    size_t index = 0;
    json_t *flag = NULL;

    if (!json_is_object(boot))
        return;
    (void)fputc('\n', stdout);
    output_fields(stdout, boot_columns, 3, boot);
    (void)printf("flags     ");
    json_array_foreach(json_object_get(boot, "flags"), index, flag)(void)
        printf(" %s", json_string_value(flag));
    (void)fputc('\n', stdout);
    print_image(boot, "bl2", "BL2 (bootloader)");
    print_image(boot, "bl3", "BL3 (application)");
}

static int show(const struct option_list *operands, struct error *error) {
    char *path = command_path("/v1/devices/%s", operands->items[0]);
    json_t *answer = command_get(path, error);

    free(path);
    if (answer == NULL || command_common.json)
        return output_answer(answer, NULL, NULL, 0);
    output_fields(stdout, show_columns, SHOW_COLUMNS, answer);
    print_boot(json_object_get(answer, "boot"));
    json_decref(answer);
    return 0;
}

static int revoke_certificate(const struct option_list *operands, struct error *error) {
    char *path = command_path("/v1/devices/%s/revoke", operands->items[0]);
    json_t *answer = command_post(path, json_pack("{s:s}", "reason", arguments.reason), error);

    free(path);
    if (answer == NULL || command_common.json)
        return output_answer(answer, NULL, NULL, 0);
    (void)printf("revoked %s\n", operands->items[0]);
    json_decref(answer);
    return 0;
}

/* Typed in by a person at a terminal, or --yes. */
static int confirm(const char *uid, struct error *error) {
    char answer[64] = "";

    if (arguments.yes)
        return 0;
    if (!isatty(STDIN_FILENO))
        return error_set(error, ERROR_USAGE, "without a terminal this needs --yes");
    (void)fprintf(stderr,
                  "This revokes the certificate of %s and lets the chip be erased for good.\n"
                  "Type the UID to go on: ",
                  uid);
    if (fgets(answer, sizeof(answer), stdin) == NULL)
        answer[0] = '\0';
    answer[strcspn(answer, "\n")] = '\0';
    return strcasecmp(answer, uid) == 0 ? 0 : error_set(error, ERROR_USAGE, "nothing was done");
}

static int rma(const struct option_list *operands, struct error *error) {
    if (confirm(operands->items[0], error) != 0)
        return -1;
    char *path = command_path("/v1/devices/%s/rma", operands->items[0]);
    json_t *answer = command_post(path, json_pack("{s:s}", "reason", arguments.reason), error);

    free(path);
    if (answer == NULL || command_common.json)
        return output_answer(answer, NULL, NULL, 0);
    (void)printf("RMA of %s is authorised; the chip's keys and firmware go with: nusec chip rma\n",
                 operands->items[0]);
    json_decref(answer);
    return 0;
}

static int print_pem(const struct bytes pem, struct error *error) {
    if (arguments.output != NULL)
        return file_write_durable(arguments.output, pem, 0644, error);
    if (command_common.json) {
        json_t *object = json_pack("{s:s%}", "pem", pem.data, pem.size);
        return object == NULL ? error_set(error, ERROR_BAD_REQUEST, "the server sent no PEM text")
                              : output_answer(object, NULL, NULL, 0);
    }
    (void)fwrite(pem.data, 1, pem.size, stdout);
    return 0;
}

static int certificate(const struct option_list *operands, struct error *error) {
    struct http_client *client = command_server(NULL, error);
    struct http_answer answer = {0};
    char *path = command_path(arguments.csr ? "/v1/devices/%s/certificate?csr=1"
                                            : "/v1/devices/%s/certificate",
                              operands->items[0]);
    int result = -1;

    if (client != NULL && path != NULL &&
        http_client_send(client, "GET", path, NULL, (struct bytes){0}, &answer, error) == 0)
        result = print_pem(buffer_bytes(&answer.body), error);
    http_answer_clear(&answer);
    http_client_free(client);
    free(path);
    return result;
}

static const struct option_entry list_entries[] = {
    {OPTION_TEXT, "job", "JOB", "only chips of this job", &arguments.job, OPTION_OPTIONAL},
    {OPTION_TEXT, "state", "STATE", "only chips in this unit state", &arguments.state,
     OPTION_OPTIONAL},
    COMMAND_PROFILE_OPTION,
    COMMAND_JSON_OPTION};
static const struct option_set list_options = COMMAND_OPTION_SET(
    "nusec device list", "[options]", "Lists chips and their keys.", list_entries, 0, 0);

static const struct option_entry show_entries[] = {COMMAND_PROFILE_OPTION, COMMAND_JSON_OPTION};
static const struct option_set show_options =
    COMMAND_OPTION_SET("nusec device show", "UID [options]", "Shows one chip.", show_entries, 1, 1);

static const struct option_entry revoke_entries[] = {
    {OPTION_TEXT, "reason", "TEXT", "why, for the record", &arguments.reason, OPTION_REQUIRED},
    COMMAND_PROFILE_OPTION,
    COMMAND_JSON_OPTION};
static const struct option_set revoke_options = COMMAND_OPTION_SET(
    "nusec device revoke", "UID --reason TEXT [options]",
    "Revokes the certificate of a chip. There is no way back.", revoke_entries, 1, 1);

static const struct option_entry rma_entries[] = {
    {OPTION_TEXT, "reason", "TEXT", "why, for the record", &arguments.reason, OPTION_REQUIRED},
    {OPTION_FLAG, "yes", NULL, "do not ask", &arguments.yes, OPTION_OPTIONAL},
    COMMAND_PROFILE_OPTION,
    COMMAND_JSON_OPTION};
static const struct option_set rma_options = COMMAND_OPTION_SET(
    "nusec device rma", "UID --reason TEXT [options]",
    "Revokes the certificate of a chip and lets a programmer erase the chip and open its debug\n"
    "port. There is no way back.",
    rma_entries, 1, 1);

static const struct option_entry certificate_entries[] = {
    {OPTION_FLAG, "csr", NULL, "the certificate request the chip signed, instead", &arguments.csr,
     OPTION_OPTIONAL},
    {OPTION_TEXT, "output", "FILE", "write there, not to standard output", &arguments.output,
     OPTION_OPTIONAL},
    COMMAND_PROFILE_OPTION,
    COMMAND_JSON_OPTION};
static const struct option_set certificate_options = COMMAND_OPTION_SET(
    "nusec device certificate", "UID [options]",
    "Prints the certificate chain of a chip as PEM, the chip's first.", certificate_entries, 1, 1);

const struct command device_commands[] = {{&list_options, list},
                                          {&show_options, show},
                                          {&revoke_options, revoke_certificate},
                                          {&rma_options, rma},
                                          {&certificate_options, certificate},
                                          {0}};
