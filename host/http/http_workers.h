/* The queue between I/O threads and worker threads. */
#ifndef NUSEC_HTTP_WORKERS_H
#define NUSEC_HTTP_WORKERS_H

#include "http/http_exchange.h"

struct http_workers;

struct http_workers *http_workers_start(const struct http_server_options *options,
                                        struct error *error);
/* Finishes what is queued, then ends the threads. */
void http_workers_stop(struct http_workers *workers);

/* -1 when too many are waiting. */
int http_workers_put(struct http_workers *workers, struct http_exchange *exchange);
unsigned http_workers_busy(struct http_workers *workers);
void http_workers_leave(struct http_workers *workers);

#endif
