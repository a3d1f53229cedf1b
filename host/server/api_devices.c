#include "server/api_handlers.h"

#include "attest/attest.h"
#include "base/encoding.h"

#include <stdio.h>
#include <string.h>

static const char *certificate_state(const struct store_device *device, uint64_t now) {
    if (strcmp(device->certificate_state, "valid") == 0 && now > device->not_after)
        return "expired";
    return device->certificate_state;
}

static json_t *upper(const void *data, size_t size) {
    char text[2 * STORE_UID_SIZE + 1];

    hex_encode_upper(bytes_of(data, size), text);
    return json_string(text);
}

static json_t *key_or_null(bool has_key, const uint8_t key[64]) {
    return has_key ? api_hex(key, 64) : json_null();
}

/* The columns of the device table; what later stages of production fill is null until then. */
static json_t *device_json(const struct api_call *call, const struct store_device *device) {
    return json_pack(
        "{s:o, s:s, s:o, s:s, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:s, s:s}",
        "uid", upper(device->uid, STORE_UID_SIZE), "job_id", device->job_id, "unit_id",
        api_hex(device->unit_id, UNIT_ID_SIZE), "unit_state", unit_state_name(device->unit_state),
        "certificate_sha256_hex", api_hex(device->certificate_hash, 32), "certificate_serial_hex",
        api_hex(device->serial, UNIT_SERIAL_SIZE), "certificate_state",
        certificate_state(device, service_now(call->service)), "auth_public_key_hex",
        api_hex(device->auth_key, 64), "enc_public_key_hex", api_hex(device->enc_key, 64),
        "tls_public_key_hex", api_hex(device->tls_key, 64), "rotpk_hex",
        key_or_null(device->has_bl2_key, device->bl2_key), "pk_bl3_hex",
        key_or_null(device->has_bl3_key, device->bl3_key), "programmer_id", device->programmer_id,
        "issued", api_time(device->issued), "revoked", api_time_or_null(device->revoked), "serial",
        device->board_serial, "site", device->site);
}

struct device_list {
    const struct api_call *call;
    json_t *rows;
};

static void add_device(void *context, const struct store_device *device) {
    struct device_list *list = context;

    json_array_append_new(list->rows, device_json(list->call, device));
}

enum api_result api_device_list(struct api_call *call, struct error *error) {
    const struct store_device_filter filter = {
        .job_id = http_exchange_query(call->exchange, "job"),
        .unit_state = http_exchange_query(call->exchange, "state"),
        .cm_operator = call->caller.role == ROLE_CM_OPERATOR ? call->caller.name : NULL,
    };
    struct device_list list = {call, json_array()};

    if (store_device_list(call->reader, &filter, add_device, &list, error) != 0) {
        json_decref(list.rows);
        return API_FAILED;
    }
    return api_reply_json(call, 200, json_pack("{s:o}", "devices", list.rows), error);
}

static int find_device(const struct api_call *call, struct store_device *device,
                       struct error *error) {
    struct store_job job;
    uint8_t uid[STORE_UID_SIZE];

    if (api_read_uid(call->parameter[0], uid, error) != 0 ||
        store_device_find(call->reader, uid, device, error) != 0 ||
        store_job_find(call->reader, device->job_id, &job, error) != 0)
        return -1;
    return api_check_job_access(call, &job, error);
}

static json_t *image_json(const struct devauth_measured_image *image, const uint8_t digest[32],
                          const uint8_t key_hash[32]) {
    char version[32];

    (void)snprintf(version, sizeof version, "%u.%u.%u+%u", image->major, image->minor,
                   image->revision, (unsigned)image->build);
    return json_pack("{s:s, s:I, s:I, s:o, s:o}", "version", version, "security_counter",
                     (json_int_t)image->security_counter, "chip_counter",
                     (json_int_t)image->chip_counter, "digest_hex", api_hex(digest, 32),
                     "key_hash_hex", api_hex(key_hash, 32));
}

static json_t *flags_json(uint8_t flags) {
    static const char *const names[] = {"debugger", "debug_locked", "root_hash", "keys",
                                        "issued_chain"};
    json_t *list = json_array();

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (((unsigned)flags >> i & 1u) != 0)
            json_array_append_new(list, json_string(names[i]));
    return list;
}

