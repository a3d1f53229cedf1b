#include "base/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The state of one parse. */
struct parse {
    const struct option_set *set;
    struct option_list *operands;
    uint64_t seen; /* bit n: entry n was given */
    struct error *error;
};

static int usage(struct parse *parse, const char *what, const char *subject) {
    error_set(parse->error, ERROR_USAGE, "%s: %s", what, subject);
    return error_hint(parse->error, "%s --help", parse->set->command);
}

static const struct option_entry *find(const struct option_set *set, const char *name,
                                       size_t length, size_t *index) {
    for (*index = 0; *index < set->entry_count && *index < 64; (*index)++) {
        const struct option_entry *entry = &set->entries[*index];
        if (strlen(entry->name) == length && memcmp(entry->name, name, length) == 0)
            return entry;
    }
    return NULL;
}

static int append(struct parse *parse, struct option_list *list, const char *text) {
    if (list->count == OPTION_LIST_MAX)
        return usage(parse, "too many arguments", text);
    list->items[list->count++] = text;
    return 0;
}

static int store_number(struct parse *parse, const struct option_entry *entry, const char *text) {
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    /* strtoull takes blanks and signs; a count of -1 must not become 2^64 - 1 */
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0)
        return usage(parse, "not a number", text);
    *(uint64_t *)entry->value = number;
    return 0;
}

static int store(struct parse *parse, const struct option_entry *entry, const char *text) {
    switch (entry->kind) {
    case OPTION_FLAG: *(bool *)entry->value = true; return 0;
    case OPTION_TEXT: *(const char **)entry->value = text; return 0;
    case OPTION_NUMBER: return store_number(parse, entry, text);
    case OPTION_LIST: return append(parse, entry->value, text);
    }
    return -1;
}

/* `argument` is "--name" or "--name=value"; `next` is what follows, NULL at the end. Returns how
 * many arguments were used, -1 on failure. */
static int take_option(struct parse *parse, const char *argument, const char *next) {
    const char *name = argument + 2;
    const char *equals = strchr(name, '=');
    size_t length = equals != NULL ? (size_t)(equals - name) : strlen(name);
    size_t index = 0;
    const struct option_entry *entry = find(parse->set, name, length, &index);
    if (entry == NULL)
        return usage(parse, "unknown option", argument);
    if (entry->kind != OPTION_LIST && (parse->seen >> index & 1) != 0)
        return usage(parse, "given twice", argument);
    parse->seen |= UINT64_C(1) << index;
    if (entry->kind == OPTION_FLAG) {
        if (equals != NULL)
            return usage(parse, "takes no value", argument);
        return store(parse, entry, NULL) == 0 ? 1 : -1;
    }
    if (equals != NULL)
        return store(parse, entry, equals + 1) == 0 ? 1 : -1;
    if (next == NULL)
        return usage(parse, "needs a value", argument);
    return store(parse, entry, next) == 0 ? 2 : -1;
}

static int check(struct parse *parse) {
    for (size_t i = 0; i < parse->set->entry_count && i < 64; i++)
        if (parse->set->entries[i].need == OPTION_REQUIRED && (parse->seen >> i & 1) == 0)
            return usage(parse, "missing option", parse->set->entries[i].name);
    if (parse->operands->count < parse->set->minimum_operands)
        return usage(parse, "too few arguments", parse->set->usage);
    if (parse->operands->count > parse->set->maximum_operands)
        return usage(parse, "unexpected argument",
                     parse->operands->items[parse->set->maximum_operands]);
    return 0;
}

enum options_result options_parse(const struct option_set *set, int argc, char **argv,
                                  struct option_list *operands, struct error *error) {
    struct option_list none = {.count = 0};
    struct parse parse = {set, operands != NULL ? operands : &none, 0, error};
    bool options_ended = false;
    parse.operands->count = 0;
    for (int i = 1; i < argc;) {
        int used = 1;
        if (options_ended || argv[i][0] != '-' || argv[i][1] == '\0') {
            if (append(&parse, parse.operands, argv[i]) != 0)
                return OPTIONS_FAILED;
        } else if (strcmp(argv[i], "--") == 0) {
            options_ended = true;
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return OPTIONS_HELP;
        } else if (argv[i][1] != '-') {
            usage(&parse, "unknown option", argv[i]);
            return OPTIONS_FAILED;
        } else {
            used = take_option(&parse, argv[i], i + 1 < argc ? argv[i + 1] : NULL);
        }
        if (used < 0)
            return OPTIONS_FAILED;
        i += used;
    }
    return check(&parse) == 0 ? OPTIONS_OK : OPTIONS_FAILED;
}

void options_help(const struct option_set *set, FILE *out) {
    fprintf(out, "usage: %s %s\n\n%s\n", set->command, set->usage, set->summary);
    if (set->entry_count != 0)
        fputc('\n', out);
    for (size_t i = 0; i < set->entry_count; i++) {
        const struct option_entry *entry = &set->entries[i];
        char left[64];
        snprintf(left, sizeof(left), "--%s%s%s", entry->name, entry->argument != NULL ? " " : "",
                 entry->argument != NULL ? entry->argument : "");
        fprintf(out, "  %-26s %s%s\n", left, entry->help,
                entry->need == OPTION_REQUIRED ? " (required)" : "");
    }
}
