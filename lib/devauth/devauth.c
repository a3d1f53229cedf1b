#include "devauth/devauth.h"

#include <string.h>

static void write_head(struct writer *writer, enum devauth_command command) {
    write_u8(writer, DEVAUTH_PAYLOAD_VERSION);
    write_u8(writer, (uint8_t)command);
}

/* The body of an answer to `command`, as a reader of its own. */
static void open_answer(struct reader *reader, struct bytes payload, enum devauth_command command) {
    reader_init(reader, payload);
    uint8_t version = read_u8(reader);
    uint8_t answered = read_u8(reader);
    if (version != DEVAUTH_PAYLOAD_VERSION || answered != (uint8_t)command) {
        reader->failed = true;
    }
}

enum status devauth_read_request(struct bytes payload, struct devauth_request *request) {
    struct reader reader;
    reader_init(&reader, payload);
    uint8_t version = read_u8(&reader);
    request->command = read_u8(&reader);
    request->body = read_rest(&reader);
    enum status status = reader_finish(&reader);
    if (status == STATUS_OK && version != DEVAUTH_PAYLOAD_VERSION) {
        status = STATUS_UNSUPPORTED;
    }
    if (status != STATUS_OK) {
        memset(request, 0, sizeof *request);
    }
    return status;
}

enum status devauth_read_empty_body(struct bytes body) {
    return body.size == 0 ? STATUS_OK : STATUS_INVALID;
}

enum status devauth_read_nonce_body(struct bytes body, uint8_t *permit_command) {
    struct reader reader;
    reader_init(&reader, body);
    *permit_command = read_u8(&reader);
    return reader_finish(&reader);
}

enum status devauth_read_otp_body(struct bytes body, uint8_t *first, uint8_t *count) {
    struct reader reader;
    reader_init(&reader, body);
    *first = read_u8(&reader);
    *count = read_u8(&reader);
    enum status status = reader_finish(&reader);
    if (status == STATUS_OK &&
        (*count == 0 || *count > DEVAUTH_OTP_READ_MAX || *first + *count > 256)) {
        status = STATUS_INVALID;
    }
    return status;
}

enum status devauth_read_link_body(struct bytes body, uint16_t *payload) {
    struct reader reader;
    reader_init(&reader, body);
    *payload = read_u16le(&reader);
    return reader_finish(&reader);
}

enum status devauth_read_reboot_body(struct bytes body, enum devauth_reboot *mode) {
    struct reader reader;
    reader_init(&reader, body);
    uint8_t value = body.size == 0 ? DEVAUTH_REBOOT_NORMAL : read_u8(&reader);
    *mode = DEVAUTH_REBOOT_NORMAL;
    enum status status = reader_finish(&reader);
    if (status == STATUS_OK && value > DEVAUTH_REBOOT_STAY) {
        status = STATUS_INVALID;
    }
    if (status == STATUS_OK && value == DEVAUTH_REBOOT_STAY) {
        *mode = DEVAUTH_REBOOT_STAY;
    }
    return status;
}

static bool is_target(uint8_t target) {
    return target == DEVAUTH_TARGET_BL2 || target == DEVAUTH_TARGET_BL3;
}

enum status devauth_read_install_body(struct bytes body, struct devauth_install *install) {
    struct reader reader;
    reader_init(&reader, body);
    install->target = read_u8(&reader);
    install->size = read_u32le(&reader);
    read_copy(&reader, install->sha256, sizeof install->sha256);
    enum status status = reader_finish(&reader);
    if (status == STATUS_OK && (!is_target(install->target) || install->size == 0)) {
        status = STATUS_INVALID;
    }
    if (status != STATUS_OK) {
        memset(install, 0, sizeof *install);
    }
    return status;
}

void devauth_write_device_info(struct writer *writer, const struct devauth_device_info *info) {
    write_head(writer, DEVAUTH_DEVICE_INFO);
    write_bytes(writer, bytes_of(info->uid, sizeof info->uid));
    write_bytes(writer, bytes_of(info->family, sizeof info->family));
    write_u8(writer, info->stage);
    write_u8(writer, info->life_cycle);
    write_u8(writer, info->flags);
    write_u8(writer, 0);
    write_u32le(writer, info->version);
    write_u16le(writer, info->link_payload_max);
}

