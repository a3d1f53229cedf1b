/*
 * What the operator sees while units are made: totals, and one line per site.
 *
 * On a terminal the lines are redrawn in place; into a pipe or file every change is a line of its
 * own, so that a log can be read and searched; with --json every event is printed as it came, one
 * per line. PASS and FAIL are words, not colours. Calling sequence: progress_init, progress_event
 * for every event, progress_finish.
 */
#ifndef NUSEC_CLI_PROGRESS_H
#define NUSEC_CLI_PROGRESS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum progress_style { PROGRESS_TERMINAL, PROGRESS_LINES, PROGRESS_JSON };

#define PROGRESS_SITES_MAX 64
#define PROGRESS_TEXT_SIZE 64
#define PROGRESS_BAR_SIZE  21

struct progress_site {
    char name[PROGRESS_TEXT_SIZE];
    char uid[PROGRESS_TEXT_SIZE];
    char state[PROGRESS_TEXT_SIZE];
    char message[6 * PROGRESS_TEXT_SIZE];
    char bar[PROGRESS_BAR_SIZE]; /* how far the unit is, or how it ended */
    double seconds;
};

struct progress {
    FILE *out;
    enum progress_style style;
    struct progress_site sites[PROGRESS_SITES_MAX];
    size_t site_count;
    size_t drawn;   /* lines on the terminal above the cursor */
    size_t columns; /* a longer line would wrap, and the redrawing count lines wrongly */
    long long passed;
    long long failed;
    long long remaining; /* -1 when not known */
};

/* `columns`: width of the terminal, 0 if not known (80). `remaining`: -1 if not known. */
void progress_init(struct progress *progress, FILE *out, enum progress_style style, size_t columns,
                   long long remaining);
/* Fixes the row of a site before its first event, so that the order is that of the command line. */
void progress_add_site(struct progress *progress, const char *name);
/* An event of `produce` (docs/formats/control.md): where a unit is, or how it ended; others are
 * ignored. */
void progress_event(struct progress *progress, const json_t *event);
/* Leaves the last state of every site on the screen. */
void progress_finish(struct progress *progress);

/* A bar of fixed width for `percent`, as used in the lines of a terminal. */
void progress_bar(double percent, char bar[PROGRESS_BAR_SIZE]);

#endif
