#include "devauth/devauth_permit.h"

#include "cose/cose_sign1.h"
#include "cose/permit.h"
#include "devauth/oid.h"
#include "devauth/otp_map.h"
#include "device/device_otp.h"
#include "device/device_permit.h"

#include <string.h>

/* The very first permit brings its own authority: root, OPERATIONS CA, command-authority leaf. The
 * root is the one whose chain this session has proved. */
static enum status verify_authority(struct devauth_device *device, const struct cose_sign1 *message,
                                    struct bytes root, uint8_t key[CRYPTO_PUBLIC_KEY_SIZE]) {
    struct writer chain;
    writer_init(&chain, device->scratch, sizeof device->scratch);
    write_bytes(&chain, root);
    for (unsigned i = message->x5chain_count; i > 0; i--) {
        write_bytes(&chain, message->x5chain[i - 1]);
    }
    enum status status = writer_check(&chain);
    if (status == STATUS_OK && message->x5chain_count == 0) {
        status = STATUS_BAD_CERTIFICATE;
    }
    if (status == STATUS_OK) {
        status = crypto_chain_verify(writer_bytes(&chain), device->root_hash,
                                     oid_eku_command_authority, key);
    }
    return status == STATUS_OK ? cose_sign1_verify(message, key) : status;
}

static enum status check_root_hash(const struct devauth_device *device,
                                   const struct permit_root_hash *arguments,
                                   const uint8_t authority_key[CRYPTO_PUBLIC_KEY_SIZE]) {
    uint8_t key_hash[CRYPTO_DIGEST_SIZE];
    crypto_sha256(bytes_of(authority_key, CRYPTO_PUBLIC_KEY_SIZE), key_hash);
    if (memcmp(arguments->root_hash, device->root_hash, CRYPTO_DIGEST_SIZE) != 0 ||
        memcmp(arguments->command_key_hash, key_hash, CRYPTO_DIGEST_SIZE) != 0) {
        return STATUS_MISMATCH;
    }
    return STATUS_OK;
}

/* The validity entry is last in OTP, the life cycle is last of all: a chip that is cut anywhere is
 * still blank and takes the same values again. */
static enum status write_identity(const struct devauth_device *device,
                                  const struct permit_root_hash *arguments) {
    const struct hal *hal = device->device.hal;
    const struct device_otp_value values[] = {
        {OTP_ROOT_HASH, arguments->root_hash},
        {OTP_COMMAND_KEY_A_HASH, arguments->command_key_hash},
        {OTP_NULINK3_CERT_HASH, device->requester_hash},
    };
    enum status status = device_otp_write_group(hal, values, 3, OTP_IDENTITY_VALID);
    return status == STATUS_OK ? hal->life_cycle_advance(HAL_LIFE_PROVISIONED) : status;
}

static bool may_write_root_hash(const struct devauth_device *device) {
    enum hal_life_cycle now = device->device.hal->life_cycle();
    return device->device.chain_is_issued && device->session_on_issued_chain &&
           (now == HAL_LIFE_BLANK || now == HAL_LIFE_PROVISIONED);
}

/* The root certificate of the chain slot 0 answers with. */
static enum status issued_root(const struct devauth_device *device, struct bytes *root) {
    struct bytes rest;
    struct bytes certificates = bytes_slice(bytes_of(device->chain, device->chain_size),
                                            SPDM_CHAIN_MIN, device->chain_size - SPDM_CHAIN_MIN);
    return crypto_certificate_split(certificates, root, &rest);
}

static enum status execute_root_hash(struct devauth_device *device,
                                     const struct device_nonce *nonce,
                                     const struct cose_sign1 *message) {
    struct bytes root;
    struct permit permit;
    struct permit_root_hash arguments;
    uint8_t authority_key[CRYPTO_PUBLIC_KEY_SIZE];
    enum status status = issued_root(device, &root);
    if (status == STATUS_OK) {
        status = verify_authority(device, message, root, authority_key);
    }
    if (status == STATUS_OK) {
        status = permit_parse(message->payload, &permit);
    }
    if (status == STATUS_OK) {
        status = device_permit_check_binding(&device->device, nonce, &permit);
    }
    if (status == STATUS_OK) {
        status = permit_parse_root_hash(permit.arguments, &arguments);
    }
    if (status == STATUS_OK) {
        status = check_root_hash(device, &arguments, authority_key);
    }
    return status == STATUS_OK ? write_identity(device, &arguments) : status;
}

/* Needs to know who provisions the chip, and that this is the chain the server has issued. */
static enum status run_root_hash(struct devauth_device *device, const struct device_nonce *nonce,
                                 struct bytes encoded, struct devauth_permit_result *result) {
    struct cose_sign1 message;
    if (device->privilege != SPDM_PRIVILEGE_PRIVILEGED) {
        return STATUS_DENIED;
    }
    if (!may_write_root_hash(device)) {
        return STATUS_BAD_STATE;
    }
    enum status status = cose_sign1_parse(encoded, &message);
    if (status == STATUS_OK) {
        status = execute_root_hash(device, nonce, &message);
    }
    if (status == STATUS_OK) {
        result->command = PERMIT_ROOT_HASH;
        result->life_cycle = (uint8_t)device->device.hal->life_cycle();
    }
    return status;
}

/* The nonce says for which command it was asked; without one there is nothing to execute but what
 * ROOT_HASH's own checks refuse. */
enum status devauth_permit_command(struct device *base, struct bytes body,
                                   struct writer *response) {
    struct devauth_device *device = (struct devauth_device *)base; /* its first member */
    struct devauth_permit_result result;
    struct device_nonce nonce = base->nonce;
    base->nonce.is_outstanding = false;
    bool is_later = nonce.is_outstanding && nonce.command != PERMIT_ROOT_HASH;
    enum status status = is_later ? device_permit_run(base, &nonce, body, &result)
                                  : run_root_hash(device, &nonce, body, &result);
    if (status == STATUS_OK) {
        devauth_write_permit_result(response, &result);
    }
    return status;
}

static const uint8_t *part_of(const uint8_t *value, unsigned index) {
    return bytes_slice(bytes_of(value, CRYPTO_DIGEST_SIZE), (size_t)index * OTP_ENTRY_SIZE,
                       OTP_ENTRY_SIZE)
        .data;
}

enum status devauth_permit_check_root(const struct devauth_device *device) {
    uint8_t entry[OTP_ENTRY_SIZE];
    enum status status = device->device.hal->otp_read(OTP_IDENTITY_VALID, entry);
    if (status != STATUS_OK || memcmp(entry, otp_erased, sizeof entry) == 0) {
        return status;
    }
    /* The validity entry is begun only when the hash is complete and locked. */
    for (unsigned i = 0; i < OTP_HASH_ENTRIES && status == STATUS_OK; i++) {
        status = device->device.hal->otp_read(OTP_ROOT_HASH + i, entry);
        if (status == STATUS_OK &&
            memcmp(entry, part_of(device->root_hash, i), sizeof entry) != 0) {
            status = STATUS_MISMATCH;
        }
    }
    return status;
}
