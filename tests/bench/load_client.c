#include "load_client.h"

#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct load {
    struct event_base *base;
    SSL_CTX *tls;
    const struct load_target *target;
    struct load_request *requests;
    size_t count;
    size_t next; /* first request not yet sent */
    unsigned busy;
    unsigned failed_handshakes;
};

struct load_connection {
    struct load *load;
    struct evhttp_connection *http;
    struct load_request *current;
    double sent_at;
};

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void send_next(struct load_connection *connection);

static void request_done(struct evhttp_request *answer, void *context) {
    struct load_connection *connection = context;
    struct load_request *request = connection->current;
    request->latency_s = now_s() - connection->sent_at;
    if (answer != NULL) {
        request->status = evhttp_request_get_response_code(answer);
        struct evbuffer *body = evhttp_request_get_input_buffer(answer);
        size_t size = evbuffer_get_length(body);
        uint8_t *place = buffer_reserve(&request->answer, size);
        if (place != NULL) {
            evbuffer_remove(body, place, size);
        }
    }
    send_next(connection);
}

static void finish_one(struct load *load) {
    load->busy--;
    if (load->busy == 0) {
        event_base_loopbreak(load->base);
    }
}

static void send_next(struct load_connection *connection) {
    struct load *load = connection->load;
    if (load->next == load->count) {
        finish_one(load);
        return;
    }
    struct load_request *request = &load->requests[load->next++];
    connection->current = request;
    struct evhttp_request *message = evhttp_request_new(request_done, connection);
    struct evkeyvalq *headers = evhttp_request_get_output_headers(message);
    evhttp_add_header(headers, "Host", load->target->host);
    evhttp_add_header(headers, "Content-Type", "application/json");
    evbuffer_add(evhttp_request_get_output_buffer(message), request->body, strlen(request->body));
    connection->sent_at = now_s();
    evhttp_make_request(connection->http, message, EVHTTP_REQ_POST, request->path);
    /* Head and body leave as one TLS record, as libcurl sends a small request. */
    evbuffer_pullup(bufferevent_get_output(evhttp_connection_get_bufferevent(connection->http)),
                    -1);
}

static void handshake_done(struct evhttp_request *answer, void *context) {
    struct load_connection *connection = context;
    int on = 1;
    /* A request is one record; it is not to wait for the ACK of the one before. */
    setsockopt(bufferevent_getfd(evhttp_connection_get_bufferevent(connection->http)), IPPROTO_TCP,
               TCP_NODELAY, &on, sizeof on);
    if (answer == NULL || evhttp_request_get_response_code(answer) != 200) {
        connection->load->failed_handshakes++;
    }
    finish_one(connection->load);
}

static int connection_open(struct load_connection *connection, struct load *load) {
    connection->load = load;
    SSL *ssl = SSL_new(load->tls);
    struct bufferevent *transport =
        ssl == NULL ? NULL
                    : bufferevent_openssl_socket_new(
                          load->base, -1, ssl, BUFFEREVENT_SSL_CONNECTING, BEV_OPT_CLOSE_ON_FREE);
    if (transport == NULL) {
        return -1;
    }
    connection->http = evhttp_connection_base_bufferevent_new(
        load->base, NULL, transport, load->target->host, load->target->port);
    struct evhttp_request *message = evhttp_request_new(handshake_done, connection);
    evhttp_add_header(evhttp_request_get_output_headers(message), "Host", load->target->host);
    load->busy++;
    return evhttp_make_request(connection->http, message, EVHTTP_REQ_GET, "/v1/whoami");
}

static SSL_CTX *client_tls(const struct load_target *target) {
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    if (tls == NULL || SSL_CTX_load_verify_locations(tls, target->ca_path, NULL) != 1 ||
        SSL_CTX_use_certificate_chain_file(tls, target->certificate_path) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, target->key_path, SSL_FILETYPE_PEM) != 1) {
        SSL_CTX_free(tls);
        return NULL;
    }
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    return tls;
}

/* Handshakes first, then the measured part on the same connections. */
static double run_all(struct load *load, struct load_connection *connections, unsigned count,
                      struct error *error) {
    for (unsigned i = 0; i < count; i++) {
        if (connection_open(&connections[i], load) != 0) {
            error_set(error, ERROR_OFFLINE, "cannot open connection %u", i);
            return -1;
        }
    }
    event_base_dispatch(load->base);
    if (load->failed_handshakes > 0) {
        error_set(error, ERROR_UNAUTHENTICATED, "%u of %u connections were refused",
                  load->failed_handshakes, count);
        return -1;
    }
    double started = now_s();
    load->busy = count;
    for (unsigned i = 0; i < count; i++) {
        send_next(&connections[i]);
    }
    event_base_dispatch(load->base);
    return now_s() - started;
}

double load_run(const struct load_target *target, struct load_request *requests, size_t count,
                unsigned connections, struct error *error) {
    struct load load = {.target = target, .requests = requests, .count = count};
    struct load_connection *open = calloc(connections, sizeof *open);
    double seconds = -1;
    load.base = event_base_new();
    load.tls = client_tls(target);
    if (open == NULL || load.base == NULL || load.tls == NULL) {
        error_set(error, ERROR_USAGE, "cannot read the client certificate, key or CA");
    } else {
        seconds = run_all(&load, open, connections, error);
        for (unsigned i = 0; i < connections; i++) {
            if (open[i].http != NULL) {
                evhttp_connection_free(open[i].http);
            }
        }
    }
    free(open);
    SSL_CTX_free(load.tls);
    if (load.base != NULL) {
        event_base_free(load.base);
    }
    return seconds;
}
