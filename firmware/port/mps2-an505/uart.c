/*
 * The device link on CMSDK UART0: receive interrupt into a ring, polled transmit.
 *
 * QEMU never loses a byte (its chardev waits), a real UART does: while flash or OTP is busy the
 * CPU cannot serve the interrupt, and what exceeds the 16-byte FIFO is gone. mps2_uart_stall
 * plays that, so that the link's recovery is exercised.
 */
#include "mps2_an505.h"

#include "common/board_model.h"

#define UART_DATA    (MPS2_UART0 + 0x00u)
#define UART_STATE   (MPS2_UART0 + 0x04u)
#define UART_CONTROL (MPS2_UART0 + 0x08u)
#define UART_CLEAR   (MPS2_UART0 + 0x0Cu)
#define UART_DIVIDER (MPS2_UART0 + 0x10u)

#define STATE_TX_FULL     1u
#define STATE_RX_FULL     2u
#define CONTROL_TX_ENABLE 1u
#define CONTROL_RX_ENABLE 2u
#define CONTROL_RX_IRQ    8u
#define CLEAR_RX          2u

#define FIFO_SIZE 16u
#define RING_SIZE 1024u /* a power of two */

static bool is_receiving;
static struct {
    volatile uint8_t bytes[RING_SIZE];
    volatile uint32_t head; /* written by the interrupt only */
    volatile uint32_t tail; /* written by thread mode only */
    volatile uint32_t lost;
    uint32_t lost_reported;
} ring;

static void ring_put(uint8_t byte) {
    if (ring.head - ring.tail == RING_SIZE) {
        ring.lost = ring.lost + 1;
        return;
    }
    ring.bytes[ring.head % RING_SIZE] = byte;
    ring.head = ring.head + 1;
}

void mps2_uart_interrupt(void) {
    *mps2_word(UART_CLEAR) = CLEAR_RX;
    while ((*mps2_word(UART_STATE) & STATE_RX_FULL) != 0)
        ring_put((uint8_t)*mps2_word(UART_DATA));
}

static void start(void) {
    is_receiving = true;
    __asm volatile("cpsid i" ::: "memory"); /* the ring has one writer */
    *mps2_word(UART_CONTROL) = CONTROL_TX_ENABLE | CONTROL_RX_ENABLE | CONTROL_RX_IRQ;
    /* QEMU takes in bytes that were waiting before the enable only after one read of DATA; and
     * what arrived before the interrupt was enabled raises none. */
    if ((*mps2_word(UART_STATE) & STATE_RX_FULL) != 0)
        ring_put((uint8_t)*mps2_word(UART_DATA));
    else
        (void)*mps2_word(UART_DATA);
    *mps2_word(MPS2_NVIC_ENABLE + 4 * (MPS2_UART0_RX_IRQ / 32)) = 1u << (MPS2_UART0_RX_IRQ % 32);
    mps2_uart_interrupt();
    __asm volatile("cpsie i" ::: "memory");
}

void mps2_uart_start(void) {
    *mps2_word(UART_DIVIDER) = 16;
    *mps2_word(UART_CONTROL) = CONTROL_TX_ENABLE;
}

void mps2_uart_stop(void) {
    while ((*mps2_word(UART_STATE) & STATE_TX_FULL) != 0)
        ;
    *mps2_word(UART_CONTROL) = 0;
    is_receiving = false;
}

enum status mps2_uart_read(uint8_t *out, size_t size, size_t *taken) {
    size_t count = 0;

    if (!is_receiving)
        start();
    while (count < size && ring.tail != ring.head) {
        out[count++] = ring.bytes[ring.tail % RING_SIZE];
        ring.tail = ring.tail + 1;
    }
    *taken = count;
    return STATUS_OK;
}

enum status mps2_uart_write(const uint8_t *data, size_t size) {
    for (size_t i = 0; i < size; i++) {
        while ((*mps2_word(UART_STATE) & STATE_TX_FULL) != 0)
            ;
        *mps2_word(UART_DATA) = data[i];
    }
    return STATUS_OK;
}

bool mps2_uart_overrun(void) {
    uint32_t lost = ring.lost;
    uint32_t fresh = lost - ring.lost_reported;

    if (fresh == 0)
        return false;
    ring.lost_reported = lost;
    board_register_add(BOARD_REGISTER_OVERRUNS, fresh);
    return true;
}

void mps2_uart_stall(uint32_t microseconds) {
    uint64_t start = mps2_clock_us();
    uint8_t fifo[FIFO_SIZE];
    size_t held = 0;

    __asm volatile("cpsid i" ::: "memory");
    while (mps2_clock_us() - start < microseconds) {
        uint8_t byte;
        if ((*mps2_word(UART_STATE) & STATE_RX_FULL) == 0)
            continue;
        byte = (uint8_t)*mps2_word(UART_DATA);
        if (held < FIFO_SIZE)
            fifo[held++] = byte;
        else
            ring.lost = ring.lost + 1;
    }
    for (size_t i = 0; i < held; i++)
        ring_put(fifo[i]);
    __asm volatile("cpsie i" ::: "memory");
}

void mps2_uart_wait(void) {
    /* With interrupts masked a byte that comes in after the check still ends the WFI. */
    __asm volatile("cpsid i" ::: "memory");
    if (ring.head == ring.tail)
        __asm volatile("wfi" ::: "memory");
    __asm volatile("cpsie i" ::: "memory");
}
