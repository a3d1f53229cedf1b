/* A package from outside, without any encryption in the way: envelope, signature, contents. */
#include "package/package.h"
#include "package/payload.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int pass_through(void *context, const uint8_t iv[12], struct bytes aad, struct bytes input,
                        uint8_t *out, struct error *error) {
    (void)context;
    (void)iv;
    (void)aad;
    (void)error;
    if (input.size > 16)
        memcpy(out, input.data, input.size - 16);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bytes input = bytes_of(data, size);
    struct package_reader reader = {.cipher = {.decrypt = pass_through}};
    struct package_recipient recipient;
    struct package package;
    struct error error;
    uint8_t nonce[32] = {0};
    uint64_t now_s;
    if (package_read_recipient(input, &recipient, &error) == 0) {
        memcpy(reader.programmer_certificate_sha256, recipient.programmer_certificate_sha256, 32);
        reader.epoch = recipient.epoch;
        if (package_open(input, &reader, 0, &package, &error) == 0)
            abort(); /* nobody signs for an empty root */
    }
    if (payload_read(input, &package, &error) == 0)
        package_free(&package);
    if (signed_time_read(input, nonce, bytes_of(NULL, 0), bytes_of(NULL, 0), &now_s, &error) == 0)
        abort();
    return 0;
}
