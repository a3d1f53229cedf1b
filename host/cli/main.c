/*
 * nusec: the tool of the OEM's and the contract manufacturer's desk. Manual: docs/man/nusec.1.
 *
 * One table of commands gives dispatch, --help and the words that the manual is checked against.
 */
#include "cli/command.h"
#include "cli/output.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const struct command *const tables[] = {
    programmer_commands, firmware_commands, image_commands,   job_commands,
    report_commands,     package_commands,  produce_commands, handler_commands,
    scrap_commands,      chip_commands,     device_commands,  server_commands,
};
#define TABLE_COUNT (sizeof(tables) / sizeof(tables[0]))
#define PREFIX      "nusec "

typedef void visit_function(const struct command *command);

static void for_each_command(visit_function *visit) {
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        for (const struct command *row = tables[i]; row->options != NULL; row++)
            visit(row);
    }
}

static const char *words_of(const struct command *command) {
    return command->options->command + strlen(PREFIX);
}

static void print_summary(const struct command *command) {
    const char *summary = command->options->summary;

    (void)printf("  %-20s %.*s\n", words_of(command), (int)strcspn(summary, "."), summary);
}

static void print_help(void) {
    (void)printf("usage: nusec COMMAND [arguments] [options]\n\n");
    for_each_command(print_summary);
    (void)printf(
        "\n  nusec COMMAND --help  explains a command\n"
        "  nusec --version       prints the version\n"
        "  nusec --words         lists every command, option and exit code, a line each\n");
}

static void print_words(const struct command *command) {
    (void)printf("command %s\n", words_of(command));
    for (size_t i = 0; i < command->options->entry_count; i++)
        (void)printf("option %s --%s\n", words_of(command), command->options->entries[i].name);
}

static void print_exit_codes(void) {
    for (int code = 1; code < ERROR_CODE_COUNT; code++)
        (void)printf("exit %d %s\n", error_exit_code((enum error_code)code),
                     error_name((enum error_code)code));
    (void)printf("exit %d units_failed\n", COMMAND_EXIT_UNITS_FAILED);
}

/* How many of the arguments are the words of this command; 0 if it is another. */
static int match_words(const struct command *command, int argc, char **argv) {
    const char *words = words_of(command);
    int used = 0;

    while (*words != '\0') {
        size_t size = strcspn(words, " ");
        if (used + 1 >= argc || strlen(argv[used + 1]) != size ||
            memcmp(argv[used + 1], words, size) != 0)
            return 0;
        used++;
        words += size + (words[size] == ' ');
    }
    return used;
}

static const struct command *find_command(int argc, char **argv, int *used) {
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        for (const struct command *row = tables[i]; row->options != NULL; row++) {
            *used = match_words(row, argc, argv);
            if (*used > 0)
                return row;
        }
    }
    return NULL;
}

/* An error in the options is found before --json was read, and a script asked for JSON even so. */
static bool wants_json(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            return true;
    }
    return command_common.json;
}

static int fail(const struct error *error, bool json) {
    if (json)
        output_json_error(stdout, error);
    else
        output_error(stderr, error);
    return error_exit_code(error->code);
}

static int run(const struct command *command, int argc, char **argv) {
    struct option_list operands = {.count = 0};
    struct error error = {0};

    switch (options_parse(command->options, argc, argv, &operands, &error)) {
    case OPTIONS_HELP: options_help(command->options, stdout); return EXIT_SUCCESS;
    case OPTIONS_FAILED: return fail(&error, wants_json(argc, argv));
    case OPTIONS_OK: break;
    }
    int result = command->run(&operands, &error);
    return result < 0 ? fail(&error, command_common.json) : result;
}

int main(int argc, char **argv) {
    const char *first = argc > 1 ? argv[1] : "--help";
    int used = 0;

    (void)signal(SIGPIPE, SIG_IGN);
    if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0) {
        print_help();
        return argc > 1 ? EXIT_SUCCESS : error_exit_code(ERROR_USAGE);
    }
    if (strcmp(first, "--version") == 0) {
        (void)printf("nusec %s\n", NUSEC_VERSION);
        return EXIT_SUCCESS;
    }
    if (strcmp(first, "--words") == 0) {
        for_each_command(print_words);
        print_exit_codes();
        return EXIT_SUCCESS;
    }
    const struct command *command = find_command(argc, argv, &used);
    if (command == NULL) {
        struct error error = {0};
        (void)error_set(&error, ERROR_USAGE, "unknown command: %s%s%s", first, argc > 2 ? " " : "",
                        argc > 2 ? argv[2] : "");
        (void)error_hint(&error, "nusec --help lists the commands");
        return fail(&error, wants_json(argc, argv));
    }
    return run(command, argc - used, argv + used);
}
