#include "base/secret.h"
#include "crypto/crypto.h"

#include <psa/crypto.h>
#include <string.h>

#define CURVE_BITS   256
#define ECDSA_SHA256 PSA_ALG_ECDSA(PSA_ALG_SHA_256)
#define KEY_PAIR     PSA_KEY_TYPE_ECC_KEY_PAIR(PSA_ECC_FAMILY_SECP_R1)
#define PUBLIC_KEY   PSA_KEY_TYPE_ECC_PUBLIC_KEY(PSA_ECC_FAMILY_SECP_R1)

/* PSA's form of a point: 04 || X || Y. */
#define POINT_SIZE (1 + CRYPTO_PUBLIC_KEY_SIZE)

static void point_of(uint8_t point[POINT_SIZE], const uint8_t public_key[CRYPTO_PUBLIC_KEY_SIZE]) {
    point[0] = 0x04;
    memcpy(point + 1, public_key, CRYPTO_PUBLIC_KEY_SIZE);
}

static enum status status_of(psa_status_t result) {
    switch (result) {
    case PSA_SUCCESS: return STATUS_OK;
    case PSA_ERROR_INVALID_ARGUMENT: return STATUS_INVALID;
    case PSA_ERROR_INVALID_SIGNATURE: return STATUS_BAD_SIGNATURE;
    case PSA_ERROR_INSUFFICIENT_MEMORY: return STATUS_NO_MEMORY;
    /* The p256-m driver has one cause for its generic error: the random generator failed. */
    case PSA_ERROR_GENERIC_ERROR: return STATUS_NO_ENTROPY;
    default: return STATUS_CRYPTO;
    }
}

static psa_key_attributes_t attributes_of(psa_key_type_t type, psa_key_usage_t usage,
                                          psa_algorithm_t algorithm) {
    psa_key_attributes_t attributes = PSA_KEY_ATTRIBUTES_INIT;
    psa_set_key_type(&attributes, type);
    psa_set_key_bits(&attributes, CURVE_BITS);
    psa_set_key_usage_flags(&attributes, usage);
    psa_set_key_algorithm(&attributes, algorithm);
    return attributes;
}

enum status crypto_p256_generate(uint8_t private_key[CRYPTO_PRIVATE_KEY_SIZE],
                                 uint8_t public_key[CRYPTO_PUBLIC_KEY_SIZE]) {
    psa_key_attributes_t attributes = attributes_of(KEY_PAIR, PSA_KEY_USAGE_EXPORT, ECDSA_SHA256);
    uint8_t point[POINT_SIZE] = {0};
    psa_key_id_t key = PSA_KEY_ID_NULL;
    size_t size = 0;
    psa_status_t result = psa_generate_key(&attributes, &key);
    if (result == PSA_SUCCESS) {
        result = psa_export_key(key, private_key, CRYPTO_PRIVATE_KEY_SIZE, &size);
    }
    if (result == PSA_SUCCESS) {
        result = psa_export_public_key(key, point, sizeof point, &size);
    }
    (void)psa_destroy_key(key);
    memcpy(public_key, point + 1, CRYPTO_PUBLIC_KEY_SIZE);
    if (result != PSA_SUCCESS) {
        secret_wipe(private_key, CRYPTO_PRIVATE_KEY_SIZE);
        secret_wipe(public_key, CRYPTO_PUBLIC_KEY_SIZE);
    }
    return status_of(result);
}

enum status crypto_p256_sign(const uint8_t private_key[CRYPTO_PRIVATE_KEY_SIZE],
                             const uint8_t digest[CRYPTO_DIGEST_SIZE],
                             uint8_t signature[CRYPTO_SIGNATURE_SIZE]) {
    psa_key_attributes_t attributes =
        attributes_of(KEY_PAIR, PSA_KEY_USAGE_SIGN_HASH, ECDSA_SHA256);
    psa_key_id_t key = PSA_KEY_ID_NULL;
    size_t size = 0;
    psa_status_t result = psa_import_key(&attributes, private_key, CRYPTO_PRIVATE_KEY_SIZE, &key);
    if (result == PSA_SUCCESS) {
        result = psa_sign_hash(key, ECDSA_SHA256, digest, CRYPTO_DIGEST_SIZE, signature,
                               CRYPTO_SIGNATURE_SIZE, &size);
    }
    (void)psa_destroy_key(key);
    if (result != PSA_SUCCESS) {
        memset(signature, 0, CRYPTO_SIGNATURE_SIZE);
    }
    return status_of(result);
}

enum status crypto_p256_verify(const uint8_t public_key[CRYPTO_PUBLIC_KEY_SIZE],
                               const uint8_t digest[CRYPTO_DIGEST_SIZE],
                               const uint8_t signature[CRYPTO_SIGNATURE_SIZE]) {
    psa_key_attributes_t attributes =
        attributes_of(PUBLIC_KEY, PSA_KEY_USAGE_VERIFY_HASH, ECDSA_SHA256);
    psa_key_id_t key = PSA_KEY_ID_NULL;
    uint8_t point[POINT_SIZE];
    point_of(point, public_key);
    psa_status_t result = psa_import_key(&attributes, point, sizeof point, &key);
    if (result == PSA_SUCCESS) {
        result = psa_verify_hash(key, ECDSA_SHA256, digest, CRYPTO_DIGEST_SIZE, signature,
                                 CRYPTO_SIGNATURE_SIZE);
    }
    (void)psa_destroy_key(key);
    return status_of(result);
}

enum status crypto_p256_agree(const uint8_t private_key[CRYPTO_PRIVATE_KEY_SIZE],
                              const uint8_t peer[CRYPTO_PUBLIC_KEY_SIZE], uint8_t shared[32]) {
    psa_key_attributes_t attributes = attributes_of(KEY_PAIR, PSA_KEY_USAGE_DERIVE, PSA_ALG_ECDH);
    psa_key_id_t key = PSA_KEY_ID_NULL;
    uint8_t point[POINT_SIZE];
    size_t size = 0;
    point_of(point, peer);
    psa_status_t result = psa_import_key(&attributes, private_key, CRYPTO_PRIVATE_KEY_SIZE, &key);
    if (result == PSA_SUCCESS) {
        result = psa_raw_key_agreement(PSA_ALG_ECDH, key, point, sizeof point, shared, 32, &size);
    }
    (void)psa_destroy_key(key);
    if (result != PSA_SUCCESS) {
        secret_wipe(shared, 32);
    }
    return status_of(result);
}
