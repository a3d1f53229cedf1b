#include "cli/report_files.h"

#include <stdbool.h>
#include <string.h>

static const char *const members[] = {"uid",     "unit_id", "state",   "step",
                                      "attempt", "seconds", "updated", "certificate_sha256_hex",
                                      "reason",  "site",    "serial"};
#define MEMBER_COUNT (sizeof members / sizeof members[0])

static const char *string_of(const json_t *object, const char *member) {
    const char *text = json_string_value(json_object_get(object, member));

    return text != NULL ? text : "";
}

/* It may be read on a terminal. */
static int printable(char character) {
    return (unsigned char)character < 0x20 || character == 0x7F ? '?' : character;
}

static void csv_text(FILE *out, const char *text) {
    (void)fputc('"', out);
    if (text[0] != '\0' && strchr("=+-@\t\r", text[0]) != NULL)
        (void)fputc('\'', out);
    for (; *text != '\0'; text++) {
        if (*text == '"')
            (void)fputc('"', out);
        (void)fputc(printable(*text), out);
    }
    (void)fputc('"', out);
}

static void csv_cell(FILE *out, const json_t *value) {
    if (json_is_integer(value))
        (void)fprintf(out, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        (void)fprintf(out, "%.3f", json_real_value(value));
    else if (json_is_string(value))
        csv_text(out, json_string_value(value));
}

static bool is_whole(const json_t *row) {
    return strcmp(string_of(row, "step"), "unit") == 0;
}

/* The steps that any unit of the job has taken, as the numbers of the job have them. */
static const json_t *step_rows(const json_t *report) {
    return json_object_get(json_object_get(report, "production"), "cycle");
}

/* Milliseconds; "unit", the whole, has its own column already. */
static void csv_steps(FILE *out, const json_t *report, const json_t *unit) {
    const json_t *steps = json_object_get(unit, "steps");
    size_t index = 0;
    const json_t *row = NULL;

    json_array_foreach(step_rows(report), index, row) {
        if (is_whole(row))
            continue;
        (void)fputc(',', out);
        csv_cell(out, json_object_get(steps, string_of(row, "step")));
    }
}

static void csv_heading(FILE *out, const json_t *report) {
    size_t index = 0;
    const json_t *row = NULL;

    for (size_t i = 0; i < MEMBER_COUNT; i++)
        (void)fprintf(out, "%s%s", i == 0 ? "" : ",", members[i]);
    json_array_foreach(step_rows(report), index, row) {
        if (is_whole(row))
            continue;
        (void)fputc(',', out);
        csv_text(out, string_of(row, "step"));
    }
    (void)fputs("\r\n", out);
}

void report_csv(FILE *out, const json_t *report) {
    size_t index = 0;
    const json_t *unit = NULL;

    csv_heading(out, report);
    json_array_foreach(json_object_get(report, "units"), index, unit) {
        for (size_t i = 0; i < MEMBER_COUNT; i++) {
            if (i > 0)
                (void)fputc(',', out);
            csv_cell(out, json_object_get(unit, members[i]));
        }
        csv_steps(out, report, unit);
        (void)fputs("\r\n", out);
    }
}

/* The value of an attribute. */
static void xml_text(FILE *out, const char *text) {
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '&': (void)fputs("&amp;", out); break;
        case '<': (void)fputs("&lt;", out); break;
        case '>': (void)fputs("&gt;", out); break;
        case '"': (void)fputs("&quot;", out); break;
        default: (void)fputc(printable(*text), out);
        }
    }
}

static void xml_attribute(FILE *out, const char *name, const char *text) {
    (void)fprintf(out, " %s=\"", name);
    xml_text(out, text);
    (void)fputc('"', out);
}

static bool is_state(const json_t *unit, const char *state) {
    return strcmp(string_of(unit, "state"), state) == 0;
}

/* A scrapped chip is not a good one, whatever it passed. */
static bool has_failed(const json_t *unit) {
    return is_state(unit, "failed") || is_state(unit, "scrapped");
}

static void junit_unit(FILE *out, const char *product, const json_t *unit) {
    (void)fputs("    <testcase", out);
    xml_attribute(out, "classname", product);
    xml_attribute(out, "name", string_of(unit, "uid"));
    (void)fprintf(out, " time=\"%.3f\">", json_number_value(json_object_get(unit, "seconds")));
    if (has_failed(unit)) {
        (void)fputs("<failure", out);
        xml_attribute(out, "type", string_of(unit, is_state(unit, "failed") ? "step" : "state"));
        xml_attribute(out, "message", string_of(unit, "reason"));
        (void)fputs("/>", out);
    } else if (is_state(unit, "reserved")) {
        (void)fputs("<skipped message=\"under way\"/>", out);
    }
    (void)fputs("</testcase>\n", out);
}

static unsigned in_state(const json_t *units, const char *state) {
    size_t index = 0;
    const json_t *unit = NULL;
    unsigned count = 0;

    json_array_foreach(units, index, unit) {
        count += is_state(unit, state) ? 1 : 0;
    }
    return count;
}

static void junit_properties(FILE *out, const json_t *report) {
    json_t *counts = json_object_get(report, "counts");
    const char *name = NULL;
    json_t *value = NULL;

    (void)fputs("    <properties>\n", out);
    json_object_foreach(counts, name, value) {
        (void)fputs("      <property", out);
        xml_attribute(out, "name", name);
        if (json_is_boolean(value))
            (void)fprintf(out, " value=\"%s\"/>\n", json_is_true(value) ? "true" : "false");
        else
            (void)fprintf(out, " value=\"%lld\"/>\n", (long long)json_integer_value(value));
    }
    (void)fputs("    </properties>\n", out);
}

void report_junit(FILE *out, const json_t *report) {
    const json_t *job = json_object_get(report, "job");
    const json_t *units = json_object_get(report, "units");
    size_t index = 0;
    const json_t *unit = NULL;

    (void)fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite", out);
    xml_attribute(out, "name", string_of(job, "id"));
    (void)fprintf(out, " tests=\"%zu\" failures=\"%u\" skipped=\"%u\" errors=\"0\">\n",
                  json_array_size(units), in_state(units, "failed") + in_state(units, "scrapped"),
                  in_state(units, "reserved"));
    junit_properties(out, report);
    json_array_foreach(units, index, unit) {
        junit_unit(out, string_of(job, "product"), unit);
    }
    (void)fputs("  </testsuite>\n</testsuites>\n", out);
}
