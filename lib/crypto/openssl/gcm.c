#include "base/secret.h"
#include "crypto/crypto.h"

#include <limits.h>
#include <openssl/evp.h>

static bool sizes_fit(struct bytes aad, struct bytes text) {
    return aad.size <= INT_MAX && text.size <= INT_MAX;
}

static bool seal(EVP_CIPHER_CTX *context, const uint8_t *key, const uint8_t *iv, struct bytes aad,
                 struct bytes plaintext, uint8_t *out, uint8_t *tag) {
    int size = 0;
    uint8_t none[1];
    return EVP_EncryptInit_ex2(context, EVP_aes_256_gcm(), key, iv, NULL) == 1 &&
           EVP_EncryptUpdate(context, NULL, &size, aad.data, (int)aad.size) == 1 &&
           (plaintext.size == 0 ||
            EVP_EncryptUpdate(context, out, &size, plaintext.data, (int)plaintext.size) == 1) &&
           EVP_EncryptFinal_ex(context, none, &size) == 1 &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, CRYPTO_GCM_TAG_SIZE, tag) == 1;
}

enum status crypto_gcm_seal(const uint8_t key[CRYPTO_GCM_KEY_SIZE],
                            const uint8_t iv[CRYPTO_GCM_IV_SIZE], struct bytes aad,
                            struct bytes plaintext, uint8_t *out,
                            uint8_t tag[CRYPTO_GCM_TAG_SIZE]) {
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    bool done = context != NULL && sizes_fit(aad, plaintext) &&
                seal(context, key, iv, aad, plaintext, out, tag);
    EVP_CIPHER_CTX_free(context);
    if (!done) {
        secret_wipe(out, plaintext.size);
        secret_wipe(tag, CRYPTO_GCM_TAG_SIZE);
        return STATUS_CRYPTO;
    }
    return STATUS_OK;
}

static enum status open_text(EVP_CIPHER_CTX *context, const uint8_t *key, const uint8_t *iv,
                             struct bytes aad, struct bytes ciphertext, uint8_t *out,
                             const uint8_t *tag) {
    int size = 0;
    uint8_t none[1];
    if (EVP_DecryptInit_ex2(context, EVP_aes_256_gcm(), key, iv, NULL) != 1 ||
        EVP_DecryptUpdate(context, NULL, &size, aad.data, (int)aad.size) != 1 ||
        (ciphertext.size > 0 &&
         EVP_DecryptUpdate(context, out, &size, ciphertext.data, (int)ciphertext.size) != 1) ||
        /* The call takes the tag as void * for getting and setting alike; it only reads it. */
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, CRYPTO_GCM_TAG_SIZE, (void *)tag) !=
            1) {
        return STATUS_CRYPTO;
    }
    return EVP_DecryptFinal_ex(context, none, &size) == 1 ? STATUS_OK : STATUS_BAD_SIGNATURE;
}

enum status crypto_gcm_open(const uint8_t key[CRYPTO_GCM_KEY_SIZE],
                            const uint8_t iv[CRYPTO_GCM_IV_SIZE], struct bytes aad,
                            struct bytes ciphertext, uint8_t *out,
                            const uint8_t tag[CRYPTO_GCM_TAG_SIZE]) {
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    enum status status = STATUS_CRYPTO;
    if (context != NULL && sizes_fit(aad, ciphertext)) {
        status = open_text(context, key, iv, aad, ciphertext, out, tag);
    }
    EVP_CIPHER_CTX_free(context);
    if (status != STATUS_OK) {
        secret_wipe(out, ciphertext.size);
    }
    return status;
}
