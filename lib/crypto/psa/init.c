#include "crypto/psa/arena.h"
#include "crypto/psa/random.h"

#include <psa/crypto.h>

enum status crypto_init(crypto_entropy_function *entropy, void *context) {
    /* A native board "resets" within one process: drop the old life's keys before its memory. */
    mbedtls_psa_crypto_free();
    crypto_arena_reset();
    enum status status = random_start(entropy, context);
    if (status != STATUS_OK) {
        return status;
    }
    return psa_crypto_init() == PSA_SUCCESS ? STATUS_OK : STATUS_CRYPTO;
}
