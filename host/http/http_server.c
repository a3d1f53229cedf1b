/* The I/O threads. Each has an event base, an evhttp and a listening socket of its own (the kernel
 * spreads connections over them); nothing of libevent is ever touched from another thread. Answers
 * come in through a list and an eventfd. */
#include "http/http_server.h"

#include "base/log.h"
#include "http/http_tls.h"
#include "http/http_workers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

#define HEADERS_MAX    (16 << 10)
#define IDLE_TIMEOUT_S 120
#define TLS_RECORD_MAX 16384
#define LISTEN_BACKLOG 1024
#define ALLOWED_METHODS                                                                            \
    (EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | EVHTTP_REQ_PATCH |    \
     EVHTTP_REQ_HEAD | EVHTTP_REQ_OPTIONS)

struct http_io {
    struct http_server *server;
    struct event_base *base;
    struct evhttp *http;
    struct evhttp_bound_socket *bound;
    struct event *wake;
    int wake_fd;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    struct http_exchange *answered; /* newest first */
    bool stop;
};

struct http_server {
    SSL_CTX *tls;
    struct http_workers *workers;
    size_t body_limit;
    char address[128];
    atomic_bool stopping;
    atomic_uint in_flight;
    atomic_uint_fast64_t connections, requests, overloaded, abandoned, answers[6];
    unsigned io_count;
    struct http_io io[];
};

static void exchange_free(struct http_exchange *exchange) {
    evhttp_clear_headers(&exchange->query);
    buffer_free(&exchange->body);
    buffer_free(&exchange->answer);
    free(exchange->path);
    free(exchange);
}

static const char *method_name(enum evhttp_cmd_type method) {
    switch (method) {
    case EVHTTP_REQ_GET: return "GET";
    case EVHTTP_REQ_POST: return "POST";
    case EVHTTP_REQ_PUT: return "PUT";
    case EVHTTP_REQ_DELETE: return "DELETE";
    default: return "OTHER";
    }
}

/* Head and body of a small answer become one piece, hence one TLS record and one system call: each
 * piece of an evbuffer is written by itself. The write itself comes in the next loop iteration. */
static void join_pieces(struct evhttp_connection *connection) {
    struct bufferevent *bufferevent = evhttp_connection_get_bufferevent(connection);
    struct evbuffer *output = bufferevent_get_output(bufferevent);

    if (evbuffer_get_length(output) <= TLS_RECORD_MAX)
        evbuffer_pullup(output, -1);
}

/* Sends the answer and ends the exchange; in the I/O thread. */
static void send_answer(struct http_exchange *exchange) {
    struct http_server *server = exchange->io->server;
    struct evhttp_request *event = exchange->event;
    struct evhttp_connection *connection = evhttp_request_get_connection(event);
    struct evkeyvalq *headers = evhttp_request_get_output_headers(event);

    if (connection == NULL) /* detached by evhttp when it closed */
        atomic_fetch_add(&server->abandoned, 1);
    if (exchange->content_type != NULL)
        evhttp_add_header(headers, "Content-Type", exchange->content_type);
    evbuffer_add(evhttp_request_get_output_buffer(event), exchange->answer.data,
                 exchange->answer.size);
    if (exchange->status >= 100 && exchange->status < 600)
        atomic_fetch_add(&server->answers[exchange->status / 100], 1);
    evhttp_send_reply(event, exchange->status, NULL, NULL); /* frees the event when detached */
    if (connection != NULL)
        join_pieces(connection);
    atomic_fetch_sub(&server->in_flight, 1);
    exchange_free(exchange);
}

static void on_wake(evutil_socket_t fd, short what, void *context) {
    struct http_io *io = context;
    struct http_exchange *list, *in_order = NULL;
    uint64_t count;
    bool stop;

    (void)what;
    if (read(fd, &count, sizeof count) < 0 && errno != EAGAIN)
        return;
    pthread_mutex_lock(&io->lock);
    list = io->answered;
    io->answered = NULL;
    stop = io->stop;
    pthread_mutex_unlock(&io->lock);
    while (list != NULL) {
        struct http_exchange *next = list->next;

        list->next = in_order;
        in_order = list;
        list = next;
    }
    while (in_order != NULL) {
        struct http_exchange *next = in_order->next;

        send_answer(in_order);
        in_order = next;
    }
    if (stop)
        event_base_loopexit(io->base, NULL);
}

