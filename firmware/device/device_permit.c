#include "device/device_permit.h"

#include "base/secret.h"
#include "devauth/certificate.h"
#include "devauth/otp_map.h"
#include "device/device_otp.h"
#include "hal/otp_group.h"

#include <string.h>

enum status device_permit_nonce(struct device *device, struct bytes body, struct writer *response) {
    uint8_t command = 0;
    device->nonce.is_outstanding = false;
    enum status status = devauth_read_nonce_body(body, &command);
    if (status == STATUS_OK && (command > 31 || (device->rules->permits >> command & 1u) == 0)) {
        status = STATUS_UNSUPPORTED;
    }
    if (status == STATUS_OK) {
        status = crypto_random(device->nonce.value, sizeof device->nonce.value);
    }
    if (status == STATUS_OK) {
        device->nonce.command = command;
        device->nonce.is_outstanding = true;
        devauth_write_permit_nonce(response, device->nonce.value);
    }
    return status;
}

enum status device_permit_check_binding(const struct device *device,
                                        const struct device_nonce *nonce,
                                        const struct permit *permit) {
    uint8_t auth_key[CRYPTO_PUBLIC_KEY_SIZE];
    uint8_t auth_hash[CRYPTO_DIGEST_SIZE];
    enum status status = device->hal->key_public(HAL_KEY_AUTH, auth_key);
    if (status != STATUS_OK) {
        return status;
    }
    crypto_sha256(bytes_of(auth_key, sizeof auth_key), auth_hash);
    if (!nonce->is_outstanding || permit->command != nonce->command ||
        !secret_equal(permit->nonce, nonce->value, sizeof nonce->value)) {
        return STATUS_REPLAYED;
    }
    if (memcmp(permit->uid, device->uid, sizeof device->uid) != 0 ||
        memcmp(permit->auth_key_hash, auth_hash, sizeof auth_hash) != 0) {
        return STATUS_MISMATCH;
    }
    return STATUS_OK;
}

static bool is_in_otp(const struct hal *hal, unsigned first, unsigned valid,
                      const uint8_t hash[CRYPTO_DIGEST_SIZE]) {
    uint8_t stored[CRYPTO_DIGEST_SIZE];
    return otp_group_read_hash(hal, first, valid, stored) == STATUS_OK &&
           memcmp(stored, hash, sizeof stored) == 0;
}

/* The key of the certificate that came along, if its hash is in OTP (docs/decisions/0032). */
static enum status find_authority(const struct hal *hal, const struct cose_sign1 *message,
                                  uint8_t key[CRYPTO_PUBLIC_KEY_SIZE]) {
    struct bytes subject;
    uint8_t hash[CRYPTO_DIGEST_SIZE];
    if (message->x5chain_count != 1) {
        return STATUS_INVALID;
    }
    enum status status = certificate_read_names(message->x5chain[0], &subject, key);
    if (status != STATUS_OK) {
        return status;
    }
    crypto_sha256(bytes_of(key, CRYPTO_PUBLIC_KEY_SIZE), hash);
    bool is_ours = is_in_otp(hal, OTP_COMMAND_KEY_A_HASH, OTP_IDENTITY_VALID, hash) ||
                   is_in_otp(hal, OTP_COMMAND_KEY_B_HASH, OTP_COMMAND_KEY_B_VALID, hash);
    return is_ours ? STATUS_OK : STATUS_DENIED;
}

typedef enum status permit_function(struct device *device, struct bytes arguments);

static enum status boot_key_hash(struct device *device, struct bytes arguments) {
    struct permit_boot_key_hash key_hash;
    enum status status = permit_parse_boot_key_hash(arguments, &key_hash);
    if (status != STATUS_OK) {
        return status;
    }
    if (key_hash.target != device->rules->boot_key) {
        return STATUS_UNSUPPORTED;
    }
    bool is_bl2 = key_hash.target == DEVAUTH_TARGET_BL2;
    const struct device_otp_value value = {is_bl2 ? OTP_BOOT_KEY_BL2_HASH : OTP_BOOT_KEY_BL3_HASH,
                                           key_hash.key_hash};
    device->knows_images = false;
    return device_otp_write_group(device->hal, &value, 1,
                                  is_bl2 ? OTP_BOOT_KEY_BL2_VALID : OTP_BOOT_KEY_BL3_VALID);
}

