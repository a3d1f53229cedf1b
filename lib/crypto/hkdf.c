/* HKDF-Expand over crypto_hmac_sha256; the same for every implementation. */
#include "base/secret.h"
#include "crypto/crypto.h"

#include <string.h>

/* RFC 5869, 2.3: T(n - 1) || info || n. SPDM's longest info is 2 + 9 + 32 bytes, ECIES's less. */
#define INFO_MAX 128

enum status crypto_hkdf_expand(const uint8_t prk[CRYPTO_DIGEST_SIZE], struct bytes info,
                               uint8_t *out, size_t size) {
    uint8_t input[CRYPTO_DIGEST_SIZE + INFO_MAX + 1];
    uint8_t block[CRYPTO_DIGEST_SIZE];
    enum status status =
        size <= 255 * sizeof block && info.size <= INFO_MAX ? STATUS_OK : STATUS_UNSUPPORTED;
    size_t done = 0;
    for (uint8_t count = 1; status == STATUS_OK && done < size; count++) {
        struct writer writer;
        writer_init(&writer, input, sizeof input);
        write_bytes(&writer, bytes_of(block, count == 1 ? 0 : sizeof block));
        write_bytes(&writer, info);
        write_u8(&writer, count);
        status =
            crypto_hmac_sha256(bytes_of(prk, CRYPTO_DIGEST_SIZE), writer_bytes(&writer), block);
        size_t part = size - done < sizeof block ? size - done : sizeof block;
        memcpy(out + done, block, part);
        done += part;
    }
    secret_wipe(input, sizeof input);
    secret_wipe(block, sizeof block);
    if (status != STATUS_OK) {
        secret_wipe(out, size);
    }
    return status;
}
