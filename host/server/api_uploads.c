/* Firmware in ranges. */
#include "server/api_handlers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *upload_json(const struct store_upload *upload, uint64_t offset) {
    return json_pack("{s:s, s:I, s:I, s:I}", "upload_id", upload->id, "offset", (json_int_t)offset,
                     "size", (json_int_t)upload->size, "range_max", (json_int_t)SERVICE_RANGE_MAX);
}

static int copy_text(const json_t *request, const char *key, char *out, size_t capacity,
                     struct error *error) {
    const char *text = NULL;

    if (json_read_string(request, key, &text, error) != 0)
        return -1;
    if ((size_t)snprintf(out, capacity, "%s", text) >= capacity)
        return error_set(error, ERROR_BAD_REQUEST, "%s is too long", key);
    return 0;
}

enum api_result api_upload_begin(struct api_call *call, struct error *error) {
    const json_t *request = call->request;
    struct store_upload upload = {.header_size = SERVICE_HEADER_SIZE};
    uint64_t offset = 0;

    (void)snprintf(upload.actor, sizeof upload.actor, "%s", call->caller.actor);
    if (copy_text(request, "kind", upload.kind, sizeof upload.kind, error) != 0 ||
        copy_text(request, "family", upload.family, sizeof upload.family, error) != 0 ||
        copy_text(request, "version", upload.version, sizeof upload.version, error) != 0 ||
        json_read_u64(request, "size", &upload.size, error) != 0 ||
        json_read_hex(request, "sha256_hex", upload.sha256, 32, error) != 0 ||
        json_read_optional_u64(request, "security_counter", &upload.security_counter, error) != 0 ||
        json_read_optional_u64(request, "header_size", &upload.header_size, error) != 0 ||
        service_upload_begin(call->service, &upload, &offset, error) != 0)
        return API_FAILED;
    return api_reply_json(call, 201, upload_json(&upload, offset), error);
}

enum api_result api_upload_show(struct api_call *call, struct error *error) {
    struct store_upload upload;
    uint64_t offset;

    if (service_upload_find(call->service, call->reader, call->parameter[0], call->caller.actor,
                            &upload, &offset, error) != 0)
        return API_FAILED;
    return api_reply_json(call, 200, upload_json(&upload, offset), error);
}

static int read_offset(const struct api_call *call, uint64_t *offset, struct error *error) {
    const char *text = http_exchange_query(call->exchange, "offset");
    char *end = NULL;

    if (text != NULL && text[0] >= '0' && text[0] <= '9')
        *offset = strtoull(text, &end, 10);
    if (end == NULL || *end != '\0')
        return error_set(error, ERROR_BAD_REQUEST, "the parameter offset is not a number");
    return 0;
}

enum api_result api_upload_range(struct api_call *call, struct error *error) {
    uint64_t offset = 0, next = 0;

    if (read_offset(call, &offset, error) != 0 ||
        service_upload_range(call->service, call->reader, call->parameter[0], call->caller.actor,
                             offset, http_exchange_body(call->exchange), &next, error) != 0)
        return API_FAILED;
    return api_reply_json(call, 200, json_pack("{s:I}", "offset", (json_int_t)next), error);
}

enum api_result api_upload_finish(struct api_call *call, struct error *error) {
    struct service_upload upload = {.actor = call->caller.actor};

    if (service_upload_finish(call->service, call->reader, call->parameter[0], call->caller.actor,
                              &upload, error) != 0)
        return API_FAILED;
    return api_reply_json(
        call, 201,
        api_firmware_json(&upload.firmware,
                          service_is_release_kind(upload.firmware.kind) ? &upload.release : NULL),
        error);
}
