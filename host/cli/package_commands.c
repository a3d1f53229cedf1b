/* nusec package inspect | import */
#include "cli/command.h"
#include "cli/output.h"

#include "base/encoding.h"
#include "base/file.h"

#include <stdlib.h>

#define PACKAGE_LIMIT ((size_t)32 << 20)

static const struct output_column inspect_columns[] = {
    {"for this programmer", "programmer_match", OUTPUT_TEXT},
    {"epoch", "epoch", OUTPUT_TEXT},
    {"opens", "opens", OUTPUT_TEXT},
    {"job", "job_id", OUTPUT_TEXT},
    {"sequence", "sequence", OUTPUT_TEXT},
    {"count", "count", OUTPUT_TEXT},
    {"expires", "expires", OUTPUT_TIME},
    {"chip family", "chip_family", OUTPUT_TEXT},
    {"listed chips", "uid_list", OUTPUT_TEXT},
    {"refused because", "reason", OUTPUT_TEXT},
};
#define INSPECT_COLUMNS (sizeof(inspect_columns) / sizeof(inspect_columns[0]))

static const struct output_column import_columns[] = {
    {"job", "job_id", OUTPUT_TEXT},
    {"count", "count", OUTPUT_TEXT},
    {"remaining", "remaining", OUTPUT_TEXT},
    {"expires", "expires", OUTPUT_TIME},
    {"chip family", "chip_family", OUTPUT_TEXT},
    {"listed chips", "uid_list", OUTPUT_TEXT},
};

static json_t *send_package(const char *method, const char *path, struct error *error) {
    struct buffer package = {0};
    json_t *answer = NULL;

    if (file_read(path, PACKAGE_LIMIT, &package, error) == 0) {
        char *text = base64_encode(buffer_bytes(&package));
        answer = command_ask_programmer(method, json_pack("{s:s}", "package_b64", text), error);
        free(text);
    }
    buffer_free(&package);
    return answer;
}

static int inspect(const struct option_list *operands, struct error *error) {
    return output_answer(send_package("package.inspect", operands->items[0], error), NULL,
                         inspect_columns, INSPECT_COLUMNS);
}

static int import(const struct option_list *operands, struct error *error) {
    return output_answer(send_package("package.import", operands->items[0], error), NULL,
                         import_columns, 6);
}

static const struct option_entry entries[] = {COMMAND_PROGRAMMER_OPTION, COMMAND_JSON_OPTION};
static const struct option_set inspect_options = COMMAND_OPTION_SET(
    "nusec package inspect", "FILE [options]",
    "Shows what a package is for. What is inside is shown when it opens on this programmer.",
    entries, 1, 1);
static const struct option_set import_options = COMMAND_OPTION_SET(
    "nusec package import", "FILE [options]",
    "Hands a package to the programmer, which is then ready for the job.", entries, 1, 1);

const struct command package_commands[] = {
    {&inspect_options, inspect}, {&import_options, import}, {0}};
