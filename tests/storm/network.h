/*
 * The network between programmer and server: a TCP relay on 127.0.0.1 that can be cut.
 *
 * network_cut_after breaks every connection as soon as that many more bytes have gone in the given
 * direction over any of them: in the middle of a request or of an answer, wherever that falls. New
 * connections work at once; what the programmer makes of the loss is what is tested.
 */
#ifndef NUSEC_TESTS_STORM_NETWORK_H
#define NUSEC_TESTS_STORM_NETWORK_H

#include "base/endpoint.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum network_direction { NETWORK_TO_SERVER, NETWORK_TO_PROGRAMMER };

struct network {
    struct endpoint server;
    int listener;
    uint16_t port; /* where it listens */
    pthread_t thread;
    atomic_bool stop;
    atomic_uint generation; /* connections of an older one are broken */
    atomic_long bytes_left[2];
    atomic_bool armed[2];
    atomic_uint cuts;
    atomic_uint connections; /* being served */
};

int network_open(struct network *network, struct error *error);
void network_cut_after(struct network *network, enum network_direction direction, long bytes);
void network_close(struct network *network);

#endif
