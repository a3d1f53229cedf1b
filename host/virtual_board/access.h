/*
 * What a debugger may touch: a list of windows, everything else is refused. What is hidden is the
 * key pages, the RAM with stacks and crypto arena, the registers, every alias of them, and whatever
 * else the emulator shows.
 */
#ifndef NUSEC_VIRTUAL_BOARD_ACCESS_H
#define NUSEC_VIRTUAL_BOARD_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

enum access_kind { ACCESS_READ, ACCESS_WRITE };

/* True if all `size` bytes (1 or more) at `address` lie in one window that allows `kind`. */
bool access_allowed(enum access_kind kind, uint32_t address, uint32_t size);

#endif
