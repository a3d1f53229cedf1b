#include "server/api_handlers.h"

#include <string.h>

static json_t *firmware_json(const struct store_firmware *firmware) {
    json_t *object = json_pack(
        "{s:s, s:s, s:s, s:s, s:I, s:o, s:o}", "id", firmware->id, "kind", firmware->kind, "family",
        firmware->family, "version", firmware->version, "size", (json_int_t)firmware->size,
        "sha256_hex", api_hex(firmware->sha256, 32), "created", api_time(firmware->created));

    if (firmware->manifest_size != 0)
        json_object_set_new(object, "manifest_b64",
                            api_base64(firmware->manifest, firmware->manifest_size));
    return object;
}

static int query_text(const struct api_call *call, const char *name, const char **value,
                      struct error *error) {
    *value = http_exchange_query(call->exchange, name);
    return *value != NULL
               ? 0
               : error_set(error, ERROR_BAD_REQUEST, "the parameter %s is missing", name);
}

enum api_result api_firmware_upload(struct api_call *call, struct error *error) {
    struct service_upload upload = {.actor = call->caller.actor,
                                    .octets = http_exchange_body(call->exchange)};

    if (query_text(call, "kind", &upload.kind, error) != 0 ||
        query_text(call, "family", &upload.family, error) != 0 ||
        query_text(call, "version", &upload.version, error) != 0 ||
        service_firmware_upload(call->service, &upload, error) != 0)
        return API_FAILED;
    return api_reply_json(call, 201, firmware_json(&upload.firmware), error);
}

static void add_firmware(void *context, const struct store_firmware *firmware) {
    json_array_append_new(context, firmware_json(firmware));
}

enum api_result api_firmware_list(struct api_call *call, struct error *error) {
    json_t *firmware = json_array();

    if (store_firmware_list(call->reader, add_firmware, firmware, error) != 0) {
        json_decref(firmware);
        return API_FAILED;
    }
    return api_reply_json(call, 200, json_pack("{s:o}", "firmware", firmware), error);
}

enum api_result api_firmware_show(struct api_call *call, struct error *error) {
    struct store_firmware firmware;

    if (store_firmware_find(call->reader, call->parameter[0], &firmware, error) != 0)
        return API_FAILED;
    return api_reply_json(call, 200, firmware_json(&firmware), error);
}

enum api_result api_firmware_content(struct api_call *call, struct error *error) {
    struct store_firmware firmware;

    if (store_firmware_find(call->reader, call->parameter[0], &firmware, error) != 0)
        return API_FAILED;
    if (call->caller.role == ROLE_PROGRAMMER) {
        int allowed = store_firmware_is_for(call->reader, &firmware, call->caller.name, error);

        if (allowed == 0)
            error_set(error, ERROR_DENIED, "no open job of this programmer uses the firmware");
        if (allowed != 1)
            return API_FAILED;
    }
    if (service_firmware_read(call->service, &firmware, &call->reply, error) != 0)
        return API_FAILED;
    return api_reply_raw(call, 200, "application/octet-stream", error);
}
