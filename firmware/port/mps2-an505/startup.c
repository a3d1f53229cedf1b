/*
 * Vector table, reset, faults; the same for every image. A debugger may start an image in any
 * state the previous one left behind, so nothing is taken from it but SP and PC.
 */
#include "mps2_an505.h"

#include "common/board_model.h"

#include <string.h>

#define STACK_PAINT     0xA5A5A5A5u
#define IRQ_COUNT       (MPS2_UART0_RX_IRQ + 1)
#define NVIC_WORDS      2
#define FRAME_PC        6 /* in the frame the exception left; nonsense after a stack overflow */
#define ICSR_CLEAR_TICK 0x02000000u

/* From the linker script. */
extern uint32_t image_stack_bottom[];
extern uint32_t image_stack_top[];
extern uint32_t image_bss_start[];
extern uint32_t image_bss_end[];
extern uint32_t image_data_start[];
extern uint32_t image_data_end[];
extern const uint32_t image_data_load[];

void image_reset(void);
void image_fault(const uint32_t *frame);
void image_fault_entry(void);

/* -fstack-protector needs both; the guard gets its value from the TRNG at each start. */
extern uintptr_t __stack_chk_guard;
uintptr_t __stack_chk_guard;
void __stack_chk_fail(void);

struct vector_table {
    uint32_t *stack_top;
    void (*exception[15])(void);
    void (*interrupt[IRQ_COUNT])(void);
};

/* 48 vectors and more: aligned to the next power of two, as VTOR demands. */
extern const struct vector_table image_vectors;
const struct vector_table image_vectors __attribute__((section(".vectors"), aligned(256))) = {
    .stack_top = image_stack_top,
    .exception = {[0] = image_reset,
                  [1] = image_fault_entry,
                  [2] = image_fault_entry,
                  [3] = image_fault_entry,
                  [4] = image_fault_entry,
                  [5] = image_fault_entry,
                  [6] = image_fault_entry,
                  [14] = mps2_clock_tick},
    .interrupt = {[MPS2_UART0_RX_IRQ] = mps2_uart_interrupt},
};

void __stack_chk_fail(void) {
    board_register_add(BOARD_REGISTER_CRASHES, 1);
    mps2_reset(HAL_BOOT_WATCHDOG);
}

/* A wild pointer ends in a reset with a trace, never in code running on. */
void image_fault(const uint32_t *frame) {
    const uint32_t program_counter = frame[FRAME_PC];

    board_register_write(BOARD_REGISTER_CRASH_PC, program_counter);
    board_register_add(BOARD_REGISTER_CRASHES, 1);
    mps2_reset(HAL_BOOT_WATCHDOG);
}

/* After a stack overflow there is no stack left to handle it on: start over at the top. */
__attribute__((naked)) void image_fault_entry(void) {
    __asm volatile("mrs r0, msp\n"
                   "movs r1, #0\n"
                   "msr msplim, r1\n"
                   "ldr r1, =image_stack_top\n"
                   "msr msp, r1\n"
                   "ldr r1, =image_fault\n"
                   "bx r1\n");
}

static void clear_interrupts(void) {
    *mps2_word(MPS2_SYSTICK_CTRL) = 0;
    *mps2_word(MPS2_SCB_ICSR) = ICSR_CLEAR_TICK;
    for (uint32_t i = 0; i < NVIC_WORDS; i++) {
        *mps2_word(MPS2_NVIC_ENABLE + 0x80 + 4 * i) = 0xFFFFFFFFu; /* disable */
        *mps2_word(MPS2_NVIC_CLEAR + 4 * i) = 0xFFFFFFFFu;
    }
}

static void paint_stack(void) {
    uint32_t *here = __builtin_frame_address(0);

    for (volatile uint32_t *word = image_stack_bottom; word < here - 16; word++)
        *word = STACK_PAINT;
}

uint32_t mps2_stack_peak(void) {
    const volatile uint32_t *word = image_stack_bottom;

    while (word < image_stack_top && *word == STACK_PAINT)
        word++;
    return (uint32_t)((uintptr_t)image_stack_top - (uintptr_t)word);
}

/* Runs before .data and .bss exist, and before the stack guard has a value. */
__attribute__((noreturn, no_stack_protector)) void image_reset(void) {
    const uint32_t *from = image_data_load;

    __asm volatile("cpsid i" ::: "memory");
    __asm volatile("msr msplim, %0" ::"r"(image_stack_bottom));
    *mps2_word(MPS2_SCB_VTOR) = (uint32_t)(uintptr_t)&image_vectors;
    *mps2_word(MPS2_MPU_CTRL) = 0;
    clear_interrupts();
    for (volatile uint32_t *to = image_data_start; to < image_data_end; to++)
        *to = *from++;
    for (volatile uint32_t *to = image_bss_start; to < image_bss_end; to++)
        *to = 0;
    paint_stack();
    mps2_trng_start();
    if (mps2_trng_read(NULL, (uint8_t *)&__stack_chk_guard, sizeof(__stack_chk_guard)) != STATUS_OK)
        mps2_reset(HAL_BOOT_WATCHDOG);
    mps2_stage_main();
    for (;;)
        mps2_reset(HAL_BOOT_WATCHDOG);
}
