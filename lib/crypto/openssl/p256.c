#include "base/der_p256.h"
#include "base/secret.h"
#include "crypto/crypto.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <string.h>

#define POINT_SIZE (1 + CRYPTO_PUBLIC_KEY_SIZE) /* 04 || X || Y */

/* Order of the base point (SP 800-186, 3.2.1.3). */
static const uint8_t ORDER[CRYPTO_PRIVATE_KEY_SIZE] = {
    0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
    0xBC, 0xE6, 0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51};

/* 0 < scalar < order, in constant time; the library takes any integer. */
static bool is_scalar(const uint8_t scalar[CRYPTO_PRIVATE_KEY_SIZE]) {
    unsigned int borrow = 0;
    unsigned int any = 0;
    for (size_t i = CRYPTO_PRIVATE_KEY_SIZE; i > 0; i--) {
        borrow = ((unsigned int)scalar[i - 1] - ORDER[i - 1] - borrow) >> 31;
        any |= scalar[i - 1];
    }
    return borrow == 1 && any != 0;
}

static EVP_PKEY *key_from(OSSL_PARAM_BLD *builder, int selection) {
    EVP_PKEY *key = NULL;
    OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    if (parameters == NULL || context == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, selection, parameters) != 1) {
        key = NULL;
    }
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(parameters);
    return key;
}

/* NULL if the point is not on the curve. */
static EVP_PKEY *load_public(const uint8_t public_key[CRYPTO_PUBLIC_KEY_SIZE]) {
    uint8_t point[POINT_SIZE];
    EVP_PKEY *key = NULL;
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    point[0] = 0x04;
    memcpy(point + 1, public_key, CRYPTO_PUBLIC_KEY_SIZE);
    if (builder != NULL &&
        OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point) ==
            1) {
        key = key_from(builder, EVP_PKEY_PUBLIC_KEY);
    }
    OSSL_PARAM_BLD_free(builder);
    return key;
}

/* NULL if the scalar is out of range. */
static EVP_PKEY *load_private(const uint8_t private_key[CRYPTO_PRIVATE_KEY_SIZE]) {
    if (!is_scalar(private_key)) {
        return NULL;
    }
    EVP_PKEY *key = NULL;
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    BIGNUM *scalar = BN_secure_new();
    if (builder != NULL && scalar != NULL &&
        BN_bin2bn(private_key, CRYPTO_PRIVATE_KEY_SIZE, scalar) != NULL &&
        OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) == 1 &&
        OSSL_PARAM_BLD_push_BN_pad(builder, OSSL_PKEY_PARAM_PRIV_KEY, scalar,
                                   CRYPTO_PRIVATE_KEY_SIZE) == 1) {
        key = key_from(builder, EVP_PKEY_KEYPAIR);
    }
    BN_clear_free(scalar);
    OSSL_PARAM_BLD_free(builder);
    return key;
}

static bool export_pair(EVP_PKEY *key, uint8_t private_key[CRYPTO_PRIVATE_KEY_SIZE],
                        uint8_t public_key[CRYPTO_PUBLIC_KEY_SIZE]) {
    BIGNUM *scalar = NULL;
    uint8_t point[POINT_SIZE];
    size_t size = 0;
    bool done =
        EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &scalar) == 1 &&
        BN_bn2binpad(scalar, private_key, CRYPTO_PRIVATE_KEY_SIZE) == CRYPTO_PRIVATE_KEY_SIZE &&
        EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point, &size) ==
            1 &&
        size == sizeof point && point[0] == 0x04;
    BN_clear_free(scalar);
    if (done) {
        memcpy(public_key, point + 1, CRYPTO_PUBLIC_KEY_SIZE);
    }
    return done;
}

enum status crypto_p256_generate(uint8_t private_key[CRYPTO_PRIVATE_KEY_SIZE],
                                 uint8_t public_key[CRYPTO_PUBLIC_KEY_SIZE]) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    bool done = key != NULL && export_pair(key, private_key, public_key);
    EVP_PKEY_free(key);
    if (!done) {
        secret_wipe(private_key, CRYPTO_PRIVATE_KEY_SIZE);
        secret_wipe(public_key, CRYPTO_PUBLIC_KEY_SIZE);
        return STATUS_CRYPTO;
    }
    return STATUS_OK;
}

