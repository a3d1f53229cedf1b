#include "boot_rom/boot_rom_stage.h"

#include "base/secret.h"
#include "boot/boot.h"
#include "crypto/crypto.h"
#include "devauth/otp_map.h"
#include "device/device.h"
#include "hal/device_link.h"
#include "hal/otp_group.h"

#include <string.h>

#define BOOT_ROM_VERSION 2u

/* The program's root object. */
static struct {
    struct device device;
    struct spdm_responder responder;
    struct device_link link;
} stage;

static const struct device_rules RULES = {
    .stage = DEVAUTH_STAGE_BOOT_ROM,
    .install = DEVAUTH_TARGET_BL2,
};

/* No capability needs these, so the responder asks for neither chain nor signature. */
static enum status no_chain(void *context, uint8_t slot, struct bytes *blob) {
    (void)context;
    (void)slot;
    *blob = bytes_of(NULL, 0);
    return STATUS_NOT_FOUND;
}

static enum status no_signature(void *context, uint8_t slot,
                                const uint8_t digest[CRYPTO_DIGEST_SIZE],
                                uint8_t signature[CRYPTO_SIGNATURE_SIZE]) {
    (void)context;
    (void)slot;
    (void)digest;
    (void)signature;
    return STATUS_NOT_FOUND;
}

static enum status no_measurements(void *context, struct writer *blocks) {
    (void)context;
    (void)blocks;
    return STATUS_UNSUPPORTED;
}

/* Only a chip that knows which BL2 is its own, and has lost it: whoever asks here was not answered
 * by a BL2, because it was refused or could not be started. */
static bool may_recover(const struct device *device) {
    enum hal_life_cycle now = device->hal->life_cycle();
    return (now == HAL_LIFE_PROVISIONED || now == HAL_LIFE_SECURED) &&
           otp_group_is_valid(device->hal, OTP_BOOT_KEY_BL2_VALID);
}

static enum status recover_begin(struct device *device, struct bytes body,
                                 struct writer *response) {
    return may_recover(device) ? device_install_begin(device, body, response) : STATUS_DENIED;
}

static enum status recover_finish(struct device *device, struct bytes body,
                                  struct writer *response) {
    return may_recover(device) ? device_install_finish(device, body, response) : STATUS_DENIED;
}

/* What a recovery ends with; otherwise there is nothing to restart for. */
static enum status restart(struct device *device, struct bytes body, struct writer *response) {
    return may_recover(device) ? device_reboot(device, body, response) : STATUS_DENIED;
}

static const struct device_command COMMANDS[] = {
    {DEVAUTH_DEVICE_INFO, DEVICE_ANYONE, device_info},
    {DEVAUTH_LINK_PAYLOAD, DEVICE_ANYONE, device_link_payload},
    {DEVAUTH_BOOT_STATE, DEVICE_ANYONE, device_boot_state},
    {DEVAUTH_INSTALL_BEGIN, DEVICE_ANYONE, recover_begin},
    {DEVAUTH_INSTALL_FINISH, DEVICE_ANYONE, recover_finish},
    {DEVAUTH_REBOOT, DEVICE_ANYONE, restart},
};

static enum status vendor(void *context, enum spdm_privilege privilege, struct bytes payload,
                          struct writer *response) {
    (void)context;
    return device_run_command(&stage.device, COMMANDS, sizeof COMMANDS / sizeof COMMANDS[0],
                              privilege, payload, response);
}

static const struct spdm_responder_ops OPERATIONS = {
    .chain = no_chain,
    .sign = no_signature,
    .measurements = no_measurements,
    .vendor = vendor,
};

static enum status handle(void *context, uint8_t type, uint8_t *message, size_t size,
                          struct writer *response, uint8_t *response_type) {
    (void)context;
    if (type == BULK_MCTP_TYPE) {
        *response_type = BULK_MCTP_TYPE;
        return device_handle_bulk(&stage.device, bytes_of(message, size), response);
    }
    return spdm_responder_handle(&stage.responder, type, message, size, response, response_type);
}

static void wipe(void *context) {
    (void)context;
    secret_wipe(&stage, sizeof stage);
}

static void sent(void *context) {
    (void)context;
    uint16_t payload = device_sent(&stage.device, wipe, NULL);
    if (payload != 0) {
        device_link_set_payload(&stage.link, payload);
    }
}

static void serve(const struct hal *hal) {
    const struct spdm_responder_config config = {
        .ops = &OPERATIONS,
        .capabilities = 0,
        .crypto_timeout_exponent = 0,
    };
    /* A journal that cannot be read does not matter here. */
    enum status status = device_start(&stage.device, hal, &RULES, BOOT_ROM_VERSION);
    (void)status;
    spdm_responder_init_plain(&stage.responder, &config);
    device_link_start(&stage.link, hal, handle, sent, NULL);
    for (;;) {
        if (device_link_poll(&stage.link) == DEVICE_LINK_IDLE) {
            hal->wait();
        }
    }
}

/* Keys first, then everything else of the OEM's. Debug is opened only by who returns from here: a
 * chip that cannot erase stays shut. */
static void erase_for_rma(const struct hal *hal) {
    for (unsigned role = 0; role < HAL_KEY_ROLES; role++) {
        while (hal->key_destroy((enum hal_key_role)role) != STATUS_OK) {
            hal->wait();
        }
    }
    while (boot_erase_everything(hal) != STATUS_OK) {
        hal->wait();
    }
}

/* An OTP that does not answer reads as RMA too (hal/life_cycle.h). */
static bool has_rma_mark(const struct hal *hal) {
    uint8_t mark[OTP_ENTRY_SIZE];
    return hal->otp_read(OTP_LIFE_RMA, mark) == STATUS_OK &&
           memcmp(mark, otp_erased, sizeof mark) != 0;
}

void boot_rom_stage_prepare(const struct hal *hal) {
    enum hal_life_cycle now = hal->life_cycle();
    while (now == HAL_LIFE_RMA && !has_rma_mark(hal)) {
        hal->wait(); /* nothing is known: neither erase a good chip nor open its debug port */
    }
    if (now != HAL_LIFE_BLANK) {
        /* A mark that a power cut tore counts already; completing it needs no new authority. */
        enum status status = hal->life_cycle_advance(now);
        (void)status;
    }
    if (now == HAL_LIFE_RMA) {
        erase_for_rma(hal);
    }
}

void boot_rom_stage_run(const struct hal *hal) {
    memset(&stage, 0, sizeof stage);
    /* Transcripts are hashed even without keys; a chip whose TRNG is dead stays silent. */
    if (crypto_init(hal->entropy, NULL) == STATUS_OK) {
        struct boot_findings findings;
        boot_start_bl2(hal, &findings);
        serve(hal);
    }
    for (;;) {
        hal->wait();
    }
}
