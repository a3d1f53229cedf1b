#include "cli/moment.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DAY_S 86400U
/* No job lives longer; it also keeps the sums far from overflow. */
#define LONGEST_S (100ULL * 366 * DAY_S)

static bool parse_span(const char *text, uint64_t *seconds) {
    static const struct {
        char unit;
        uint32_t seconds;
    } units[] = {{'d', DAY_S}, {'h', 3600}, {'m', 60}, {'s', 1}};
    char *end = NULL;

    if (!isdigit((unsigned char)text[0]) || strlen(text) > 10)
        return false;
    unsigned long long number = strtoull(text, &end, 10);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (end[0] == units[i].unit && end[1] == '\0') {
            *seconds = number * units[i].seconds;
            return *seconds <= LONGEST_S;
        }
    }
    return false;
}

/* strptime is lenient about blanks and digits, timegm about the 31st of February: the text must be
 * what the same moment prints. */
static bool parse_utc(const char *text, const char *format, time_t *moment) {
    struct tm fields = {0};
    char again[32];

    const char *end = strptime(text, format, &fields);
    if (end == NULL || *end != '\0')
        return false;
    *moment = timegm(&fields);
    return *moment > 0 && gmtime_r(moment, &fields) != NULL &&
           strftime(again, sizeof(again), format, &fields) > 0 && strcmp(again, text) == 0;
}

int moment_parse(const char *text, uint64_t now, uint64_t *moment, struct error *error) {
    time_t parsed = 0;
    uint64_t span = 0;

    if (text[0] == '+' && parse_span(text + 1, &span)) {
        *moment = now + span;
        return 0;
    }
    if (parse_utc(text, "%Y-%m-%d", &parsed)) {
        *moment = (uint64_t)parsed + DAY_S - 1;
        return 0;
    }
    if (parse_utc(text, "%Y-%m-%dT%H:%M:%SZ", &parsed)) {
        *moment = (uint64_t)parsed;
        return 0;
    }
    (void)error_set(error, ERROR_USAGE, "\"%s\" is not a time", text);
    return error_hint(error, "write 2026-12-31, 2026-12-31T12:00:00Z, or +30d, +12h, +10m, +5s");
}
