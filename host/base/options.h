/*
 * Command-line options: one table gives parsing and --help.
 *
 *     static struct { const char *data; bool verbose; uint64_t count; } arguments;
 *     static const struct option_entry entries[] = {
 *         {OPTION_TEXT, "data", "DIR", "where everything is kept", &arguments.data,
 * OPTION_REQUIRED}, {OPTION_NUMBER, "count", "N", "how many", &arguments.count, OPTION_OPTIONAL},
 *         {OPTION_FLAG, "verbose", NULL, "say more", &arguments.verbose, OPTION_OPTIONAL},
 *     };
 *     static const struct option_set set = {"nusec-server run", "--data DIR [options]",
 *                                           "Serves the REST API.", entries, 3, 0, 0};
 *     switch (options_parse(&set, argc, argv, &operands, error)) ...
 *
 * Accepted: --name value, --name=value, --flag, `--` ends the options; options and operands mix.
 * No short options except -h, no abbreviations: what a script says today means the same tomorrow.
 */
#ifndef NUSEC_HOST_BASE_OPTIONS_H
#define NUSEC_HOST_BASE_OPTIONS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum option_kind {
    OPTION_FLAG,   /* value is bool * */
    OPTION_TEXT,   /* value is const char **, borrowed from argv */
    OPTION_NUMBER, /* value is uint64_t *, decimal */
    OPTION_LIST,   /* value is struct option_list *, may be repeated */
};

enum option_need { OPTION_OPTIONAL, OPTION_REQUIRED };

#define OPTION_LIST_MAX 64
struct option_list {
    const char *items[OPTION_LIST_MAX];
    size_t count;
};

struct option_entry {
    enum option_kind kind;
    const char *name;     /* without the dashes */
    const char *argument; /* shown in help, NULL for a flag */
    const char *help;
    void *value;
    enum option_need need;
};

struct option_set {
    const char *command; /* "nusec job create" */
    const char *usage;   /* what follows the command in the usage line */
    const char *summary; /* one or more sentences */
    const struct option_entry *entries;
    size_t entry_count;
    size_t minimum_operands;
    size_t maximum_operands;
};

enum options_result { OPTIONS_OK, OPTIONS_HELP, OPTIONS_FAILED };

/*
 * Parses argv[1..argc-1]. OPTIONS_HELP: --help or -h was given, call options_help. OPTIONS_FAILED:
 * ERROR_USAGE, the hint names the command's --help. A repeated option other than a list is refused.
 */
enum options_result options_parse(const struct option_set *set, int argc, char **argv,
                                  struct option_list *operands, struct error *error);

void options_help(const struct option_set *set, FILE *out);

#endif
