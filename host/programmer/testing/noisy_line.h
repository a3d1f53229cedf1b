/*
 * A bad cable: relays a UART between the programmer and a board and spoils one byte in so many,
 * both ways. Test support.
 */
#ifndef NUSEC_PROGRAMMER_TESTING_NOISY_LINE_H
#define NUSEC_PROGRAMMER_TESTING_NOISY_LINE_H

enum noise {
    NOISE_INSERT, /* a run of garbage, frame marks among it */
    NOISE_FLIP,   /* a bit */
    NOISE_DROP,   /* a byte is lost */
};

struct noisy_line;

/* One connection at a time from now on, each relayed to `target`. */
struct noisy_line *noisy_line_start(const char *directory, const char *target, enum noise noise,
                                    unsigned period);
const char *noisy_line_endpoint(const struct noisy_line *line);
/* How many bytes were spoiled. */
unsigned noisy_line_stop(struct noisy_line *line);

#endif
