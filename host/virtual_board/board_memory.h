/*
 * flash.img of one board, made, locked and mapped: the launcher's side of board/board_file.h.
 */
#ifndef NUSEC_VIRTUAL_BOARD_BOARD_MEMORY_H
#define NUSEC_VIRTUAL_BOARD_BOARD_MEMORY_H

#include "base/error.h"
#include "board/board_file.h"

#include <stdbool.h>
#include <stdint.h>

#define BOARD_UID_SIZE 16

struct board_memory {
    int lock_fd;
    volatile uint8_t *map; /* BOARD_FILE_SIZE bytes, shared with the running board */
};

/*
 * Makes an erased board file unless `path` exists; ERROR_CONFLICT if it does and `uid` (NULL: a
 * random one) is another than its own.
 */
int board_memory_create(const char *path, const uint8_t uid[BOARD_UID_SIZE], struct error *error);

/* ERROR_BUSY if another launcher runs this board. board_memory_close in any case is safe. */
int board_memory_open(struct board_memory *memory, const char *path, struct error *error);
void board_memory_close(struct board_memory *memory);

uint32_t board_memory_read(const struct board_memory *memory, enum board_register at);
void board_memory_write(struct board_memory *memory, enum board_register at, uint32_t value);
void board_memory_uid(const struct board_memory *memory, uint8_t uid[BOARD_UID_SIZE]);

/* What is lost with the power. */
void board_memory_power_on(struct board_memory *memory);

#endif