static bool sign(EVP_PKEY *key, const uint8_t digest[CRYPTO_DIGEST_SIZE],
                 uint8_t signature[CRYPTO_SIGNATURE_SIZE]) {
    uint8_t der[DER_P256_SIGNATURE_MAX];
    size_t size = sizeof der;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    bool done = context != NULL && EVP_PKEY_sign_init(context) == 1 &&
                EVP_PKEY_sign(context, der, &size, digest, CRYPTO_DIGEST_SIZE) == 1;
    EVP_PKEY_CTX_free(context);
    if (!done) {
        return false;
    }
    struct reader reader;
    reader_init(&reader, bytes_of(der, size));
    der_read_p256_signature(&reader, signature);
    return reader_finish(&reader) == STATUS_OK;
}

enum status crypto_p256_sign(const uint8_t private_key[CRYPTO_PRIVATE_KEY_SIZE],
                             const uint8_t digest[CRYPTO_DIGEST_SIZE],
                             uint8_t signature[CRYPTO_SIGNATURE_SIZE]) {
    enum status status = STATUS_OK;
    EVP_PKEY *key = load_private(private_key);
    if (key == NULL) {
        status = STATUS_INVALID;
    } else if (!sign(key, digest, signature)) {
        status = STATUS_CRYPTO;
    }
    EVP_PKEY_free(key);
    if (status != STATUS_OK) {
        memset(signature, 0, CRYPTO_SIGNATURE_SIZE);
    }
    return status;
}

static bool verify(EVP_PKEY *key, const uint8_t digest[CRYPTO_DIGEST_SIZE],
                   const uint8_t signature[CRYPTO_SIGNATURE_SIZE]) {
    uint8_t der[DER_P256_SIGNATURE_MAX];
    struct writer writer;
    writer_init(&writer, der, sizeof der);
    der_write_p256_signature(&writer, signature);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    bool good = writer_check(&writer) == STATUS_OK && context != NULL &&
                EVP_PKEY_verify_init(context) == 1 &&
                EVP_PKEY_verify(context, der, writer.size, digest, CRYPTO_DIGEST_SIZE) == 1;
    EVP_PKEY_CTX_free(context);
    return good;
}

enum status crypto_p256_verify(const uint8_t public_key[CRYPTO_PUBLIC_KEY_SIZE],
                               const uint8_t digest[CRYPTO_DIGEST_SIZE],
                               const uint8_t signature[CRYPTO_SIGNATURE_SIZE]) {
    enum status status = STATUS_OK;
    EVP_PKEY *key = load_public(public_key);
    if (key == NULL) {
        status = STATUS_INVALID;
    } else if (!verify(key, digest, signature)) {
        status = STATUS_BAD_SIGNATURE;
    }
    EVP_PKEY_free(key);
    /* A refusal is a result, not a failure: leave nothing for the caller's next TLS call to find.
     */
    ERR_clear_error();
    return status;
}

static bool agree(EVP_PKEY *own, EVP_PKEY *peer, uint8_t shared[32]) {
    size_t size = 32;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(own, NULL);
    bool done = context != NULL && EVP_PKEY_derive_init(context) == 1 &&
                EVP_PKEY_derive_set_peer(context, peer) == 1 &&
                EVP_PKEY_derive(context, shared, &size) == 1 && size == 32;
    EVP_PKEY_CTX_free(context);
    return done;
}

enum status crypto_p256_agree(const uint8_t private_key[CRYPTO_PRIVATE_KEY_SIZE],
                              const uint8_t peer[CRYPTO_PUBLIC_KEY_SIZE], uint8_t shared[32]) {
    EVP_PKEY *own = load_private(private_key);
    EVP_PKEY *other = load_public(peer);
    enum status status = STATUS_OK;
    if (own == NULL || other == NULL) {
        status = STATUS_INVALID;
    } else if (!agree(own, other, shared)) {
        status = STATUS_CRYPTO;
    }
    EVP_PKEY_free(own);
    EVP_PKEY_free(other);
    ERR_clear_error();
    if (status != STATUS_OK) {
        secret_wipe(shared, 32);
    }
    return status;
}
