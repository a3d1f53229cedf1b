#include "boot_rom/boot_rom_stage.h"

#include "crypto/crypto.h"
#include "hal/device_info.h"
#include "hal/device_link.h"
#include "spdm/spdm_responder.h"

#define BOOT_ROM_VERSION 1u

/* The program's root object. */
static struct {
    const struct hal *hal;
    struct spdm_responder responder;
    struct device_link link;
    uint16_t pending_payload; /* 0 = none */
} stage;

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

static enum status vendor(void *context, enum spdm_privilege privilege, struct bytes payload,
                          struct writer *response) {
    struct devauth_request request;
    struct devauth_device_info info;
    (void)context;
    (void)privilege;
    enum status status = devauth_read_request(payload, &request);
    if (status != STATUS_OK) {
        return status;
    }
    if (request.command == DEVAUTH_LINK_PAYLOAD) {
        return device_info_link_payload(request.body, response, &stage.pending_payload);
    }
    if (request.command != DEVAUTH_DEVICE_INFO) {
        return STATUS_UNSUPPORTED;
    }
    status = devauth_read_empty_body(request.body);
    if (status == STATUS_OK) {
        device_info_fill(stage.hal, DEVAUTH_STAGE_BOOT_ROM, BOOT_ROM_VERSION, &info);
        devauth_write_device_info(response, &info);
    }
    return status;
}

static const struct spdm_responder_ops OPERATIONS = {
    .chain = no_chain,
    .sign = no_signature,
    .measurements = no_measurements,
    .vendor = vendor,
};

static enum status handle(void *context, uint8_t type, uint8_t *message, size_t size,
                          struct writer *response, uint8_t *response_type) {
    return spdm_responder_handle(context, type, message, size, response, response_type);
}

static void sent(void *context) {
    (void)context;
    if (stage.pending_payload != 0) {
        device_link_set_payload(&stage.link, stage.pending_payload);
        stage.pending_payload = 0;
    }
}

void boot_rom_stage_run(const struct hal *hal) {
    const struct spdm_responder_config config = {
        .ops = &OPERATIONS,
        .capabilities = 0,
        .crypto_timeout_exponent = 0,
    };
    stage.hal = hal;
    stage.pending_payload = 0;
    /* Transcripts are hashed even without keys; a chip whose TRNG is dead stays silent. */
    bool is_alive = crypto_init(hal->entropy, NULL) == STATUS_OK;
    spdm_responder_init(&stage.responder, &config);
    device_link_start(&stage.link, hal, handle, sent, &stage.responder);
    for (;;) {
        if (!is_alive || device_link_poll(&stage.link) == DEVICE_LINK_IDLE) {
            hal->wait();
        }
    }
}
