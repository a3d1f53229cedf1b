/*
 * For tests: is there a chip on the link, whatever stage it is in?
 */
#ifndef NUSEC_VIRTUAL_BOARD_TESTING_CHIP_H
#define NUSEC_VIRTUAL_BOARD_TESTING_CHIP_H

#include <stdbool.h>

/* Sends SPDM GET_VERSION and returns true if VERSION comes back within `timeout_ms`. */
bool testing_chip_answers(int uart, int timeout_ms);

#endif
