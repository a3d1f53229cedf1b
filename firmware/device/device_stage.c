#include "device/device_stage.h"

#include "base/secret.h"
#include "boot/boot_slot.h"

#include <string.h>

static enum status vendor(void *context, enum spdm_privilege privilege, struct bytes payload,
                          struct writer *response) {
    struct device_stage *stage = context;
    return device_run_command(&stage->identity.device, stage->commands, stage->command_count,
                              privilege, payload, response);
}

static const struct spdm_responder_ops OPERATIONS = {
    .chain = device_identity_chain,
    .sign = device_identity_sign,
    .measurements = device_identity_measurements,
    .vendor = vendor,
};

static enum status handle(void *context, uint8_t type, uint8_t *message, size_t size,
                          struct writer *response, uint8_t *response_type) {
    struct device_stage *stage = context;
    if (type == BULK_MCTP_TYPE) {
        *response_type = BULK_MCTP_TYPE;
        return device_handle_bulk(&stage->identity.device, bytes_of(message, size), response);
    }
    return spdm_responder_handle(&stage->responder, type, message, size, response, response_type);
}

static void wipe(void *context) {
    struct device_stage *stage = context;
    spdm_responder_reset(&stage->responder);
    secret_wipe(stage, sizeof *stage);
}

static void sent(void *context) {
    struct device_stage *stage = context;
    uint16_t payload = device_sent(&stage->identity.device, wipe, stage);
    if (payload != 0) {
        device_link_set_payload(&stage->link, payload);
    }
}

enum status device_stage_start(struct device_stage *stage, const struct hal *hal,
                               const struct device_stage_plan *plan) {
    const struct spdm_responder_config config = {
        .ops = &OPERATIONS,
        .context = stage,
        .capabilities = SPDM_CAPS_BASIC,
        .crypto_timeout_exponent = DEVAUTH_CT_EXPONENT,
    };
    memset(stage, 0, sizeof *stage);
    stage->commands = plan->commands;
    stage->command_count = plan->command_count;
    enum status status = device_start(&stage->identity.device, hal, plan->rules, plan->version);
    if (status != STATUS_OK) {
        return status;
    }
    /* Without an identity slot 0 is empty; what needs none still works. */
    status = device_identity_start(&stage->identity);
    (void)status;
    spdm_responder_init_basic(&stage->responder, &config);
    device_link_start(&stage->link, hal, handle, sent, stage);
    return STATUS_OK;
}

enum device_link_activity device_stage_poll(struct device_stage *stage) {
    return device_link_poll(&stage->link);
}

uint32_t device_stage_version(const struct hal *hal, enum boot_slot slot) {
    struct boot_area area;
    struct image_header header;
    const struct image_source source = boot_slot_source(&area, hal, slot);
    if (image_read_header(&source, &header) != STATUS_OK) {
        return 0;
    }
    return (uint32_t)header.version.major << 24 | (uint32_t)header.version.minor << 16 |
           header.version.revision;
}
