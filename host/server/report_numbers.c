#include "server/report_numbers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPORT_BUCKETS 512
#define STEPS_MAX      UNIT_LINE_STEPS_MAX
#define CAUSES_MAX     64
#define PLACES_MAX     64
#define NAME_MAX_SIZE  (UNIT_LINE_TEXT_MAX + 1)

struct histogram {
    uint64_t count;
    uint32_t buckets[REPORT_BUCKETS];
};

struct step {
    char name[UNIT_STEP_NAME_MAX + 1];
    struct histogram times;
};

struct cause {
    char step[32];
    char code[32];
    uint64_t count;
};

struct tally {
    char name[NAME_MAX_SIZE];
    uint64_t complete;
    uint64_t failed; /* chips whose newest attempt failed */
    uint64_t scrapped;
    uint64_t first_good; /* complete at the first attempt */
    uint64_t first_bad;  /* first attempts that failed or were scrapped */
    uint64_t last_hour;
    uint64_t first; /* reservation of the first attempt */
    uint64_t last;  /* end of the last complete unit */
    uint64_t failures;
    size_t cause_count;
    size_t step_count;
    struct histogram whole;
    struct cause causes[CAUSES_MAX];
    struct step steps[STEPS_MAX];
};

struct places {
    struct tally *rows[PLACES_MAX];
    size_t count;
};

struct report_numbers {
    uint64_t now;
    struct tally job;
    struct places programmers;
    struct places sites;
};

struct report_numbers *report_numbers_new(uint64_t now) {
    struct report_numbers *numbers = calloc(1, sizeof *numbers);

    if (numbers != NULL)
        numbers->now = now;
    return numbers;
}

static void places_free(struct places *places) {
    for (size_t i = 0; i < places->count; i++)
        free(places->rows[i]);
}

void report_numbers_free(struct report_numbers *numbers) {
    if (numbers == NULL)
        return;
    places_free(&numbers->programmers);
    places_free(&numbers->sites);
    free(numbers);
}

/* Below 16 a bucket is one millisecond; above, sixteen to each doubling. */
static size_t bucket_of(uint64_t milliseconds) {
    unsigned shift = 0;

    while (milliseconds >> shift >= 32)
        shift++;
    size_t index = (size_t)shift * 16 + (size_t)(milliseconds >> shift);
    return index < REPORT_BUCKETS ? index : REPORT_BUCKETS - 1;
}

/* The largest value that falls into the bucket. */
static uint64_t bucket_end(size_t index) {
    size_t shift = index < 32 ? 0 : index / 16 - 1;
    uint64_t mantissa = index - shift * 16;

    return ((mantissa + 1) << shift) - 1;
}

static void histogram_add(struct histogram *histogram, uint64_t milliseconds) {
    histogram->count++;
    histogram->buckets[bucket_of(milliseconds)]++;
}

static uint64_t percentile(const struct histogram *histogram, unsigned percent) {
    uint64_t wanted = (histogram->count * percent + 99) / 100;
    uint64_t seen = 0;

    for (size_t i = 0; i < REPORT_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen >= wanted && seen > 0)
            return bucket_end(i);
    }
    return 0;
}

static void step_add(struct tally *tally, const char *name, uint64_t milliseconds) {
    size_t i = 0;

    while (i < tally->step_count && strcmp(tally->steps[i].name, name) != 0)
        i++;
    if (i == STEPS_MAX)
        return;
    if (i == tally->step_count) {
        snprintf(tally->steps[i].name, sizeof tally->steps[i].name, "%s", name);
        tally->step_count++;
    }
    histogram_add(&tally->steps[i].times, milliseconds);
}

static void steps_add(struct tally *tally, json_t *steps) {
    const char *name = NULL;
    json_t *value = NULL;

    json_object_foreach(steps, name, value) {
        step_add(tally, name, (uint64_t)json_integer_value(value));
    }
}

static size_t cause_find(const struct tally *tally, const char *step, const char *code) {
    size_t i = 0;

    while (i < tally->cause_count &&
           (strcmp(tally->causes[i].step, step) != 0 || strcmp(tally->causes[i].code, code) != 0))
        i++;
    return i;
}

/* A reason is "code: words", as the programmer writes it. */
static void cause_add(struct tally *tally, const struct store_unit *unit) {
    struct cause cause = {.count = 0};
    const char *code = unit->state == UNIT_SCRAPPED ? "scrapped" : unit->reason;
    size_t size = strcspn(code, ":");
    size_t i;

    snprintf(cause.step, sizeof cause.step, "%.31s", unit->step);
    snprintf(cause.code, sizeof cause.code, "%.*s", size < 31 ? (int)size : 31, code);
    tally->failures++;
    i = cause_find(tally, cause.step, cause.code);
    if (i >= CAUSES_MAX - 1) {
        cause = (struct cause){.step = "other"};
        i = cause_find(tally, cause.step, cause.code);
    }
    if (i == tally->cause_count)
        tally->causes[tally->cause_count++] = cause;
    tally->causes[i].count++;
}

/* One that was superseded without an end had lost its answer, not its chip. What was scrapped is a
 * cause of its own, whatever it had failed at: the chip is gone. */
static bool has_failed(const struct store_unit *unit) {
    return unit->state == UNIT_FAILED || unit->state == UNIT_SCRAPPED ||
           (unit->state == UNIT_SUPERSEDED && unit->step[0] != '\0');
}

