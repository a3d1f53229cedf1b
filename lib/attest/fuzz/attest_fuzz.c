/* Any bytes as a measurement record and as a signed transcript: what is read as a record is written
 * again byte for byte, and nothing is signed that nobody signed. */
#include "attest/attest.h"
#include "spdm/spdm_measurement.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const uint8_t nonce[SPDM_NONCE_SIZE] = {7, 7, 7};
    static const uint8_t key[CRYPTO_PUBLIC_KEY_SIZE]; /* no point of the curve */
    struct bytes input = bytes_of(data, size);
    uint8_t again[ATTEST_RECORD_MAX];
    struct attest attest;
    struct writer writer;
    struct bytes record;
    if (attest_read(input, &attest) == STATUS_OK) {
        writer_init(&writer, again, sizeof again);
        attest_write(&writer, &attest);
        if (!bytes_equal(writer_bytes(&writer), input)) {
            abort();
        }
    }
    if (spdm_measurement_verify(input, key, nonce, &record) == STATUS_OK || record.size != 0) {
        abort();
    }
    return 0;
}
