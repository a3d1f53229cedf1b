#include "programmer/unit_internal.h"

#include "base/clock.h"
#include "base/encoding.h"
#include "base/log.h"
#include "devauth/otp_map.h"

#include <string.h>

#define DEBUG_MS 5000
/* DevAuth makes its ephemeral key and signs its certificate before it reports. */
#define READY_MS 30000
/* A chip that starts something of ours answers at once; a blank one may have nothing that does. */
#define MEET_MS    700
#define MEET_TRIES 2
/* A chip that just lost power or was reset is on its way. */
#define RETURN_TRIES 6

/* "offline" is a word about the server: a port of the site that does not open is a cable. */
static int port_failed(enum error_code code, struct error *error) {
    if (error->code == ERROR_OFFLINE)
        error->code = code;
    return -1;
}

int unit_open_chip(struct unit *unit, struct error *error) {
    if (unit->chip_is_open)
        return 0;
    const struct chip_options options = {
        .identity = unit->order->identity,
        .key_store = unit->order->key_store,
        .clock = unit->order->clock,
        .stop = unit->order->stop,
        .answer_ms = unit->order->answer_ms,
    };
    if (chip_open(&unit->chip, unit->order->site.uart, &options, error) != 0)
        return port_failed(ERROR_DEVICE_LINK, error);
    unit->chip_is_open = true;
    return 0;
}

static int meet(struct unit *unit, int tries, struct devauth_device_info *info,
                struct error *error) {
    int failed = -1;
    for (int i = 0; i < tries && failed != 0; i++) {
        failed = chip_meet(&unit->chip, MEET_MS, info, error);
        if (failed != 0 && error->code != ERROR_DEVICE_LINK)
            return -1;
    }
    return failed;
}

/* Not blank any more, and it says so without a debug port: BL2, the application, or a boot_rom that
 * is secured and has nothing it may start. */
static bool is_past_devauth(const struct devauth_device_info *info) {
    return info->stage == DEVAUTH_STAGE_BOOTLOADER || info->stage == DEVAUTH_STAGE_APPLICATION ||
           (info->stage == DEVAUTH_STAGE_BOOT_ROM && info->life_cycle >= CHIP_LIFE_SECURED);
}

/* A chip that says nothing is one for the debug port. */
static int who_is_there(struct unit *unit, struct error *error) {
    struct error silence;
    struct devauth_device_info info;
    if (!unit->boot.wanted)
        return 0;
    if (unit_open_chip(unit, error) != 0)
        return -1;
    if (meet(unit, MEET_TRIES, &info, &silence) != 0) {
        log_info("unit.silent", "site", unit->order->site.name, "why", silence.message);
        return 0;
    }
    unit->info = info;
    unit->past_devauth = is_past_devauth(&info);
    return 0;
}

int unit_attach(struct unit *unit, struct error *error) {
    if (who_is_there(unit, error) != 0)
        return -1;
    if (unit->past_devauth)
        return 0;
    uint64_t begin = clock_monotonic_us();
    int failed = debug_port_open(&unit->port, unit->order->site.debug, DEBUG_MS, error);
    unit->debug_us += clock_monotonic_us() - begin;
    return failed != 0 ? port_failed(ERROR_DEVICE_DEBUG, error) : 0;
}

int unit_load(struct unit *unit, struct error *error) {
    uint64_t begin = clock_monotonic_us();
    const struct devauth_parameters parameters = {
        .root = buffer_bytes(&unit->order->identity->root),
        .requester = buffer_bytes(&unit->order->identity->programmer),
    };
    int failed = debug_port_load_devauth(unit->port, buffer_bytes(&unit->order->firmware->image),
                                         &parameters, READY_MS, &unit->mailbox, error);
    debug_port_close(unit->port);
    unit->port = NULL;
    unit->debug_us += clock_monotonic_us() - begin;
    if (failed != 0 && error->code == ERROR_TIMEOUT)
        (void)error_hint(error, "is it a %s in the socket? the job is for no other chip",
                         unit->order->job->package.chip_family);
    return failed;
}

int unit_refresh(struct unit *unit, struct error *error) {
    if (chip_info(&unit->chip, &unit->info, error) != 0)
        return -1;
    if (memcmp(unit->info.uid, unit->record.uid, sizeof unit->info.uid) != 0)
        return error_set(error, ERROR_DEVICE_UNTRUSTED, "the chip changed its UID");
    return 0;
}

int unit_look(struct unit *unit, struct error *error) {
    struct unit_look *look = &unit->look;
    if (unit->info.stage == DEVAUTH_STAGE_BOOT_ROM)
        return chip_boot_state(&unit->chip, &look->state, error);
    if (chip_otp_is_valid(&unit->chip, OTP_BOOT_KEY_BL2_VALID, &look->has_bl2_key, error) != 0 ||
        chip_otp_is_valid(&unit->chip, OTP_BOOT_KEY_BL3_VALID, &look->has_bl3_key, error) != 0)
        return -1;
    return chip_boot_state(&unit->chip, &look->state, error);
}

/* Who answers is only believed inside the session, which only the right certificate opens. */
static int session_with(struct unit *unit, struct error *error) {
    chip_expect_stage(&unit->chip, (enum devauth_stage_id)unit->info.stage);
    if (chip_session(&unit->chip, error) != 0 || unit_refresh(unit, error) != 0)
        return -1;
    unit->is_ours = unit->chip.require_issued;
    return unit_look(unit, error);
}

int unit_reach(struct unit *unit, struct error *error) {
    struct devauth_device_info info;
    if (chip_has_session(&unit->chip))
        return 0;
    if (meet(unit, RETURN_TRIES, &info, error) != 0)
        return -1;
    if (memcmp(info.uid, unit->record.uid, sizeof info.uid) != 0)
        return error_set(error, ERROR_DEVICE_UNTRUSTED, "another chip came back: its UID differs");
    unit->info = info;
    if (info.stage == DEVAUTH_STAGE_BOOT_ROM)
        return unit_look(unit, error);
    return session_with(unit, error);
}

int unit_start_ms(const struct unit *unit, int patience_ms) {
    int most = unit->order->start_ms;
    return most > 0 && most < patience_ms ? most : patience_ms;
}

int unit_restart(struct unit *unit, enum devauth_reboot mode, enum devauth_stage_id stage,
                 int patience_ms, struct error *error) {
    const struct chip_arrival arrival = {
        .before = &unit->info, .stage = stage, .patience_ms = unit_start_ms(unit, patience_ms)};
    struct devauth_device_info info;
    if (chip_reboot(&unit->chip, mode, error) != 0 ||
        chip_await(&unit->chip, &arrival, &info, error) != 0)
        return -1;
    unit->info = info;
    return session_with(unit, error);
}
