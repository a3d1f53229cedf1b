#include "programmer/control.h"

#include "base/buffer.h"
#include "base/endpoint.h"
#include "base/json.h"
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_CHUNK 16384
/* How long a client may leave a finished answer unread. */
#define RESULT_WAIT_MS 10000

struct control {
    struct control_options options;
    char path[256];
    int listener;
    int stop_event;
    pthread_mutex_t mutex;
    pthread_cond_t idle;
    unsigned client_count;
};

struct client {
    struct control *control;
    int fd;
    struct buffer input;
};

struct control_call {
    struct client *client;
    pthread_mutex_t mutex; /* lines of one connection never mix */
    /* A plain number: site threads send events at the same time, and JSON values are not shared
     * between threads. */
    bool has_id;
    json_int_t id;
};

static int options_check(const struct control_options *options, struct endpoint *endpoint,
                         struct error *error) {
    *endpoint = (struct endpoint){.kind = ENDPOINT_UNIX};
    if (strlen(options->socket_path) >= sizeof endpoint->address)
        return error_set(error, ERROR_USAGE, "the socket path is too long");
    (void)snprintf(endpoint->address, sizeof endpoint->address, "%s", options->socket_path);
    return 0;
}

struct control *control_open(const struct control_options *options, struct error *error) {
    struct endpoint endpoint;
    if (options_check(options, &endpoint, error) != 0)
        return NULL;
    struct control *control = calloc(1, sizeof *control);
    if (control == NULL) {
        (void)error_set(error, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    control->options = *options;
    (void)snprintf(control->path, sizeof control->path, "%s", endpoint.address);
    (void)pthread_mutex_init(&control->mutex, NULL);
    (void)pthread_cond_init(&control->idle, NULL);
    control->listener = endpoint_listen(&endpoint, error);
    control->stop_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (control->listener < 0 || control->stop_event < 0) {
        if (control->listener >= 0)
            (void)error_set_errno(error, errno, "eventfd");
        control_close(control);
        return NULL;
    }
    return control;
}

void control_close(struct control *control) {
    if (control == NULL)
        return;
    if (control->listener >= 0) {
        (void)close(control->listener);
        (void)unlink(control->path);
    }
    if (control->stop_event >= 0)
        (void)close(control->stop_event);
    (void)pthread_cond_destroy(&control->idle);
    (void)pthread_mutex_destroy(&control->mutex);
    free(control);
}

void control_stop(struct control *control) {
    uint64_t one = 1;
    ssize_t written = write(control->stop_event, &one, sizeof one);
    (void)written; /* the counter can only be full because stop was already asked for */
}

/* 0 when everything was taken within `wait_ms` of the last progress. */
static int send_all(int fd, struct bytes line, int wait_ms) {
    size_t sent = 0;
    while (sent < line.size) {
        ssize_t count = send(fd, line.data + sent, line.size - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count > 0) {
            sent += (size_t)count;
            continue;
        }
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
            return -1;
        struct pollfd ready = {.fd = fd, .events = POLLOUT};
        if (wait_ms == 0 || poll(&ready, 1, wait_ms) <= 0)
            return -1;
    }
    return 0;
}

/* Sends {"id": ..., member: value}; takes over `value`. */
static void send_line(struct control_call *call, const char *member, json_t *value, int wait_ms) {
    struct buffer line = {0};
    struct error error;
    json_t *object = json_object();
    (void)json_object_set_new(object, "id", call->has_id ? json_integer(call->id) : json_null());
    (void)json_object_set_new(object, member, value);
    int failed = json_write(object, &line, &error);
    buffer_append(&line, "\n", 1);
    if (failed == 0 && buffer_check(&line, &error) == 0) {
        (void)pthread_mutex_lock(&call->mutex);
        failed = send_all(call->client->fd, buffer_bytes(&line), wait_ms);
        (void)pthread_mutex_unlock(&call->mutex);
    }
    /* A line cut short cannot be taken back: the stream is over. */
    if (failed != 0)
        (void)shutdown(call->client->fd, SHUT_RDWR);
    json_decref(object);
    buffer_free(&line);
}

void control_event(struct control_call *call, json_t *event) {
    if (call == NULL) {
        json_decref(event);
        return;
    }
    send_line(call, "event", event, 0);
}

bool control_is_heard(const struct control_call *call) {
    if (call == NULL)
        return true;
    struct pollfd end = {.fd = call->client->fd, .events = POLLRDHUP};
    return poll(&end, 1, 0) <= 0 || (end.revents & (POLLRDHUP | POLLHUP | POLLERR)) == 0;
}

static void send_error(struct control_call *call, const struct error *error) {
    json_t *value = json_pack("{s:s,s:s,s:s}", "code", error_name(error->code), "message",
                              error->message, "hint", error->hint);
    /* Text that is not UTF-8 (a peer's) cannot go into JSON; the code always can. */
    if (value == NULL)
        value = json_pack("{s:s,s:s,s:s}", "code", error_name(error->code), "message",
                          "the message is not printable", "hint", "");
    send_line(call, "error", value, RESULT_WAIT_MS);
}

static const struct control_method *method_find(const struct control *control, const char *name) {
    for (size_t i = 0; i < control->options.method_count; i++)
        if (strcmp(control->options.methods[i].name, name) == 0)
            return &control->options.methods[i];
    return NULL;
}

static int request_run(struct control_call *call, const json_t *request, json_t **result,
                       struct error *error) {
    const struct control *control = call->client->control;
    const char *name = NULL;
    if (!call->has_id)
        return error_set(error, ERROR_BAD_REQUEST, "the request has no integer \"id\"");
    if (json_read_string(request, "method", &name, error) != 0)
        return -1;
    const struct control_method *method = method_find(control, name);
    if (method == NULL)
        return error_set(error, ERROR_UNSUPPORTED, "there is no such method");
    json_t *params = json_object_get(request, "params");
    if (params != NULL && !json_is_object(params))
        return error_set(error, ERROR_BAD_REQUEST, "\"params\" is not an object");
    params = params != NULL ? json_incref(params) : json_object();
    int failed = method->run(control->options.context, params, call, result, error);
    json_decref(params);
    if (failed == 0 && *result == NULL)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    return failed;
}

static void line_handle(struct client *client, struct bytes line) {
    struct error error = {0};
    struct control_call call = {.client = client};
    (void)pthread_mutex_init(&call.mutex, NULL);
    json_t *result = NULL;
    json_t *request = json_parse_object(line, &error);
    const json_t *id = json_object_get(request, "id");
    call.has_id = json_is_integer(id);
    call.id = json_integer_value(id);
    if (request == NULL || request_run(&call, request, &result, &error) != 0)
        send_error(&call, &error);
    else
        send_line(&call, "result", result, RESULT_WAIT_MS);
    json_decref(request);
    (void)pthread_mutex_destroy(&call.mutex);
}

static void refuse_long_line(struct client *client) {
    struct error error;
    struct control_call call = {.client = client};
    (void)pthread_mutex_init(&call.mutex, NULL);
    (void)error_set(&error, ERROR_TOO_LARGE, "a request line is longer than %zu bytes",
                    CONTROL_LINE_LIMIT);
    send_error(&call, &error);
    (void)pthread_mutex_destroy(&call.mutex);
}

/* False when the daemon stops; the stop event stays up for every client to see. */
static bool wait_input(const struct client *client) {
    struct pollfd ready[2] = {
        {.fd = client->fd, .events = POLLIN},
        {.fd = client->control->stop_event, .events = POLLIN},
    };
    while (poll(ready, 2, -1) < 0)
        if (errno != EINTR)
            return false;
    return ready[1].revents == 0;
}

static void client_serve(struct client *client) {
    while (wait_input(client)) {
        uint8_t chunk[READ_CHUNK];
        ssize_t count = recv(client->fd, chunk, sizeof chunk, 0);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return;
        size_t scanned = client->input.size;
        buffer_append(&client->input, chunk, (size_t)count);
        if (client->input.failed)
            return;
        const uint8_t *end;
        while ((end = memchr(client->input.data + scanned, '\n', client->input.size - scanned))) {
            size_t size = (size_t)(end - client->input.data);
            line_handle(client, bytes_of(client->input.data, size));
            buffer_consume(&client->input, size + 1);
            scanned = 0;
            if (client->input.size == 0)
                break;
        }
        if (client->input.size > CONTROL_LINE_LIMIT) {
            refuse_long_line(client);
            return;
        }
    }
}

static void *client_thread(void *argument) {
    struct client *client = argument;
    struct control *control = client->control;
    client_serve(client);
    (void)close(client->fd);
    buffer_free(&client->input);
    free(client);
    (void)pthread_mutex_lock(&control->mutex);
    control->client_count--;
    (void)pthread_cond_signal(&control->idle);
    (void)pthread_mutex_unlock(&control->mutex);
    return NULL;
}

static bool is_same_user(int fd) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid();
}

static bool client_admit(struct control *control) {
    (void)pthread_mutex_lock(&control->mutex);
    bool admitted = control->client_count < CONTROL_CLIENT_LIMIT;
    if (admitted)
        control->client_count++;
    (void)pthread_mutex_unlock(&control->mutex);
    return admitted;
}

static void client_withdraw(struct control *control) {
    (void)pthread_mutex_lock(&control->mutex);
    control->client_count--;
    (void)pthread_mutex_unlock(&control->mutex);
}

static void client_start(struct control *control, int fd) {
    if (!is_same_user(fd)) {
        log_warn("control.refused", "why", "another user");
        (void)close(fd);
        return;
    }
    if (!client_admit(control)) {
        log_warn("control.refused", "why", "too many clients");
        (void)close(fd);
        return;
    }
    struct client *client = calloc(1, sizeof *client);
    pthread_t thread;
    if (client != NULL) {
        client->control = control;
        client->fd = fd;
        if (pthread_create(&thread, NULL, client_thread, client) == 0) {
            (void)pthread_detach(thread);
            return;
        }
        free(client);
    }
    log_failure("control.refused", "why", "no thread");
    client_withdraw(control);
    (void)close(fd);
}

void control_run(struct control *control) {
    struct pollfd ready[2] = {
        {.fd = control->listener, .events = POLLIN},
        {.fd = control->stop_event, .events = POLLIN},
    };
    for (;;) {
        if (poll(ready, 2, -1) < 0 && errno != EINTR)
            break;
        if (ready[1].revents != 0)
            break;
        int fd = accept4(control->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            client_start(control, fd);
        else if (errno == EMFILE || errno == ENFILE)
            (void)poll(NULL, 0, 100); /* a full descriptor table must not spin */
    }
    (void)pthread_mutex_lock(&control->mutex);
    while (control->client_count > 0)
        (void)pthread_cond_wait(&control->idle, &control->mutex);
    (void)pthread_mutex_unlock(&control->mutex);
}
