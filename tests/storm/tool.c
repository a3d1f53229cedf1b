#include "tool.h"

#include "base/endpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static FILE *connect_to(const char *socket_path) {
    struct endpoint endpoint = {.kind = ENDPOINT_UNIX};
    struct error error;
    (void)snprintf(endpoint.address, sizeof endpoint.address, "%s", socket_path);
    int fd = endpoint_connect(&endpoint, 2000, &error);
    return fd >= 0 ? fdopen(fd, "r+") : NULL;
}

static bool send_request(FILE *stream, const char *method, json_t *params) {
    json_t *request = json_pack("{s:i,s:s,s:o}", "id", 1, "method", method, "params", params);
    char *text = json_dumps(request, JSON_COMPACT);
    size_t size = text != NULL ? strlen(text) : 0;
    bool sent = size > 0 && send(fileno(stream), text, size, MSG_NOSIGNAL) == (ssize_t)size &&
                send(fileno(stream), "\n", 1, MSG_NOSIGNAL) == 1;
    free(text);
    json_decref(request);
    return sent;
}

/* The next line; NULL when the connection is over. */
static json_t *receive(FILE *stream, char **line, size_t *capacity) {
    struct error error;
    ssize_t size = getline(line, capacity, stream);
    return size > 0 ? json_parse_object(bytes_of(*line, (size_t)size), &error) : NULL;
}

static void copy(char *out, size_t capacity, const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    (void)snprintf(out, capacity, "%s", text != NULL ? text : "");
}

static void take_unit(struct tool_result *result, const json_t *answer) {
    const json_t *unit = json_array_get(json_object_get(answer, "units"), 0);
    result->end = TOOL_RESULT;
    copy(result->state, sizeof result->state, unit, "state");
    copy(result->step, sizeof result->step, unit, "step");
    copy(result->code, sizeof result->code, unit, "code");
    copy(result->reason, sizeof result->reason, unit, "reason");
    copy(result->uid, sizeof result->uid, unit, "uid");
}

static void take_refusal(struct tool_result *result, const json_t *refusal) {
    result->end = TOOL_REFUSED;
    copy(result->code, sizeof result->code, refusal, "code");
    copy(result->reason, sizeof result->reason, refusal, "message");
}

/* False when the call is over. */
static bool take_line(const struct tool_order *order, const json_t *line,
                      struct tool_result *result) {
    const json_t *event = json_object_get(line, "event");
    if (event != NULL) {
        const char *uid = json_string_value(json_object_get(event, "uid"));
        const char *state = json_string_value(json_object_get(event, "state"));
        if (uid != NULL)
            (void)snprintf(result->uid, sizeof result->uid, "%s", uid);
        return order->on_state(order->context, state != NULL ? state : "");
    }
    if (json_object_get(line, "result") != NULL)
        take_unit(result, json_object_get(line, "result"));
    else
        take_refusal(result, json_object_get(line, "error"));
    return false;
}

static json_t *parameters_of(const struct tool_order *order) {
    char debug[256];
    char uart[256];
    (void)snprintf(debug, sizeof debug, "unix:%s/debug", order->link);
    (void)snprintf(uart, sizeof uart, "unix:%s/uart", order->link);
    return json_pack("{s:s,s:[{s:s,s:s,s:s}]}", "job_id", order->job_id, "sites", "name",
                     order->site, "debug", debug, "uart", uart);
}

void tool_produce(const struct tool_order *order, struct tool_result *result) {
    char *line = NULL;
    size_t capacity = 0;
    json_t *object = NULL;
    bool more = true;
    *result = (struct tool_result){.end = TOOL_LOST};
    FILE *stream = connect_to(order->socket_path);
    if (stream == NULL)
        return;
    more = send_request(stream, "produce", parameters_of(order));
    while (more && (object = receive(stream, &line, &capacity)) != NULL) {
        more = take_line(order, object, result);
        json_decref(object);
    }
    free(line);
    (void)fclose(stream);
}

json_t *tool_call(const char *socket_path, const char *method, json_t *params) {
    char *line = NULL;
    size_t capacity = 0;
    json_t *object = NULL;
    FILE *stream = connect_to(socket_path);
    if (stream == NULL) {
        json_decref(params);
        return NULL;
    }
    if (send_request(stream, method, params))
        object = receive(stream, &line, &capacity);
    json_t *result = json_incref(json_object_get(object, "result"));
    json_decref(object);
    free(line);
    (void)fclose(stream);
    return result;
}
