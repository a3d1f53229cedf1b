/*
 * The board's `uart` socket: the serial adapter between one client and the chip. It outlives
 * resets and power cuts; what is sent while the board has no power, or nobody listens, is lost.
 *
 * Bytes go as fast as both ends take them, or at a baud rate: 10 bits each, both directions at
 * once. A line that was idle does not catch up.
 */
#ifndef NUSEC_VIRTUAL_BOARD_UART_RELAY_H
#define NUSEC_VIRTUAL_BOARD_UART_RELAY_H

#include "virtual_board/board.h"

#include <poll.h>

#define UART_RELAY_BUFFER 4096

struct uart_direction {
    uint8_t data[UART_RELAY_BUFFER];
    size_t size;
    uint64_t free_at_ns; /* when the line has sent what it was given; only at a baud rate */
};

struct uart_relay {
    struct board *board; /* borrowed */
    int client_fd;       /* -1: nobody */
    struct uart_direction to_chip;
    struct uart_direction to_client;
    uint32_t baud; /* 0: no limit */
};

void uart_relay_init(struct uart_relay *relay, struct board *board, uint32_t baud);
/* A new client; closes `fd` if there is one already. */
void uart_relay_attach(struct uart_relay *relay, int client_fd);
void uart_relay_drop(struct uart_relay *relay);
/* After the power went: what was on the way is lost. */
void uart_relay_clear(struct uart_relay *relay);

/* What to wait for, in this order: client, chip. A descriptor of -1 is ignored by poll(2). */
void uart_relay_prepare(const struct uart_relay *relay, struct pollfd fds[2]);
/* For poll(2): -1, or the time after which the line may take another byte. */
int uart_relay_timeout_ms(const struct uart_relay *relay);
void uart_relay_move(struct uart_relay *relay, const struct pollfd fds[2]);

#endif
