#include "hal/device_info.h"

#include "devauth/otp_map.h"
#include "hal/otp_group.h"

#include <string.h>

bool device_info_is_debugged(const struct hal *hal) {
    (void)hal->debug_attached(true);
    return hal->debug_attached(false);
}

static bool has_keys(const struct hal *hal) {
    uint8_t key[DEVAUTH_PUBLIC_KEY_SIZE];
    return hal->key_public(HAL_KEY_AUTH, key) == STATUS_OK &&
           hal->key_public(HAL_KEY_ENC, key) == STATUS_OK &&
           hal->key_public(HAL_KEY_TLS, key) == STATUS_OK;
}

void device_info_fill(const struct hal *hal, enum devauth_stage_id stage, uint32_t version,
                      struct devauth_device_info *info) {
    memset(info, 0, sizeof *info);
    hal->chip_uid(info->uid);
    memcpy(info->family, hal->chip_family, sizeof info->family);
    info->stage = (uint8_t)stage;
    info->life_cycle = (uint8_t)hal->life_cycle();
    info->flags =
        (uint8_t)((device_info_is_debugged(hal) ? DEVAUTH_FLAG_DEBUGGER : 0) |
                  (hal->debug_locked() ? DEVAUTH_FLAG_DEBUG_LOCKED : 0) |
                  (otp_group_is_valid(hal, OTP_IDENTITY_VALID) ? DEVAUTH_FLAG_ROOT_HASH : 0) |
                  (has_keys(hal) ? DEVAUTH_FLAG_KEYS : 0));
    info->version = version;
    info->link_payload_max = DEVAUTH_LINK_MAX;
}

enum status device_info_link_payload(struct bytes body, struct writer *response, uint16_t *agreed) {
    uint16_t asked = 0;
    enum status status = devauth_read_link_body(body, &asked);
    if (status != STATUS_OK) {
        return status;
    }
    if (asked < DEVAUTH_LINK_BASELINE) {
        return STATUS_INVALID;
    }
    *agreed = asked < DEVAUTH_LINK_MAX ? asked : DEVAUTH_LINK_MAX;
    devauth_write_link_payload(response, *agreed);
    return STATUS_OK;
}
