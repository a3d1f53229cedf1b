/* nusec firmware upload | list | show */
#include "cli/command.h"
#include "cli/firmware.h"
#include "cli/output.h"

#include <stdlib.h>
#include <string.h>

static struct {
    const char *kind;
    const char *family;
    const char *version;
    uint64_t counter;
} arguments;

static const struct output_column list_columns[] = {{"ID", "id", OUTPUT_TEXT},
                                                    {"KIND", "kind", OUTPUT_TEXT},
                                                    {"FAMILY", "family", OUTPUT_TEXT},
                                                    {"VERSION", "version", OUTPUT_TEXT},
                                                    {"SIZE", "size", OUTPUT_TEXT},
                                                    {"COUNTER", "security_counter", OUTPUT_TEXT},
                                                    {"SHA-256", "sha256_hex", OUTPUT_SHORT},
                                                    {"UPLOADED", "created", OUTPUT_TIME}};

static const struct output_column show_columns[] = {
    {"id", "id", OUTPUT_TEXT},
    {"kind", "kind", OUTPUT_TEXT},
    {"family", "family", OUTPUT_TEXT},
    {"version", "version", OUTPUT_TEXT},
    {"size", "size", OUTPUT_TEXT},
    {"SHA-256", "sha256_hex", OUTPUT_TEXT},
    {"security counter", "security_counter", OUTPUT_TEXT},
    {"image hash", "image_digest_hex", OUTPUT_TEXT},
    {"body size", "body_size", OUTPUT_TEXT},
    {"body SHA-256", "body_sha256_hex", OUTPUT_TEXT},
    {"uploaded", "created", OUTPUT_TIME},
};

static const struct output_column upload_columns[] = {
    {"id", "id", OUTPUT_TEXT},
    {"SHA-256", "sha256_hex", OUTPUT_TEXT},
    {"size", "size", OUTPUT_TEXT},
    {"security counter", "security_counter", OUTPUT_TEXT},
    {"image hash", "image_digest_hex", OUTPUT_TEXT},
};

static int upload(const struct option_list *operands, struct error *error) {
    const struct firmware_upload request = {
        .path = operands->items[0],
        .kind = arguments.kind,
        .family = arguments.family,
        .version = arguments.version,
        .has_counter = strcmp(arguments.kind, "bl2") == 0 || strcmp(arguments.kind, "bl3") == 0,
        .counter = arguments.counter,
    };
    struct http_client *client = command_server(NULL, error);
    json_t *answer = client == NULL ? NULL : firmware_upload(client, &request, error);

    http_client_free(client);
    return output_answer(answer, NULL, upload_columns, 5);
}

static int list(const struct option_list *operands, struct error *error) {
    (void)operands;
    return output_answer(command_get("/v1/firmware", error), "firmware", list_columns, 8);
}

static int show(const struct option_list *operands, struct error *error) {
    char *path = command_path("/v1/firmware/%s", operands->items[0]);
    json_t *answer = command_get(path, error);

    free(path);
    return output_answer(answer, NULL, show_columns,
                         sizeof(show_columns) / sizeof(show_columns[0]));
}

static const struct option_entry upload_entries[] = {
    {OPTION_TEXT, "kind", "KIND", "devauth, programmer, bl2 or bl3", &arguments.kind,
     OPTION_REQUIRED},
    {OPTION_TEXT, "family", "NAME", "chip family the image is for", &arguments.family,
     OPTION_REQUIRED},
    {OPTION_TEXT, "version", "TEXT", "of the image; bl2 and bl3: 1.2.3 or 1.2.3+4",
     &arguments.version, OPTION_REQUIRED},
    {OPTION_NUMBER, "counter", "N", "security counter of a bl2 or bl3 (default 0)",
     &arguments.counter, OPTION_OPTIONAL},
    COMMAND_PROFILE_OPTION,
    COMMAND_JSON_OPTION};
static const struct option_set upload_options = COMMAND_OPTION_SET(
    "nusec firmware upload", "FILE --kind KIND --family NAME --version TEXT [options]",
    "Puts an image into the firmware store, in ranges: after an interruption the same command "
    "goes\n"
    "on where it stopped. The same image twice is stored once. BL2 and BL3 are raw payloads, the\n"
    "vector table first; the server makes images of them.",
    upload_entries, 1, 1);

static const struct option_entry list_entries[] = {COMMAND_PROFILE_OPTION, COMMAND_JSON_OPTION};
static const struct option_set list_options = COMMAND_OPTION_SET(
    "nusec firmware list", "[options]", "Lists the firmware store.", list_entries, 0, 0);

static const struct option_set show_options = COMMAND_OPTION_SET(
    "nusec firmware show", "ID [options]", "Shows one firmware.", list_entries, 1, 1);

const struct command firmware_commands[] = {
    {&upload_options, upload}, {&list_options, list}, {&show_options, show}, {0}};
