/*
 * One board: its memory and the process that plays its chip, QEMU or the native board.
 *
 *     board_open(&board, &configuration, error)
 *     board_power_on / board_power_off / board_reset, any number of times
 *     board_close(&board)
 *
 * The process gets its UART, debug stub and monitor as socket pairs made here; no socket of the
 * emulator has a name anybody could connect to. It dies with the launcher.
 */
#ifndef NUSEC_VIRTUAL_BOARD_BOARD_H
#define NUSEC_VIRTUAL_BOARD_BOARD_H

#include "virtual_board/board_memory.h"
#include "virtual_board/cpu.h"

#include <sys/types.h>

enum board_kind { BOARD_QEMU, BOARD_NATIVE };

struct board_configuration {
    enum board_kind kind;
    const char *directory; /* the state directory */
    const char *firmware;  /* folder with boot_rom.elf, or the native board's program */
    bool delays;
    uint32_t
        icount; /* each instruction takes 2^icount ns of the chip's time; 0: time is the host's */
    uint32_t baud; /* of the UART; 0: as fast as it goes */
};

struct board {
    struct board_configuration configuration; /* strings borrowed */
    struct board_memory memory;
    pid_t child; /* 0: no power */
    int uart_fd; /* -1 without power, as the next two */
    int stub_fd;
    int monitor_fd;
    struct cpu cpu;
};

int board_open(struct board *board, const struct board_configuration *configuration,
               struct error *error);
void board_close(struct board *board);

int board_power_on(struct board *board, struct error *error);
/* SIGKILL: whatever was going on is cut. Fine if it is off already. */
void board_power_off(struct board *board);
/* The reset pin. Waits until the ROM has decided about the debug lock. */
int board_reset(struct board *board, struct error *error);

/* False once the chip's process ended or an injected fault took its power. */
bool board_is_alive(const struct board *board);

/* Whether a debugger may come in now: false in reset, without power, and when locked. */
bool board_debug_is_open(struct board *board);

/* To be called when `monitor_fd` is readable: its messages tell nothing we need. -1 when gone. */
int board_drain_monitor(struct board *board);

#endif
