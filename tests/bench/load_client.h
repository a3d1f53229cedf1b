/*
 * A load of HTTPS requests over keep-alive connections with a client certificate: libevent's HTTP
 * client, one event loop in one thread, so that the client costs little on a machine it shares
 * with the server.
 */
#ifndef NUSEC_TESTS_BENCH_LOAD_CLIENT_H
#define NUSEC_TESTS_BENCH_LOAD_CLIENT_H

#include "base/buffer.h"

struct load_target {
    const char *host;
    unsigned short port;
    const char *ca_path; /* PEM files */
    const char *certificate_path;
    const char *key_path;
};

struct load_request {
    char path[128];
    char *body;           /* JSON, owned by the caller */
    int status;           /* out: HTTP status, 0 if there was no answer */
    struct buffer answer; /* out; buffer_free is the caller's */
    double latency_s;     /* out */
};

/*
 * POSTs each request once, `connections` at a time, each connection kept open; the handshakes are
 * done before the clock starts (with a GET of /v1/whoami). Returns the seconds from first request
 * to last answer, or a negative number with `error` filled when nothing could be sent.
 */
double load_run(const struct load_target *target, struct load_request *requests, size_t count,
                unsigned connections, struct error *error);

#endif