void devauth_write_public_keys(struct writer *writer, enum devauth_command command,
                               const struct devauth_public_keys *keys) {
    write_head(writer, command);
    write_bytes(writer, bytes_of(keys->auth, sizeof keys->auth));
    write_bytes(writer, bytes_of(keys->enc, sizeof keys->enc));
    write_bytes(writer, bytes_of(keys->tls, sizeof keys->tls));
}

void devauth_write_permit_nonce(struct writer *writer, const uint8_t nonce[DEVAUTH_NONCE_SIZE]) {
    write_head(writer, DEVAUTH_PERMIT_NONCE);
    write_bytes(writer, bytes_of(nonce, DEVAUTH_NONCE_SIZE));
}

void devauth_write_permit_result(struct writer *writer,
                                 const struct devauth_permit_result *result) {
    write_head(writer, DEVAUTH_PERMIT_EXECUTE);
    write_u8(writer, result->command);
    write_u8(writer, result->life_cycle);
}

void devauth_write_otp_entries(struct writer *writer, struct bytes entries) {
    write_head(writer, DEVAUTH_OTP_READ);
    write_bytes(writer, entries);
}

void devauth_write_reboot(struct writer *writer) {
    write_head(writer, DEVAUTH_REBOOT);
}

void devauth_write_link_payload(struct writer *writer, uint16_t payload) {
    write_head(writer, DEVAUTH_LINK_PAYLOAD);
    write_u16le(writer, payload);
}

void devauth_write_install_grant(struct writer *writer, const struct devauth_install_grant *grant) {
    write_head(writer, DEVAUTH_INSTALL_BEGIN);
    write_u8(writer, grant->transfer);
    write_u16le(writer, grant->block_size);
    write_u32le(writer, grant->window);
    write_u32le(writer, grant->offset);
}

void devauth_write_install_result(struct writer *writer,
                                  const struct devauth_install_result *result) {
    write_head(writer, DEVAUTH_INSTALL_FINISH);
    write_u8(writer, result->target);
    write_u32le(writer, result->reason);
    write_bytes(writer, bytes_of(result->digest, sizeof result->digest));
}

static void write_slot_state(struct writer *writer, const struct devauth_slot_state *slot) {
    write_u32le(writer, slot->reason);
    write_u8(writer, slot->major);
    write_u8(writer, slot->minor);
    write_u16le(writer, slot->revision);
    write_u32le(writer, slot->build);
    write_u32le(writer, slot->security_counter);
}

void devauth_write_boot_state(struct writer *writer, const struct devauth_boot_state *state) {
    write_head(writer, DEVAUTH_BOOT_STATE);
    write_u8(writer, state->stage);
    write_u8(writer, state->boot_reason);
    write_u8(writer, state->swap);
    write_u8(writer, state->confirmed);
    write_u32le(writer, state->bl2_counter);
    write_u32le(writer, state->bl3_counter);
    write_slot_state(writer, &state->bl2);
    write_slot_state(writer, &state->primary);
    write_slot_state(writer, &state->secondary);
}

void devauth_write_object_id(struct writer *writer, struct bytes object_id) {
    write_head(writer, DEVAUTH_OBJECT_ID);
    write_bytes(writer, object_id);
    if (object_id.size > DEVAUTH_OBJECT_ID_MAX) {
        writer->failed = true;
    }
}

void devauth_write_measured_keys(struct writer *writer, const struct devauth_measured_keys *keys) {
    write_bytes(writer, bytes_of(keys->enc_key_hash, sizeof keys->enc_key_hash));
    write_bytes(writer, bytes_of(keys->bl2_key_hash, sizeof keys->bl2_key_hash));
    write_bytes(writer, bytes_of(keys->bl3_key_hash, sizeof keys->bl3_key_hash));
}

static void write_measured_image(struct writer *writer,
                                 const struct devauth_measured_image *image) {
    write_u8(writer, image->major);
    write_u8(writer, image->minor);
    write_u16le(writer, image->revision);
    write_u32le(writer, image->build);
    write_u32le(writer, image->security_counter);
    write_u32le(writer, image->chip_counter);
}

void devauth_write_measured_versions(struct writer *writer,
                                     const struct devauth_measured_versions *versions) {
    write_u8(writer, versions->stage);
    write_measured_image(writer, &versions->bl2);
    write_measured_image(writer, &versions->bl3);
}

void devauth_request_simple(struct writer *writer, enum devauth_command command) {
    write_head(writer, command);
}

void devauth_request_reboot(struct writer *writer, enum devauth_reboot mode) {
    write_head(writer, DEVAUTH_REBOOT);
    if (mode != DEVAUTH_REBOOT_NORMAL) {
        write_u8(writer, (uint8_t)mode);
    }
}

