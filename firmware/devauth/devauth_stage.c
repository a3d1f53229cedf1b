#include "devauth/devauth_stage.h"

#include "devauth/devauth_device.h"
#include "hal/device_link.h"

/* The program's root object. */
static struct {
    struct devauth_device device;
    struct device_link link;
} stage;

static void sent(void *context) {
    (void)context;
    uint16_t payload = devauth_device_sent(&stage.device);
    if (payload != 0) {
        device_link_set_payload(&stage.link, payload);
    }
}

/* The image knows its own version: it is in the header it was loaded with. */
static uint32_t version_of(struct bytes image) {
    struct devauth_image_header header;
    return devauth_image_parse(image, &header) == STATUS_OK ? header.version : 0;
}

void devauth_stage_run(const struct hal *hal, struct bytes parameter_block, struct bytes image,
                       void (*publish_mailbox)(const uint8_t mailbox[DEVAUTH_MAILBOX_SIZE])) {
    uint8_t encoded[DEVAUTH_MAILBOX_SIZE];
    struct devauth_mailbox mailbox;
    const struct devauth_start start = {
        .parameter_block = parameter_block,
        .image = image,
        .version = version_of(image),
    };
    enum status status = devauth_device_start(&stage.device, hal, &start, mailbox.key_hash);
    mailbox.state = status == STATUS_OK ? DEVAUTH_MAILBOX_READY : DEVAUTH_MAILBOX_FAILED;
    mailbox.status = (uint32_t)status;
    if (status == STATUS_OK) {
        device_link_start(&stage.link, hal, devauth_device_handle, sent, &stage.device);
    }
    devauth_mailbox_write(&mailbox, encoded);
    publish_mailbox(encoded);
    for (;;) {
        if (status != STATUS_OK || device_link_poll(&stage.link) == DEVICE_LINK_IDLE) {
            hal->wait();
        }
    }
}
