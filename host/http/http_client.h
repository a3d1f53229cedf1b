/*
 * An HTTPS client with mutual TLS for the NuSEC REST API, over libcurl.
 *
 * Calling sequence: http_client_create with options, then any number of http_client_get,
 * http_client_post or http_client_send, then http_client_free. One connection is kept open
 * and used again. A client is used by one thread at a time.
 *
 * The client certificate and key are PEM files, or, when the private key lives in a PKCS#11 token,
 * a callback that puts certificate and key into the SSL_CTX (CURLOPT_SSL_CTX_FUNCTION). The server
 * is accepted only when its chain ends at `ca_path` and its certificate names the host of the URL.
 *
 * Failures fill `struct error`. Codes made here:
 *   ERROR_OFFLINE          name, route, connection refused or ended (try again)
 *   ERROR_TIMEOUT          connected, but no complete answer in time (try again)
 *   ERROR_UNAUTHENTICATED  the TLS handshake failed: one side refused the other's certificate
 *   ERROR_BAD_REQUEST      the answer is too large or not the JSON the API promises
 *   ERROR_USAGE            bad options or unreadable file: nothing was sent
 * When the server refuses (status >= 400), code, message and hint are those of the error body
 * {"error":{code,message,hint}}, the status is http_client_last_status.
 */
#ifndef NUSEC_HTTP_CLIENT_H
#define NUSEC_HTTP_CLIENT_H

#include "base/buffer.h"
#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Puts certificate and key into `ssl_context` (an SSL_CTX *); returns 0, or -1 to give up. Called
 * before each new connection, from the thread that sends. */
typedef int http_client_tls_setup(void *ssl_context, void *user);

struct http_client_options {
    const char *base_url;         /* "https://host:port", no path, no trailing slash */
    const char *ca_path;          /* PEM with the root */
    const char *certificate_path; /* PEM; NULL when tls_setup is given or for no certificate */
    const char *key_path;         /* PEM; NULL likewise */
    http_client_tls_setup *tls_setup;
    void *tls_user;
    long connect_timeout_ms; /* 0: 5,000 */
    long timeout_ms;         /* whole request; 0: 30,000 */
    size_t response_limit;   /* bytes; 0: 16 MiB */
};

struct http_client;

/* Copies the options. Returns NULL and fills `error` (ERROR_USAGE). */
struct http_client *http_client_create(const struct http_client_options *options,
                                       struct error *error);
/* http_client_free(NULL) is safe. */
void http_client_free(struct http_client *client);

struct http_answer {
    int status;            /* HTTP status; 0 when there was no answer */
    char content_type[64]; /* "" when there was none */
    struct buffer body;
};

void http_answer_clear(struct http_answer *answer);

/*
 * Sends one request. `path` begins with '/' and carries the query; `content_type` is NULL without
 * a body. Returns 0 for a 2xx answer, else -1 with `error` filled. `answer` is zero-initialised by
 * the callee and is to be cleared in every case.
 */
int http_client_send(struct http_client *client, const char *method, const char *path,
                     const char *content_type, struct bytes body, struct http_answer *answer,
                     struct error *error);

/* GET or POST with a JSON object as answer. `*answer` is a new reference on success, else NULL;
 * `answer` may be NULL when it is of no interest. `request` is borrowed; NULL sends {}. */
int http_client_get(struct http_client *client, const char *path, json_t **answer,
                    struct error *error);
int http_client_post(struct http_client *client, const char *path, const json_t *request,
                     json_t **answer, struct error *error);

/* The HTTP status of the last request, 0 when there was no answer: not known then whether the
 * server acted, but every request of the API may be repeated. */
int http_client_last_status(const struct http_client *client);

/* True for the failures after which the same request may succeed later: no answer, or 5xx. */
bool http_client_is_transient(const struct http_client *client, const struct error *error);

#endif