void devauth_request_install_begin(struct writer *writer, const struct devauth_install *install) {
    write_head(writer, DEVAUTH_INSTALL_BEGIN);
    write_u8(writer, install->target);
    write_u32le(writer, install->size);
    write_bytes(writer, bytes_of(install->sha256, sizeof install->sha256));
}

void devauth_request_permit_nonce(struct writer *writer, uint8_t permit_command) {
    write_head(writer, DEVAUTH_PERMIT_NONCE);
    write_u8(writer, permit_command);
}

void devauth_request_permit_execute(struct writer *writer, struct bytes permit) {
    write_head(writer, DEVAUTH_PERMIT_EXECUTE);
    write_bytes(writer, permit);
}

void devauth_request_otp_read(struct writer *writer, uint8_t first, uint8_t count) {
    write_head(writer, DEVAUTH_OTP_READ);
    write_u8(writer, first);
    write_u8(writer, count);
}

void devauth_request_link_payload(struct writer *writer, uint16_t payload) {
    write_head(writer, DEVAUTH_LINK_PAYLOAD);
    write_u16le(writer, payload);
}

enum status devauth_read_device_info(struct bytes payload, struct devauth_device_info *info) {
    struct reader reader;
    memset(info, 0, sizeof *info);
    open_answer(&reader, payload, DEVAUTH_DEVICE_INFO);
    read_copy(&reader, info->uid, sizeof info->uid);
    read_copy(&reader, info->family, sizeof info->family);
    info->stage = read_u8(&reader);
    info->life_cycle = read_u8(&reader);
    info->flags = read_u8(&reader);
    uint8_t reserved = read_u8(&reader);
    info->version = read_u32le(&reader);
    info->link_payload_max = read_u16le(&reader);
    enum status status = reader_finish(&reader);
    if (status == STATUS_OK && reserved != 0) {
        status = STATUS_INVALID;
    }
    if (status != STATUS_OK) {
        memset(info, 0, sizeof *info);
    }
    return status;
}

enum status devauth_read_public_keys(struct bytes payload, enum devauth_command command,
                                     struct devauth_public_keys *keys) {
    struct reader reader;
    open_answer(&reader, payload, command);
    read_copy(&reader, keys->auth, sizeof keys->auth);
    read_copy(&reader, keys->enc, sizeof keys->enc);
    read_copy(&reader, keys->tls, sizeof keys->tls);
    enum status status = reader_finish(&reader);
    if (status != STATUS_OK) {
        memset(keys, 0, sizeof *keys);
    }
    return status;
}

enum status devauth_read_permit_nonce(struct bytes payload, uint8_t nonce[DEVAUTH_NONCE_SIZE]) {
    struct reader reader;
    open_answer(&reader, payload, DEVAUTH_PERMIT_NONCE);
    read_copy(&reader, nonce, DEVAUTH_NONCE_SIZE);
    enum status status = reader_finish(&reader);
    if (status != STATUS_OK) {
        memset(nonce, 0, DEVAUTH_NONCE_SIZE);
    }
    return status;
}

enum status devauth_read_permit_result(struct bytes payload, struct devauth_permit_result *result) {
    struct reader reader;
    open_answer(&reader, payload, DEVAUTH_PERMIT_EXECUTE);
    result->command = read_u8(&reader);
    result->life_cycle = read_u8(&reader);
    enum status status = reader_finish(&reader);
    if (status != STATUS_OK) {
        memset(result, 0, sizeof *result);
    }
    return status;
}

enum status devauth_read_otp_entries(struct bytes payload, uint8_t count, struct bytes *entries) {
    struct reader reader;
    open_answer(&reader, payload, DEVAUTH_OTP_READ);
    *entries = read_bytes(&reader, (size_t)count * 8);
    enum status status = reader_finish(&reader);
    if (status != STATUS_OK) {
        *entries = bytes_of(NULL, 0);
    }
    return status;
}

enum status devauth_read_reboot(struct bytes payload) {
    struct reader reader;
    open_answer(&reader, payload, DEVAUTH_REBOOT);
    return reader_finish(&reader);
}

enum status devauth_read_link_payload(struct bytes payload, uint16_t *agreed) {
    struct reader reader;
    open_answer(&reader, payload, DEVAUTH_LINK_PAYLOAD);
    *agreed = read_u16le(&reader);
    return reader_finish(&reader);
}

