#include "application/application_stage.h"

#include "application/product.h"
#include "boot/boot.h"
#include "crypto/crypto.h"
#include "device/device_stage.h"

/* No permits: every irreversible step is the bootloader's, which REBOOT (stay) leads to. */
static const struct device_rules RULES = {
    .stage = DEVAUTH_STAGE_APPLICATION,
    .install = DEVAUTH_TARGET_BL3,
    .install_needs_confirmed = true,
};

static const struct device_command COMMANDS[] = {
    {DEVAUTH_DEVICE_INFO, DEVICE_ANYONE, device_info},
    {DEVAUTH_PUBLIC_KEYS, DEVICE_SESSION, device_public_keys},
    {DEVAUTH_OTP_READ, DEVICE_SESSION, device_otp_read},
    {DEVAUTH_REBOOT, DEVICE_SESSION, device_reboot},
    {DEVAUTH_LINK_PAYLOAD, DEVICE_ANYONE, device_link_payload},
    {DEVAUTH_INSTALL_BEGIN, DEVICE_SESSION, device_install_begin},
    {DEVAUTH_INSTALL_FINISH, DEVICE_SESSION, device_install_finish},
    {DEVAUTH_BOOT_STATE, DEVICE_ANYONE, device_boot_state},
    {DEVAUTH_OBJECT_ID, DEVICE_SESSION, device_object_id},
};

/* The program's root object. */
static struct device_stage stage;

void application_stage_run(const struct hal *hal) {
    const struct device_stage_plan plan = {
        .rules = &RULES,
        .commands = COMMANDS,
        .command_count = sizeof COMMANDS / sizeof COMMANDS[0],
        .version = device_stage_version(hal, BOOT_SLOT_PRIMARY),
    };
    product_start(hal);
    bool is_alive = crypto_init(hal->entropy, NULL) == STATUS_OK &&
                    device_stage_start(&stage, hal, &plan) == STATUS_OK;
    if (is_alive && product_is_healthy(hal)) {
        /* If it cannot be written, the old image comes back: the safe way to be wrong. */
        enum status confirmed = boot_confirm(hal);
        (void)confirmed;
    }
    for (;;) {
        product_poll(hal);
        if (!is_alive || device_stage_poll(&stage) == DEVICE_LINK_IDLE) {
            hal->wait();
        }
    }
}
