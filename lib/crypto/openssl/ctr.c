#include "base/secret.h"
#include "crypto/crypto.h"

#include <limits.h>
#include <openssl/evp.h>

enum status crypto_aes_ctr(struct bytes key, const uint8_t counter[CRYPTO_AES_BLOCK_SIZE],
                           struct bytes input, uint8_t *out) {
    int size = 0;
    if (key.size != 16 && key.size != 32) {
        secret_wipe(out, input.size);
        return STATUS_UNSUPPORTED;
    }
    const EVP_CIPHER *cipher = key.size == 16 ? EVP_aes_128_ctr() : EVP_aes_256_ctr();
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    bool done = context != NULL && input.size <= INT_MAX &&
                EVP_EncryptInit_ex2(context, cipher, key.data, counter, NULL) == 1 &&
                (input.size == 0 ||
                 EVP_EncryptUpdate(context, out, &size, input.data, (int)input.size) == 1);
    EVP_CIPHER_CTX_free(context);
    if (!done) {
        secret_wipe(out, input.size);
        return STATUS_CRYPTO;
    }
    return STATUS_OK;
}
