/*
 * For tests: a board in memory, whose power goes away at a chosen flash or OTP operation.
 *
 *     testing_board_reset()                       a blank board
 *     testing_board_run(kind, n, work, context)   true if the power went away in `work`
 */
#ifndef NUSEC_PORT_COMMON_TESTING_BOARD_H
#define NUSEC_PORT_COMMON_TESTING_BOARD_H

#include "common/board_model.h"

/* Erased, with power, delays off. */
void testing_board_reset(void);

/*
 * Runs `work` with power failing at operation `n` (1 is the first; BOARD_FAULT_NONE: never), then
 * gives the board power again. True if it failed, which ends `work` where it is.
 */
bool testing_board_run(enum board_fault kind, uint32_t n, void (*work)(void *context),
                       void *context);

/* The memory behind it: BOARD_FILE_SIZE bytes. */
uint8_t *testing_board_file(void);
/* Microseconds the CPU stood still since the reset. */
uint64_t testing_board_stalled_us(void);

#endif
