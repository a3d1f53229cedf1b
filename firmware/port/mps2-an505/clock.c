/*
 * Time since reset from the FPGA board's free-running counter, made to count microseconds; and a
 * slow tick. The tick does nothing but end a WFI: a debugger that moves the PC of a sleeping core
 * wakes a real one, but QEMU's sleeps on until an interrupt is pending.
 */
#include "mps2_an505.h"

#define FPGAIO_COUNTER  (MPS2_FPGAIO + 0x18u)
#define FPGAIO_PRESCALE (MPS2_FPGAIO + 0x1Cu)
#define CORE_MHZ        20u
#define TICK_US         20000u
#define TICK_ENABLE     7u /* core clock, interrupt, counting */

static uint32_t last;
static uint64_t elapsed;

void mps2_clock_start(void) {
    *mps2_word(FPGAIO_PRESCALE) = CORE_MHZ - 1;
    last = *mps2_word(FPGAIO_COUNTER);
    elapsed = 0;
    *mps2_word(MPS2_SYSTICK_LOAD) = TICK_US * CORE_MHZ - 1;
    *mps2_word(MPS2_SYSTICK_VALUE) = 0;
    *mps2_word(MPS2_SYSTICK_CTRL) = TICK_ENABLE;
}

void mps2_clock_tick(void) {
}

/* The counter wraps after 71 minutes: right as long as somebody asks more often than that. */
uint64_t mps2_clock_us(void) {
    uint32_t now = *mps2_word(FPGAIO_COUNTER);

    elapsed += now - last;
    last = now;
    return elapsed;
}
