#include "programmer/unit_internal.h"

#include "base/log.h"
#include "cose/permit.h"
#include "devauth/otp_map.h"
#include "image/image_reason.h"

#include <stdio.h>
#include <string.h>

#define DEBUG_MS    5000
#define RESTART_MS  30000
#define LOCK_RESETS 2

static bool is_secured(const struct unit *unit) {
    return unit->info.life_cycle >= CHIP_LIFE_SECURED;
}

static bool is_locked(const struct unit *unit) {
    return (unit->info.flags & DEVAUTH_FLAG_DEBUG_LOCKED) != 0;
}

bool unit_needs_bl2_key(const struct unit *unit) {
    return unit->info.stage == DEVAUTH_STAGE_DEVAUTH;
}

bool unit_needs_bl3_key(const struct unit *unit) {
    return !unit->look.has_bl3_key;
}

bool unit_needs_lock(const struct unit *unit) {
    return unit->boot.locks_debug &&
           (!is_secured(unit) || !is_locked(unit) || unit->record.state == JOB_UNIT_IDENTIFIED);
}

bool unit_needs_debug_refused(const struct unit *unit) {
    return unit->boot.locks_debug;
}

/* In the journal before it is asked for, and again when the chip shows that it is so. */
static int irreversible(struct unit *unit, uint8_t permit, const char *command,
                        struct error *error) {
    if (job_journal_begun(unit->order->job->journal, &unit->record, unit->step, error) != 0)
        return -1;
    return unit_permit(unit, permit, command, error);
}

/* The group in OTP is this key's, and complete. */
static int key_check(struct unit *unit, uint8_t first, const uint8_t *expected,
                     struct error *error) {
    uint8_t stored[32];
    if (chip_otp_hash(&unit->chip, first, stored, error) != 0)
        return -1;
    if (memcmp(stored, expected, sizeof stored) != 0)
        return error_set(error, ERROR_DEVICE_UNTRUSTED,
                         "the chip's OTP has another boot key than its images are signed with");
    return 0;
}

int unit_bl2_key(struct unit *unit, struct error *error) {
    struct job_journal *journal = unit->order->job->journal;
    if (unit_reach(unit, error) != 0)
        return -1;
    if (unit->info.stage != DEVAUTH_STAGE_DEVAUTH)
        return unit->look.has_bl2_key
                   ? 0 /* the answer was lost, the key was not */
                   : error_set(error, ERROR_DEVICE_REFUSED, "the chip was started again meanwhile");
    bool had_key = unit->look.has_bl2_key;
    if (!had_key && irreversible(unit, PERMIT_BOOT_KEY_HASH, "boot_key_hash_bl2", error) != 0)
        return -1;
    if (unit_look(unit, error) != 0)
        return -1;
    if (!unit->look.has_bl2_key)
        return error_set(error, ERROR_DEVICE_UNTRUSTED, "BL2's key is not in the chip's OTP");
    /* Without a challenge in this run the chip has accepted its BL2 already. */
    if (unit->image_bytes.size > 0 &&
        key_check(unit, OTP_BOOT_KEY_BL2_HASH, unit->image.key_hash, error) != 0)
        return -1;
    if (unit->look.state.bl2.reason != IMAGE_ACCEPTED)
        return error_set(error, ERROR_IMAGE_REFUSED, "the chip would not start its BL2: %s",
                         image_reason_name((enum image_reason)unit->look.state.bl2.reason));
    return job_journal_ended(journal, &unit->record, unit->step, error);
}

/* Keys and lock are BL2's business; an application that runs already is told to stay out. */
static int bootloader_reach(struct unit *unit, struct error *error) {
    if (unit_reach(unit, error) != 0)
        return -1;
    if (unit->info.stage == DEVAUTH_STAGE_BOOTLOADER)
        return 0;
    return unit_restart(unit, DEVAUTH_REBOOT_STAY, DEVAUTH_STAGE_BOOTLOADER, RESTART_MS, error);
}

int unit_bl3_key(struct unit *unit, struct error *error) {
    if (bootloader_reach(unit, error) != 0)
        return -1;
    if (!unit->look.has_bl3_key &&
        irreversible(unit, PERMIT_BOOT_KEY_HASH, "boot_key_hash_bl3", error) != 0)
        return -1;
    if (unit_look(unit, error) != 0)
        return -1;
    if (!unit->look.has_bl3_key)
        return error_set(error, ERROR_DEVICE_UNTRUSTED, "BL3's key is not in the chip's OTP");
    return job_journal_ended(unit->order->job->journal, &unit->record, unit->step, error);
}

static int secured_note(struct unit *unit, struct error *error) {
    if (!is_secured(unit))
        return error_set(error, ERROR_DEVICE_UNTRUSTED, "the chip did not lock its debug port");
    if (unit->record.state != JOB_UNIT_IDENTIFIED)
        return 0;
    return job_journal_secured(unit->order->job->journal, &unit->record, error);
}

int unit_lock(struct unit *unit, struct error *error) {
    if (unit_reach(unit, error) != 0)
        return -1;
    if (!is_secured(unit) &&
        (bootloader_reach(unit, error) != 0 ||
         irreversible(unit, PERMIT_LOCK, "lock", error) != 0 || unit_refresh(unit, error) != 0))
        return -1;
    if (secured_note(unit, error) != 0)
        return -1;
    /* The lock takes effect at a reset. The first answer may be the last word of before. */
    for (int i = 0; i < LOCK_RESETS && !is_locked(unit); i++)
        if (unit_restart(unit, DEVAUTH_REBOOT_STAY, DEVAUTH_STAGE_BOOTLOADER, RESTART_MS, error) !=
            0)
            return -1;
    if (!is_locked(unit)) {
        unit->is_lost = true;
        return error_set(error, ERROR_DEVICE_UNTRUSTED,
                         "the chip says that its debug port is open");
    }
    return 0;
}

/*
 * The chip says it is locked, in a session with the right key; here the port has to show it. Only a
 * debug server that is there and keeps us out of a chip that is up proves anything.
 */
int unit_debug_refused(struct unit *unit, struct error *error) {
    enum debug_port_answer answer = DEBUG_PORT_ABSENT;
    struct error why = {0};
    if (unit_reach(unit, error) != 0)
        return -1;
    if (debug_port_probe(unit->order->site.debug, DEBUG_MS, &answer, &why) != 0) {
        *error = why;
        return -1;
    }
    if (answer == DEBUG_PORT_OPEN) {
        unit->is_lost = true;
        return error_set(error, ERROR_DEVICE_UNTRUSTED,
                         "the debug port lets us in, though the chip is locked");
    }
    if (answer != DEBUG_PORT_REFUSED) {
        (void)error_set(error, ERROR_DEVICE_DEBUG,
                        "the debug server does not answer, so nothing is proven: %.120s",
                        why.message);
        return error_hint(error, "start the debug server of this site and put the chip in again");
    }
    /* A chip without power refuses, too, and so does one that somebody else has attached to. */
    if (unit_refresh(unit, error) != 0)
        return -1;
    if ((unit->info.flags & DEVAUTH_FLAG_DEBUGGER) != 0)
        return error_set(error, ERROR_DEVICE_UNTRUSTED, "a debugger is attached to the chip");
    unit_report(unit, unit->step, "the debug port refused us");
    if (unit->record.state != JOB_UNIT_SECURED)
        return 0;
    return job_journal_ended(unit->order->job->journal, &unit->record, unit->step, error);
}
