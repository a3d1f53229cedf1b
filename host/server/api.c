#include "server/api.h"

#include "base/encoding.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define YEAR_9999 INT64_C(253402300799)

static const struct {
    const char *name;
    enum api_role role;
    enum x509_profile profile;
} roles[] = {
    {"oem-admin", ROLE_ADMIN, X509_PROFILE_OEM_ADMIN},
    {"oem-operator", ROLE_OPERATOR, X509_PROFILE_OEM_OPERATOR},
    {"cm-operator", ROLE_CM_OPERATOR, X509_PROFILE_CM_OPERATOR},
    {"auditor", ROLE_AUDITOR, X509_PROFILE_AUDITOR},
    {"programmer", ROLE_PROGRAMMER, X509_PROFILE_PROGRAMMER},
};

/* Role = issuing CA and EKU, and the store must know the certificate and not have revoked it: each
 * of the three alone is not enough. */
static int identify(struct api_call *call, struct error *error) {
    const struct http_peer *peer = http_exchange_peer(call->exchange);
    const struct authority *authority = &call->service->authority;
    struct store_identity identity;
    int found;

    if (memcmp(peer->issuer_sha256, authority->operations_ca_sha256, 32) != 0)
        return error_set(error, ERROR_DENIED, "this certificate has no role here");
    if (service_now(call->service) > peer->certificate.not_after_s)
        return error_set(error, ERROR_EXPIRED, "the client certificate has expired");
    found = store_identity_find(call->reader, peer->certificate.sha256, &identity, error);
    if (found < 0)
        return -1;
    if (found == 0)
        return error_set(error, ERROR_DENIED, "this certificate is not registered here");
    if (identity.revoked)
        return error_set(error, ERROR_REVOKED, "the client certificate was revoked");
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        if (strcmp(roles[i].name, identity.role) != 0 ||
            roles[i].profile != peer->certificate.profile)
            continue;
        call->caller.role = roles[i].role;
        call->caller.role_name = roles[i].name;
        snprintf(call->caller.name, sizeof call->caller.name, "%s", identity.name);
        snprintf(call->caller.actor, sizeof call->caller.actor, "%s:%s", roles[i].name,
                 identity.name);
        return 0;
    }
    return error_set(error, ERROR_DENIED, "the certificate's role is not the registered one");
}

