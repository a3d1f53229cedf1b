/*
 * The low-level SHA256_* calls are marked deprecated in favour of EVP, but an EVP context is a
 * pointer to heap memory: it cannot be copied with `=`, which SPDM does to fork its transcripts.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "base/secret.h"
#include "crypto/crypto.h"

#include <assert.h>
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <string.h>

static_assert(sizeof(SHA256_CTX) <= sizeof(struct crypto_sha256),
              "the library's context must fit the opaque one");

static SHA256_CTX *context_of(struct crypto_sha256 *hash) {
    return (SHA256_CTX *)hash->opaque;
}

void crypto_sha256_start(struct crypto_sha256 *hash) {
    (void)SHA256_Init(context_of(hash));
}

void crypto_sha256_update(struct crypto_sha256 *hash, struct bytes input) {
    (void)SHA256_Update(context_of(hash), input.data, input.size);
}

void crypto_sha256_finish(struct crypto_sha256 *hash, uint8_t digest[CRYPTO_DIGEST_SIZE]) {
    (void)SHA256_Final(digest, context_of(hash));
    secret_wipe(hash, sizeof *hash);
}

void crypto_sha256(struct bytes input, uint8_t digest[CRYPTO_DIGEST_SIZE]) {
    struct crypto_sha256 hash;
    crypto_sha256_start(&hash);
    crypto_sha256_update(&hash, input);
    crypto_sha256_finish(&hash, digest);
}

enum status crypto_hmac_sha256(struct bytes key, struct bytes message,
                               uint8_t mac[CRYPTO_DIGEST_SIZE]) {
    unsigned int size = 0;
    if (key.size > INT_MAX || HMAC(EVP_sha256(), key.data, (int)key.size, message.data,
                                   message.size, mac, &size) == NULL) {
        memset(mac, 0, CRYPTO_DIGEST_SIZE);
        return STATUS_CRYPTO;
    }
    return STATUS_OK;
}
