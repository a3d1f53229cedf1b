#include "base/secret.h"
#include "crypto/crypto.h"

#include <limits.h>
#include <openssl/rand.h>

enum status crypto_init(crypto_entropy_function *entropy, void *context) {
    (void)entropy;
    (void)context;
    return RAND_status() == 1 ? STATUS_OK : STATUS_NO_ENTROPY;
}

size_t crypto_arena_peak(void) {
    return 0;
}

enum status crypto_random(uint8_t *out, size_t size) {
    /* Private: what the engines draw are nonces and key material. */
    if (size > INT_MAX || RAND_priv_bytes(out, (int)size) != 1) {
        secret_wipe(out, size);
        return STATUS_NO_ENTROPY;
    }
    return STATUS_OK;
}
