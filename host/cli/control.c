#include "cli/control.h"

#include "base/endpoint.h"
#include "base/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECT_TIMEOUT_MS 3000
#define READ_SIZE          65536
/* A report of a large job is the longest answer. */
#define LINE_LIMIT (64U << 20)

struct control {
    int descriptor;
    uint64_t last_id;
    struct buffer received; /* bytes after the last whole line */
};

struct control *control_open(const char *endpoint_text, struct error *error) {
    struct endpoint endpoint;

    if (endpoint_parse(endpoint_text, &endpoint, error) != 0)
        return NULL;
    if (endpoint.kind == ENDPOINT_SERIAL) {
        (void)error_set(error, ERROR_USAGE, "a control socket is unix:/path or tcp:host:port");
        return NULL;
    }
    int descriptor = endpoint_connect(&endpoint, CONNECT_TIMEOUT_MS, error);
    if (descriptor < 0) {
        (void)error_prefix(error, "programmer");
        (void)error_hint(error, "is nusec-programmer running? --programmer says where");
        return NULL;
    }
    struct control *control = calloc(1, sizeof(*control));
    if (control == NULL) {
        (void)error_set(error, ERROR_INTERNAL, "out of memory");
        (void)close(descriptor);
        return NULL;
    }
    control->descriptor = descriptor;
    return control;
}

void control_close(struct control *control) {
    if (control == NULL)
        return;
    (void)close(control->descriptor);
    buffer_free(&control->received);
    free(control);
}

static int lost(struct error *error) {
    (void)error_set(error, ERROR_OFFLINE, "the programmer closed the connection");
    return error_hint(error, "start it again and repeat: what was done is in its journal");
}

static int send_all(int descriptor, struct bytes text, struct error *error) {
    size_t sent = 0;

    while (sent < text.size) {
        ssize_t step = send(descriptor, text.data + sent, text.size - sent, MSG_NOSIGNAL);
        if (step < 0 && errno == EINTR)
            continue;
        if (step <= 0)
            return lost(error);
        sent += (size_t)step;
    }
    return 0;
}

static int send_request(struct control *control, const char *method, json_t *parameters,
                        struct error *error) {
    struct buffer line = {0};
    json_t *request = json_object();
    int result = -1;

    (void)json_object_set_new(request, "id", json_integer((json_int_t)++control->last_id));
    (void)json_object_set_new(request, "method", json_string(method));
    (void)json_object_set_new(request, "params", parameters == NULL ? json_object() : parameters);
    if (json_write(request, &line, error) == 0) {
        buffer_append(&line, "\n", 1);
        if (buffer_check(&line, error) == 0)
            result = send_all(control->descriptor, buffer_bytes(&line), error);
    }
    json_decref(request);
    buffer_free(&line);
    return result;
}

static int receive_more(struct control *control, struct error *error) {
    uint8_t chunk[READ_SIZE];
    ssize_t got = -1;

    do {
        got = recv(control->descriptor, chunk, sizeof(chunk), 0);
    } while (got < 0 && errno == EINTR);
    if (got <= 0)
        return lost(error);
    if (control->received.size + (size_t)got > LINE_LIMIT)
        return error_set(error, ERROR_BAD_REQUEST, "the programmer's answer is too long");
    buffer_append(&control->received, chunk, (size_t)got);
    return buffer_check(&control->received, error);
}

/* The next whole line as an object; a new reference. */
static json_t *receive_object(struct control *control, struct error *error) {
    struct buffer *received = &control->received;
    size_t searched = 0;

    for (;;) {
        const uint8_t *end = NULL;
        if (received->size > searched)
            end = memchr(received->data + searched, '\n', received->size - searched);
        if (end != NULL) {
            size_t size = (size_t)(end - received->data);
            const struct bytes line = {received->data, size};
            json_t *object = json_parse_object(line, error);
            buffer_consume(received, size + 1);
            return object;
        }
        searched = received->size;
        if (receive_more(control, error) != 0)
            return NULL;
    }
}

static void take_error(const json_t *object, struct error *error) {
    const char *code = "internal";
    const char *message = "the programmer gave no reason";
    const char *hint = "";
    struct error ignored;

    (void)json_read_optional_string(object, "code", &code, &ignored);
    (void)json_read_optional_string(object, "message", &message, &ignored);
    (void)json_read_optional_string(object, "hint", &hint, &ignored);
    (void)error_set(error, error_code_of_name(code), "%s", message);
    (void)error_hint(error, "%s", hint);
}

json_t *control_call(struct control *control, const char *method, json_t *parameters,
                     control_event_function *on_event, void *context, struct error *error) {
    if (send_request(control, method, parameters, error) != 0)
        return NULL;
    for (;;) {
        json_t *line = receive_object(control, error);
        if (line == NULL)
            return NULL;
        const json_t *event = json_object_get(line, "event");
        const json_t *failure = json_object_get(line, "error");
        json_t *result = json_incref(json_object_get(line, "result"));
        if (event != NULL && on_event != NULL)
            on_event(context, event);
        if (json_is_object(failure))
            take_error(failure, error);
        else if (event == NULL && result == NULL)
            (void)error_set(error, ERROR_BAD_REQUEST, "the programmer's answer is not understood");
        bool is_last = event == NULL;
        json_decref(line);
        if (is_last)
            return result;
    }
}
