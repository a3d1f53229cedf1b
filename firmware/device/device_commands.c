#include "device/device.h"

#include "devauth/otp_map.h"
#include "hal/device_info.h"

#include <string.h>

static bool may(enum device_access access, enum spdm_privilege privilege) {
    switch (access) {
    case DEVICE_ANYONE: return true;
    case DEVICE_SESSION:
        return privilege == SPDM_PRIVILEGE_READ_ONLY || privilege == SPDM_PRIVILEGE_PRIVILEGED;
    case DEVICE_PRIVILEGED: return privilege == SPDM_PRIVILEGE_PRIVILEGED;
    default: return false;
    }
}

enum status device_run_command(struct device *device, const struct device_command *table,
                               size_t count, enum spdm_privilege privilege, struct bytes payload,
                               struct writer *response) {
    struct devauth_request request;
    enum status status = devauth_read_request(payload, &request);
    if (status != STATUS_OK) {
        return status;
    }
    for (size_t i = 0; i < count; i++) {
        if (table[i].command == request.command) {
            return may(table[i].access, privilege) ? table[i].run(device, request.body, response)
                                                   : STATUS_DENIED;
        }
    }
    return STATUS_UNSUPPORTED;
}

enum status device_info(struct device *device, struct bytes body, struct writer *response) {
    struct devauth_device_info info;
    enum status status = devauth_read_empty_body(body);
    if (status == STATUS_OK) {
        device_info_fill(device->hal, device->rules->stage, device->version, &info);
        info.flags =
            (uint8_t)(info.flags | (device->chain_is_issued ? DEVAUTH_FLAG_ISSUED_CHAIN : 0));
        devauth_write_device_info(response, &info);
    }
    return status;
}

enum status device_read_public_keys(const struct hal *hal, struct devauth_public_keys *keys) {
    enum status status = hal->key_public(HAL_KEY_AUTH, keys->auth);
    if (status == STATUS_OK) {
        status = hal->key_public(HAL_KEY_ENC, keys->enc);
    }
    return status == STATUS_OK ? hal->key_public(HAL_KEY_TLS, keys->tls) : status;
}

enum status device_public_keys(struct device *device, struct bytes body, struct writer *response) {
    struct devauth_public_keys keys;
    enum status status = devauth_read_empty_body(body);
    if (status == STATUS_OK) {
        status = device_read_public_keys(device->hal, &keys);
    }
    if (status == STATUS_OK) {
        devauth_write_public_keys(response, DEVAUTH_PUBLIC_KEYS, &keys);
    }
    return status;
}

enum status device_otp_read(struct device *device, struct bytes body, struct writer *response) {
    uint8_t first = 0;
    uint8_t count = 0;
    uint8_t entries[DEVAUTH_OTP_READ_MAX * OTP_ENTRY_SIZE];
    struct writer writer;
    enum status status = devauth_read_otp_body(body, &first, &count);
    if (status == STATUS_OK && first + count > OTP_PUBLIC_COUNT) {
        status = STATUS_DENIED;
    }
    writer_init(&writer, entries, sizeof entries);
    for (unsigned i = 0; i < count && status == STATUS_OK; i++) {
        status = device->hal->otp_read(first + i, write_reserve(&writer, OTP_ENTRY_SIZE));
    }
    if (status == STATUS_OK) {
        devauth_write_otp_entries(response, writer_bytes(&writer));
    }
    return status;
}

enum status device_reboot(struct device *device, struct bytes body, struct writer *response) {
    enum devauth_reboot mode = DEVAUTH_REBOOT_NORMAL;
    enum status status = devauth_read_reboot_body(body, &mode);
    if (status == STATUS_OK) {
        device->pending_reboot = true;
        device->reboot_reason = mode == DEVAUTH_REBOOT_STAY ? HAL_BOOT_STAY : HAL_BOOT_REQUESTED;
        devauth_write_reboot(response);
    }
    return status;
}

enum status device_link_payload(struct device *device, struct bytes body, struct writer *response) {
    return device_info_link_payload(body, response, &device->pending_payload);
}

enum status device_object_id(struct device *device, struct bytes body, struct writer *response) {
    uint8_t id[DEVAUTH_OBJECT_ID_MAX];
    size_t size = 0;
    enum status status = devauth_read_empty_body(body);
    if (status == STATUS_OK) {
        status = journal_read(&device->journal, JOURNAL_OBJECT_ID, id, sizeof id, &size);
    }
    if (status == STATUS_OK || status == STATUS_NOT_FOUND) {
        devauth_write_object_id(response, bytes_of(id, status == STATUS_OK ? size : 0));
        status = STATUS_OK;
    }
    return status;
}

static void fill_slot(const struct image_report *report, struct devauth_slot_state *slot) {
    slot->reason = report->reason;
    slot->major = report->header.version.major;
    slot->minor = report->header.version.minor;
    slot->revision = report->header.version.revision;
    slot->build = report->header.version.build;
    slot->security_counter = report->counter;
}

enum status device_boot_state(struct device *device, struct bytes body, struct writer *response) {
    const struct hal *hal = device->hal;
    struct devauth_boot_state state;
    struct image_report secondary;
    enum image_swap swap = IMAGE_SWAP_NONE;
    memset(&state, 0, sizeof state);
    enum status status = devauth_read_empty_body(body);
    if (status == STATUS_OK) {
        status = boot_swap_wanted(hal, &swap);
    }
    if (status == STATUS_OK) {
        status = hal->counter_read(HAL_COUNTER_BL2, &state.bl2_counter);
    }
    if (status == STATUS_OK) {
        status = hal->counter_read(HAL_COUNTER_BL3, &state.bl3_counter);
    }
    if (status != STATUS_OK) {
        return status;
    }
    device_look_at_images(device);
    /* Only its reason is of interest. */
    status = boot_verify(hal, BOOT_SLOT_SECONDARY, &secondary);
    (void)status;
    state.stage = (uint8_t)device->rules->stage;
    state.boot_reason = (uint8_t)hal->boot_reason();
    state.swap = (uint8_t)swap;
    state.confirmed = boot_is_confirmed(hal) ? 1 : 0;
    fill_slot(&device->bl2, &state.bl2);
    fill_slot(&device->bl3, &state.primary);
    fill_slot(&secondary, &state.secondary);
    devauth_write_boot_state(response, &state);
    return STATUS_OK;
}

static enum status mount_journal(struct device *device) {
    const struct hal *hal = device->hal;
    const struct journal_flash flash = {
        .read = hal->flash_read,
        .program = hal->flash_program,
        .erase = hal->flash_erase,
        .first_offset = hal->flash->journal_first * hal->flash->page_bytes,
        .page_bytes = hal->flash->page_bytes,
        .half_pages = hal->flash->journal_pages,
    };
    return journal_mount(&device->journal, &flash);
}

enum status device_start(struct device *device, const struct hal *hal,
                         const struct device_rules *rules, uint32_t version) {
    memset(device, 0, sizeof *device);
    device->hal = hal;
    device->rules = rules;
    device->version = version;
    hal->chip_uid(device->uid);
    return mount_journal(device);
}

uint16_t device_sent(struct device *device, void (*wipe)(void *context), void *context) {
    uint16_t payload = device->pending_payload;
    device->pending_payload = 0;
    if (device->pending_reboot) {
        const struct hal *hal = device->hal;
        enum hal_boot_reason reason = device->reboot_reason;
        wipe(context); /* SRAM survives a warm reset */
        hal->reset(reason);
    }
    return payload;
}
