/*
 * The server side of mutual TLS, and who the client is.
 */
#ifndef NUSEC_HTTP_TLS_H
#define NUSEC_HTTP_TLS_H

#include "http/http_server.h"

#include <openssl/ssl.h>

/* TLS 1.2 or later, client certificate required, no session resumption. NULL: `error`. */
SSL_CTX *http_tls_server_context(const struct http_server_options *options, struct error *error);

/* The peer of a connection whose handshake is done, read from its certificates the first time and
 * kept with the connection. NULL if there is none. */
const struct http_peer *http_tls_peer(SSL *ssl);

#endif
