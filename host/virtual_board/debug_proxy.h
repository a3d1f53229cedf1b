/*
 * The board's `debug` socket: a GDB remote protocol server as OpenOCD would be one, in front of the
 * emulator's own stub, of which nothing shows through. Every request is taken apart here and made
 * anew; what is not in the list is answered as unsupported.
 *
 * Attaching halts the core and raises the "attached" register; detaching, or a lost connection,
 * lets it run without breakpoints and clears the register. While the firmware holds a private key
 * in RAM no stop is shown and no access made: the core first runs on to the end of that.
 *
 *     debug_proxy_init
 *     debug_proxy_attach(proxy, fd)            a new client; closes `fd` if it may not attach
 *     debug_proxy_receive / debug_proxy_stub   when the client / the stub has something to read
 *     debug_proxy_drop                         ends the attachment
 */
#ifndef NUSEC_VIRTUAL_BOARD_DEBUG_PROXY_H
#define NUSEC_VIRTUAL_BOARD_DEBUG_PROXY_H

#include "virtual_board/board.h"

#define DEBUG_PROXY_BREAKPOINTS 8

struct debug_proxy {
    struct board *board; /* borrowed */
    int client_fd;       /* -1: nobody is attached */
    bool acknowledge;
    struct rsp_parser parser;
    uint32_t breakpoints[DEBUG_PROXY_BREAKPOINTS];
    size_t breakpoint_count;
};

void debug_proxy_init(struct debug_proxy *proxy, struct board *board);
void debug_proxy_attach(struct debug_proxy *proxy, int client_fd);
void debug_proxy_receive(struct debug_proxy *proxy);
void debug_proxy_stub(struct debug_proxy *proxy);
void debug_proxy_drop(struct debug_proxy *proxy);

#endif
