#include "server/api_handlers.h"

#include <string.h>

json_t *api_firmware_json(const struct store_firmware *firmware,
                          const struct store_release *release) {
    json_t *object = json_pack(
        "{s:s, s:s, s:s, s:s, s:I, s:o, s:o}", "id", firmware->id, "kind", firmware->kind, "family",
        firmware->family, "version", firmware->version, "size", (json_int_t)firmware->size,
        "sha256_hex", api_hex(firmware->sha256, 32), "created", api_time(firmware->created));

    if (firmware->manifest_size != 0)
        json_object_set_new(object, "manifest_b64",
                            api_base64(firmware->manifest, firmware->manifest_size));
    if (release != NULL) {
        json_object_set_new(object, "security_counter",
                            json_integer((json_int_t)release->security_counter));
        json_object_set_new(object, "image_digest_hex", api_hex(release->image_digest, 32));
        json_object_set_new(object, "body_sha256_hex", api_hex(release->body_sha256, 32));
        json_object_set_new(object, "body_size", json_integer((json_int_t)release->body_size));
    }
    return object;
}

/* The firmware's JSON, with its release if it has one. */
static json_t *firmware_json(struct store_db *reader, const struct store_firmware *firmware) {
    struct store_release release;
    struct error ignored;
    bool has_release = service_is_release_kind(firmware->kind) &&
                       store_release_find(reader, firmware->id, &release, &ignored) == 0;

    return api_firmware_json(firmware, has_release ? &release : NULL);
}

struct firmware_list {
    const struct api_call *call;
    json_t *rows;
};

static void add_firmware(void *context, const struct store_firmware *firmware) {
    struct firmware_list *list = context;

    json_array_append_new(list->rows, firmware_json(list->call->reader, firmware));
}

enum api_result api_firmware_list(struct api_call *call, struct error *error) {
    struct firmware_list list = {call, json_array()};

    if (store_firmware_list(call->reader, add_firmware, &list, error) != 0) {
        json_decref(list.rows);
        return API_FAILED;
    }
    return api_reply_json(call, 200, json_pack("{s:o}", "firmware", list.rows), error);
}

enum api_result api_firmware_show(struct api_call *call, struct error *error) {
    struct store_firmware firmware;

    if (store_firmware_find(call->reader, call->parameter[0], &firmware, error) != 0)
        return API_FAILED;
    return api_reply_json(call, 200, firmware_json(call->reader, &firmware), error);
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
    if (service_firmware_read(call->service, call->reader, &firmware, &call->reply, error) != 0)
        return API_FAILED;
    return api_reply_raw(call, 200, "application/octet-stream", error);
}
