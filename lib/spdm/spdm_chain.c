#include "spdm/spdm_chain.h"

#include "spdm/spdm_messages.h"

enum status spdm_chain_parse(struct bytes blob, struct bytes *certificates) {
    uint8_t root_hash[CRYPTO_DIGEST_SIZE];
    uint8_t computed[CRYPTO_DIGEST_SIZE];
    struct reader reader;
    struct bytes root;
    struct bytes rest;

    *certificates = (struct bytes){.data = NULL, .size = 0};
    reader_init(&reader, blob);
    uint32_t size = read_u32le(&reader);
    read_copy(&reader, root_hash, sizeof root_hash);
    struct bytes ders = read_rest(&reader);
    enum status status = reader_finish(&reader);
    if (status != STATUS_OK) {
        return status;
    }
    if (size != blob.size || size > SPDM_CHAIN_MAX ||
        crypto_certificate_split(ders, &root, &rest) != STATUS_OK) {
        return STATUS_INVALID;
    }
    crypto_sha256(root, computed);
    if (!bytes_equal(bytes_of(root_hash, sizeof root_hash), bytes_of(computed, sizeof computed))) {
        return STATUS_MISMATCH;
    }
    *certificates = ders;
    return STATUS_OK;
}

enum status spdm_chain_write(struct bytes certificates, struct writer *blob) {
    uint8_t root_hash[CRYPTO_DIGEST_SIZE];
    struct bytes root;
    struct bytes rest;
    if (certificates.size > SPDM_CHAIN_MAX - SPDM_CHAIN_MIN) {
        return STATUS_NO_SPACE;
    }
    if (crypto_certificate_split(certificates, &root, &rest) != STATUS_OK) {
        return STATUS_INVALID;
    }
    crypto_sha256(root, root_hash);
    write_u32le(blob, (uint32_t)(SPDM_CHAIN_MIN + certificates.size));
    write_bytes(blob, bytes_of(root_hash, sizeof root_hash));
    write_bytes(blob, certificates);
    return writer_check(blob);
}