static void wake(struct http_io *io) {
    const uint64_t one = 1;

    if (write(io->wake_fd, &one, sizeof one) < 0)
        log_failure("http.wake", "errno", LOG_NUMBER(errno));
}

void http_exchange_reply(struct http_exchange *exchange, int status, const char *content_type,
                         struct buffer *body) {
    struct http_io *io = exchange->io;
    bool was_empty;

    http_exchange_leave_worker(exchange);
    exchange->status = status;
    exchange->content_type = content_type;
    exchange->answer = *body;
    memset(body, 0, sizeof *body);
    pthread_mutex_lock(&io->lock);
    was_empty = io->answered == NULL;
    exchange->next = io->answered;
    io->answered = exchange;
    pthread_mutex_unlock(&io->lock);
    if (was_empty) /* otherwise the wake-up is already on its way */
        wake(io);
}

void http_exchange_leave_worker(struct http_exchange *exchange) {
    if (!exchange->in_worker)
        return;
    exchange->in_worker = false;
    http_workers_leave(exchange->io->server->workers);
}

/* Refuses in the I/O thread itself, with the error body of the API. */
static void refuse(struct evhttp_request *event, int status, const char *code,
                   const char *message) {
    evhttp_add_header(evhttp_request_get_output_headers(event), "Content-Type", "application/json");
    evbuffer_add_printf(evhttp_request_get_output_buffer(event),
                        "{\"error\":{\"code\":\"%s\",\"message\":\"%s\",\"hint\":\"\"}}", code,
                        message);
    evhttp_send_reply(event, status, NULL, NULL);
}

static const struct http_peer *peer_of(struct evhttp_request *event) {
    struct evhttp_connection *connection = evhttp_request_get_connection(event);
    SSL *ssl = bufferevent_openssl_get_ssl(evhttp_connection_get_bufferevent(connection));

    return ssl != NULL ? http_tls_peer(ssl) : NULL;
}

static int fill_exchange(struct http_exchange *exchange, struct evhttp_request *event) {
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(event);
    const char *query = uri != NULL ? evhttp_uri_get_query(uri) : NULL;
    const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;
    struct evbuffer *input = evhttp_request_get_input_buffer(event);
    size_t size = evbuffer_get_length(input);

    exchange->event = event;
    exchange->method = method_name(evhttp_request_get_command(event));
    exchange->path = strdup(path != NULL ? path : "");
    if (exchange->path == NULL ||
        evhttp_parse_query_str(query != NULL ? query : "", &exchange->query) != 0)
        return -1;
    if (size != 0) {
        uint8_t *room = buffer_reserve(&exchange->body, size);

        if (room == NULL || evbuffer_remove(input, room, size) != (int)size)
            return -1;
    }
    return 0;
}

static void on_request(struct evhttp_request *event, void *context) {
    struct http_io *io = context;
    struct http_server *server = io->server;
    const struct http_peer *peer = peer_of(event);
    struct http_exchange *exchange;

    atomic_fetch_add(&server->requests, 1);
    if (atomic_load(&server->stopping)) {
        refuse(event, 503, "busy", "the server is stopping");
        return;
    }
    if (peer == NULL) {
        refuse(event, 401, "unauthenticated", "no usable client certificate");
        return;
    }
    exchange = calloc(1, sizeof *exchange);
    if (exchange == NULL) {
        refuse(event, 503, "busy", "out of memory");
        return;
    }
    TAILQ_INIT(&exchange->query);
    exchange->io = io;
    exchange->peer = *peer;
    if (fill_exchange(exchange, event) != 0) {
        refuse(event, 400, "bad_request", "the request cannot be read");
        exchange_free(exchange);
        return;
    }
    atomic_fetch_add(&server->in_flight, 1);
    if (http_workers_put(server->workers, exchange) != 0) {
        atomic_fetch_sub(&server->in_flight, 1);
        atomic_fetch_add(&server->overloaded, 1);
        refuse(event, 503, "busy", "too many requests are waiting");
        exchange_free(exchange);
    }
}

