/*
 * The board's CPU as the debug proxy drives it: a blocking client of the stub inside QEMU or the
 * native board, over a private socket pair. The stub never hears of a debugger coming and going:
 * to detach is to let the core run (a real detach makes QEMU 7.2 crash at the next attach).
 *
 * Functions return 0, or -1 when the stub is gone or does not answer; the board must then be
 * powered off.
 */
#ifndef NUSEC_VIRTUAL_BOARD_CPU_H
#define NUSEC_VIRTUAL_BOARD_CPU_H

#include "board/rsp.h"

/* r0 to r15, xPSR, little-endian words. */
#define CPU_REGISTERS      17
#define CPU_REGISTERS_SIZE ((size_t)4 * CPU_REGISTERS)
/* What the stub takes in one request. */
#define CPU_CHUNK_MAX 1024u

struct cpu {
    int fd; /* borrowed */
    bool running;
    bool described; /* the stub was asked for its register set */
    struct rsp_parser parser;
};

/* The CPU runs when its stub is connected. */
void cpu_init(struct cpu *cpu, int fd);

int cpu_halt(struct cpu *cpu);
int cpu_resume(struct cpu *cpu);
/* One instruction, which may be a WFI that lasts: the stop comes as after cpu_resume. */
int cpu_step(struct cpu *cpu);
/* To be called when the descriptor is readable while running: takes a stop in. */
int cpu_check_stop(struct cpu *cpu);

/* Of a halted CPU. `*done` is false when the stub refuses, e.g. for memory that is not there. */
int cpu_read(struct cpu *cpu, uint32_t address, uint8_t *out, size_t size, bool *done);
int cpu_write(struct cpu *cpu, uint32_t address, struct bytes data, bool *done);
int cpu_read_registers(struct cpu *cpu, uint8_t out[CPU_REGISTERS_SIZE], bool *done);
int cpu_write_registers(struct cpu *cpu, const uint8_t registers[CPU_REGISTERS_SIZE], bool *done);
enum cpu_breakpoint { CPU_BREAKPOINT_INSERT, CPU_BREAKPOINT_REMOVE };
int cpu_breakpoint(struct cpu *cpu, enum cpu_breakpoint what, uint32_t address, bool *done);

#endif
