/* One request inside host/http: shared by the I/O threads (http_server.c) and the worker threads
 * (http_workers.c). */
#ifndef NUSEC_HTTP_EXCHANGE_H
#define NUSEC_HTTP_EXCHANGE_H

#include "http/http_server.h"

#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdbool.h>

struct http_io;

struct http_exchange {
    struct http_io *io;           /* owns the connection */
    struct evhttp_request *event; /* touched by the I/O thread only */
    struct http_peer peer;
    const char *method;
    char *path;
    struct evkeyvalq query;
    struct buffer body;
    bool in_worker;
    /* the answer */
    int status;
    const char *content_type;
    struct buffer answer;
    struct http_exchange *next; /* in the worker queue, later in the I/O thread's list */
};

#endif