/* A chip is locked only when it can start what the OEM signed, and nothing else. */
static enum status lock(struct device *device, struct bytes arguments) {
    const struct hal *hal = device->hal;
    enum status status = permit_parse_no_arguments(arguments);
    if (status == STATUS_OK && !(otp_group_is_valid(hal, OTP_BOOT_KEY_BL2_VALID) &&
                                 otp_group_is_valid(hal, OTP_BOOT_KEY_BL3_VALID))) {
        status = STATUS_BAD_STATE;
    }
    return status == STATUS_OK ? hal->life_cycle_advance(HAL_LIFE_SECURED) : status;
}

/* The mark first: whatever is cut after it, the chip never runs firmware again. The boot ROM erases
 * the images, one of which is running now, before it opens debug; and the keys, should that fail
 * here. */
static enum status rma(struct device *device, struct bytes arguments) {
    const struct hal *hal = device->hal;
    enum status status = permit_parse_no_arguments(arguments);
    if (status == STATUS_OK) {
        status = hal->life_cycle_advance(HAL_LIFE_RMA);
        device->pending_reboot = hal->life_cycle() == HAL_LIFE_RMA;
        device->reboot_reason = HAL_BOOT_REQUESTED;
    }
    for (unsigned role = 0; role < HAL_KEY_ROLES && status == STATUS_OK; role++) {
        status = hal->key_destroy((enum hal_key_role)role);
    }
    return status;
}

static enum status object_id(struct device *device, struct bytes arguments) {
    struct bytes id;
    enum status status = permit_parse_object_id(arguments, &id);
    return status == STATUS_OK ? journal_write(&device->journal, JOURNAL_OBJECT_ID, id) : status;
}

#define LIFE(state) (1u << HAL_LIFE_##state)

static const struct {
    uint8_t command;
    uint32_t life_cycles; /* in which it may be executed */
    permit_function *run;
} PERMITS[] = {
    {PERMIT_BOOT_KEY_HASH, LIFE(PROVISIONED), boot_key_hash},
    {PERMIT_LOCK, LIFE(PROVISIONED) | LIFE(SECURED), lock}, /* again: completes a torn mark */
    {PERMIT_RMA, LIFE(PROVISIONED) | LIFE(SECURED), rma},
    {PERMIT_OBJECT_ID, LIFE(PROVISIONED) | LIFE(SECURED), object_id},
};

static enum status execute(struct device *device, const struct permit *permit) {
    uint32_t now = 1u << device->hal->life_cycle();
    for (size_t i = 0; i < sizeof PERMITS / sizeof PERMITS[0]; i++) {
        if (PERMITS[i].command == permit->command) {
            return (PERMITS[i].life_cycles & now) != 0 ? PERMITS[i].run(device, permit->arguments)
                                                       : STATUS_BAD_STATE;
        }
    }
    return STATUS_UNSUPPORTED;
}

enum status device_permit_run(struct device *device, const struct device_nonce *nonce,
                              struct bytes encoded, struct devauth_permit_result *result) {
    struct cose_sign1 message;
    struct permit permit;
    enum status status = cose_sign1_parse(encoded, &message);
    if (status == STATUS_OK) {
        status = find_authority(device->hal, &message, device->key);
    }
    if (status == STATUS_OK) {
        status = cose_sign1_verify(&message, device->key);
    }
    if (status == STATUS_OK) {
        status = permit_parse(message.payload, &permit);
    }
    if (status == STATUS_OK) {
        status = device_permit_check_binding(device, nonce, &permit);
    }
    if (status == STATUS_OK) {
        status = execute(device, &permit);
    }
    if (status == STATUS_OK) {
        result->command = (uint8_t)permit.command;
        result->life_cycle = (uint8_t)device->hal->life_cycle();
    }
    return status;
}

enum status device_permit_execute(struct device *device, struct bytes body,
                                  struct writer *response) {
    struct devauth_permit_result result;
    struct device_nonce nonce = device->nonce;
    device->nonce.is_outstanding = false; /* used up by the attempt, whatever comes of it */
    enum status status = device_permit_run(device, &nonce, body, &result);
    if (status == STATUS_OK) {
        devauth_write_permit_result(response, &result);
    }
    return status;
}
