#include "devauth/devauth_commands.h"

#include "devauth/devauth_identity.h"
#include "devauth/devauth_permit.h"
#include "devauth/otp_map.h"
#include "hal/device_info.h"

#include <string.h>

enum access { ACCESS_ANYONE, ACCESS_SESSION, ACCESS_PRIVILEGED };

typedef enum status command_function(struct devauth_device *device, enum spdm_privilege privilege,
                                     struct bytes body, struct writer *response);

static void fill_info(const struct devauth_device *device, struct devauth_device_info *info) {
    device_info_fill(device->hal, DEVAUTH_STAGE_DEVAUTH, device->version, info);
    if (device->chain_is_issued) {
        info->flags |= DEVAUTH_FLAG_ISSUED_CHAIN;
    }
}

static enum status device_info(struct devauth_device *device, enum spdm_privilege privilege,
                               struct bytes body, struct writer *response) {
    struct devauth_device_info info;
    (void)privilege;
    enum status status = devauth_read_empty_body(body);
    if (status == STATUS_OK) {
        fill_info(device, &info);
        devauth_write_device_info(response, &info);
    }
    return status;
}

static enum status generate_keys(struct devauth_device *device, enum spdm_privilege privilege,
                                 struct bytes body, struct writer *response) {
    struct devauth_public_keys keys;
    (void)privilege;
    enum status status = devauth_read_empty_body(body);
    if (status == STATUS_OK) {
        status = devauth_identity_generate(device, &keys);
    }
    if (status == STATUS_OK) {
        devauth_write_public_keys(response, DEVAUTH_GENERATE_KEYS, &keys);
    }
    return status;
}

static enum status public_keys(struct devauth_device *device, enum spdm_privilege privilege,
                               struct bytes body, struct writer *response) {
    struct devauth_public_keys keys;
    (void)privilege;
    enum status status = devauth_read_empty_body(body);
    if (status == STATUS_OK) {
        status = devauth_identity_public_keys(device, &keys);
    }
    if (status == STATUS_OK) {
        devauth_write_public_keys(response, DEVAUTH_PUBLIC_KEYS, &keys);
    }
    return status;
}

static enum status permit_nonce(struct devauth_device *device, enum spdm_privilege privilege,
                                struct bytes body, struct writer *response) {
    uint8_t command = 0;
    uint8_t nonce[DEVAUTH_NONCE_SIZE];
    (void)privilege;
    enum status status = devauth_read_nonce_body(body, &command);
    if (status == STATUS_OK) {
        status = devauth_permit_nonce(device, command, nonce);
    }
    if (status == STATUS_OK) {
        devauth_write_permit_nonce(response, nonce);
    }
    return status;
}

static enum status permit_execute(struct devauth_device *device, enum spdm_privilege privilege,
                                  struct bytes body, struct writer *response) {
    struct devauth_permit_result result;
    enum status status = devauth_permit_execute(device, privilege, body, &result);
    if (status == STATUS_OK) {
        devauth_write_permit_result(response, &result);
    }
    return status;
}

static enum status otp_read(struct devauth_device *device, enum spdm_privilege privilege,
                            struct bytes body, struct writer *response) {
    uint8_t first = 0;
    uint8_t count = 0;
    uint8_t entries[DEVAUTH_OTP_READ_MAX * OTP_ENTRY_SIZE];
    struct writer writer;
    (void)privilege;
    enum status status = devauth_read_otp_body(body, &first, &count);
    if (status == STATUS_OK && first + count > OTP_PUBLIC_COUNT) {
        status = STATUS_DENIED;
    }
    writer_init(&writer, entries, sizeof entries);
    for (unsigned i = 0; i < count && status == STATUS_OK; i++) {
        status = device->hal->otp_read(first + i, write_reserve(&writer, OTP_ENTRY_SIZE));
    }
    if (status == STATUS_OK) {
        devauth_write_otp_entries(response, writer_bytes(&writer));
    }
    return status;
}

static enum status reboot(struct devauth_device *device, enum spdm_privilege privilege,
                          struct bytes body, struct writer *response) {
    (void)privilege;
    enum status status = devauth_read_empty_body(body);
    if (status == STATUS_OK) {
        device->pending_reboot = true;
        devauth_write_reboot(response);
    }
    return status;
}

