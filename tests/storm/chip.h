/*
 * A virtual chip on its native board, and the place at the line where it is put in.
 *
 * The place is a symbolic link to the board's directory, so that the programmer sees one debug port
 * and one UART, whichever chip is there.
 */
#ifndef NUSEC_TESTS_STORM_CHIP_H
#define NUSEC_TESTS_STORM_CHIP_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CHIP_PATH_SIZE 128

struct chip {
    char uid[33]; /* upper-case hexadecimal */
    char directory[CHIP_PATH_SIZE];
    pid_t launcher; /* 0: not running */
};

/* What is in a chip for good, read from the flash file of a board that does not run. */
enum chip_state {
    CHIP_BLANK,      /* no OTP word, no key */
    CHIP_IDENTIFIED, /* root hash and a life cycle of provisioned, no boot key */
    CHIP_SECURED,    /* both boot keys too, debug locked */
    CHIP_OTHER,
};
const char *chip_state_name(enum chip_state state);

/* Names a new board; nothing is made before chip_start. */
void chip_make(struct chip *chip, const char *folder, const char *name, const uint8_t uid[16]);
int chip_start(struct chip *chip, struct error *error);
/* SIGTERM, or SIGKILL: the board is torn out. */
void chip_stop(struct chip *chip, int signal_number);
/* Sends a control command; the answer goes to `answer`. -1 unless it begins with "ok". */
int chip_control(const struct chip *chip, const char *command, char *answer, size_t capacity);
/* True if power failed in the middle of an operation; applies it again. */
bool chip_was_torn(const struct chip *chip);
void chip_power_on(const struct chip *chip);
enum chip_state chip_read(const struct chip *chip);
void chip_remove(struct chip *chip);

/* Puts a chip where this link is. */
int chip_put_in(const struct chip *chip, const char *link, struct error *error);

#endif
