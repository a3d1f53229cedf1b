/*
 * What a line does with the board of a unit that ended: the bin a handler sorts it into, and what
 * the operator is told. One table for both; the bins are documented in docs/formats/handler.md.
 */
#ifndef NUSEC_CLI_VERDICT_H
#define NUSEC_CLI_VERDICT_H

#include <jansson.h>
#include <stdbool.h>

enum verdict_bin {
    VERDICT_PLANNED = 0, /* dry run */
    VERDICT_PASS = 1,    /* made now, or the golden sample is as it should be */
    VERDICT_BEFORE = 2,  /* made before; nothing was done */
    VERDICT_AGAIN = 3,   /* cut off: the same board again */
    VERDICT_CONTACT = 4, /* power, cable, socket */
    VERDICT_CHIP = 5,    /* the chip did something wrong */
    VERDICT_REFUSED = 6, /* not this chip under this job */
    VERDICT_LINE = 7,    /* nothing wrong with the chip: line, job or server */
};

struct verdict {
    enum verdict_bin bin;
    bool is_pass;
    const char *action; /* for the operator; "" for a pass */
};

/* `unit` as `produce` answers it (docs/formats/control.md). What is not known is a chip's fault. */
struct verdict verdict_of(const json_t *unit);

#endif
