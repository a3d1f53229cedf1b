/*
 * Between the files of this folder: raw access to the board file, and the flash engine by file
 * offset, which the key store shares with the flash.
 */
#ifndef NUSEC_PORT_COMMON_BOARD_MODEL_PRIVATE_H
#define NUSEC_PORT_COMMON_BOARD_MODEL_PRIVATE_H

#include "common/board_model.h"

void board_file_read(uint32_t offset, uint8_t *out, size_t size);
uint8_t board_file_byte(uint32_t offset);
/* Between these two only. They do not nest. */
void board_file_open(void);
void board_file_close(void);
void board_file_put(uint32_t offset, uint8_t value);

void board_stall(uint32_t microseconds);
void board_scrub_stack(void);

/*
 * Every flash and OTP operation starts with this; the board file is open. Counts the operation and
 * returns true if the power goes away in its middle: the caller then leaves half of its work and
 * calls board_fault_die. If the power goes away before it, this does not return.
 */
bool board_fault_in_operation(void);
void board_fault_die(void);
/* Bits the torn operation did change, different for every operation. */
uint8_t board_fault_noise(void);

/* `offset` is a file offset of the flash or a key page. The rules are those of hal.h. */
enum status flash_engine_program(uint32_t offset, const uint8_t *data, size_t size);
enum status flash_engine_erase(uint32_t offset);

#endif
