/*
 * For tests: one board run by the real nusec-virtual-board in a temporary directory. Everything
 * fails the running cmocka test by itself.
 */
#ifndef NUSEC_VIRTUAL_BOARD_TESTING_VIRTUAL_BOARD_H
#define NUSEC_VIRTUAL_BOARD_TESTING_VIRTUAL_BOARD_H

#include "virtual_board/board.h"

struct testing_board {
    enum board_kind kind;
    char directory[64];
    const char *options[4]; /* further ones of the launcher, NULL behind the last */
    pid_t launcher;         /* 0: not running */
};

/* Where devauth.bin of that kind is. */
const char *testing_board_firmware(enum board_kind kind);

/* A new directory; the board is not started. */
void testing_board_make(struct testing_board *board, enum board_kind kind);
/* Starts it and waits for "ready". Returns the exit code if it ends before that, else -1. */
int testing_board_start(struct testing_board *board);
/* SIGTERM, and the exit code. */
int testing_board_stop(struct testing_board *board);
/* Runs `nusec-virtual-board --state DIRECTORY operand`: its exit code, and what it printed, cut off
 * at `capacity`. */
int testing_board_run(const struct testing_board *board, const char *operand, char *out,
                      size_t capacity);
/* Stops and removes everything. */
void testing_board_remove(struct testing_board *board);

/* One command; the answer, without line break, is valid until the next call. */
const char *testing_board_control(const struct testing_board *board, const char *command);
/* A number of the `status` answer. */
long testing_board_status(const struct testing_board *board, const char *name);

/* "unix:DIRECTORY/NAME", valid until the next call. */
const char *testing_board_endpoint(const struct testing_board *board, const char *name);
/* A connected, blocking socket. */
int testing_board_connect(const struct testing_board *board, const char *name);

/* Reads or changes flash.img behind the board's back; best without power. */
void testing_board_peek(const struct testing_board *board, uint32_t offset, void *out, size_t size);
void testing_board_poke(const struct testing_board *board, uint32_t offset, const void *data,
                        size_t size);

#endif
