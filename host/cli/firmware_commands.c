/* nusec firmware upload | list */
#include "cli/command.h"
#include "cli/firmware.h"
#include "cli/output.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>

static struct {
    const char *kind;
    const char *family;
    const char *version;
} arguments;

static const struct output_column list_columns[] = {
    {"ID", "id", OUTPUT_TEXT},           {"KIND", "kind", OUTPUT_TEXT},
    {"FAMILY", "family", OUTPUT_TEXT},   {"VERSION", "version", OUTPUT_TEXT},
    {"SIZE", "size", OUTPUT_TEXT},       {"SHA-256", "sha256_hex", OUTPUT_SHORT},
    {"UPLOADED", "created", OUTPUT_TIME}};

static const struct output_column upload_columns[] = {
    {"id", "id", OUTPUT_TEXT},
    {"SHA-256", "sha256_hex", OUTPUT_TEXT},
    {"size", "size", OUTPUT_TEXT},
};

json_t *firmware_upload(struct http_client *client, const struct firmware_upload *upload,
                        struct error *error) {
    struct buffer contents = {0};
    struct http_answer answer = {0};
    json_t *object = NULL;
    char *path = command_path("/v1/firmware?kind=%s&family=%s&version=%s", upload->kind,
                              upload->family, upload->version);

    if (path == NULL)
        (void)error_set(error, ERROR_INTERNAL, "out of memory");
    else if (file_read(upload->path, FIRMWARE_LIMIT, &contents, error) == 0 &&
             http_client_send(client, "POST", path, "application/octet-stream",
                              buffer_bytes(&contents), &answer, error) == 0)
        object = json_parse_object(buffer_bytes(&answer.body), error);
    http_answer_clear(&answer);
    buffer_free(&contents);
    free(path);
    return object;
}

static int upload(const struct option_list *operands, struct error *error) {
    const struct firmware_upload request = {
        .path = operands->items[0],
        .kind = arguments.kind,
        .family = arguments.family,
        .version = arguments.version,
    };
    struct http_client *client = command_server(NULL, error);
    json_t *answer = client == NULL ? NULL : firmware_upload(client, &request, error);

    http_client_free(client);
    return output_answer(answer, NULL, upload_columns, 3);
}

static int list(const struct option_list *operands, struct error *error) {
    (void)operands;
    return output_answer(command_get("/v1/firmware", error), "firmware", list_columns, 7);
}

static const struct option_entry upload_entries[] = {
    {OPTION_TEXT, "kind", "KIND", "devauth, programmer, bl2 or bl3", &arguments.kind,
     OPTION_REQUIRED},
    {OPTION_TEXT, "family", "NAME", "chip family the image is for", &arguments.family,
     OPTION_REQUIRED},
    {OPTION_TEXT, "version", "TEXT", "version of the image", &arguments.version, OPTION_REQUIRED},
    COMMAND_PROFILE_OPTION,
    COMMAND_JSON_OPTION};
static const struct option_set upload_options = COMMAND_OPTION_SET(
    "nusec firmware upload", "FILE --kind KIND --family NAME --version TEXT [options]",
    "Puts an image into the firmware store. The same image twice is stored once.", upload_entries,
    1, 1);

static const struct option_entry list_entries[] = {COMMAND_PROFILE_OPTION, COMMAND_JSON_OPTION};
static const struct option_set list_options = COMMAND_OPTION_SET(
    "nusec firmware list", "[options]", "Lists the firmware store.", list_entries, 0, 0);

const struct command firmware_commands[] = {{&upload_options, upload}, {&list_options, list}, {0}};
