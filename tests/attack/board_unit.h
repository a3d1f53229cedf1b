/*
 * A virtual board in the hands of the programmer of this folder: real sockets, real debug port
 * client. Everything that must not fail fails the running cmocka test.
 *
 *     board_unit_make(&unit, BOARD_NATIVE)      a new board, running
 *     board_unit_load(&unit, DEBUG-ENDPOINT, &error)
 *     board_unit_provision(&unit, UART-SOCKET)  OK, or the status; unit.programmer.step says where
 *     board_unit_remove(&unit)
 */
#ifndef NUSEC_ATTACK_BOARD_UNIT_H
#define NUSEC_ATTACK_BOARD_UNIT_H

#include "attack/programmer.h"
#include "base/buffer.h"
#include "debug_port/debug_port.h"
#include "virtual_board/testing_virtual_board.h"

#define KEY_ROLES 3

struct board_unit {
    struct testing_board board;
    struct test_pki pki;
    struct buffer image; /* devauth.bin */
    struct devauth_mailbox mailbox;
    struct programmer programmer;
    uint8_t uid[16];
    int uart_fd;
};

/* The PKI and the programmer's image are the caller's to keep from board to board: made once. */
void board_unit_prepare(struct board_unit *unit, enum board_kind kind);
void board_unit_make(struct board_unit *unit, enum board_kind kind);
void board_unit_remove(struct board_unit *unit);

const char *board_unit_path(const struct board_unit *unit, const char *name);

/* Attach, load, start, detach, as the programmer does it. `ready_ms` bounds DevAuth's start. */
int board_unit_load(struct board_unit *unit, const char *debug_endpoint, int ready_ms,
                    struct error *error);
enum status board_unit_provision(struct board_unit *unit, const char *uart_path);
/* A chip that may have it all: session on the issued certificate, root hash. */
enum status board_unit_confirm(struct board_unit *unit, const char *uart_path);

/* From flash.img: has the chip reached PROVISIONED, is its root hash ours, its keys. */
bool board_unit_is_provisioned(const struct board_unit *unit);
bool board_unit_has_our_root(const struct board_unit *unit);
/* Private half then public half; false if there is no key. */
bool board_unit_key(const struct board_unit *unit, unsigned role, uint8_t private_key[32],
                    uint8_t public_key[64]);

#endif
