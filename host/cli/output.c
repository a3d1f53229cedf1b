#include "cli/output.h"

#include "base/clock.h"
#include "cli/command.h"

#include <stdlib.h>
#include <string.h>

#define CELL_SIZE    256
#define SHORT_DIGITS 16

/* C0 controls, DEL, and the C1 controls in their UTF-8 form (C2 80 to C2 9F). */
static void make_printable(char *text) {
    for (; *text != '\0'; text++) {
        unsigned char character = (unsigned char)text[0];
        unsigned char next = (unsigned char)text[1];
        if (character < 0x20 || character == 0x7F ||
            (character == 0xC2 && next >= 0x80 && next <= 0x9F))
            *text = '?';
    }
}

static void print_number(const json_t *value, enum output_format format, char *text, size_t size) {
    double number = json_number_value(value);

    if (format == OUTPUT_TIME && number >= 0) {
        char time_text[21];
        clock_format((uint64_t)json_integer_value(value), time_text);
        (void)snprintf(text, size, "%s", time_text);
    } else if (format == OUTPUT_SECONDS) {
        (void)snprintf(text, size, "%.1f", number);
    } else if (format == OUTPUT_PERCENT) {
        (void)snprintf(text, size, "%.1f %%", 100 * number);
    } else if (json_is_integer(value)) {
        (void)snprintf(text, size, "%lld", (long long)json_integer_value(value));
    } else {
        (void)snprintf(text, size, "%g", number);
    }
}

void output_text(const json_t *object, const char *member, enum output_format format, char *text,
                 size_t size) {
    const json_t *value = json_object_get(object, member);

    if (json_is_string(value) && json_string_length(value) > 0) {
        int limit = format == OUTPUT_SHORT ? SHORT_DIGITS : (int)size;
        (void)snprintf(text, size, "%.*s", limit, json_string_value(value));
    } else if (json_is_number(value)) {
        print_number(value, format, text, size);
    } else if (json_is_boolean(value)) {
        (void)snprintf(text, size, "%s", json_is_true(value) ? "yes" : "no");
    } else {
        (void)snprintf(text, size, "-");
    }
    make_printable(text);
}

void output_list(const json_t *list, char *text, size_t size) {
    size_t used = 0;
    size_t index = 0;
    const json_t *item = NULL;

    text[0] = '\0';
    json_array_foreach(list, index, item) {
        const char *word = json_is_string(item) ? json_string_value(item) : "?";
        if (used + strlen(word) + 2 > size)
            break;
        used += (size_t)snprintf(text + used, size - used, "%s%s", used == 0 ? "" : " ", word);
    }
    if (used == 0)
        (void)snprintf(text, size, "-");
    make_printable(text);
}

static size_t column_width(const struct output_column *column, const json_t *rows) {
    size_t width = strlen(column->title);
    char cell[CELL_SIZE];

    for (size_t row = 0; row < json_array_size(rows); row++) {
        output_text(json_array_get(rows, row), column->member, column->format, cell, sizeof(cell));
        if (strlen(cell) > width)
            width = strlen(cell);
    }
    return width;
}

/* The last cell of a line is not padded: no blanks at line ends. */
static void print_cell(FILE *out, const char *text, size_t width, bool is_last) {
    if (is_last)
        (void)fprintf(out, "%s\n", text);
    else
        (void)fprintf(out, "%-*s  ", (int)width, text);
}

void output_table(FILE *out, const struct output_column *columns, size_t count,
                  const json_t *rows) {
    size_t *widths = calloc(count, sizeof(*widths));
    char cell[CELL_SIZE];

    if (json_array_size(rows) == 0 || widths == NULL) {
        (void)fprintf(out, "none\n");
        free(widths);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        widths[i] = column_width(&columns[i], rows);
        print_cell(out, columns[i].title, widths[i], i + 1 == count);
    }
    for (size_t row = 0; row < json_array_size(rows); row++) {
        for (size_t i = 0; i < count; i++) {
            output_text(json_array_get(rows, row), columns[i].member, columns[i].format, cell,
                        sizeof(cell));
            print_cell(out, cell, widths[i], i + 1 == count);
        }
    }
    free(widths);
}

void output_fields(FILE *out, const struct output_column *columns, size_t count,
                   const json_t *object) {
    size_t width = 0;
    char cell[CELL_SIZE];

    for (size_t i = 0; i < count; i++) {
        if (strlen(columns[i].title) > width)
            width = strlen(columns[i].title);
    }
    for (size_t i = 0; i < count; i++) {
        output_text(object, columns[i].member, columns[i].format, cell, sizeof(cell));
        (void)fprintf(out, "%-*s  %s\n", (int)width, columns[i].title, cell);
    }
}

void output_json(FILE *out, const json_t *value) {
    (void)json_dumpf(value, out, JSON_INDENT(2));
    (void)fputc('\n', out);
}

void output_json_line(FILE *out, const json_t *value) {
    (void)json_dumpf(value, out, JSON_COMPACT);
    (void)fputc('\n', out);
    (void)fflush(out);
}

void output_json_error(FILE *out, const struct error *error) {
    json_t *object = json_pack("{s:{s:s,s:s,s:s}}", "error", "code", error_name(error->code),
                               "message", error->message, "hint", error->hint);

    output_json(out, object);
    json_decref(object);
}

void output_error(FILE *out, const struct error *error) {
    struct error shown = *error;

    make_printable(shown.message);
    make_printable(shown.hint);
    (void)fprintf(out, "nusec: %s\n", shown.message);
    if (shown.hint[0] != '\0')
        (void)fprintf(out, "       %s\n", shown.hint);
}

int output_answer(json_t *answer, const char *list, const struct output_column *columns,
                  size_t count) {
    if (answer == NULL)
        return -1;
    if (command_common.json)
        output_json(stdout, answer);
    else if (list != NULL)
        output_table(stdout, columns, count, json_object_get(answer, list));
    else
        output_fields(stdout, columns, count, answer);
    json_decref(answer);
    return 0;
}
