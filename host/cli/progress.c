#include "cli/progress.h"

#include "cli/output.h"

#include <string.h>

#define BAR_WIDTH       (PROGRESS_BAR_SIZE - 1)
#define LINE_SIZE       512
#define DEFAULT_COLUMNS 80

void progress_init(struct progress *progress, FILE *out, enum progress_style style,
                   size_t columns) {
    memset(progress, 0, sizeof(*progress));
    progress->out = out;
    progress->style = style;
    progress->columns = columns == 0 ? DEFAULT_COLUMNS : columns;
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

void progress_add_site(struct progress *progress, const char *name) {
    struct progress_site *site = site_named(progress, name);

    if (site != NULL && site->state[0] == '\0')
        (void)snprintf(site->state, sizeof(site->state), "waiting");
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
    site->percent = number(event, "percent");
    site->seconds = number(event, "seconds");
}

static const char *message_of(const struct progress_site *site) {
    return strcmp(site->message, "-") == 0 ? "" : site->message;
}

void progress_bar(double percent, char bar[PROGRESS_BAR_SIZE]) {
    for (int i = 0; i < BAR_WIDTH; i++)
        bar[i] = percent * BAR_WIDTH >= 100.0 * (i + 1) ? '#' : '.';
    bar[BAR_WIDTH] = '\0';
}

static void redraw(struct progress *progress) {
    char bar[PROGRESS_BAR_SIZE];
    char line[LINE_SIZE];

    if (progress->drawn > 0)
        (void)fprintf(progress->out, "\033[%zuA", progress->drawn);
    for (size_t i = 0; i < progress->site_count; i++) {
        const struct progress_site *site = &progress->sites[i];
        progress_bar(site->percent, bar);
        (void)snprintf(line, sizeof(line), "%-8s %s %-14s %6.1f s %s %s", site->name, bar,
                       site->state, site->seconds, site->uid, message_of(site));
        (void)fprintf(progress->out, "\r\033[K%.*s\n", (int)(progress->columns - 1), line);
    }
    progress->drawn = progress->site_count;
    (void)fflush(progress->out);
}

static void print_line(FILE *out, const struct progress_site *site) {
    const char *message = message_of(site);

    (void)fprintf(out, "%-8s %-14s %-32s %6.1f s%s%s\n", site->name, site->state, site->uid,
                  site->seconds, message[0] == '\0' ? "" : "  ", message);
    (void)fflush(out);
}

void progress_event(struct progress *progress, const json_t *event) {
    char name[PROGRESS_TEXT_SIZE];

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
    update(site, event);
    if (progress->style == PROGRESS_TERMINAL)
        redraw(progress);
    else
        print_line(progress->out, site);
}

void progress_finish(struct progress *progress) {
    if (progress->style == PROGRESS_TERMINAL && progress->site_count > 0)
        redraw(progress);
}
