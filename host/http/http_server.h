/*
 * An HTTPS server with mutual TLS: libevent's evhttp over bufferevent_openssl.
 *
 * A few I/O threads own the connections; each complete request becomes a struct http_exchange and
 * goes to a worker thread, which answers it with http_exchange_reply, at once or later and from
 * whatever thread (a database thread after its commit). The answer travels back to the I/O thread
 * that owns the connection. A client that went away meanwhile changes nothing for the worker: its
 * exchange stays valid until it is answered, and is dropped then.
 *
 *     server = http_server_start(&options, error);
 *     http_server_address(server, text, sizeof text);        the port, when 0 was asked for
 *     ...
 *     http_server_stop(server);                              answers what was accepted, then ends
 *
 * Every connection needs a client certificate that chains to the root; who it is comes with each
 * exchange as struct http_peer, taken from the certificate once per connection. Session resumption
 * is off, so the chain of every connection has been verified.
 */
#ifndef NUSEC_HTTP_SERVER_H
#define NUSEC_HTTP_SERVER_H

#include "base/buffer.h"
#include "x509/certificate.h"

#include <stdint.h>

struct http_server;
struct http_exchange;

/* Who is at the other end: the client certificate, and the CA certificate that issued it. */
struct http_peer {
    struct x509_info certificate;
    uint8_t issuer_sha256[32];
};

struct http_server_options {
    const char *listen;             /* "127.0.0.1:8443", "[::1]:8443"; port 0 takes a free one */
    const char *certificate_path;   /* PEM: server certificate, then the issuing CA */
    const char *key_path;           /* PEM */
    const char *root_path;          /* PEM: the one trust anchor for clients */
    const char *intermediates_path; /* PEM: issuing CAs that clients need not send */
    unsigned io_threads;
    unsigned workers;
    size_t body_limit; /* bytes; a larger body never reaches a worker */

    /* Called in each worker thread; what it returns is handed to `handle` and `worker_stop`. */
    void *(*worker_start)(void *context, struct error *error);
    void (*worker_stop)(void *worker);
    /* Must see to it that the exchange is replied to exactly once. */
    void (*handle)(struct http_exchange *exchange, void *worker);
    void *context;
};

/* Returns once the socket listens and all workers have started. NULL: `error`. */
struct http_server *http_server_start(const struct http_server_options *options,
                                      struct error *error);
void http_server_stop(struct http_server *server);

/* "127.0.0.1:8443" */
void http_server_address(const struct http_server *server, char *text, size_t capacity);

/* Requests handed to workers and not yet replied to. */
unsigned http_server_in_flight(const struct http_server *server);
/* Requests waiting for a worker or being worked on; those waiting elsewhere (see
 * http_exchange_leave_worker) are not in it. */
unsigned http_server_in_workers(const struct http_server *server);

struct http_server_statistics {
    uint64_t connections;
    uint64_t requests;
    uint64_t answers[6]; /* by status / 100 */
    uint64_t overloaded; /* answered 503 because too many were waiting */
    uint64_t abandoned;  /* the client was gone when the answer came */
};
void http_server_statistics(const struct http_server *server,
                            struct http_server_statistics *statistics);

/* Valid until the exchange is replied to. */
const char *http_exchange_method(const struct http_exchange *exchange);
const char *http_exchange_path(const struct http_exchange *exchange); /* without query */
/* A query parameter, decoded; NULL when absent. */
const char *http_exchange_query(const struct http_exchange *exchange, const char *name);
struct bytes http_exchange_body(const struct http_exchange *exchange);
const struct http_peer *http_exchange_peer(const struct http_exchange *exchange);

/* The worker has handed the exchange on to somebody else, who will reply. */
void http_exchange_leave_worker(struct http_exchange *exchange);

/* Answers and ends the exchange, from any thread. `body` is moved: empty afterwards. */
void http_exchange_reply(struct http_exchange *exchange, int status, const char *content_type,
                         struct buffer *body);

#endif
