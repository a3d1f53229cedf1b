#include "device/device.h"

#include "boot/boot_slot.h"

#include <string.h>

/* Data that may be on the way while flash is programmed: four blocks. */
#define WINDOW 4096u

static enum boot_slot slot_of(uint8_t target) {
    return target == DEVAUTH_TARGET_BL2 ? BOOT_SLOT_BL2 : BOOT_SLOT_SECONDARY;
}

static enum status program_held(struct device_install *install, const struct hal *hal,
                                uint32_t offset) {
    enum status status =
        boot_slot_program(hal, install->slot, offset, install->held, sizeof install->held);
    install->held_size = 0;
    install->flash_failed = status == STATUS_FLASH;
    return status;
}

/* Flash takes whole units: what is left over waits for the next block. */
static enum status take(void *context, uint32_t offset, struct bytes data) {
    struct device *device = context;
    struct device_install *install = &device->install;
    enum status status = STATUS_OK;
    struct reader reader;
    uint32_t at = offset - (uint32_t)install->held_size;
    crypto_sha256_update(&install->hash, data);
    reader_init(&reader, data);
    while (reader_remaining(&reader) > 0 && status == STATUS_OK) {
        install->held[install->held_size++] = read_u8(&reader);
        if (install->held_size == sizeof install->held) {
            status = program_held(install, device->hal, at);
            at += (uint32_t)sizeof install->held;
        }
    }
    return status;
}

static enum status check_size(const struct hal *hal, const struct devauth_install *wanted) {
    const struct image_trailer_layout layout = boot_trailer_layout(hal);
    uint32_t most = boot_slot_size(hal, slot_of(wanted->target));
    if (wanted->target == DEVAUTH_TARGET_BL3) {
        most -= image_trailer_reserved(&layout);
    }
    return wanted->size <= most ? STATUS_OK : STATUS_NO_SPACE;
}

/* A cell that refused to be programmed may look erased: then no page is spared. */
static enum status prepare_slot(struct device *device) {
    const struct hal *hal = device->hal;
    struct device_install *install = &device->install;
    uint32_t pages = boot_slot_size(hal, install->slot) / hal->flash->page_bytes;
    enum status status = STATUS_OK;
    device->knows_images = false;
    if (!install->flash_failed) {
        return boot_erase_slot(hal, install->slot);
    }
    for (uint32_t page = 0; page < pages && status == STATUS_OK; page++) {
        status = boot_slot_erase_page(hal, install->slot, page);
    }
    install->flash_failed = status != STATUS_OK;
    return status;
}

static enum status check_begin(const struct device *device, const struct devauth_install *wanted) {
    if (device->rules->install != wanted->target) {
        return STATUS_UNSUPPORTED;
    }
    if (device->rules->install_needs_confirmed && !boot_is_confirmed(device->hal)) {
        return STATUS_BAD_STATE; /* the old image is all there is to go back to */
    }
    return check_size(device->hal, wanted);
}

enum status device_install_begin(struct device *device, struct bytes body,
                                 struct writer *response) {
    struct device_install *install = &device->install;
    struct devauth_install wanted;
    enum status status = devauth_read_install_body(body, &wanted);
    if (status == STATUS_OK) {
        status = check_begin(device, &wanted);
    }
    if (status != STATUS_OK) {
        return status;
    }
    bulk_receiver_close(&install->receiver);
    install->wanted = wanted;
    install->slot = slot_of(wanted.target);
    status = prepare_slot(device);
    if (status != STATUS_OK) {
        return status;
    }
    install->held_size = 0;
    crypto_sha256_start(&install->hash);
    install->next_transfer++;
    bulk_receiver_open(&install->receiver, install->next_transfer, wanted.size, WINDOW, take,
                       device);
    const struct devauth_install_grant grant = {
        .transfer = install->next_transfer, .block_size = BULK_BLOCK_MAX, .window = WINDOW};
    devauth_write_install_grant(response, &grant);
    return STATUS_OK;
}

enum status device_handle_bulk(struct device *device, struct bytes message,
                               struct writer *response) {
    return bulk_receiver_handle(&device->install.receiver, message, response);
}

/* The last unit, filled up with erased bytes. */
static enum status flush(struct device *device) {
    struct device_install *install = &device->install;
    if (install->held_size == 0) {
        return STATUS_OK;
    }
    uint32_t at = install->wanted.size - (uint32_t)install->held_size;
    memset(&install->held[install->held_size], 0xFF, sizeof install->held - install->held_size);
    return program_held(install, device->hal, at);
}

static enum status check_hash(struct device_install *install) {
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    crypto_sha256_finish(&install->hash, digest);
    return memcmp(digest, install->wanted.sha256, sizeof digest) == 0 ? STATUS_OK : STATUS_MISMATCH;
}

/* The image is judged where it lies now; one that is refused stays there and is never started. */
static enum status judge(struct device *device, struct devauth_install_result *result) {
    struct image_report report;
    enum status status = boot_verify(device->hal, device->install.slot, &report);
    result->target = device->install.wanted.target;
    result->reason = report.reason;
    memcpy(result->digest, report.digest, sizeof result->digest);
    if (status != STATUS_OK || device->install.slot != BOOT_SLOT_SECONDARY) {
        return STATUS_OK;
    }
    return boot_request_install(device->hal);
}

enum status device_install_finish(struct device *device, struct bytes body,
                                  struct writer *response) {
    struct device_install *install = &device->install;
    struct devauth_install_result result;
    bool is_complete = bulk_receiver_is_complete(&install->receiver);
    enum status status = devauth_read_empty_body(body);
    if (status != STATUS_OK) {
        return status;
    }
    bulk_receiver_close(&install->receiver);
    if (!is_complete) {
        return STATUS_BAD_STATE;
    }
    device->knows_images = false;
    status = flush(device);
    if (status == STATUS_OK) {
        status = check_hash(install);
    }
    if (status == STATUS_OK) {
        status = judge(device, &result);
    }
    if (status == STATUS_OK) {
        devauth_write_install_result(response, &result);
    }
    return status;
}
