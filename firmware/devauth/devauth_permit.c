#include "devauth/devauth_permit.h"

#include "base/secret.h"
#include "cose/cose_sign1.h"
#include "cose/permit.h"
#include "devauth/oid.h"
#include "devauth/otp_map.h"

#include <string.h>

enum status devauth_permit_nonce(struct devauth_device *device, uint8_t command,
                                 uint8_t nonce[DEVAUTH_NONCE_SIZE]) {
    device->nonce.is_outstanding = false;
    if (command != PERMIT_ROOT_HASH) {
        return STATUS_UNSUPPORTED;
    }
    enum status status = crypto_random(device->nonce.value, sizeof device->nonce.value);
    if (status != STATUS_OK) {
        return status;
    }
    device->nonce.command = command;
    device->nonce.is_outstanding = true;
    memcpy(nonce, device->nonce.value, DEVAUTH_NONCE_SIZE);
    return STATUS_OK;
}

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

/* Everything in a permit that ties it to this chip, this key and this moment. */
static enum status check_binding(const struct devauth_device *device,
                                 const struct devauth_nonce *nonce, const struct permit *permit) {
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

/* Entry `index` of the 32-byte value written at `first`. */
static const uint8_t *part_of(const uint8_t *value, unsigned index) {
    return bytes_slice(bytes_of(value, CRYPTO_DIGEST_SIZE), (size_t)index * OTP_ENTRY_SIZE,
                       OTP_ENTRY_SIZE)
        .data;
}

/* OTP unless the entry can still become `data`: bits only ever go from 1 to 0. */
static enum status check_entry(const struct hal *hal, unsigned entry, const uint8_t *data) {
    uint8_t now[OTP_ENTRY_SIZE];
    enum status status = hal->otp_read(entry, now);
    for (unsigned i = 0; i < OTP_ENTRY_SIZE && status == STATUS_OK; i++) {
        if ((data[i] & (uint8_t)~now[i]) != 0) {
            status = STATUS_OTP;
        }
    }
    return status;
}

/* Program, read back, lock; all three may find their work done before a power cut. */
static enum status write_entry(const struct hal *hal, unsigned entry, const uint8_t *data) {
    uint8_t now[OTP_ENTRY_SIZE];
    enum status status = hal->otp_program(entry, data);
    if (status == STATUS_OK) {
        status = hal->otp_read(entry, now);
    }
    if (status == STATUS_OK && memcmp(now, data, sizeof now) != 0) {
        status = STATUS_OTP;
    }
    return status == STATUS_OK ? hal->otp_lock(entry) : status;
}

struct otp_value {
    enum otp_entry first;
    const uint8_t *value; /* 32 bytes */
};

/*
 * Two passes, so that a value that cannot be completed is found before anything is written. The
 * validity entry is last in OTP, the life cycle is last of all: a chip that is cut anywhere is
 * still blank and takes the same values again.
 */
static enum status write_identity(const struct devauth_device *device,
                                  const struct permit_root_hash *arguments) {
    const struct hal *hal = device->hal;
    const struct otp_value values[] = {
        {OTP_ROOT_HASH, arguments->root_hash},
        {OTP_COMMAND_KEY_A_HASH, arguments->command_key_hash},
        {OTP_NULINK3_CERT_HASH, device->requester_hash},
    };
    enum status status = STATUS_OK;
    for (unsigned pass = 0; pass < 2; pass++) {
        for (unsigned i = 0; i < 3 * OTP_HASH_ENTRIES && status == STATUS_OK; i++) {
            const struct otp_value *value = &values[i / OTP_HASH_ENTRIES];
            unsigned part = i % OTP_HASH_ENTRIES;
            const uint8_t *data = part_of(value->value, part);
            status = pass == 0 ? check_entry(hal, value->first + part, data)
                               : write_entry(hal, value->first + part, data);
        }
    }
    if (status == STATUS_OK) {
        status = write_entry(hal, OTP_IDENTITY_VALID, otp_valid);
    }
    return status == STATUS_OK ? hal->life_cycle_advance(HAL_LIFE_PROVISIONED) : status;
}

static bool may_write_root_hash(const struct devauth_device *device) {
    enum hal_life_cycle now = device->hal->life_cycle();
    return device->chain_is_issued && device->session_on_issued_chain &&
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
                                     const struct devauth_nonce *nonce,
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
        status = check_binding(device, nonce, &permit);
    }
    if (status == STATUS_OK) {
        status = permit_parse_root_hash(permit.arguments, &arguments);
    }
    if (status == STATUS_OK) {
        status = check_root_hash(device, &arguments, authority_key);
    }
    return status == STATUS_OK ? write_identity(device, &arguments) : status;
}

enum status devauth_permit_execute(struct devauth_device *device, enum spdm_privilege privilege,
                                   struct bytes encoded, struct devauth_permit_result *result) {
    struct cose_sign1 message;
    struct devauth_nonce nonce = device->nonce;
    device->nonce.is_outstanding = false;
    /* ROOT_HASH is the only command here, and it needs to know who provisions the chip. */
    if (privilege != SPDM_PRIVILEGE_PRIVILEGED) {
        return STATUS_DENIED;
    }
    if (!may_write_root_hash(device)) {
        return STATUS_BAD_STATE;
    }
    enum status status = cose_sign1_parse(encoded, &message);
    if (status == STATUS_OK) {
        status = execute_root_hash(device, &nonce, &message);
    }
    if (status == STATUS_OK) {
        result->command = PERMIT_ROOT_HASH;
        result->life_cycle = (uint8_t)device->hal->life_cycle();
    }
    return status;
}

enum status devauth_permit_check_root(const struct devauth_device *device) {
    uint8_t entry[OTP_ENTRY_SIZE];
    enum status status = device->hal->otp_read(OTP_IDENTITY_VALID, entry);
    if (status != STATUS_OK || memcmp(entry, otp_erased, sizeof entry) == 0) {
        return status;
    }
    /* The validity entry is begun only when the hash is complete and locked. */
    for (unsigned i = 0; i < OTP_HASH_ENTRIES && status == STATUS_OK; i++) {
        status = device->hal->otp_read(OTP_ROOT_HASH + i, entry);
        if (status == STATUS_OK &&
            memcmp(entry, part_of(device->root_hash, i), sizeof entry) != 0) {
            status = STATUS_MISMATCH;
        }
    }
    return status;
}
