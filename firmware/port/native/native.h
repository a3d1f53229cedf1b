/*
 * The native board: the firmware stages as an ordinary process, for sanitizers, fuzzing and scale.
 *
 * nusec-virtual-board starts it as it starts QEMU and hands it three descriptors. The board file is
 * mapped; SRAM is memory that survives a reset; a reset, a debugger's jump into DevAuth or the
 * start of the next stage is an exec of the program itself, so that every stage begins with fresh
 * memory as on a chip.
 *
 * One thread runs the stage, one serves the debug stub and the reset pin. The stage can be stopped
 * where it enters the HAL, and nowhere else.
 */
#ifndef NUSEC_PORT_NATIVE_H
#define NUSEC_PORT_NATIVE_H

#include "hal/hal.h"

#define NATIVE_UART_FD    3
#define NATIVE_STUB_FD    4
#define NATIVE_MONITOR_FD 5

enum native_stage {
    NATIVE_BOOT_ROM = 1,
    NATIVE_DEVAUTH = 2,
    NATIVE_BOOTLOADER = 3,
    NATIVE_APPLICATION = 4,
};

/* Maps board file and SRAM. `sram_fd` is -1 at power-on. Exits the process on failure. */
void native_memory_start(const char *path, int sram_fd);
volatile uint8_t *native_board_file(void);
uint8_t *native_sram(void); /* BOARD_SRAM_SIZE bytes */

/* Becomes the program again, in `stage`; only memory with a power supply of its own stays.
 * `version` is that of the payload it starts from, 0 for a stage that has none. */
_Noreturn void native_restart(enum native_stage stage, uint32_t version);
_Noreturn void native_reset(enum hal_boot_reason reason);

/* Between these two the stage does nothing a debugger could see, and may be stopped. */
void native_enter_idle(void);
void native_leave_idle(void);
/* Starts the stub's thread; the stage is executing. */
void native_stub_start(void);
/* By the stage, before it becomes another one: waits until the core is not halted and no request of
 * a debugger is half done, and lets none begin. */
void native_hold_stub(void);

enum status native_link_read(uint8_t *out, size_t size, size_t *taken);
enum status native_link_write(const uint8_t *data, size_t size);
bool native_link_overrun(void);
void native_link_wait(void);
/* Time passes with the receiver's 16-byte FIFO alone catching what comes in at 115200 baud. */
void native_link_stall(uint32_t microseconds);

uint64_t native_clock_us(void);

extern const struct hal native_board;
void native_board_start(enum native_stage stage);
/* Returns only if the stage does. */
void native_run_stage(enum native_stage stage);

/*
 * The image a debugger loads to start DevAuth here. The code is in this program already, so it is a
 * header and the program's own hash: another build's image does not start.
 */
#define NATIVE_IMAGE_SIZE 128
void native_image_make(uint8_t image[NATIVE_IMAGE_SIZE]);
void native_program_hash(uint8_t digest[32]);

/* The same idea for what is signed as BL2 or BL3 and lies in flash behind an image header. */
#define NATIVE_PAYLOAD_SIZE 328
void native_payload_make(uint8_t payload[NATIVE_PAYLOAD_SIZE], enum native_stage stage,
                         uint32_t version);
/* hal.enter_image: returns unless this program's payload for that flash offset lies there. */
void native_enter_image(uint32_t offset);

#endif
