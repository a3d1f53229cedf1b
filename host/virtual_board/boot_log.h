/*
 * The boot log in a board's registers as text: what each stage decided about an image.
 */
#ifndef NUSEC_VIRTUAL_BOARD_BOOT_LOG_H
#define NUSEC_VIRTUAL_BOARD_BOOT_LOG_H

#include "virtual_board/board_memory.h"

#include <stddef.h>

/*
 * Writes " bl2=accepted primary=hash stay=power_on", oldest entry first, and " ..." before it when
 * older ones are lost. Empty, but terminated, without entries; cut off at `capacity`.
 */
void boot_log_write(const struct board_memory *memory, char *out, size_t capacity);

#endif
