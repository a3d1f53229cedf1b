/* nusec device list | show | revoke | rma | certificate */
#include "cli/command.h"
#include "cli/confirm.h"
#include "cli/measured.h"
#include "cli/output.h"

#include "base/file.h"

#include <stdlib.h>

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
    {"SECURE BOOT KEY", "rotpk_hex", OUTPUT_SHORT},
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
    {"serial number", "serial", OUTPUT_TEXT},
    {"site", "site", OUTPUT_TEXT},
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

static int show(const struct option_list *operands, struct error *error) {
    char *path = command_path("/v1/devices/%s", operands->items[0]);
    json_t *answer = command_get(path, error);

    free(path);
    if (answer == NULL || command_common.json)
        return output_answer(answer, NULL, NULL, 0);
    output_fields(stdout, show_columns, SHOW_COLUMNS, answer);
    const json_t *boot = json_object_get(answer, "boot");
    (void)printf("\n%s\n", json_is_object(boot) ? "What the chip measured last, signed by it:"
                                                : "The chip has not been measured.");
    if (json_is_object(boot))
        measured_print(stdout, boot);
    json_decref(answer);
    return 0;
}

static int rma(const struct option_list *operands, struct error *error) {
    const char *uid = operands->items[0];
    char question[256];

    (void)snprintf(
        question, sizeof(question),
        "The certificate of %s will be revoked. Whoever holds the chip may then erase its\n"
        "keys and firmware and open its debug port. It never comes back into service.",
        uid);
    if (confirm(arguments.yes, question, uid, error) != 0)
        return -1;
    char *path = command_path("/v1/devices/%s/rma", uid);
    json_t *answer = command_post(path, json_pack("{s:s}", "reason", arguments.reason), error);
    free(path);
    if (answer == NULL || command_common.json)
        return output_answer(answer, NULL, NULL, 0);
    (void)printf(
        "RMA of %s is authorised; now: nusec chip rma %s --board DIR|--site NAME=DEBUG,UART\n", uid,
        uid);
    json_decref(answer);
    return 0;
}

static int revoke(const struct option_list *operands, struct error *error) {
    const char *uid = operands->items[0];
    char question[192];

    (void)snprintf(question, sizeof(question),
                   "The certificate of %s will be revoked, for good: from then on nothing that\n"
                   "belongs to you trusts the chip, and it gets no firmware any more.",
                   uid);
    if (confirm(arguments.yes, question, uid, error) != 0)
        return -1;
    char *path = command_path("/v1/devices/%s/revoke", uid);
    json_t *answer = command_post(path, json_pack("{s:s}", "reason", arguments.reason), error);

    free(path);
    if (answer == NULL || command_common.json)
        return output_answer(answer, NULL, NULL, 0);
    (void)printf("revoked %s\n", uid);
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
    {OPTION_FLAG, "yes", NULL, "do not ask", &arguments.yes, OPTION_OPTIONAL},
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
    "Lets a chip be erased and opened for analysis: revokes its certificate and allows the permit\n"
    "that `nusec chip rma` asks for. There is no way back.",
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
                                          {&revoke_options, revoke},
                                          {&rma_options, rma},
                                          {&certificate_options, certificate},
                                          {0}};