/* Compares segment by segment; a {name} takes one non-empty segment. */
static bool path_matches(const char *pattern, const char *path,
                         char parameter[2][API_PARAMETER_MAX + 1]) {
    unsigned taken = 0;

    while (*pattern != '\0') {
        if (*pattern == '{') {
            size_t size = strcspn(path, "/");

            if (size == 0 || size > API_PARAMETER_MAX)
                return false;
            memcpy(parameter[taken], path, size);
            parameter[taken++][size] = '\0';
            pattern += strcspn(pattern, "}") + 1;
            path += size;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *path == '\0';
}

static int find_route(struct api_call *call, struct error *error) {
    const char *path = http_exchange_path(call->exchange);
    const char *method = http_exchange_method(call->exchange);
    bool path_exists = false;

    for (size_t i = 0; i < api_route_count; i++) {
        if (!path_matches(api_routes[i].pattern, path, call->parameter))
            continue;
        path_exists = true;
        if (strcmp(api_routes[i].method, method) == 0) {
            call->route = &api_routes[i];
            return 0;
        }
    }
    if (path_exists)
        return error_set(error, ERROR_METHOD_NOT_ALLOWED, "%s is not possible here", method);
    return error_set(error, ERROR_NOT_FOUND, "there is no such route");
}

static int read_body(struct api_call *call, struct error *error) {
    struct bytes body = http_exchange_body(call->exchange);

    if (body.size > call->route->body_limit)
        return error_set(error, ERROR_TOO_LARGE, "the body is limited to %zu bytes here",
                         call->route->body_limit);
    if (call->route->body != BODY_JSON)
        return 0;
    call->request = json_parse_object(body, error);
    return call->request != NULL ? 0 : -1;
}

static void call_free(struct api_call *call) {
    json_decref(call->request);
    buffer_free(&call->reply);
    if (call->release != NULL)
        call->release(call->operation);
    free(call->operation);
    free(call);
}

/* Failures that pass by themselves: the client may repeat, since nothing was changed. */
static const char *hint_of(const struct error *error) {
    if (error->hint[0] == '\0' && error_http_status(error->code) == 503)
        return "nothing was changed; repeat later";
    return error->hint;
}

static void reply_error(struct api_call *call, const struct error *error) {
    json_t *object = json_pack("{s:{s:s, s:s, s:s}}", "error", "code", error_name(error->code),
                               "message", error->message, "hint", hint_of(error));
    struct error ignored;

    metrics_count_error(call->worker->metrics, error);
    if (error_http_status(error->code) >= 500)
        log_error_event("api.failed", error);
    else
        log_debug("api.refused", "code", error_name(error->code), "message", error->message,
                  "actor", call->caller.actor);
    buffer_clear(&call->reply);
    if (object == NULL || json_write(object, &call->reply, &ignored) != 0)
        buffer_append_text(&call->reply, "{\"error\":{\"code\":\"internal\",\"message\":\"\","
                                         "\"hint\":\"\"}}");
    json_decref(object);
    call->status = error_http_status(error->code);
    call->content_type = "application/json";
}

static void send_reply(struct api_call *call) {
    http_exchange_reply(call->exchange, call->status, call->content_type, &call->reply);
    call_free(call);
}

static enum api_result run_handler(struct api_call *call, struct error *error) {
    if (identify(call, error) != 0 || find_route(call, error) != 0 || call->route == NULL)
        return API_FAILED;
    if ((call->route->roles & call->caller.role) == 0) {
        error_set(error, ERROR_DENIED, "the role %s may not do this", call->caller.role_name);
        return API_FAILED;
    }
    if (read_body(call, error) != 0)
        return API_FAILED;
    return call->route->handler(call, error);
}

void api_handle(struct http_exchange *exchange, void *context) {
    struct api_worker *worker = context;
    struct api_call *call = calloc(1, sizeof *call);
    struct buffer nothing = {0};
    struct error error;

    if (call == NULL) {
        http_exchange_reply(exchange, 503, NULL, &nothing);
        return;
    }
    call->exchange = exchange;
    call->worker = worker;
    call->service = worker->service;
    call->reader = worker->reader;
    switch (run_handler(call, &error)) {
    case API_FAILED:
        reply_error(call, &error);
        send_reply(call);
        break;
    case API_DONE: send_reply(call); break;
    case API_PENDING: break; /* `call` belongs to the database thread now, and may be gone */
    }
}

/* In the database thread, after the commit. */
static void write_done(struct store_write *write) {
    struct api_call *call = (struct api_call *)((char *)write - offsetof(struct api_call, write));
    struct error error = write->error;

    if (write->result != 0 || call->finish(call, &error) != 0)
        reply_error(call, &error);
    send_reply(call);
}

enum api_result api_commit(struct api_call *call, store_write_function *run, void *context,
                           api_finish *finish) {
    call->finish = finish;
    call->write.run = run;
    call->write.context = context;
    call->write.done = write_done;
    call->reader = NULL; /* the worker's, not the database thread's */
    http_exchange_leave_worker(call->exchange);
    store_submit(call->service->store, &call->write);
    return API_PENDING;
}

enum api_result api_reply_json(struct api_call *call, int status, json_t *object,
                               struct error *error) {
    int result;

    if (object == NULL) {
        error_set(error, ERROR_INTERNAL, "out of memory");
        return API_FAILED;
    }
    result = json_write(object, &call->reply, error);
    json_decref(object);
    call->status = status;
    call->content_type = "application/json";
    return result == 0 ? API_DONE : API_FAILED;
}

enum api_result api_reply_raw(struct api_call *call, int status, const char *content_type,
                              struct error *error) {
    call->status = status;
    call->content_type = content_type;
    return buffer_check(&call->reply, error) == 0 ? API_DONE : API_FAILED;
}

void *api_operation(struct api_call *call, size_t size, struct error *error) {
    call->operation = calloc(1, size);
    if (call->operation == NULL)
        error_set(error, ERROR_INTERNAL, "out of memory");
    return call->operation;
}

int api_read_uid(const char *text, uint8_t uid[STORE_UID_SIZE], struct error *error) {
    if (hex_decode(text, uid, STORE_UID_SIZE) != 0)
        return error_set(error, ERROR_BAD_REQUEST, "a UID has 32 hexadecimal digits");
    return 0;
}

int api_read_unit_id(const struct api_call *call, uint8_t id[UNIT_ID_SIZE], struct error *error) {
    if (hex_decode(call->parameter[0], id, UNIT_ID_SIZE) != 0)
        return error_set(error, ERROR_NOT_FOUND, "there is no such unit");
    return 0;
}

json_t *api_hex(const void *data, size_t size) {
    return json_hex(bytes_of(data, size));
}

json_t *api_base64(const void *data, size_t size) {
    return json_base64(bytes_of(data, size));
}

json_t *api_time(uint64_t unix_s) {
    return json_integer(unix_s > (uint64_t)YEAR_9999 ? YEAR_9999 : (json_int_t)unix_s);
}

json_t *api_time_or_null(uint64_t unix_s) {
    return unix_s == 0 ? json_null() : api_time(unix_s);
}

int api_check_job_access(const struct api_call *call, const struct store_job *job,
                         struct error *error) {
    const char *owner = NULL;

    if (call->caller.role == ROLE_CM_OPERATOR)
        owner = job->cm_operator;
    else if (call->caller.role == ROLE_PROGRAMMER)
        owner = job->programmer_id;
    if (owner != NULL && strcmp(owner, call->caller.name) != 0)
        return error_set(error, ERROR_DENIED, "the job belongs to somebody else");
    return 0;
}
