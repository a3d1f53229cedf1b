#include "base/secret.h"
#include "crypto/crypto.h"

#include <assert.h>
#include <mbedtls/md.h>
#include <mbedtls/sha256.h>
#include <string.h>

static_assert(sizeof(mbedtls_sha256_context) <= sizeof(struct crypto_sha256),
              "the library's context must fit the opaque one");

/*
 * The opaque words hold the library's context, which has no pointers and no larger alignment. The
 * results of the mbedtls_sha256_* calls are ignored: they report bad parameters of the hardware
 * variants only.
 */
static mbedtls_sha256_context *context_of(struct crypto_sha256 *hash) {
    return (mbedtls_sha256_context *)hash->opaque;
}

void crypto_sha256_start(struct crypto_sha256 *hash) {
    mbedtls_sha256_init(context_of(hash));
    (void)mbedtls_sha256_starts(context_of(hash), 0);
}

void crypto_sha256_update(struct crypto_sha256 *hash, struct bytes input) {
    (void)mbedtls_sha256_update(context_of(hash), input.data, input.size);
}

void crypto_sha256_finish(struct crypto_sha256 *hash, uint8_t digest[CRYPTO_DIGEST_SIZE]) {
    (void)mbedtls_sha256_finish(context_of(hash), digest);
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
    const mbedtls_md_info_t *sha256 = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);
    int result = mbedtls_md_hmac(sha256, key.data, key.size, message.data, message.size, mac);
    if (result == 0) {
        return STATUS_OK;
    }
    memset(mac, 0, CRYPTO_DIGEST_SIZE);
    return result == MBEDTLS_ERR_MD_ALLOC_FAILED ? STATUS_NO_MEMORY : STATUS_CRYPTO;
}
