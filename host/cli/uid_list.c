#include "cli/uid_list.h"

#include "base/encoding.h"
#include "base/file.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define UID_SIZE      16
#define UID_LIMIT     ((size_t)16 << 20)
#define COLUMNS_MAX   64
#define LINE_MAX_SIZE 4096

struct uid_list {
    json_t *array;
    json_t *seen; /* an object, for its hash table */
    size_t column;
    bool has_begun; /* the first line, which may be a heading, was seen */
};

static int add(struct uid_list *list, const char *text, struct error *error) {
    uint8_t uid[UID_SIZE];
    char upper[2 * UID_SIZE + 1];

    if (hex_decode(text, uid, sizeof(uid)) != 0) {
        (void)error_set(error, ERROR_USAGE, "\"%.40s\" is not a UID", text);
        return error_hint(error, "a UID is 32 hexadecimal digits");
    }
    hex_encode_upper((struct bytes){uid, sizeof(uid)}, upper);
    if (json_object_get(list->seen, upper) != NULL)
        return error_set(error, ERROR_USAGE, "UID %s is listed twice", upper);
    if (json_object_set_new(list->seen, upper, json_true()) != 0 ||
        json_array_append_new(list->array, json_string(upper)) != 0)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    return 0;
}

static char *trim(char *text) {
    text += strspn(text, " \t\"");
    size_t size = strlen(text);
    while (size > 0 && (isspace((unsigned char)text[size - 1]) || text[size - 1] == '"'))
        text[--size] = '\0';
    return text;
}

/* The field of this number, from 0, without quotes and blanks; "" behind the last. The line is cut
 * up in place. UIDs need no quotes, so a quoted separator is only expected beside them. */
static char *field_of(char *line, size_t number) {
    char *field = line;
    bool quoted = false;

    for (char *at = line;; at++) {
        if (*at == '"')
            quoted = !quoted;
        if (*at != '\0' && (quoted || strchr(",;", *at) == NULL))
            continue;
        bool last = *at == '\0';
        *at = '\0';
        if (number == 0)
            return trim(field);
        if (last)
            return at;
        number--;
        field = at + 1;
    }
}

/* The column called "uid" of a heading; -1 if this is none. */
static int heading_column(const char *line) {
    for (int column = 0; column < COLUMNS_MAX; column++) {
        char copy[LINE_MAX_SIZE];
        (void)snprintf(copy, sizeof(copy), "%s", line);
        if (strcasecmp(field_of(copy, (size_t)column), "uid") == 0)
            return column;
    }
    return -1;
}

static int add_line(struct uid_list *list, char *line, struct error *error) {
    line[strcspn(line, "\r")] = '\0';
    if (line[strspn(line, " \t")] == '\0' || *trim(line) == '#')
        return 0;
    if (!list->has_begun) {
        list->has_begun = true;
        int column = heading_column(line);
        if (column >= 0) {
            list->column = (size_t)column;
            return 0;
        }
    }
    return add(list, field_of(line, list->column), error);
}

static int add_file(struct uid_list *list, const char *path, struct error *error) {
    struct buffer contents = {0};
    int result = file_read(path, UID_LIMIT, &contents, error);
    char *rest = (char *)contents.data;
    size_t before = json_array_size(list->array);
    size_t number = 0;

    /* Lines are cut up as text, which would end there: a denied chip behind it would be made. */
    if (result == 0 && contents.size > 0 && memchr(rest, '\0', contents.size) != NULL)
        result = error_set(error, ERROR_USAGE, "%s has a zero byte in it: not a text", path);
    if (result == 0 && contents.size >= 3 && memcmp(rest, "\xEF\xBB\xBF", 3) == 0)
        rest += 3; /* the byte order mark of a spreadsheet */
    while (result == 0 && rest != NULL) {
        char *line = strsep(&rest, "\n");
        number++;
        result = add_line(list, line, error);
        if (result != 0)
            (void)error_prefix(error, "%s line %zu", path, number);
    }
    /* No list at all means that every chip is allowed, which nobody wants who names a file. */
    if (result == 0 && json_array_size(list->array) == before)
        result = error_set(error, ERROR_USAGE, "%s lists no UID", path);
    buffer_free(&contents);
    return result;
}

json_t *uid_list_read(const struct option_list *uids, const char *path, struct error *error) {
    struct uid_list list = {.array = json_array(), .seen = json_object()};
    int result = 0;

    for (size_t i = 0; i < uids->count && result == 0; i++)
        result = add(&list, uids->items[i], error);
    if (result == 0 && path != NULL)
        result = add_file(&list, path, error);
    json_decref(list.seen);
    if (result != 0) {
        json_decref(list.array);
        return NULL;
    }
    return list.array;
}
