/*
 * The TRNG: UART1, which the launcher connects to the host's random source. Full entropy per byte,
 * back-pressured, so a byte is read only when there is one.
 */
#include "mps2_an505.h"

#define TRNG_DATA    (MPS2_UART1 + 0x00u)
#define TRNG_STATE   (MPS2_UART1 + 0x04u)
#define TRNG_CONTROL (MPS2_UART1 + 0x08u)
#define TRNG_DIVIDER (MPS2_UART1 + 0x10u)

#define STATE_RX_FULL     2u
#define CONTROL_RX_ENABLE 2u

/* SP 800-90B, 4.4.1: so many equal bytes in a row come by chance once in 2^40 starts. */
#define REPETITION_CUTOFF 6u
/* Far beyond the 50 us a byte takes, on a busy machine too. */
#define POLLS_PER_BYTE 50000000u

void mps2_trng_start(void) {
    *mps2_word(TRNG_DIVIDER) = 16;
    *mps2_word(TRNG_CONTROL) = CONTROL_RX_ENABLE;
    (void)*mps2_word(TRNG_DATA); /* gets QEMU going, see uart.c */
}

static bool next_byte(uint8_t *byte) {
    for (uint32_t polls = 0; polls < POLLS_PER_BYTE; polls++) {
        if ((*mps2_word(TRNG_STATE) & STATE_RX_FULL) != 0) {
            *byte = (uint8_t)*mps2_word(TRNG_DATA);
            return true;
        }
    }
    return false;
}

enum status mps2_trng_read(void *context, uint8_t *out, size_t size) {
    static uint8_t last;
    static uint32_t repeats;

    (void)context;
    for (size_t i = 0; i < size; i++) {
        if (!next_byte(&out[i]))
            return STATUS_NO_ENTROPY;
        repeats = out[i] == last ? repeats + 1 : 1;
        last = out[i];
        if (repeats >= REPETITION_CUTOFF)
            return STATUS_NO_ENTROPY;
    }
    return STATUS_OK;
}
