/* Any bytes as each message and DER object the library reads. */
#include "devauth/certificate.h"
#include "devauth/devauth.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t UID[16];
static const uint8_t KEY[64];

/* What a chip or a server accepts keeps the promises of devauth.h. */
static void read_install_and_boot(struct bytes input, struct bytes body) {
    struct devauth_install install;
    struct devauth_install_grant grant;
    struct devauth_install_result result;
    struct devauth_boot_state state;
    struct devauth_measured_keys keys;
    struct devauth_measured_versions versions;
    enum devauth_reboot mode;
    struct bytes object_id;
    if (devauth_read_install_body(body, &install) == STATUS_OK &&
        (install.size == 0 || install.target < DEVAUTH_TARGET_BL2 ||
         install.target > DEVAUTH_TARGET_BL3)) {
        abort();
    }
    if (devauth_read_install_grant(input, &grant) == STATUS_OK &&
        (grant.block_size == 0 || grant.window == 0)) {
        abort();
    }
    if (devauth_read_object_id(input, &object_id) == STATUS_OK &&
        object_id.size > DEVAUTH_OBJECT_ID_MAX) {
        abort();
    }
    (void)!devauth_read_reboot_body(body, &mode);
    (void)!devauth_read_install_result(input, &result);
    (void)!devauth_read_boot_state(input, &state);
    (void)!devauth_read_measured_keys(body, &keys);
    (void)!devauth_read_measured_versions(body, &versions);
}

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
        read_install_and_boot(input, request.body);
    }
    (void)!certificate_read_requester_info(input, UID, KEY, nonce);
    if (certificate_read_names(input, &subject, key) == STATUS_OK) {
        (void)!certificate_check_subject(input, UID);
    }
    return 0;
}
