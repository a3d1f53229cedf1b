#include "devauth/devauth_identity.h"

#include "devauth/certificate.h"
#include "devauth/oid.h"
#include "hal/device_info.h"
#include "spdm/spdm_chain.h"

#include <string.h>

_Static_assert(DEVAUTH_SLOT == 0, "the chip has one slot");

static enum status sign_ephemeral(void *context, const uint8_t digest[CRYPTO_DIGEST_SIZE],
                                  uint8_t signature[CRYPTO_SIGNATURE_SIZE]) {
    const struct devauth_device *device = context;
    return crypto_p256_sign(device->ephemeral_private, digest, signature);
}

static enum status sign_auth(void *context, const uint8_t digest[CRYPTO_DIGEST_SIZE],
                             uint8_t signature[CRYPTO_SIGNATURE_SIZE]) {
    const struct devauth_device *device = context;
    return device->device.hal->key_sign(HAL_KEY_AUTH, digest, signature);
}

static enum status use_ephemeral_chain(struct devauth_device *device) {
    uint8_t certificate[CERTIFICATE_SELF_SIGNED_MAX];
    struct writer writer;
    struct writer blob;
    writer_init(&writer, certificate, sizeof certificate);
    enum status status = certificate_write_self_signed(
        &writer, device->device.uid, device->ephemeral_public, sign_ephemeral, device);
    writer_init(&blob, device->chain, sizeof device->chain);
    if (status == STATUS_OK) {
        status = spdm_chain_write(writer_bytes(&writer), &blob);
    }
    device->chain_size = status == STATUS_OK ? blob.size : 0;
    device->device.chain_is_issued = false;
    return status;
}

