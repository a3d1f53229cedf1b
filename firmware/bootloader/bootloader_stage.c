#include "bootloader/bootloader_stage.h"

#include "boot/boot.h"
#include "cose/permit.h"
#include "crypto/crypto.h"
#include "device/device_stage.h"

static const struct device_rules RULES = {
    .stage = DEVAUTH_STAGE_BOOTLOADER,
    .permits =
        1u << PERMIT_BOOT_KEY_HASH | 1u << PERMIT_LOCK | 1u << PERMIT_RMA | 1u << PERMIT_OBJECT_ID,
    .install = DEVAUTH_TARGET_BL3,
    .boot_key = DEVAUTH_TARGET_BL3,
};

static const struct device_command COMMANDS[] = {
    {DEVAUTH_DEVICE_INFO, DEVICE_ANYONE, device_info},
    {DEVAUTH_PUBLIC_KEYS, DEVICE_SESSION, device_public_keys},
    {DEVAUTH_PERMIT_NONCE, DEVICE_SESSION, device_permit_nonce},
    {DEVAUTH_PERMIT_EXECUTE, DEVICE_SESSION, device_permit_execute},
    {DEVAUTH_OTP_READ, DEVICE_SESSION, device_otp_read},
    {DEVAUTH_REBOOT, DEVICE_SESSION, device_reboot},
    {DEVAUTH_LINK_PAYLOAD, DEVICE_ANYONE, device_link_payload},
    {DEVAUTH_INSTALL_BEGIN, DEVICE_SESSION, device_install_begin},
    {DEVAUTH_INSTALL_FINISH, DEVICE_SESSION, device_install_finish},
    {DEVAUTH_BOOT_STATE, DEVICE_ANYONE, device_boot_state},
    {DEVAUTH_OBJECT_ID, DEVICE_SESSION, device_object_id},
};

/* The program's root objects. */
static struct device_stage stage;
static struct boot_findings findings;

/* Waits on the link for ever: the next thing to happen is a reset. */
static void serve(const struct hal *hal) {
    const struct device_stage_plan plan = {
        .rules = &RULES,
        .commands = COMMANDS,
        .command_count = sizeof COMMANDS / sizeof COMMANDS[0],
        .version = device_stage_version(hal, BOOT_SLOT_BL2),
    };
    bool is_alive = device_stage_start(&stage, hal, &plan) == STATUS_OK;
    for (;;) {
        if (!is_alive || device_stage_poll(&stage) == DEVICE_LINK_IDLE) {
            hal->wait();
        }
    }
}

void bootloader_stage_run(const struct hal *hal) {
    enum boot_stay stay = hal->boot_reason() == HAL_BOOT_STAY ? BOOT_STAY : BOOT_MAY_START;
    /* A chip whose TRNG is dead signs nothing and agrees on nothing; it may still start what it
     * verified. */
    enum status crypto = crypto_init(hal->entropy, NULL);
    (void)crypto;
    enum status status = boot_raise_own_counter(hal);
    (void)status; /* it keeps its value, and shuts out nothing */
    boot_start_bl3(hal, stay, &findings);
    if (hal->boot_log != NULL) {
        hal->boot_log(HAL_BOOT_EVENT_STAY, (uint32_t)hal->boot_reason());
    }
    serve(hal);
}
