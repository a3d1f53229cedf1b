/*
 * Where a byte stream is: "unix:/path", "tcp:host:port", or the path of a serial device
 * ("/dev/ttyACM0", raw, 115200 baud unless "@baud" follows).
 *
 *     if (endpoint_parse(text, &endpoint, error) != 0) return -1;
 *     fd = endpoint_connect(&endpoint, 2000, error);
 */
#ifndef NUSEC_HOST_BASE_ENDPOINT_H
#define NUSEC_HOST_BASE_ENDPOINT_H

#include "base/error.h"

#include <stdint.h>

enum endpoint_kind { ENDPOINT_UNIX, ENDPOINT_TCP, ENDPOINT_SERIAL };

struct endpoint {
    enum endpoint_kind kind;
    char address[256]; /* path or host name */
    char port[8];      /* tcp only */
    uint32_t baud;     /* serial only */
};

int endpoint_parse(const char *text, struct endpoint *endpoint, struct error *error);

/* A blocking, close-on-exec descriptor; ERROR_OFFLINE or ERROR_TIMEOUT on failure. Closed by the
 * caller. */
int endpoint_connect(const struct endpoint *endpoint, int timeout_ms, struct error *error);

/* A listening, non-blocking socket; a stale unix socket is replaced (mode 0600). Not for serial.
 * TCP port "0" is allowed. */
int endpoint_listen(const struct endpoint *endpoint, struct error *error);

#endif
