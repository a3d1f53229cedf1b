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
 *     debug_proxy_attach(proxy, fd)            a new client
 *     debug_proxy_receive / debug_proxy_stub   when the client / the stub has something to read
 *     debug_proxy_refused                      when a client that may not attach has
 *     debug_proxy_drop                         ends the attachment
 *
 * A client that may not attach gets the reason as the answer to its first request, and its
 * connection closed: after that, at the next refusal, or when debug_proxy_tick finds it silent.
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
    struct {
        int fd; /* -1: nobody */
        const char *reason;
        uint64_t deadline_ms;
        struct rsp_parser parser;
    } refused;
};

void debug_proxy_init(struct debug_proxy *proxy, struct board *board);
void debug_proxy_attach(struct debug_proxy *proxy, int client_fd);
void debug_proxy_receive(struct debug_proxy *proxy);
void debug_proxy_stub(struct debug_proxy *proxy);
void debug_proxy_drop(struct debug_proxy *proxy);
void debug_proxy_refused(struct debug_proxy *proxy);
/* For poll(2): -1, or the time after which debug_proxy_tick wants to be called. */
int debug_proxy_timeout_ms(const struct debug_proxy *proxy);
void debug_proxy_tick(struct debug_proxy *proxy);
/* Ends everything. */
void debug_proxy_close(struct debug_proxy *proxy);

#endif