enum status devauth_read_install_grant(struct bytes payload, struct devauth_install_grant *grant) {
    struct reader reader;
    open_answer(&reader, payload, DEVAUTH_INSTALL_BEGIN);
    grant->transfer = read_u8(&reader);
    grant->block_size = read_u16le(&reader);
    grant->window = read_u32le(&reader);
    grant->offset = read_u32le(&reader);
    enum status status = reader_finish(&reader);
    if (status == STATUS_OK && (grant->block_size == 0 || grant->window == 0)) {
        status = STATUS_INVALID;
    }
    if (status != STATUS_OK) {
        memset(grant, 0, sizeof *grant);
    }
    return status;
}

enum status devauth_read_install_result(struct bytes payload,
                                        struct devauth_install_result *result) {
    struct reader reader;
    open_answer(&reader, payload, DEVAUTH_INSTALL_FINISH);
    result->target = read_u8(&reader);
    result->reason = read_u32le(&reader);
    read_copy(&reader, result->digest, sizeof result->digest);
    enum status status = reader_finish(&reader);
    if (status == STATUS_OK && !is_target(result->target)) {
        status = STATUS_INVALID;
    }
    if (status != STATUS_OK) {
        memset(result, 0, sizeof *result);
    }
    return status;
}

static void read_slot_state(struct reader *reader, struct devauth_slot_state *slot) {
    slot->reason = read_u32le(reader);
    slot->major = read_u8(reader);
    slot->minor = read_u8(reader);
    slot->revision = read_u16le(reader);
    slot->build = read_u32le(reader);
    slot->security_counter = read_u32le(reader);
}

enum status devauth_read_boot_state(struct bytes payload, struct devauth_boot_state *state) {
    struct reader reader;
    memset(state, 0, sizeof *state);
    open_answer(&reader, payload, DEVAUTH_BOOT_STATE);
    state->stage = read_u8(&reader);
    state->boot_reason = read_u8(&reader);
    state->swap = read_u8(&reader);
    state->confirmed = read_u8(&reader);
    state->bl2_counter = read_u32le(&reader);
    state->bl3_counter = read_u32le(&reader);
    read_slot_state(&reader, &state->bl2);
    read_slot_state(&reader, &state->primary);
    read_slot_state(&reader, &state->secondary);
    enum status status = reader_finish(&reader);
    if (status == STATUS_OK && state->confirmed > 1) {
        status = STATUS_INVALID;
    }
    if (status != STATUS_OK) {
        memset(state, 0, sizeof *state);
    }
    return status;
}

enum status devauth_read_object_id(struct bytes payload, struct bytes *object_id) {
    struct reader reader;
    open_answer(&reader, payload, DEVAUTH_OBJECT_ID);
    *object_id = read_rest(&reader);
    enum status status = reader_finish(&reader);
    if (status == STATUS_OK && object_id->size > DEVAUTH_OBJECT_ID_MAX) {
        status = STATUS_INVALID;
    }
    if (status != STATUS_OK) {
        *object_id = bytes_of(NULL, 0);
    }
    return status;
}

enum status devauth_read_measured_keys(struct bytes value, struct devauth_measured_keys *keys) {
    struct reader reader;
    reader_init(&reader, value);
    read_copy(&reader, keys->enc_key_hash, sizeof keys->enc_key_hash);
    read_copy(&reader, keys->bl2_key_hash, sizeof keys->bl2_key_hash);
    read_copy(&reader, keys->bl3_key_hash, sizeof keys->bl3_key_hash);
    enum status status = reader_finish(&reader);
    if (status != STATUS_OK) {
        memset(keys, 0, sizeof *keys);
    }
    return status;
}

static void read_measured_image(struct reader *reader, struct devauth_measured_image *image) {
    image->major = read_u8(reader);
    image->minor = read_u8(reader);
    image->revision = read_u16le(reader);
    image->build = read_u32le(reader);
    image->security_counter = read_u32le(reader);
    image->chip_counter = read_u32le(reader);
}

enum status devauth_read_measured_versions(struct bytes value,
                                           struct devauth_measured_versions *versions) {
    struct reader reader;
    memset(versions, 0, sizeof *versions);
    reader_init(&reader, value);
    versions->stage = read_u8(&reader);
    read_measured_image(&reader, &versions->bl2);
    read_measured_image(&reader, &versions->bl3);
    enum status status = reader_finish(&reader);
    if (status != STATUS_OK) {
        memset(versions, 0, sizeof *versions);
    }
    return status;
}
