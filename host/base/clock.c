#include "base/clock.h"

#include <stddef.h>
#include <stdio.h>

static uint64_t system_now(void *context) {
    (void)context;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec;
}

const struct clock clock_system = {system_now, NULL};

uint64_t clock_now_s(const struct clock *clock) {
    return clock->now_s(clock->context);
}

uint64_t clock_monotonic_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

uint64_t clock_monotonic_ms(void) {
    return clock_monotonic_us() / 1000u;
}

void clock_format(uint64_t unix_s, char text[21]) {
    /* Year 9999 is the last that fits. */
    time_t seconds = unix_s > 253402300799u ? (time_t)253402300799 : (time_t)unix_s;
    struct tm parts = {0};
    gmtime_r(&seconds, &parts);
    if (strftime(text, 21, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        text[0] = '\0';
}
