/* What the line says of a unit: site, serial number, milliseconds of each step. */
#include "server/api_handlers.h"

#include <stdio.h>
#include <string.h>

#define STEP_MS_MAX 1000000000

static int read_label(const json_t *object, const char *name, char out[UNIT_LINE_TEXT_MAX + 1],
                      struct error *error) {
    const char *text = NULL;
    size_t size;

    if (json_read_optional_string(object, name, &text, error) != 0)
        return -1;
    if (text == NULL)
        return 0;
    size = strlen(text);
    if (size == 0 || size > UNIT_LINE_TEXT_MAX)
        return error_set(error, ERROR_BAD_REQUEST, "%s has 1 to %d characters", name,
                         UNIT_LINE_TEXT_MAX);
    for (size_t i = 0; i < size; i++)
        if (text[i] < 0x20 || text[i] > 0x7E)
            return error_set(error, ERROR_BAD_REQUEST, "%s is not printable ASCII", name);
    snprintf(out, UNIT_LINE_TEXT_MAX + 1, "%s", text);
    return 0;
}

static int check_step(const char *name, const json_t *value, struct error *error) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    size_t size = strlen(name);

    if (size == 0 || size > UNIT_STEP_NAME_MAX || strspn(name, allowed) != size)
        return error_set(error, ERROR_BAD_REQUEST, "steps: %.20s is no name of a step", name);
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        json_integer_value(value) > STEP_MS_MAX)
        return error_set(error, ERROR_BAD_REQUEST, "steps: %s is not a number of milliseconds",
                         name);
    return 0;
}

static int read_steps(const json_t *line, struct store_line *out, struct error *error) {
    json_t *steps = json_object_get(line, "steps");
    const char *name = NULL;
    json_t *value = NULL;
    size_t size;

    if (steps == NULL || json_is_null(steps))
        return 0;
    if (!json_is_object(steps) || json_object_size(steps) > UNIT_LINE_STEPS_MAX)
        return error_set(error, ERROR_BAD_REQUEST, "steps is not an object of at most %d steps",
                         UNIT_LINE_STEPS_MAX);
    json_object_foreach(steps, name, value) {
        if (check_step(name, value, error) != 0)
            return -1;
    }
    size = json_dumpb(steps, out->steps, sizeof out->steps - 1, JSON_COMPACT);
    if (size >= sizeof out->steps)
        return error_set(error, ERROR_BAD_REQUEST, "steps is too long");
    out->steps[size] = '\0';
    return 0;
}

int api_read_place(const json_t *object, struct store_line *out, struct error *error) {
    return read_label(object, "site", out->site, error) == 0 &&
                   read_label(object, "serial", out->serial, error) == 0
               ? 0
               : -1;
}

int api_read_line(const json_t *request, struct store_line *out, struct error *error) {
    const json_t *line = json_object_get(request, "line");

    if (line == NULL || json_is_null(line))
        return 0;
    if (!json_is_object(line))
        return error_set(error, ERROR_BAD_REQUEST, "line is not an object");
    return api_read_place(line, out, error) == 0 ? read_steps(line, out, error) : -1;
}
