/*
 * An HTTPS client with mutual TLS for the NuSEC REST API, over libcurl.
 *
 * Calling sequence: http_client_create with options, then any number of http_client_get,
 * http_client_post_json or http_client_send, then http_client_free. One connection is kept open
 * and used again. A client is used by one thread at a time.
 *
 * The client certificate and key are PEM files, or, when the private key lives in a PKCS#11 token,
 * a callback that puts certificate and key into the SSL_CTX (CURLOPT_SSL_CTX_FUNCTION). The server
 * is accepted only when its chain ends at `ca_path` and its certificate names the host of the URL.
 *
 * Failures fill `struct error`. Codes made here:
 *   http_offline      no answer: name, connection, time-out, or the connection ended (try again)
 *   http_tls_refused  either side refused the other's certificate, or the handshake failed
 *   http_bad_answer   an answer that is not HTTP, too large, or not the JSON the API promises
 *   http_setup        bad options, unreadable file, no memory
 * When the server itself refuses (status >= 400), code, message and hint are those of the error
 * body {"error":{code,message,hint}}; without such a body the code is http_status.
 */
#ifndef NUSEC_HTTP_CLIENT_H
#define NUSEC_HTTP_CLIENT_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* How a request ended, for callers that must tell "later again" from "never". */
enum http_outcome {
    HTTP_OUTCOME_OK,      /* status 2xx, body as promised */
    HTTP_OUTCOME_OFFLINE, /* not known whether the server acted; repeating is safe by design */
    HTTP_OUTCOME_REFUSED, /* the server answered with 4xx, or refused our certificate */
    HTTP_OUTCOME_FAILED,  /* the server answered with 5xx or nonsense */
    HTTP_OUTCOME_SETUP,   /* nothing was sent: our own mistake */
};

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

/* Copies the options. Returns NULL and fills `error` (http_setup). */
struct http_client *http_client_create(const struct http_client_options *options,
                                       struct error *error);
/* http_client_free(NULL) is safe. */
void http_client_free(struct http_client *client);

struct http_answer {
    int status;         /* HTTP status; 0 when there was no answer */
    char *content_type; /* may be NULL */
    unsigned char *body;
    size_t body_size; /* body[body_size] is 0 */
};

void http_answer_clear(struct http_answer *answer);

/*
 * Sends one request. `path` begins with '/' and carries the query; `content_type` is NULL without
 * a body. A status >= 400 is REFUSED or FAILED with `error` filled; `answer` (never NULL) is filled
 * whenever there was an answer and is to be cleared in every case.
 */
enum http_outcome http_client_send(struct http_client *client, const char *method, const char *path,
                                   const char *content_type, const void *body, size_t body_size,
                                   struct http_answer *answer, struct error *error);

/* GET or POST with a JSON object as answer. `*answer` is a new reference on OK, else NULL; answer
 * may be NULL when it is of no interest. `request` is borrowed; NULL sends {}. */
enum http_outcome http_client_get(struct http_client *client, const char *path, json_t **answer,
                                  struct error *error);
enum http_outcome http_client_post(struct http_client *client, const char *path,
                                   const json_t *request, json_t **answer, struct error *error);

/* The HTTP status of the last request, 0 when there was no answer. */
int http_client_last_status(const struct http_client *client);

#endif
