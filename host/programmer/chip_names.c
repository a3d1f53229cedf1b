#include "programmer/chip_names.h"

#include "base/encoding.h"
#include "image/image_reason.h"
#include "image/image_trailer.h"

#include <stdio.h>

#define UNKNOWN "unknown"

const char *chip_stage_name(uint8_t stage) {
    switch (stage) {
    case DEVAUTH_STAGE_BOOT_ROM: return "boot_rom";
    case DEVAUTH_STAGE_DEVAUTH: return "devauth";
    case DEVAUTH_STAGE_BOOTLOADER: return "bootloader";
    case DEVAUTH_STAGE_APPLICATION: return "application";
    default: return UNKNOWN;
    }
}

const char *chip_life_name(uint8_t life_cycle) {
    static const char *const names[] = {"blank",    "provisioned", "secured",
                                        "retiring", "retired",     "rma"};
    return life_cycle < sizeof names / sizeof names[0] ? names[life_cycle] : UNKNOWN;
}

const char *chip_measurement_name(uint8_t index) {
    switch (index) {
    case DEVAUTH_MEASUREMENT_IMAGE: return "image";
    case DEVAUTH_MEASUREMENT_OTP: return "otp";
    case DEVAUTH_MEASUREMENT_DEVICE: return "device";
    case DEVAUTH_MEASUREMENT_BL2: return "bl2";
    case DEVAUTH_MEASUREMENT_BL3: return "bl3";
    case DEVAUTH_MEASUREMENT_KEYS: return "keys";
    case DEVAUTH_MEASUREMENT_VERSIONS: return "versions";
    default: return UNKNOWN;
    }
}

static json_t *flags_json(uint8_t flags) {
    static const struct {
        uint8_t flag;
        const char *name;
    } names[] = {{DEVAUTH_FLAG_DEBUGGER, "debugger"},
                 {DEVAUTH_FLAG_DEBUG_LOCKED, "debug_locked"},
                 {DEVAUTH_FLAG_ROOT_HASH, "root_hash"},
                 {DEVAUTH_FLAG_KEYS, "keys"},
                 {DEVAUTH_FLAG_ISSUED_CHAIN, "issued_chain"}};
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if ((flags & names[i].flag) != 0)
            (void)json_array_append_new(list, json_string(names[i].name));
    return list;
}

/* Text from a chip goes to a terminal. */
static void family_text(const char *family, char out[DEVAUTH_FAMILY_SIZE + 1]) {
    size_t size = 0;
    for (; size < DEVAUTH_FAMILY_SIZE && family[size] != '\0'; size++)
        out[size] = family[size] > ' ' && family[size] <= '~' ? family[size] : '?';
    out[size] = '\0';
}

json_t *chip_info_json(const struct devauth_device_info *info) {
    char uid[2 * DEVAUTH_UID_SIZE + 1];
    char family[DEVAUTH_FAMILY_SIZE + 1];
    hex_encode_upper(bytes_of(info->uid, DEVAUTH_UID_SIZE), uid);
    family_text(info->family, family);
    return json_pack("{s:s,s:s,s:s,s:s,s:o,s:I}", "uid", uid, "family", family, "stage",
                     chip_stage_name(info->stage), "life_cycle", chip_life_name(info->life_cycle),
                     "flags", flags_json(info->flags), "version", (json_int_t)info->version);
}

static json_t *slot_json(const struct devauth_slot_state *slot) {
    char version[40];
    (void)snprintf(version, sizeof version, "%u.%u.%u+%u", slot->major, slot->minor, slot->revision,
                   slot->build);
    return json_pack("{s:s,s:s,s:I}", "reason",
                     slot->reason != 0 ? image_reason_name((enum image_reason)slot->reason)
                                       : UNKNOWN,
                     "version", version, "security_counter", (json_int_t)slot->security_counter);
}

static const char *swap_name(uint8_t swap) {
    switch (swap) {
    case IMAGE_SWAP_NONE: return "none";
    case IMAGE_SWAP_TEST: return "test";
    case IMAGE_SWAP_PERMANENT: return "permanent";
    case IMAGE_SWAP_REVERT: return "revert";
    default: return UNKNOWN;
    }
}

json_t *chip_boot_state_json(const struct devauth_boot_state *state) {
    static const char *const reasons[] = {"power_on", "requested", "watchdog", "stay"};
    const char *reason = state->boot_reason < sizeof reasons / sizeof reasons[0]
                             ? reasons[state->boot_reason]
                             : UNKNOWN;
    return json_pack("{s:s,s:s,s:b,s:I,s:I,s:o,s:o,s:o}", "boot_reason", reason, "swap",
                     swap_name(state->swap), "confirmed", (int)(state->confirmed == 1),
                     "bl2_counter", (json_int_t)state->bl2_counter, "bl3_counter",
                     (json_int_t)state->bl3_counter, "bl2", slot_json(&state->bl2), "primary",
                     slot_json(&state->primary), "secondary", slot_json(&state->secondary));
}