static enum status last_certificate(struct bytes certificates, struct bytes *leaf) {
    struct bytes rest = certificates;
    enum status status = STATUS_INVALID;
    while (rest.size > 0) {
        status = crypto_certificate_split(rest, leaf, &rest);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return status;
}

/* A chain is this chip's when it leads from the loaded root to a device certificate with our AUTH
 * key and our UID. */
static enum status check_issued_chain(const struct devauth_device *device, struct bytes blob) {
    struct bytes certificates;
    struct bytes leaf = bytes_of(NULL, 0);
    uint8_t leaf_key[CRYPTO_PUBLIC_KEY_SIZE];
    uint8_t auth_key[CRYPTO_PUBLIC_KEY_SIZE];
    enum status status = device->device.hal->key_public(HAL_KEY_AUTH, auth_key);
    if (status == STATUS_OK) {
        status = spdm_chain_parse(blob, &certificates);
    }
    if (status == STATUS_OK) {
        status = last_certificate(certificates, &leaf);
    }
    if (status == STATUS_OK) {
        status = crypto_chain_verify(certificates, device->root_hash, oid_eku_device, leaf_key);
    }
    if (status == STATUS_OK) {
        status = certificate_check_subject(leaf, device->device.uid);
    }
    if (status == STATUS_OK && memcmp(leaf_key, auth_key, sizeof leaf_key) != 0) {
        status = STATUS_MISMATCH;
    }
    return status;
}

/* True if the journal holds a chain of ours, which slot 0 then answers with. */
static bool use_issued_chain(struct devauth_device *device) {
    size_t size = 0;
    enum status status = journal_read(&device->device.journal, JOURNAL_CERTIFICATE_CHAIN,
                                      device->chain, sizeof device->chain, &size);
    if (status == STATUS_OK) {
        status = check_issued_chain(device, bytes_of(device->chain, size));
    }
    device->device.chain_is_issued = status == STATUS_OK;
    device->chain_size = status == STATUS_OK ? size : 0;
    return device->device.chain_is_issued;
}

static enum status choose_chain(struct devauth_device *device) {
    return use_issued_chain(device) ? STATUS_OK : use_ephemeral_chain(device);
}

enum status devauth_identity_start(struct devauth_device *device) {
    enum status status = crypto_p256_generate(device->ephemeral_private, device->ephemeral_public);
    return status == STATUS_OK ? choose_chain(device) : status;
}

enum status devauth_identity_slot_key_hash(const struct devauth_device *device,
                                           uint8_t key_hash[CRYPTO_DIGEST_SIZE]) {
    uint8_t key[CRYPTO_PUBLIC_KEY_SIZE];
    if (!device->device.chain_is_issued) {
        memcpy(key, device->ephemeral_public, sizeof key);
    } else {
        enum status status = device->device.hal->key_public(HAL_KEY_AUTH, key);
        if (status != STATUS_OK) {
            return status;
        }
    }
    crypto_sha256(bytes_of(key, sizeof key), key_hash);
    return STATUS_OK;
}

/* Keys and the chain that names them go together. */
static enum status forget_identity(struct devauth_device *device) {
    enum status status =
        journal_write(&device->device.journal, JOURNAL_CERTIFICATE_CHAIN, bytes_of(NULL, 0));
    for (unsigned role = 0; role < HAL_KEY_ROLES && status == STATUS_OK; role++) {
        status = device->device.hal->key_destroy((enum hal_key_role)role);
    }
    return status;
}

enum status devauth_identity_generate(struct devauth_device *device,
                                      struct devauth_public_keys *keys) {
    const struct hal *hal = device->device.hal;
    if (hal->life_cycle() != HAL_LIFE_BLANK) {
        return STATUS_BAD_STATE;
    }
    if (device_info_is_debugged(hal)) {
        return STATUS_DEBUGGED;
    }
    enum status status = forget_identity(device);
    if (status == STATUS_OK) {
        status = use_ephemeral_chain(device);
    }
    if (status == STATUS_OK) {
        status = hal->key_generate(HAL_KEY_AUTH, keys->auth);
    }
    if (status == STATUS_OK) {
        status = hal->key_generate(HAL_KEY_ENC, keys->enc);
    }
    if (status == STATUS_OK) {
        status = hal->key_generate(HAL_KEY_TLS, keys->tls);
    }
    if (status == STATUS_OK && hal->debug_attached(false)) {
        status = STATUS_DEBUGGED;
    }
    if (status != STATUS_OK) {
        /* The first failure is the answer; a key that cannot be destroyed here has no chain and is
         * destroyed again before the next attempt. */
        (void)forget_identity(device);
        memset(keys, 0, sizeof *keys);
    }
    return status;
}

enum status devauth_identity_chain(void *context, uint8_t slot, struct bytes *blob) {
    const struct devauth_device *device = context;
    if (slot != DEVAUTH_SLOT) {
        return STATUS_NOT_FOUND;
    }
    *blob = bytes_of(device->chain, device->chain_size);
    return STATUS_OK;
}

enum status devauth_identity_sign(void *context, uint8_t slot,
                                  const uint8_t digest[CRYPTO_DIGEST_SIZE],
                                  uint8_t signature[CRYPTO_SIGNATURE_SIZE]) {
    const struct devauth_device *device = context;
    if (slot != DEVAUTH_SLOT) {
        return STATUS_NOT_FOUND;
    }
    return device->device.chain_is_issued ? sign_auth(context, digest, signature)
                                          : sign_ephemeral(context, digest, signature);
}

enum status devauth_identity_csr(void *context, struct bytes requester_info, struct writer *csr) {
    struct devauth_device *device = context;
    struct devauth_public_keys keys;
    uint8_t nonce[CERTIFICATE_NONCE_SIZE];
    enum status status = device_read_public_keys(device->device.hal, &keys);
    if (status == STATUS_OK) {
        status =
            certificate_read_requester_info(requester_info, device->device.uid, keys.auth, nonce);
    }
    if (status != STATUS_OK) {
        return status;
    }
    struct certificate_request request = {
        .uid = device->device.uid,
        .nonce = nonce,
        .auth_key = keys.auth,
        .enc_key = keys.enc,
        .tls_key = keys.tls,
    };
    return certificate_write_csr(csr, &request, sign_auth, device);
}

enum status devauth_identity_set_certificate(void *context, uint8_t slot, struct bytes chain_blob) {
    struct devauth_device *device = context;
    if (slot != DEVAUTH_SLOT || chain_blob.size > sizeof device->chain) {
        return STATUS_INVALID;
    }
    enum status status = check_issued_chain(device, chain_blob);
    if (status == STATUS_OK) {
        status = journal_write(&device->device.journal, JOURNAL_CERTIFICATE_CHAIN, chain_blob);
    }
    if (status != STATUS_OK) {
        return status;
    }
    /* From the journal, not from the message: what slot 0 says is what the chip keeps. */
    status = choose_chain(device);
    return status == STATUS_OK && !device->device.chain_is_issued ? STATUS_FLASH : status;
}
