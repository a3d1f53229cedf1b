/*
 * nusec-virtual-board's `run`: one board, its three sockets, one thread.
 */
#ifndef NUSEC_VIRTUAL_BOARD_LAUNCHER_H
#define NUSEC_VIRTUAL_BOARD_LAUNCHER_H

#include "virtual_board/board.h"
#include "virtual_board/debug_proxy.h"
#include "virtual_board/uart_relay.h"

#define LAUNCHER_CONTROLS     8
#define LAUNCHER_COMMAND_SIZE 128

/* One connection to the control socket. */
struct control_client {
    int fd;
    size_t size;
    char line[LAUNCHER_COMMAND_SIZE];
};

struct launcher {
    struct board board;
    struct debug_proxy proxy;
    struct uart_relay relay;
    int uart_listen_fd;
    int debug_listen_fd;
    int control_listen_fd;
    int signal_fd;
    struct control_client controls[LAUNCHER_CONTROLS];
    bool fault_armed; /* look for BOARD_REGISTER_FAULT_FIRED often */
    bool torn;        /* the last power cut was an injected fault */
    bool quit;
};

/* Serves until SIGTERM, SIGINT or `quit`; prints "ready" when the sockets listen. */
int launcher_run(const struct board_configuration *configuration, struct error *error);

void launcher_power_off(struct launcher *launcher);

#endif
