/*
 * QEMU's mps2-an505, CPU in Secure state throughout: addresses and the parts of the port.
 *
 * The only place with CPU addresses besides the linker scripts and lib/board/board_file.h, which
 * fixes those a debugger has to know.
 */
#ifndef NUSEC_PORT_MPS2_AN505_H
#define NUSEC_PORT_MPS2_AN505_H

#include "hal/hal.h"

#define MPS2_PERIPHERALS   0x50000000u
#define MPS2_UART0         0x50200000u /* the device link */
#define MPS2_UART1         0x50201000u /* fed from the host's random source: the TRNG */
#define MPS2_FPGAIO        0x50302000u
#define MPS2_SYSTICK_CTRL  0xE000E010u
#define MPS2_SYSTICK_LOAD  0xE000E014u
#define MPS2_SYSTICK_VALUE 0xE000E018u
#define MPS2_SCB_ICSR      0xE000ED04u
#define MPS2_SCB_VTOR      0xE000ED08u
#define MPS2_SCB_AIRCR     0xE000ED0Cu
#define MPS2_NVIC_ENABLE   0xE000E100u
#define MPS2_NVIC_CLEAR    0xE000E280u
#define MPS2_MPU_CTRL      0xE000ED94u
#define MPS2_MPU_RNR       0xE000ED98u
#define MPS2_MPU_RBAR      0xE000ED9Cu
#define MPS2_MPU_RLAR      0xE000EDA0u
#define MPS2_MPU_MAIR0     0xE000EDC0u

#define MPS2_UART0_RX_IRQ 32u

/* Of an image's vector table in flash: also the size of the header before it. */
#define MPS2_VECTOR_ALIGNMENT 0x400u

static inline volatile uint32_t *mps2_word(uint32_t address) {
    return (volatile uint32_t *)(uintptr_t)address;
}

/* Device link: interrupt, ring buffer, sleep. The first read turns the receiver on: bytes that come
 * while a stage only passes on to the next one wait for the one that talks. */
void mps2_uart_start(void);
void mps2_uart_stop(void);
void mps2_uart_interrupt(void);
enum status mps2_uart_read(uint8_t *out, size_t size, size_t *taken);
enum status mps2_uart_write(const uint8_t *data, size_t size);
bool mps2_uart_overrun(void);
/* Interrupts off for so long, the receiver's 16-byte FIFO alone catching what comes in. */
void mps2_uart_stall(uint32_t microseconds);
/* Sleeps until an interrupt, unless a byte is waiting; 50 times a second at least it wakes. */
void mps2_uart_wait(void);

void mps2_clock_start(void);
void mps2_clock_tick(void); /* the SysTick handler */
uint64_t mps2_clock_us(void);

/* The shape of crypto_entropy_function. */
void mps2_trng_start(void);
enum status mps2_trng_read(void *context, uint8_t *out, size_t size);

void mps2_mpu_start(void);
/* Of a chip whose debug port is locked, no code can be loaded into SRAM. Once the lock is known. */
void mps2_mpu_apply_debug_lock(void);
void mps2_mpu_open_board_file(void);
void mps2_mpu_close_board_file(void);

/* Deepest use of the painted stack since the stage started, in bytes. */
uint32_t mps2_stack_peak(void);
/* Paints what is not in use. */
void mps2_stack_scrub(void);

/* Does not return. */
void mps2_reset(enum hal_boot_reason reason);

/* Interrupts off, as in reset. */
void mps2_clear_interrupts(void);
/*
 * Wipes the hidden RAM and all registers and starts the image behind this vector table as a reset
 * would. The caller is done with its stack. Does not return.
 */
void mps2_start_image(const uint32_t *vectors);

/* Starts the port's parts and returns the board. */
const struct hal *mps2_board_start(void);

/* What each image defines: its number in BOARD_REGISTER_STAGE, and what runs. Does not return. */
extern const uint32_t mps2_stage;
void mps2_stage_main(void);

#endif
