/*
 * Time. Programs pass a `struct clock` down wherever a time decides something, so that tests can
 * put another one in; the wall clock never measures a duration.
 */
#ifndef NUSEC_HOST_BASE_CLOCK_H
#define NUSEC_HOST_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

struct clock {
    uint64_t (*now_s)(void *context); /* Unix seconds */
    void *context;
};

extern const struct clock clock_system;

uint64_t clock_now_s(const struct clock *clock);

/* Never goes back, not related to the wall clock. */
uint64_t clock_monotonic_ms(void);
uint64_t clock_monotonic_us(void);

/* "2026-11-20T13:50:00Z". */
void clock_format(uint64_t unix_s, char text[21]);

#endif