static struct bufferevent *on_connection(struct event_base *base, void *context) {
    struct http_io *io = context;
    SSL *ssl = SSL_new(io->server->tls);
    struct bufferevent *bufferevent = NULL;

    atomic_fetch_add(&io->server->connections, 1);
    if (ssl != NULL)
        bufferevent = bufferevent_openssl_socket_new(base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING,
                                                     BEV_OPT_CLOSE_ON_FREE);
    if (bufferevent == NULL)
        SSL_free(ssl);
    else
        bufferevent_openssl_set_allow_dirty_shutdown(bufferevent, 1);
    return bufferevent;
}

static int split_address(const char *listen_text, char *host, size_t capacity, const char **port) {
    const char *colon = strrchr(listen_text, ':');
    size_t size;

    if (colon == NULL)
        return -1;
    size = (size_t)(colon - listen_text);
    if (size >= 2 && listen_text[0] == '[' && colon[-1] == ']') {
        listen_text++;
        size -= 2;
    }
    if (size == 0 || size >= capacity)
        return -1;
    memcpy(host, listen_text, size);
    host[size] = '\0';
    *port = colon + 1;
    return 0;
}

static int open_socket(const struct addrinfo *info, bool shared, struct error *error) {
    const int on = 1;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return error_set_errno(error, errno, "socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (shared)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    /* Inherited by the connections: head and body of an answer are two TLS records, and Nagle's
     * algorithm would hold back the second. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (bind(fd, info->ai_addr, info->ai_addrlen) != 0 || listen(fd, LISTEN_BACKLOG) != 0) {
        error_set_errno(error, errno, "listen");
        close(fd);
        return -1;
    }
    return fd;
}

/* Keeps the address really bound in server->address, so that port 0 is chosen once. */
static int note_address(struct http_server *server, int fd, struct error *error) {
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    char host[NI_MAXHOST], port[NI_MAXSERV];

    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0 ||
        getnameinfo((struct sockaddr *)&address, size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return error_set(error, ERROR_INTERNAL, "cannot read the listening address");
    snprintf(server->address, sizeof server->address,
             address.ss_family == AF_INET6 ? "[%.100s]:%.10s" : "%.100s:%.10s", host, port);
    return 0;
}

static int listen_on(struct http_io *io, struct error *error) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *info = NULL;
    struct http_server *server = io->server;
    char host[100];
    const char *port;
    int fd;

    if (split_address(server->address, host, sizeof host, &port) != 0 ||
        getaddrinfo(host, port, &hints, &info) != 0) {
        error_set(error, ERROR_USAGE, "cannot listen on %s", server->address);
        return error_hint(error, "write it as 127.0.0.1:8443");
    }
    fd = open_socket(info, server->io_count > 1, error);
    freeaddrinfo(info);
    if (fd < 0)
        return error_prefix(error, "%s", server->address);
    io->bound = evhttp_accept_socket_with_handle(io->http, fd);
    if (io->bound == NULL) {
        close(fd);
        return error_set(error, ERROR_INTERNAL, "cannot accept on %s", server->address);
    }
    return note_address(server, fd, error);
}

static void *io_main(void *context) {
    struct http_io *io = context;

    pthread_setname_np(pthread_self(), "http-io");
    event_base_dispatch(io->base);
    return NULL;
}

static int io_start(struct http_io *io, struct error *error) {
    io->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    io->base = event_base_new();
    io->http = io->base != NULL ? evhttp_new(io->base) : NULL;
    if (io->wake_fd < 0 || io->http == NULL)
        return error_set(error, ERROR_INTERNAL, "cannot set up an I/O thread");
    evhttp_set_bevcb(io->http, on_connection, io);
    evhttp_set_gencb(io->http, on_request, io);
    evhttp_set_allowed_methods(io->http, ALLOWED_METHODS);
    evhttp_set_max_headers_size(io->http, HEADERS_MAX);
    evhttp_set_max_body_size(io->http, (ev_ssize_t)io->server->body_limit);
    evhttp_set_timeout(io->http, IDLE_TIMEOUT_S);
    io->wake = event_new(io->base, io->wake_fd, EV_READ | EV_PERSIST, on_wake, io);
    if (io->wake == NULL || event_add(io->wake, NULL) != 0)
        return error_set(error, ERROR_INTERNAL, "cannot set up an I/O thread");
    if (listen_on(io, error) != 0)
        return -1;
    if (pthread_create(&io->thread, NULL, io_main, io) != 0)
        return error_set(error, ERROR_INTERNAL, "cannot start an I/O thread");
    io->started = true;
    return 0;
}

static void io_stop(struct http_io *io) {
    if (io->started) {
        pthread_mutex_lock(&io->lock);
        io->stop = true;
        pthread_mutex_unlock(&io->lock);
        wake(io);
        pthread_join(io->thread, NULL);
    }
    if (io->http != NULL)
        evhttp_free(io->http);
    if (io->wake != NULL)
        event_free(io->wake);
    if (io->base != NULL)
        event_base_free(io->base);
    if (io->wake_fd >= 0)
        close(io->wake_fd);
    pthread_mutex_destroy(&io->lock);
}

struct http_server *http_server_start(const struct http_server_options *options,
                                      struct error *error) {
    struct http_server *server =
        calloc(1, sizeof *server + options->io_threads * sizeof server->io[0]);

    if (server == NULL) {
        error_set(error, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    server->io_count = options->io_threads;
    server->body_limit = options->body_limit;
    snprintf(server->address, sizeof server->address, "%s", options->listen);
    for (unsigned i = 0; i < server->io_count; i++) {
        server->io[i].server = server;
        server->io[i].wake_fd = -1;
        pthread_mutex_init(&server->io[i].lock, NULL);
    }
    server->tls = http_tls_server_context(options, error);
    if (server->tls != NULL)
        server->workers = http_workers_start(options, error);
    if (server->workers == NULL) {
        http_server_stop(server);
        return NULL;
    }
    for (unsigned i = 0; i < server->io_count; i++)
        if (io_start(&server->io[i], error) != 0) {
            http_server_stop(server);
            return NULL;
        }
    return server;
}

/* Everything that was accepted gets its answer first. */
static void drain(struct http_server *server) {
    atomic_store(&server->stopping, true);
    while (http_server_in_flight(server) != 0)
        usleep(5000);
}

void http_server_stop(struct http_server *server) {
    if (server == NULL)
        return;
    drain(server);
    http_workers_stop(server->workers);
    for (unsigned i = 0; i < server->io_count; i++)
        io_stop(&server->io[i]);
    SSL_CTX_free(server->tls);
    free(server);
}

void http_server_address(const struct http_server *server, char *text, size_t capacity) {
    snprintf(text, capacity, "%s", server->address);
}

unsigned http_server_in_flight(const struct http_server *server) {
    return atomic_load(&server->in_flight);
}

unsigned http_server_in_workers(const struct http_server *server) {
    return http_workers_busy(server->workers);
}

void http_server_statistics(const struct http_server *server,
                            struct http_server_statistics *statistics) {
    statistics->connections = atomic_load(&server->connections);
    statistics->requests = atomic_load(&server->requests);
    statistics->overloaded = atomic_load(&server->overloaded);
    statistics->abandoned = atomic_load(&server->abandoned);
    for (int i = 0; i < 6; i++)
        statistics->answers[i] = atomic_load(&server->answers[i]);
}

const char *http_exchange_method(const struct http_exchange *exchange) {
    return exchange->method;
}

const char *http_exchange_path(const struct http_exchange *exchange) {
    return exchange->path;
}

const char *http_exchange_query(const struct http_exchange *exchange, const char *name) {
    return evhttp_find_header(&exchange->query, name);
}

struct bytes http_exchange_body(const struct http_exchange *exchange) {
    return buffer_bytes(&exchange->body);
}

const struct http_peer *http_exchange_peer(const struct http_exchange *exchange) {
    return &exchange->peer;
}
