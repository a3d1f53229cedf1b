/* nusec firmware upload | list | show */
#include "cli/command.h"
#include "cli/firmware.h"
#include "cli/number.h"
#include "cli/output.h"
#include "cli/progress.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    const char *kind;
    const char *family;
    const char *version;
    const char *counter;
} arguments;

static const struct output_column list_columns[] = {
    {"ID", "id", OUTPUT_TEXT},
    {"KIND", "kind", OUTPUT_TEXT},
    {"FAMILY", "family", OUTPUT_TEXT},
    {"VERSION", "version", OUTPUT_TEXT},
    {"COUNTER", "security_counter", OUTPUT_TEXT},
    {"SIZE", "size", OUTPUT_TEXT},
    {"SHA-256", "sha256_hex", OUTPUT_SHORT},
    {"IMAGE DIGEST", "image_digest_hex", OUTPUT_SHORT},
    {"UPLOADED", "created", OUTPUT_TIME},
};
#define LIST_COLUMNS (sizeof(list_columns) / sizeof(list_columns[0]))

static const struct output_column show_columns[] = {
    {"id", "id", OUTPUT_TEXT},
    {"kind", "kind", OUTPUT_TEXT},
    {"family", "family", OUTPUT_TEXT},
    {"version", "version", OUTPUT_TEXT},
    {"security counter", "security_counter", OUTPUT_TEXT},
    {"size", "size", OUTPUT_TEXT},
    {"SHA-256", "sha256_hex", OUTPUT_TEXT},
    {"image digest", "image_digest_hex", OUTPUT_TEXT},
    {"body size", "body_size", OUTPUT_TEXT},
    {"body SHA-256", "body_sha256_hex", OUTPUT_TEXT},
    {"uploaded", "created", OUTPUT_TIME},
};
#define SHOW_COLUMNS (sizeof(show_columns) / sizeof(show_columns[0]))

/* What the operator sees of an upload: a bar on a terminal, else a line for every tenth. */
struct upload_display {
    const char *path;
    bool is_terminal;
    uint64_t tenth; /* the next one to print */
};

static void show_progress(void *context, uint64_t done, uint64_t total) {
    struct upload_display *display = context;
    char bar[PROGRESS_BAR_SIZE];
    double percent = 100.0 * (double)done / (double)total;

    if (display->is_terminal) {
        progress_bar(percent, bar);
        (void)fprintf(stderr, "\r\033[K%s %3.0f %%  %llu of %llu bytes%s", bar, percent,
                      (unsigned long long)done, (unsigned long long)total,
                      done == total ? "\n" : "");
    } else if (done * 10 / total >= display->tenth) {
        (void)fprintf(stderr, "%s: %llu of %llu bytes, %.0f %%\n", display->path,
                      (unsigned long long)done, (unsigned long long)total, percent);
        display->tenth = done * 10 / total + 1;
    }
    (void)fflush(stderr);
}

/* Refused here, because the server only hears of it after the profile, and says it less plainly. */
static int check_counter(struct error *error) {
    bool is_image = strcmp(arguments.kind, "bl2") == 0 || strcmp(arguments.kind, "bl3") == 0;

    if (is_image && arguments.counter == NULL) {
        (void)error_set(error, ERROR_USAGE, "--kind %s needs --counter N", arguments.kind);
        return error_hint(error, "the security counter shuts out releases with a lower one: begin "
                                 "with 1, raise it only after a weakness was found");
    }
    if (!is_image && arguments.counter != NULL)
        return error_set(error, ERROR_USAGE, "--counter is for bl2 and bl3");
    return 0;
}

static int upload(const struct option_list *operands, struct error *error) {
    struct upload_display display = {operands->items[0], isatty(STDERR_FILENO) != 0, 0};
    uint64_t counter = 0;

    if (check_counter(error) != 0 ||
        (arguments.counter != NULL &&
         number_parse("--counter", arguments.counter, UINT32_MAX, &counter, error) != 0))
        return -1;
    const struct firmware_upload request = {
        .path = operands->items[0],
        .kind = arguments.kind,
        .family = arguments.family,
        .version = arguments.version,
        .security_counter = arguments.counter == NULL ? NULL : &counter,
        .progress = command_common.json ? NULL : show_progress,
        .context = &display,
    };
    struct http_client *client = command_server(NULL, error);
    json_t *answer = client == NULL ? NULL : firmware_upload(client, &request, error);

    http_client_free(client);
    return output_answer(answer, NULL, show_columns, SHOW_COLUMNS);
}

static int list(const struct option_list *operands, struct error *error) {
    (void)operands;
    return output_answer(command_get("/v1/firmware", error), "firmware", list_columns,
                         LIST_COLUMNS);
}

static int show(const struct option_list *operands, struct error *error) {
    char *path = command_path("/v1/firmware/%s", operands->items[0]);
    json_t *answer = command_get(path, error);

    free(path);
    return output_answer(answer, NULL, show_columns, SHOW_COLUMNS);
}

static const struct option_entry upload_entries[] = {
    {OPTION_TEXT, "kind", "KIND", "devauth, programmer, bl2 or bl3", &arguments.kind,
     OPTION_REQUIRED},
    {OPTION_TEXT, "family", "NAME", "chip family the image is for", &arguments.family,
     OPTION_REQUIRED},
    {OPTION_TEXT, "version", "TEXT", "version of the image; of bl2 and bl3 1.2.3 or 1.2.3+4",
     &arguments.version, OPTION_REQUIRED},
    {OPTION_TEXT, "counter", "N", "security counter of bl2 (at most 63) or bl3 (at most 255)",
     &arguments.counter, OPTION_OPTIONAL},
    COMMAND_PROFILE_OPTION,
    COMMAND_JSON_OPTION};
static const struct option_set upload_options = COMMAND_OPTION_SET(
    "nusec firmware upload", "FILE --kind KIND --family NAME --version TEXT [options]",
    "Puts an image into the firmware store. The same image twice is stored once; an upload that\n"
    "was interrupted goes on where it stopped. BL2 and BL3 are raw: the server signs them.",
    upload_entries, 1, 1);

static const struct option_entry plain_entries[] = {COMMAND_PROFILE_OPTION, COMMAND_JSON_OPTION};
static const struct option_set list_options = COMMAND_OPTION_SET(
    "nusec firmware list", "[options]", "Lists the firmware store.", plain_entries, 0, 0);
static const struct option_set show_options = COMMAND_OPTION_SET(
    "nusec firmware show", "FIRMWARE [options]", "Shows one stored image.", plain_entries, 1, 1);

const struct command firmware_commands[] = {
    {&upload_options, upload}, {&list_options, list}, {&show_options, show}, {0}};
