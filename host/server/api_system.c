#include "server/api_handlers.h"

#include "base/encoding.h"

#include <stdlib.h>
#include <string.h>

#define EVENTS_PER_ANSWER 500

enum api_result api_healthz(struct api_call *call, struct error *error) {
    struct store_identity identity;

    if (store_identity_find(call->reader, http_exchange_peer(call->exchange)->certificate.sha256,
                            &identity, error) < 0 ||
        hsm_check(call->service->authority.hsm, error) != 0)
        return API_FAILED;
    return api_reply_json(call, 200, json_pack("{s:s}", "status", "ok"), error);
}

enum api_result api_metrics(struct api_call *call, struct error *error) {
    metrics_write(call->worker->metrics, call->service->store, *call->worker->server, &call->reply);
    return api_reply_raw(call, 200, "application/openmetrics-text; version=1.0.0; charset=utf-8",
                         error);
}

enum api_result api_whoami(struct api_call *call, struct error *error) {
    return api_reply_json(call, 200,
                          json_pack("{s:s, s:s, s:s}", "role", call->caller.role_name, "subject",
                                    call->caller.name, "server_version", SERVICE_VERSION),
                          error);
}

static int set_pem(json_t *object, const char *name, const struct buffer *der,
                   struct error *error) {
    struct buffer pem = {0};
    int result = x509_certificate_to_pem(buffer_bytes(der), &pem, error);

    if (result == 0 && json_object_set_new(object, name, json_string(buffer_text(&pem))) != 0)
        result = error_set(error, ERROR_INTERNAL, "out of memory");
    buffer_free(&pem);
    return result;
}

enum api_result api_ca(struct api_call *call, struct error *error) {
    const struct authority *authority = &call->service->authority;
    json_t *object = json_pack("{s:o, s:o}", "rotpk_sboot_hex",
                               api_hex(authority->nl3_public_key, sizeof authority->nl3_public_key),
                               "command_key_hash_hex", api_hex(authority->command_key_sha256, 32));

    if (object != NULL &&
        (set_pem(object, "root_pem", &authority->root, error) != 0 ||
         set_pem(object, "device_ca_pem", &authority->device_ca, error) != 0 ||
         set_pem(object, "operations_ca_pem", &authority->operations_ca, error) != 0 ||
         set_pem(object, "job_authority_pem", &authority->job_authority, error) != 0)) {
        json_decref(object);
        return API_FAILED;
    }
    return api_reply_json(call, 200, object, error);
}

enum api_result api_signed_time(struct api_call *call, struct error *error) {
    const struct package_authority authority =
        server_authority_for_packages(&call->service->authority);
    const char *text = http_exchange_query(call->exchange, "nonce");
    uint64_t now = service_now(call->service);
    struct buffer encoded = {0};
    json_t *object = NULL;
    uint8_t nonce[32];

    if (text == NULL || hex_decode(text, nonce, sizeof nonce) != 0) {
        error_set(error, ERROR_BAD_REQUEST, "nonce must have 64 hexadecimal digits");
        return API_FAILED;
    }
    if (signed_time_write(now, nonce, &authority, &encoded, error) != 0) {
        buffer_free(&encoded);
        return API_FAILED;
    }
    object = json_pack("{s:o, s:o}", "time", api_time(now), "signed_b64",
                       api_base64(encoded.data, encoded.size));
    buffer_free(&encoded);
    return api_reply_json(call, 200, object, error);
}

static void add_event(void *context, int64_t id, const struct store_event *event) {
    json_t *object =
        json_pack("{s:I, s:o, s:s, s:s, s:s, s:s?, s:s?}", "id", (json_int_t)id, "time",
                  api_time(event->time), "type", event->type, "actor", event->actor, "subject",
                  event->subject, "job_id", event->job_id, "detail", event->detail);

    json_array_append_new(context, object);
}

enum api_result api_events(struct api_call *call, struct error *error) {
    const char *after = http_exchange_query(call->exchange, "after");
    json_t *events = json_array();
    char *end = NULL;
    long long first = after != NULL ? strtoll(after, &end, 10) : 0;

    if (first < 0 || (after != NULL && (end == after || *end != '\0'))) {
        json_decref(events);
        error_set(error, ERROR_BAD_REQUEST, "after must be the id of an event");
        return API_FAILED;
    }
    if (store_event_list(call->reader, first, EVENTS_PER_ANSWER, add_event, events, error) != 0) {
        json_decref(events);
        return API_FAILED;
    }
    return api_reply_json(call, 200, json_pack("{s:o}", "events", events), error);
}