static const char *name_of(const char *const *names, size_t count, uint8_t value) {
    return value < count ? names[value] : "unknown";
}

/* What the chip said last, under its own signature and our nonce. */
static json_t *measured_json(const struct store_boot_state *state) {
    static const char *const lives[] = {"blank",    "provisioned", "secured",
                                        "retiring", "retired",     "rma"};
    static const char *const stages[] = {"unknown", "boot_rom", "devauth", "bootloader",
                                         "application"};
    struct attest attest;

    if (attest_read(bytes_of(state->measurements, state->measurements_size), &attest) != STATUS_OK)
        return json_null();
    return json_pack("{s:o, s:s, s:s, s:o, s:o, s:o, s:o}", "measured_at",
                     api_time(state->measured), "stage", name_of(stages, 5, attest.versions.stage),
                     "life_cycle", name_of(lives, 6, attest.life_cycle), "flags",
                     flags_json(attest.flags), "bl2",
                     image_json(&attest.versions.bl2, attest.bl2, attest.keys.bl2_key_hash), "bl3",
                     image_json(&attest.versions.bl3, attest.bl3, attest.keys.bl3_key_hash),
                     "enc_key_hash_hex", api_hex(attest.keys.enc_key_hash, 32));
}

static const char *rma_state(const struct store_boot_state *state) {
    if (state->rma_permitted != 0)
        return "permitted";
    return state->rma_authorised != 0 ? "authorised" : "none";
}

enum api_result api_device_show(struct api_call *call, struct error *error) {
    struct store_boot_state state;
    struct store_device device;
    json_t *object;

    if (find_device(call, &device, error) != 0 ||
        store_boot_state_read(call->reader, device.uid, &state, error) != 0)
        return API_FAILED;
    object = device_json(call, &device);
    json_object_set_new(object, "boot", measured_json(&state));
    json_object_set_new(object, "object_id_hex",
                        state.object_id_size == 0 ? json_null()
                                                  : api_hex(state.object_id, state.object_id_size));
    json_object_set_new(object, "rma", json_string(rma_state(&state)));
    return api_reply_json(call, 200, object, error);
}

/* Leaf, DEVICE CA, root. */
static int chain_pem(struct api_call *call, const struct store_device *device,
                     struct error *error) {
    const struct authority *authority = &call->service->authority;
    struct buffer der = {0};
    int result = store_device_certificate(call->reader, device, &der, NULL, error);

    if (result == 0)
        result = x509_certificate_to_pem(buffer_bytes(&der), &call->reply, error);
    if (result == 0)
        result = x509_certificate_to_pem(buffer_bytes(&authority->device_ca), &call->reply, error);
    if (result == 0)
        result = x509_certificate_to_pem(buffer_bytes(&authority->root), &call->reply, error);
    buffer_free(&der);
    return result;
}

static int csr_pem(struct api_call *call, const struct store_device *device, struct error *error) {
    struct buffer csr = {0};
    int result = store_device_certificate(call->reader, device, NULL, &csr, error);

    if (result == 0)
        result = x509_csr_to_pem(buffer_bytes(&csr), &call->reply, error);
    buffer_free(&csr);
    return result;
}

enum api_result api_device_certificate(struct api_call *call, struct error *error) {
    const char *wants_csr = http_exchange_query(call->exchange, "csr");
    struct store_device device;

    if (find_device(call, &device, error) != 0)
        return API_FAILED;
    if (wants_csr != NULL && strcmp(wants_csr, "1") == 0 ? csr_pem(call, &device, error) != 0
                                                         : chain_pem(call, &device, error) != 0)
        return API_FAILED;
    return api_reply_raw(call, 200, "application/x-pem-file", error);
}

enum api_result api_device_revoke(struct api_call *call, struct error *error) {
    struct store_device_revoke revoke = {
        .reason = "unspecified", .actor = call->caller.actor, .now = service_now(call->service)};

    if (api_read_uid(call->parameter[0], revoke.uid, error) != 0 ||
        json_read_optional_string(call->request, "reason", &revoke.reason, error) != 0 ||
        service_check_text("reason", revoke.reason, error) != 0 ||
        store_run(call->service->store, store_device_revoke, &revoke, error) != 0)
        return API_FAILED;
    return api_reply_json(call, 200, json_object(), error);
}
