/*
 * Carries bytes between a listening unix socket and a board's socket, through a filter, in a thread
 * of its own. One client after another; each is connected to the board anew.
 *
 *     relay_start(&relay, LISTEN-PATH, BOARD-PATH, filter, context)
 *     relay_stop(&relay)
 *
 * The filter runs in the relay's thread; its context may be read after relay_stop.
 */
#ifndef NUSEC_ATTACK_RELAY_H
#define NUSEC_ATTACK_RELAY_H

#include "base/bytes.h"

#include <pthread.h>

enum relay_direction { RELAY_TO_BOARD, RELAY_TO_PROGRAMMER, RELAY_DIRECTIONS };

/* A chunk may complete a message of the longest kind and have an oversized one sent before it. */
#define RELAY_OUT_MAX 65536

/* Takes bytes of one direction, writes what goes out on either. False: hang up. */
typedef bool relay_filter(void *context, enum relay_direction direction, struct bytes input,
                          struct writer out[RELAY_DIRECTIONS]);

struct relay {
    char listen_path[108];
    char board_path[108];
    relay_filter *filter;
    void *context;
    int listener;
    int stop[2]; /* a pipe: closed at one end to stop */
    pthread_t thread;
    uint8_t out[RELAY_DIRECTIONS][RELAY_OUT_MAX];
};

/* 0, or -1 with errno. Paths are copied. */
int relay_start(struct relay *relay, const char *listen_path, const char *board_path,
                relay_filter *filter, void *context);
void relay_stop(struct relay *relay);

/* Filters for relay_start; the context is a struct uart_proxy or a struct debug_filter. */
relay_filter relay_uart;
relay_filter relay_debug;

#endif
