#include "device/device_identity.h"

#include "devauth/certificate.h"
#include "spdm/spdm_chain.h"

#include <string.h>

static enum status leaf_of(struct bytes certificates, struct bytes *leaf) {
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

/* A chain that another chip's flash was copied with would name another key. */
static enum status check_leaf(const struct hal *hal, struct bytes blob) {
    struct bytes certificates;
    struct bytes leaf = bytes_of(NULL, 0);
    struct bytes subject;
    uint8_t stated[CRYPTO_PUBLIC_KEY_SIZE];
    uint8_t own[CRYPTO_PUBLIC_KEY_SIZE];
    enum status status = hal->key_public(HAL_KEY_AUTH, own);
    if (status == STATUS_OK) {
        status = spdm_chain_parse(blob, &certificates);
    }
    if (status == STATUS_OK) {
        status = leaf_of(certificates, &leaf);
    }
    if (status == STATUS_OK) {
        status = certificate_read_names(leaf, &subject, stated);
    }
    if (status == STATUS_OK && memcmp(stated, own, sizeof own) != 0) {
        status = STATUS_MISMATCH;
    }
    return status;
}

enum status device_identity_start(struct device_identity *identity) {
    struct device *device = &identity->device;
    enum status status = journal_read(&device->journal, JOURNAL_CERTIFICATE_CHAIN, identity->chain,
                                      sizeof identity->chain, &identity->chain_size);
    if (status == STATUS_OK) {
        status = check_leaf(device->hal, bytes_of(identity->chain, identity->chain_size));
    }
    if (status != STATUS_OK) {
        identity->chain_size = 0;
    }
    device->chain_is_issued = status == STATUS_OK;
    return status;
}

enum status device_identity_chain(void *context, uint8_t slot, struct bytes *blob) {
    const struct device_identity *identity = context;
    *blob = bytes_of(identity->chain, identity->chain_size);
    return slot == DEVAUTH_SLOT && identity->chain_size != 0 ? STATUS_OK : STATUS_NOT_FOUND;
}

enum status device_identity_sign(void *context, uint8_t slot,
                                 const uint8_t digest[CRYPTO_DIGEST_SIZE],
                                 uint8_t signature[CRYPTO_SIGNATURE_SIZE]) {
    const struct device_identity *identity = context;
    if (slot != DEVAUTH_SLOT || identity->chain_size == 0) {
        return STATUS_NOT_FOUND;
    }
    return identity->device.hal->key_sign(HAL_KEY_AUTH, digest, signature);
}

enum status device_identity_measurements(void *context, struct writer *blocks) {
    struct device_identity *identity = context;
    return device_measurements(&identity->device, blocks);
}