static enum status link_payload(struct devauth_device *device, enum spdm_privilege privilege,
                                struct bytes body, struct writer *response) {
    (void)privilege;
    return device_info_link_payload(body, response, &device->pending_payload);
}

static const struct {
    uint8_t command;
    enum access access;
    command_function *run;
} COMMANDS[] = {
    {DEVAUTH_DEVICE_INFO, ACCESS_ANYONE, device_info},
    {DEVAUTH_GENERATE_KEYS, ACCESS_PRIVILEGED, generate_keys},
    {DEVAUTH_PUBLIC_KEYS, ACCESS_SESSION, public_keys},
    {DEVAUTH_PERMIT_NONCE, ACCESS_SESSION, permit_nonce},
    {DEVAUTH_PERMIT_EXECUTE, ACCESS_SESSION, permit_execute},
    {DEVAUTH_OTP_READ, ACCESS_SESSION, otp_read},
    {DEVAUTH_REBOOT, ACCESS_SESSION, reboot},
    {DEVAUTH_LINK_PAYLOAD, ACCESS_ANYONE, link_payload},
};

static bool may(enum access access, enum spdm_privilege privilege) {
    switch (access) {
    case ACCESS_ANYONE: return true;
    case ACCESS_SESSION:
        return privilege == SPDM_PRIVILEGE_READ_ONLY || privilege == SPDM_PRIVILEGE_PRIVILEGED;
    case ACCESS_PRIVILEGED: return privilege == SPDM_PRIVILEGE_PRIVILEGED;
    default: return false;
    }
}

enum status devauth_commands_vendor(void *context, enum spdm_privilege privilege,
                                    struct bytes payload, struct writer *response) {
    struct devauth_device *device = context;
    struct devauth_request request;
    enum status status = devauth_read_request(payload, &request);
    if (status != STATUS_OK) {
        return status;
    }
    for (size_t i = 0; i < sizeof COMMANDS / sizeof COMMANDS[0]; i++) {
        if (COMMANDS[i].command != request.command) {
            continue;
        }
        if (!may(COMMANDS[i].access, privilege)) {
            return STATUS_DENIED;
        }
        return COMMANDS[i].run(device, privilege, request.body, response);
    }
    return STATUS_UNSUPPORTED;
}

/* SHA-256 of every public OTP entry, in order. */
static enum status otp_hash(const struct hal *hal, uint8_t digest[CRYPTO_DIGEST_SIZE]) {
    struct crypto_sha256 hash;
    crypto_sha256_start(&hash);
    for (unsigned entry = 0; entry < OTP_PUBLIC_COUNT; entry++) {
        uint8_t data[OTP_ENTRY_SIZE];
        enum status status = hal->otp_read(entry, data);
        if (status != STATUS_OK) {
            return status;
        }
        crypto_sha256_update(&hash, bytes_of(data, sizeof data));
    }
    crypto_sha256_finish(&hash, digest);
    return STATUS_OK;
}

enum status devauth_commands_measurements(void *context, struct writer *blocks) {
    const struct devauth_device *device = context;
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    struct devauth_device_info info;
    enum status status = otp_hash(device->hal, digest);
    if (status != STATUS_OK) {
        return status;
    }
    fill_info(device, &info);
    const uint8_t state[] = {info.life_cycle, info.flags};
    spdm_measurement_write(blocks, DEVAUTH_MEASUREMENT_IMAGE, SPDM_MEASUREMENT_FIRMWARE,
                           bytes_of(device->image_hash, sizeof device->image_hash));
    spdm_measurement_write(blocks, DEVAUTH_MEASUREMENT_OTP, SPDM_MEASUREMENT_HARDWARE_CONFIGURATION,
                           bytes_of(digest, sizeof digest));
    spdm_measurement_write(blocks, DEVAUTH_MEASUREMENT_DEVICE,
                           SPDM_MEASUREMENT_RAW | SPDM_MEASUREMENT_FIRMWARE_CONFIGURATION,
                           bytes_of(state, sizeof state));
    return STATUS_OK;
}
