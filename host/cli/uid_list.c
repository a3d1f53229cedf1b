#include "cli/uid_list.h"

#include "base/encoding.h"
#include "base/file.h"

#include <ctype.h>
#include <string.h>

#define UID_SIZE  16
#define UID_LIMIT ((size_t)16 << 20)

struct uid_list {
    json_t *array;
    json_t *seen; /* an object, for its hash table */
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

/* The first field of a line, without quotes and blanks; it is cut out in place. */
static char *first_field(char *line) {
    line[strcspn(line, ",;\r")] = '\0';
    while (*line == ' ' || *line == '\t' || *line == '"')
        line++;
    size_t size = strlen(line);
    while (size > 0 && (isspace((unsigned char)line[size - 1]) || line[size - 1] == '"'))
        line[--size] = '\0';
    return line;
}

static int add_file(struct uid_list *list, const char *path, struct error *error) {
    struct buffer contents = {0};
    int result = file_read(path, UID_LIMIT, &contents, error);
    char *rest = (char *)contents.data;
    size_t number = 0;

    while (result == 0 && rest != NULL) {
        char *line = strsep(&rest, "\n");
        const char *field = first_field(line);
        number++;
        if (*field == '\0' || *field == '#')
            continue;
        result = add(list, field, error);
        if (result != 0)
            (void)error_prefix(error, "%s line %zu", path, number);
    }
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
