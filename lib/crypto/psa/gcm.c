#include "base/secret.h"
#include "crypto/crypto.h"

#include <mbedtls/gcm.h>

#define KEY_BITS (8 * CRYPTO_GCM_KEY_SIZE)

enum status crypto_gcm_seal(const uint8_t key[CRYPTO_GCM_KEY_SIZE],
                            const uint8_t iv[CRYPTO_GCM_IV_SIZE], struct bytes aad,
                            struct bytes plaintext, uint8_t *out,
                            uint8_t tag[CRYPTO_GCM_TAG_SIZE]) {
    mbedtls_gcm_context gcm;
    mbedtls_gcm_init(&gcm);
    int result = mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, key, KEY_BITS);
    if (result == 0) {
        result = mbedtls_gcm_crypt_and_tag(&gcm, MBEDTLS_GCM_ENCRYPT, plaintext.size, iv,
                                           CRYPTO_GCM_IV_SIZE, aad.data, aad.size, plaintext.data,
                                           out, CRYPTO_GCM_TAG_SIZE, tag);
    }
    mbedtls_gcm_free(&gcm);
    if (result != 0) {
        secret_wipe(out, plaintext.size);
        secret_wipe(tag, CRYPTO_GCM_TAG_SIZE);
        return STATUS_CRYPTO;
    }
    return STATUS_OK;
}

enum status crypto_gcm_open(const uint8_t key[CRYPTO_GCM_KEY_SIZE],
                            const uint8_t iv[CRYPTO_GCM_IV_SIZE], struct bytes aad,
                            struct bytes ciphertext, uint8_t *out,
                            const uint8_t tag[CRYPTO_GCM_TAG_SIZE]) {
    mbedtls_gcm_context gcm;
    mbedtls_gcm_init(&gcm);
    int result = mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, key, KEY_BITS);
    if (result == 0) {
        result = mbedtls_gcm_auth_decrypt(&gcm, ciphertext.size, iv, CRYPTO_GCM_IV_SIZE, aad.data,
                                          aad.size, tag, CRYPTO_GCM_TAG_SIZE, ciphertext.data, out);
    }
    mbedtls_gcm_free(&gcm);
    if (result != 0) {
        secret_wipe(out, ciphertext.size);
        return result == MBEDTLS_ERR_GCM_AUTH_FAILED ? STATUS_BAD_SIGNATURE : STATUS_CRYPTO;
    }
    return STATUS_OK;
}
