#include "cli/progress.h"

#include "cli/output.h"
#include "cli/verdict.h"

#include <string.h>

#define BAR_WIDTH       (PROGRESS_BAR_SIZE - 1)
#define LINE_SIZE       512
#define DEFAULT_COLUMNS 80

void progress_init(struct progress *progress, FILE *out, enum progress_style style, size_t columns,
                   long long remaining) {
    memset(progress, 0, sizeof(*progress));
    progress->out = out;
    progress->style = style;
    progress->columns = columns == 0 ? DEFAULT_COLUMNS : columns;
    progress->remaining = remaining;
}

/* The row of a site, added on its first event; NULL when there are too many. */
static struct progress_site *site_named(struct progress *progress, const char *name) {
    for (size_t i = 0; i < progress->site_count; i++) {
        if (strcmp(progress->sites[i].name, name) == 0)
            return &progress->sites[i];
    }
    if (progress->site_count == PROGRESS_SITES_MAX)
        return NULL;
    struct progress_site *site = &progress->sites[progress->site_count++];
    (void)snprintf(site->name, sizeof(site->name), "%s", name);
    return site;
}

void progress_bar(double percent, char bar[PROGRESS_BAR_SIZE]) {
    for (int i = 0; i < BAR_WIDTH; i++)
        bar[i] = percent * BAR_WIDTH >= 100.0 * (i + 1) ? '#' : '.';
    bar[BAR_WIDTH] = '\0';
}

void progress_add_site(struct progress *progress, const char *name) {
    struct progress_site *site = site_named(progress, name);

    if (site == NULL || site->state[0] != '\0')
        return;
    (void)snprintf(site->state, sizeof(site->state), "waiting");
    progress_bar(0, site->bar);
}

static double number(const json_t *event, const char *member) {
    return json_number_value(json_object_get(event, member));
}

static void update(struct progress_site *site, const json_t *event) {
    output_text(event, "state", OUTPUT_TEXT, site->state, sizeof(site->state));
    output_text(event, "message", OUTPUT_TEXT, site->message, sizeof(site->message));
    /* Not known before the chip was read; a later event need not repeat it. */
    if (site->uid[0] == '\0' || json_object_get(event, "uid") != NULL)
        output_text(event, "uid", OUTPUT_TEXT, site->uid, sizeof(site->uid));
    progress_bar(number(event, "percent"), site->bar);
    site->seconds = number(event, "seconds");
}

/* A word that is seen from two metres away, in the place of the bar. */
static void verdict_bar(const struct verdict *verdict, char bar[PROGRESS_BAR_SIZE]) {
    if (verdict->is_pass)
        (void)snprintf(bar, PROGRESS_BAR_SIZE, "======= PASS =======");
    else
        (void)snprintf(bar, PROGRESS_BAR_SIZE, "!!! FAIL  bin %d !!!!", (int)verdict->bin);
}

/* How a unit ended, and what to do with the board. */
static void update_ended(struct progress_site *site, const json_t *unit) {
    char reason[2 * PROGRESS_TEXT_SIZE];
    const struct verdict verdict = verdict_of(unit);

    output_text(unit, "state", OUTPUT_TEXT, site->state, sizeof(site->state));
    output_text(unit, "uid", OUTPUT_TEXT, site->uid, sizeof(site->uid));
    output_text(unit, "reason", OUTPUT_TEXT, reason, sizeof(reason));
    site->seconds = number(unit, "seconds");
    verdict_bar(&verdict, site->bar);
    if (!verdict.is_pass)
        (void)snprintf(site->message, sizeof(site->message), "%s (%s)", verdict.action, reason);
    else
        (void)snprintf(
            site->message, sizeof(site->message), "%s",
            json_is_true(json_object_get(unit, "resumed")) ? "resumed where it was cut off" : "");
}

static void update_totals(struct progress *progress, const json_t *totals) {
    progress->passed = json_integer_value(json_object_get(totals, "identified")) +
                       json_integer_value(json_object_get(totals, "done"));
    progress->failed = json_integer_value(json_object_get(totals, "failed"));
    if (json_is_integer(json_object_get(totals, "remaining")))
        progress->remaining = json_integer_value(json_object_get(totals, "remaining"));
}

static const char *message_of(const struct progress_site *site) {
    return strcmp(site->message, "-") == 0 ? "" : site->message;
}

static void totals_text(const struct progress *progress, char *text, size_t size) {
    char remaining[24] = "?";

    if (progress->remaining >= 0)
        (void)snprintf(remaining, sizeof(remaining), "%lld", progress->remaining);
    (void)snprintf(text, size, "PASS %lld   FAIL %lld   REMAINING %s", progress->passed,
                   progress->failed, remaining);
}

/* A line of the terminal, cut so that it never wraps. */
static void draw_line(struct progress *progress, const char *line) {
    (void)fprintf(progress->out, "\r\033[K%.*s\n", (int)(progress->columns - 1), line);
    progress->drawn++;
}

static void redraw(struct progress *progress) {
    char line[LINE_SIZE];

    if (progress->drawn > 0)
        (void)fprintf(progress->out, "\033[%zuA", progress->drawn);
    progress->drawn = 0;
    totals_text(progress, line, sizeof(line));
    draw_line(progress, line);
    for (size_t i = 0; i < progress->site_count; i++) {
        const struct progress_site *site = &progress->sites[i];
        (void)snprintf(line, sizeof(line), "%-8s %s %-14s %6.1f s %s %s", site->name, site->bar,
                       site->state, site->seconds, site->uid, message_of(site));
        draw_line(progress, line);
    }
    (void)fflush(progress->out);
}

static void print_line(FILE *out, const struct progress_site *site) {
    const char *message = message_of(site);

    (void)fprintf(out, "%-8s %-14s %-32s %6.1f s%s%s\n", site->name, site->state, site->uid,
                  site->seconds, message[0] == '\0' ? "" : "  ", message);
    (void)fflush(out);
}

/* The end of a unit, and the totals after it. */
static void print_ended(const struct progress *progress, const struct progress_site *site) {
    char totals[LINE_SIZE];

    totals_text(progress, totals, sizeof(totals));
    (void)fprintf(progress->out, "%-8s %s %-14s %s %.1f s%s%s\n         %s\n", site->name,
                  site->bar, site->state, site->uid, site->seconds,
                  site->message[0] == '\0' ? "" : "  ", site->message, totals);
    (void)fflush(progress->out);
}

void progress_event(struct progress *progress, const json_t *event) {
    char name[PROGRESS_TEXT_SIZE];
    const json_t *unit = json_object_get(event, "unit");

    if (progress->style == PROGRESS_JSON) {
        output_json_line(progress->out, event);
        return;
    }
    if (!json_is_string(json_object_get(event, "site")))
        return;
    output_text(event, "site", OUTPUT_TEXT, name, sizeof(name));
    struct progress_site *site = site_named(progress, name);
    if (site == NULL)
        return;
    if (unit != NULL) {
        update_ended(site, unit);
        update_totals(progress, json_object_get(event, "totals"));
    } else {
        update(site, event);
    }
    if (progress->style == PROGRESS_TERMINAL)
        redraw(progress);
    else if (unit != NULL)
        print_ended(progress, site);
    else
        print_line(progress->out, site);
}

void progress_finish(struct progress *progress) {
    if (progress->style == PROGRESS_TERMINAL && progress->site_count > 0)
        redraw(progress);
}
