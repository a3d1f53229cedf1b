#include "base/secret.h"
#include "crypto/crypto.h"

#include <mbedtls/aes.h>
#include <string.h>

enum status crypto_aes_ctr(struct bytes key, const uint8_t counter[CRYPTO_AES_BLOCK_SIZE],
                           struct bytes input, uint8_t *out) {
    mbedtls_aes_context aes;
    uint8_t next[CRYPTO_AES_BLOCK_SIZE];
    uint8_t stream[CRYPTO_AES_BLOCK_SIZE];
    size_t used = 0;
    if (key.size != 16 && key.size != 32) {
        secret_wipe(out, input.size);
        return STATUS_UNSUPPORTED;
    }
    mbedtls_aes_init(&aes);
    memcpy(next, counter, sizeof next);
    int result = mbedtls_aes_setkey_enc(&aes, key.data, (unsigned int)(8 * key.size));
    if (result == 0) {
        result = mbedtls_aes_crypt_ctr(&aes, input.size, &used, next, stream, input.data, out);
    }
    mbedtls_aes_free(&aes);
    secret_wipe(stream, sizeof stream);
    if (result != 0) {
        secret_wipe(out, input.size);
        return STATUS_CRYPTO;
    }
    return STATUS_OK;
}
