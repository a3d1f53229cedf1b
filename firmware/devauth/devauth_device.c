#include "devauth/devauth_device.h"

#include "base/secret.h"
#include "board/devauth_image.h"
#include "cose/permit.h"
#include "devauth/devauth_commands.h"
#include "devauth/devauth_identity.h"
#include "devauth/devauth_permit.h"
#include "devauth/oid.h"
#include "spdm/spdm_chain.h"

#include <string.h>

/*
 * The requester must be the very programmer the chip was started for: its chain leads from the
 * loaded root, it has the programmer's key usage, and its certificate is the loaded one.
 */
static enum status verify_requester(void *context, struct bytes chain_blob,
                                    uint8_t public_key[CRYPTO_PUBLIC_KEY_SIZE]) {
    const struct devauth_device *device = context;
    struct bytes rest;
    struct bytes leaf = bytes_of(NULL, 0);
    uint8_t leaf_hash[CRYPTO_DIGEST_SIZE];
    enum status status = spdm_chain_parse(chain_blob, &rest);
    if (status == STATUS_OK) {
        status = crypto_chain_verify(rest, device->root_hash, oid_eku_programmer, public_key);
    }
    while (status == STATUS_OK && rest.size > 0) {
        status = crypto_certificate_split(rest, &leaf, &rest);
    }
    if (status == STATUS_OK) {
        crypto_sha256(leaf, leaf_hash);
        if (memcmp(leaf_hash, device->requester_hash, sizeof leaf_hash) != 0) {
            status = STATUS_MISMATCH;
        }
    }
    if (status != STATUS_OK) {
        memset(public_key, 0, CRYPTO_PUBLIC_KEY_SIZE);
    }
    return status;
}

static const struct spdm_responder_ops OPERATIONS = {
    .chain = devauth_identity_chain,
    .sign = devauth_identity_sign,
    .measurements = devauth_commands_measurements,
    .verify_requester = verify_requester,
    .csr = devauth_identity_csr,
    .set_certificate = devauth_identity_set_certificate,
    .vendor = devauth_commands_vendor,
};

static enum status load_parameters(struct devauth_device *device,
                                   const struct devauth_start *start) {
    struct devauth_parameters parameters;
    struct bytes root;
    struct bytes rest;
    enum status status = devauth_parameters_parse(start->parameter_block, &parameters);
    if (status == STATUS_OK) {
        status = crypto_certificate_split(parameters.root, &root, &rest);
    }
    if (status == STATUS_OK && rest.size != 0) {
        status = STATUS_BAD_CERTIFICATE;
    }
    if (status != STATUS_OK) {
        return status;
    }
    crypto_sha256(parameters.root, device->root_hash);
    crypto_sha256(parameters.requester, device->requester_hash);
    crypto_sha256(start->image, device->device.image_hash);
    return STATUS_OK;
}

static const struct device_rules RULES = {
    .stage = DEVAUTH_STAGE_DEVAUTH,
    .permits = 1u << PERMIT_ROOT_HASH | 1u << PERMIT_BOOT_KEY_HASH | 1u << PERMIT_RMA |
               1u << PERMIT_OBJECT_ID,
    .install = DEVAUTH_TARGET_BL2,
    .boot_key = DEVAUTH_TARGET_BL2,
};

static enum status check_life_cycle(const struct hal *hal) {
    enum hal_life_cycle now = hal->life_cycle();
    return now == HAL_LIFE_BLANK || now == HAL_LIFE_PROVISIONED || now == HAL_LIFE_SECURED
               ? STATUS_OK
               : STATUS_DENIED;
}

/* A power cut in the very last step of ROOT_HASH leaves a torn or unlocked mark. It counts, so
 * nobody would ask for the step again: it is completed here, where no new authority is needed. */
static enum status finish_life_cycle(const struct hal *hal) {
    return hal->life_cycle() == HAL_LIFE_PROVISIONED ? hal->life_cycle_advance(HAL_LIFE_PROVISIONED)
                                                     : STATUS_OK;
}

static void start_responder(struct devauth_device *device) {
    const struct spdm_responder_config config = {
        .ops = &OPERATIONS,
        .context = device,
        .capabilities = SPDM_CAPS_PROVISIONING,
        .crypto_timeout_exponent = DEVAUTH_CT_EXPONENT,
        .requester_chain = device->scratch,
        .requester_chain_capacity = sizeof device->scratch,
    };
    spdm_responder_init(&device->responder, &config);
}

enum status devauth_device_start(struct devauth_device *device, const struct hal *hal,
                                 const struct devauth_start *start,
                                 uint8_t key_hash[CRYPTO_DIGEST_SIZE]) {
    memset(device, 0, sizeof *device);
    memset(key_hash, 0, CRYPTO_DIGEST_SIZE);
    enum status status = device_start(&device->device, hal, &RULES, start->version);
    if (status == STATUS_OK) {
        status = check_life_cycle(hal);
    }
    if (status == STATUS_OK) {
        status = crypto_init(hal->entropy, NULL);
    }
    if (status == STATUS_OK) {
        status = load_parameters(device, start);
    }
    if (status == STATUS_OK) {
        status = devauth_permit_check_root(device);
    }
    if (status == STATUS_OK) {
        status = finish_life_cycle(hal);
    }
    if (status == STATUS_OK) {
        status = devauth_identity_start(device);
    }
    if (status == STATUS_OK) {
        status = devauth_identity_slot_key_hash(device, key_hash);
    }
    if (status == STATUS_OK) {
        start_responder(device);
    }
    return status;
}

enum status devauth_device_handle(void *context, uint8_t type, uint8_t *message, size_t size,
                                  struct writer *response, uint8_t *response_type) {
    struct devauth_device *device = context;
    if (type == BULK_MCTP_TYPE) {
        *response_type = BULK_MCTP_TYPE;
        return device_handle_bulk(&device->device, bytes_of(message, size), response);
    }
    enum status status =
        spdm_responder_handle(&device->responder, type, message, size, response, response_type);
    /* Nothing can change slot 0 during a handshake, so this is the chain it began with. */
    if (device->responder.session.phase == SPDM_SESSION_HANDSHAKE) {
        device->session_on_issued_chain = device->device.chain_is_issued;
    }
    return status;
}

static void wipe(void *context) {
    struct devauth_device *device = context;
    spdm_responder_reset(&device->responder);
    secret_wipe(device, sizeof *device);
}

uint16_t devauth_device_sent(struct devauth_device *device) {
    return device_sent(&device->device, wipe, device);
}