/* `steps`: parsed once for all tallies, for it takes longer than the rest. */
static void tally_add(struct tally *tally, const struct store_unit *unit, json_t *steps,
                      bool is_complete, uint64_t now) {
    if (tally->first == 0 || unit->created < tally->first)
        tally->first = unit->created;
    if (has_failed(unit)) {
        tally->failed += unit->state == UNIT_FAILED ? 1 : 0;
        tally->scrapped += unit->state == UNIT_SCRAPPED ? 1 : 0;
        tally->first_bad += unit->attempt <= 1 ? 1 : 0;
        cause_add(tally, unit);
    }
    if (!is_complete)
        return;
    tally->complete++;
    tally->first_good += unit->attempt <= 1 ? 1 : 0;
    tally->last_hour += unit->updated + 3600 > now ? 1 : 0;
    if (unit->updated > tally->last)
        tally->last = unit->updated;
    histogram_add(&tally->whole, unit->milliseconds);
    steps_add(tally, steps);
}

static struct tally *place_find(const struct places *places, const char *name) {
    for (size_t i = 0; i < places->count; i++)
        if (strcmp(places->rows[i]->name, name) == 0)
            return places->rows[i];
    return NULL;
}

/* NULL when out of memory: the place is then not shown. */
static struct tally *place_of(struct places *places, const char *name) {
    struct tally *row = place_find(places, name);

    if (row == NULL && places->count >= PLACES_MAX - 1) {
        name = "other";
        row = place_find(places, name);
    }
    if (row == NULL && (row = calloc(1, sizeof *row)) != NULL) {
        snprintf(row->name, sizeof row->name, "%s", name);
        places->rows[places->count++] = row;
    }
    return row;
}

void report_numbers_add(struct report_numbers *numbers, const struct store_unit *unit,
                        enum unit_state complete_state) {
    bool is_complete = unit->state == complete_state;
    struct tally *programmer = place_of(&numbers->programmers, unit->programmer_id);
    struct tally *site =
        unit->line.site[0] != '\0' ? place_of(&numbers->sites, unit->line.site) : NULL;

    json_t *steps = is_complete ? json_loads(unit->line.steps, 0, NULL) : NULL;

    tally_add(&numbers->job, unit, steps, is_complete, numbers->now);
    if (programmer != NULL)
        tally_add(programmer, unit, steps, is_complete, numbers->now);
    if (site != NULL)
        tally_add(site, unit, steps, is_complete, numbers->now);
    json_decref(steps);
}

static json_t *times_json(const char *name, const struct histogram *times) {
    return json_pack("{s:s, s:I, s:f, s:f}", "step", name, "count", (json_int_t)times->count,
                     "median_s", (double)percentile(times, 50) / 1000.0, "p90_s",
                     (double)percentile(times, 90) / 1000.0);
}

static int by_count(const void *left, const void *right) {
    const struct cause *a = left, *b = right;

    return a->count != b->count ? (a->count < b->count ? 1 : -1) : strcmp(a->step, b->step);
}

static json_t *causes_json(const struct tally *tally) {
    struct cause sorted[CAUSES_MAX];
    json_t *list = json_array();

    memcpy(sorted, tally->causes, sizeof sorted);
    qsort(sorted, tally->cause_count, sizeof sorted[0], by_count);
    for (size_t i = 0; i < tally->cause_count; i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:f}", "step", sorted[i].step,
                                              "code", sorted[i].code, "count",
                                              (json_int_t)sorted[i].count, "share",
                                              (double)sorted[i].count / (double)tally->failures));
    return list;
}

static json_t *cycle_json(const struct tally *tally) {
    json_t *list = json_array();

    json_array_append_new(list, times_json("unit", &tally->whole));
    for (size_t i = 0; i < tally->step_count; i++)
        json_array_append_new(list, times_json(tally->steps[i].name, &tally->steps[i].times));
    return list;
}

static double share(uint64_t part, uint64_t rest) {
    return part + rest == 0 ? 0.0 : (double)part / (double)(part + rest);
}

static json_t *tally_json(const struct tally *tally) {
    uint64_t span = tally->last > tally->first ? tally->last - tally->first : 0;
    double rate = span > 0 ? (double)tally->complete * 3600.0 / (double)span : 0.0;

    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:o, s:o}", "name", tally->name,
                     "complete", (json_int_t)tally->complete, "failed", (json_int_t)tally->failed,
                     "scrapped", (json_int_t)tally->scrapped, "last_hour",
                     (json_int_t)tally->last_hour, "per_hour", rate, "complete_yield",
                     share(tally->complete, tally->failed + tally->scrapped), "first_pass_yield",
                     share(tally->first_good, tally->first_bad), "cycle", cycle_json(tally),
                     "failures", causes_json(tally));
}

static json_t *places_json(const struct places *places) {
    json_t *list = json_array();

    for (size_t i = 0; i < places->count; i++)
        json_array_append_new(list, tally_json(places->rows[i]));
    return list;
}

int report_numbers_put(const struct report_numbers *numbers, json_t *report, struct error *error) {
    if (json_object_set_new(report, "production", tally_json(&numbers->job)) != 0 ||
        json_object_set_new(report, "programmers", places_json(&numbers->programmers)) != 0 ||
        json_object_set_new(report, "sites", places_json(&numbers->sites)) != 0)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    return 0;
}
