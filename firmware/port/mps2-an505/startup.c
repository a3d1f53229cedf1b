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
extern uint32_t image_hidden_start[]; /* .bss beside .bss, where a debugger cannot read */
extern uint32_t image_hidden_end[];
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

/* 48 vectors and more: aligned to the next power of two, as VTOR demands; images in flash lie
 * behind a header of 0x400 bytes, and their alignment is that of the M2354's larger table. */
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

void mps2_clear_interrupts(void) {
    __asm volatile("cpsid i" ::: "memory");
    *mps2_word(MPS2_SYSTICK_CTRL) = 0;
    *mps2_word(MPS2_SCB_ICSR) = ICSR_CLEAR_TICK;
    for (uint32_t i = 0; i < NVIC_WORDS; i++) {
        *mps2_word(MPS2_NVIC_ENABLE + 0x80 + 4 * i) = 0xFFFFFFFFu; /* disable */
        *mps2_word(MPS2_NVIC_CLEAR + 4 * i) = 0xFFFFFFFFu;
    }
}

/* The stack is among what is wiped, so everything is in registers; MSPLIM would still guard the old
 * stack. The code runs from ROM or flash, and the MPU, if on, has let it so far: it goes off with
 * the last access that needs it, since the next image is not executable under this one's regions.
 */
__attribute__((naked)) void mps2_start_image(__attribute__((unused)) const uint32_t *vectors) {
    __asm volatile(".syntax unified\n"
                   "movs r1, #0\n"
                   "msr msplim, r1\n"
                   "ldr r2, =%c[mpu]\n"
                   "str r1, [r2]\n"
                   "ldr r2, =%c[vtor]\n"
                   "str r0, [r2]\n"
                   "dsb\n"
                   "isb\n"
                   "ldr r2, =%c[ram]\n"
                   "ldr r3, =%c[ram_end]\n"
                   "1: str r1, [r2]\n"
                   "adds r2, r2, #4\n"
                   "cmp r2, r3\n"
                   "bne 1b\n"
                   "ldr r2, [r0]\n"
                   "msr msp, r2\n"
                   "ldr r3, [r0, #4]\n"
                   "mov r0, r1\n"
                   "mov r2, r1\n"
                   "mov r4, r1\n"
                   "mov r5, r1\n"
                   "mov r6, r1\n"
                   "mov r7, r1\n"
                   "mov r8, r1\n"
                   "mov r9, r1\n"
                   "mov r10, r1\n"
                   "mov r11, r1\n"
                   "mov r12, r1\n"
                   "mov lr, r1\n"
                   "bx r3\n" ::[mpu] "i"(MPS2_MPU_CTRL),
                   [vtor] "i"(MPS2_SCB_VTOR), [ram] "i"(BOARD_HIDDEN_RAM_ADDRESS),
                   [ram_end] "i"(BOARD_HIDDEN_RAM_ADDRESS + BOARD_HIDDEN_RAM_SIZE));
}

static uint32_t deepest; /* before the last scrub */

/* Calls nothing and uses no stack of its own below SP, so everything there is fair game. */
static inline __attribute__((always_inline)) void paint_below_stack_pointer(void) {
    uint32_t *here;

    __asm volatile("mov %0, sp" : "=r"(here));
    for (volatile uint32_t *word = image_stack_bottom; word < here; word++)
        *word = STACK_PAINT;
}

uint32_t mps2_stack_peak(void) {
    const volatile uint32_t *word = image_stack_bottom;
    uint32_t now;

    while (word < image_stack_top && *word == STACK_PAINT)
        word++;
    now = (uint32_t)((uintptr_t)image_stack_top - (uintptr_t)word);
    return now > deepest ? now : deepest;
}

void mps2_stack_scrub(void) {
    deepest = mps2_stack_peak();
    paint_below_stack_pointer();
}

/* Runs before .data and .bss exist, and before the stack guard has a value. */
__attribute__((noreturn, no_stack_protector)) void image_reset(void) {
    const uint32_t *from = image_data_load;

    __asm volatile("msr msplim, %0" ::"r"(image_stack_bottom));
    *mps2_word(MPS2_SCB_VTOR) = (uint32_t)(uintptr_t)&image_vectors;
    *mps2_word(MPS2_MPU_CTRL) = 0;
    mps2_clear_interrupts();
    for (volatile uint32_t *to = image_data_start; to < image_data_end; to++)
        *to = *from++;
    for (volatile uint32_t *to = image_bss_start; to < image_bss_end; to++)
        *to = 0;
    for (volatile uint32_t *to = image_hidden_start; to < image_hidden_end; to++)
        *to = 0;
    paint_below_stack_pointer();
    mps2_trng_start();
    if (mps2_trng_read(NULL, (uint8_t *)&__stack_chk_guard, sizeof(__stack_chk_guard)) != STATUS_OK)
        mps2_reset(HAL_BOOT_WATCHDOG);
    mps2_stage_main();
    for (;;)
        mps2_reset(HAL_BOOT_WATCHDOG);
}
