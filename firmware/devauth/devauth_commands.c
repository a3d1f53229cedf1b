#include "devauth/devauth_commands.h"

#include "devauth/devauth_identity.h"
#include "devauth/devauth_permit.h"

static enum status generate_keys(struct device *base, struct bytes body, struct writer *response) {
    struct devauth_device *device = (struct devauth_device *)base; /* its first member */
    struct devauth_public_keys keys;
    enum status status = devauth_read_empty_body(body);
    if (status == STATUS_OK) {
        status = devauth_identity_generate(device, &keys);
    }
    if (status == STATUS_OK) {
        devauth_write_public_keys(response, DEVAUTH_GENERATE_KEYS, &keys);
    }
    return status;
}

static const struct device_command COMMANDS[] = {
    {DEVAUTH_DEVICE_INFO, DEVICE_ANYONE, device_info},
    {DEVAUTH_GENERATE_KEYS, DEVICE_PRIVILEGED, generate_keys},
    {DEVAUTH_PUBLIC_KEYS, DEVICE_SESSION, device_public_keys},
    {DEVAUTH_PERMIT_NONCE, DEVICE_SESSION, device_permit_nonce},
    {DEVAUTH_PERMIT_EXECUTE, DEVICE_SESSION, devauth_permit_command},
    {DEVAUTH_OTP_READ, DEVICE_SESSION, device_otp_read},
    {DEVAUTH_REBOOT, DEVICE_SESSION, device_reboot},
    {DEVAUTH_LINK_PAYLOAD, DEVICE_ANYONE, device_link_payload},
    {DEVAUTH_INSTALL_BEGIN, DEVICE_SESSION, device_install_begin},
    {DEVAUTH_INSTALL_FINISH, DEVICE_SESSION, device_install_finish},
    {DEVAUTH_BOOT_STATE, DEVICE_ANYONE, device_boot_state},
    {DEVAUTH_OBJECT_ID, DEVICE_SESSION, device_object_id},
};

enum status devauth_commands_vendor(void *context, enum spdm_privilege privilege,
                                    struct bytes payload, struct writer *response) {
    struct devauth_device *device = context;
    device->privilege = privilege;
    return device_run_command(&device->device, COMMANDS, sizeof COMMANDS / sizeof COMMANDS[0],
                              privilege, payload, response);
}

enum status devauth_commands_measurements(void *context, struct writer *blocks) {
    struct devauth_device *device = context;
    return device_measurements(&device->device, blocks);
}
