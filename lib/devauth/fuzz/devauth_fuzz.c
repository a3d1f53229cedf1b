/* Any bytes as each message and DER object the library reads. */
#include "devauth/certificate.h"
#include "devauth/devauth.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t UID[16];
static const uint8_t KEY[64];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bytes input = bytes_of(data, size);
    struct devauth_request request;
    struct devauth_device_info info;
    struct devauth_public_keys keys;
    struct bytes subject;
    uint8_t nonce[32];
    uint8_t key[64];
    uint8_t first = 0;
    uint8_t count = 0;
    if (devauth_read_request(input, &request) == STATUS_OK) {
        if (devauth_read_otp_body(request.body, &first, &count) == STATUS_OK &&
            first + count > 256) {
            abort();
        }
        (void)!devauth_read_device_info(input, &info);
        (void)!devauth_read_public_keys(input, DEVAUTH_PUBLIC_KEYS, &keys);
    }
    (void)!certificate_read_requester_info(input, UID, KEY, nonce);
    if (certificate_read_names(input, &subject, key) == STATUS_OK) {
        (void)!certificate_check_subject(input, UID);
    }
    return 0;
}
