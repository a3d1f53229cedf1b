/*
 * What `nusec` prints: JSON as it came, or aligned tables and fields for people.
 *
 * One list of columns drives both: the title, the member of the JSON object, how to show it. Text
 * from the network is never sent to a terminal as it is: control characters become '?', because an
 * escape sequence in a product name must not be able to rewrite the operator's screen.
 */
#ifndef NUSEC_CLI_OUTPUT_H
#define NUSEC_CLI_OUTPUT_H

#include "base/error.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum output_format {
    OUTPUT_TEXT,    /* string, number or "-" */
    OUTPUT_TIME,    /* Unix seconds */
    OUTPUT_SHORT,   /* hexadecimal, first 16 digits */
    OUTPUT_SECONDS, /* a number with one decimal */
    OUTPUT_PERCENT, /* 0..1 */
};

struct output_column {
    const char *title;
    const char *member;
    enum output_format format;
};

/* A table of the objects in `rows`, with a heading; "none" when there are no rows. */
void output_table(FILE *out, const struct output_column *columns, size_t count, const json_t *rows);
/* One object, a field per line. Absent members are shown as "-". */
void output_fields(FILE *out, const struct output_column *columns, size_t count,
                   const json_t *object);
/* One JSON document and a line break. */
void output_json(FILE *out, const json_t *value);
/* One JSON document on one line, flushed: for streams of events. */
void output_json_line(FILE *out, const json_t *value);
/* {"error":{code,message,hint}} */
void output_json_error(FILE *out, const struct error *error);
/* "nusec: message" and a hint line. */
void output_error(FILE *out, const struct error *error);

/* A member as text for people, in the caller's buffer; what does not fit is cut. */
void output_text(const json_t *object, const char *member, enum output_format format, char *text,
                 size_t size);

/* The strings of an array, with blanks between; "-" if there are none. */
void output_list(const json_t *list, char *text, size_t size);

/* The result of a command: with --json the whole of `answer`, else its columns as fields or, when
 * `list` names an array member, as a table. Takes `answer` over; returns -1 if it is NULL. */
int output_answer(json_t *answer, const char *list, const struct output_column *columns,
                  size_t count);

#endif
