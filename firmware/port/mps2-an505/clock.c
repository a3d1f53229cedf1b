/*
 * Time since reset from the FPGA board's free-running counter, made to count microseconds.
 */
#include "mps2_an505.h"

#define FPGAIO_COUNTER  (MPS2_FPGAIO + 0x18u)
#define FPGAIO_PRESCALE (MPS2_FPGAIO + 0x1Cu)
#define CORE_MHZ        20u

static uint32_t last;
static uint64_t elapsed;

void mps2_clock_start(void) {
    *mps2_word(FPGAIO_PRESCALE) = CORE_MHZ - 1;
    last = *mps2_word(FPGAIO_COUNTER);
    elapsed = 0;
}

/* The counter wraps after 71 minutes: right as long as somebody asks more often than that. */
uint64_t mps2_clock_us(void) {
    uint32_t now = *mps2_word(FPGAIO_COUNTER);

    elapsed += now - last;
    last = now;
    return elapsed;
}
