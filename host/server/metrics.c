#include "server/metrics.h"

#include <inttypes.h>

void metrics_count(atomic_uint_fast64_t *counter) {
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

void metrics_count_error(struct metrics *metrics, const struct error *error) {
    switch (error->code) {
    case ERROR_HSM_UNAVAILABLE: metrics_count(&metrics->hsm_errors); break;
    case ERROR_STORAGE:
    case ERROR_STORAGE_FULL: metrics_count(&metrics->store_errors); break;
    default: metrics_count(&metrics->refused);
    }
}

static void counter(struct buffer *out, const char *name, const char *help, uint64_t value) {
    buffer_print(out, "# TYPE nusec_%s counter\n# HELP nusec_%s %s\nnusec_%s_total %" PRIu64 "\n",
                 name, name, help, name, value);
}

static void gauge(struct buffer *out, const char *name, const char *help, uint64_t value) {
    buffer_print(out, "# TYPE nusec_%s gauge\n# HELP nusec_%s %s\nnusec_%s %" PRIu64 "\n", name,
                 name, help, name, value);
}

static void write_server(const struct http_server *server, struct buffer *out) {
    struct http_server_statistics statistics;

    http_server_statistics(server, &statistics);
    counter(out, "connections", "TLS connections accepted", statistics.connections);
    counter(out, "requests", "HTTP requests received", statistics.requests);
    counter(out, "overloaded", "requests refused because too many waited", statistics.overloaded);
    counter(out, "abandoned", "answers whose client had gone", statistics.abandoned);
    gauge(out, "requests_in_flight", "requests not yet answered", http_server_in_flight(server));
    buffer_append_text(out, "# TYPE nusec_answers counter\n"
                            "# HELP nusec_answers HTTP answers by class of status\n");
    for (int class = 2; class < 6; class ++)
        buffer_print(out, "nusec_answers_total{class=\"%dxx\"} %" PRIu64 "\n", class,
                     statistics.answers[class]);
}

static void write_store(struct store *store, struct buffer *out) {
    struct store_statistics statistics;

    store_statistics(store, &statistics);
    counter(out, "store_writes", "write transactions asked for", statistics.writes);
    counter(out, "store_commits", "commits they were grouped into", statistics.commits);
    counter(out, "store_failures", "writes that ended with a database error", statistics.failures);
    gauge(out, "store_largest_batch", "most writes in one commit", statistics.largest_batch);
}

void metrics_write(struct metrics *metrics, struct store *store, const struct http_server *server,
                   struct buffer *out) {
    if (server != NULL)
        write_server(server, out);
    write_store(store, out);
    counter(out, "reservations", "units reserved", atomic_load(&metrics->reservations));
    counter(out, "certificates", "device certificates issued", atomic_load(&metrics->certificates));
    counter(out, "permits", "permits issued", atomic_load(&metrics->permits));
    counter(out, "images_released", "images released to one device", atomic_load(&metrics->images));
    counter(out, "units_done", "unit records accepted", atomic_load(&metrics->done));
    counter(out, "units_identified", "units reported identified",
            atomic_load(&metrics->identified));
    counter(out, "units_failed", "units reported failed", atomic_load(&metrics->failed));
    counter(out, "units_scrapped", "units scrapped", atomic_load(&metrics->scrapped));
    counter(out, "refused", "requests refused", atomic_load(&metrics->refused));
    counter(out, "flagged", "refusals that left an event", atomic_load(&metrics->flagged));
    counter(out, "hsm_errors", "requests that failed because of the token",
            atomic_load(&metrics->hsm_errors));
    counter(out, "store_errors", "requests that failed because of the database",
            atomic_load(&metrics->store_errors));
    buffer_append_text(out, "# EOF\n");
}
