/*
 * What /metrics shows, in OpenMetrics text.
 */
#ifndef NUSEC_SERVER_METRICS_H
#define NUSEC_SERVER_METRICS_H

#include "base/buffer.h"
#include "http/http_server.h"
#include "store/store.h"

#include <stdatomic.h>

struct metrics {
    atomic_uint_fast64_t reservations;
    atomic_uint_fast64_t certificates;
    atomic_uint_fast64_t permits;
    atomic_uint_fast64_t identified;
    atomic_uint_fast64_t images;
    atomic_uint_fast64_t done;
    atomic_uint_fast64_t failed;
    atomic_uint_fast64_t scrapped;
    atomic_uint_fast64_t refused; /* requests that ended with an error of the client */
    atomic_uint_fast64_t flagged; /* refusals that left an event */
    atomic_uint_fast64_t hsm_errors;
    atomic_uint_fast64_t store_errors;
};

void metrics_count(atomic_uint_fast64_t *counter);
/* Counts the way a request failed. */
void metrics_count_error(struct metrics *metrics, const struct error *error);
/* `server` may be NULL. */
void metrics_write(struct metrics *metrics, struct store *store, const struct http_server *server,
                   struct buffer *out);

#endif
