/*
 * HARDENED against fault injection: what is started, and that nothing else is.
 *
 * An image is entered only behind two looks at image_verify's answer, each by image_is_accepted,
 * which wants both the status and the reason to be their distant constants.
 */
#include "boot/boot_swap.h"
#include "boot/boot_trailer.h"

#include "devauth/otp_map.h"

#include <string.h>

static void log_event(const struct hal *hal, enum hal_boot_event event, uint32_t reason) {
    if (hal->boot_log != NULL) {
        hal->boot_log(event, reason);
    }
}

/* Provisioned or secured, by two readings of the OTP marks. */
static enum hardened may_run_firmware(const struct hal *hal) {
    volatile uint32_t first = (uint32_t)hal->life_cycle();
    if (image_hardened_in_range(first, HAL_LIFE_PROVISIONED, HAL_LIFE_SECURED) != HARDENED_YES) {
        return HARDENED_NO;
    }
    volatile uint32_t second = (uint32_t)hal->life_cycle();
    return image_hardened_in_range(second, HAL_LIFE_PROVISIONED, HAL_LIFE_SECURED);
}

static void enter(const struct hal *hal, enum boot_slot slot, enum status status,
                  enum image_reason reason) {
    volatile enum status first_status = status;
    volatile enum image_reason first_reason = reason;
    if (image_is_accepted(first_status, first_reason) != HARDENED_YES) {
        return;
    }
    if (may_run_firmware(hal) != HARDENED_YES) {
        return;
    }
    if (image_is_accepted(status, reason) != HARDENED_YES) {
        return;
    }
    hal->enter_image(boot_slot_offset(hal, slot) + BOOT_HEADER_SIZE);
}

void boot_start_bl2(const struct hal *hal, struct boot_findings *findings) {
    memset(findings, 0, sizeof *findings);
    findings->swap = IMAGE_SWAP_NONE;
    if (may_run_firmware(hal) != HARDENED_YES) {
        return;
    }
    enum status status = boot_verify(hal, BOOT_SLOT_BL2, &findings->bl2);
    log_event(hal, HAL_BOOT_EVENT_BL2, findings->bl2.reason);
    enter(hal, BOOT_SLOT_BL2, status, findings->bl2.reason);
}

static enum status verify(const struct hal *hal, enum boot_slot slot, struct image_report *report) {
    enum status status = boot_verify(hal, slot, report);
    log_event(hal, slot == BOOT_SLOT_PRIMARY ? HAL_BOOT_EVENT_PRIMARY : HAL_BOOT_EVENT_SECONDARY,
              report->reason);
    return status;
}

/* The secondary image, which was accepted, becomes the primary one. */
static enum status exchange(const struct hal *hal, enum image_swap swap,
                            const struct image_report *report) {
    enum status status = STATUS_OK;
    if (swap == IMAGE_SWAP_REVERT) {
        /* First a request that survives the loss of the primary trailer. */
        status = boot_trailer_request(hal, IMAGE_SWAP_PERMANENT);
    }
    if (status == STATUS_OK) {
        status = boot_swap(hal, swap == IMAGE_SWAP_TEST ? IMAGE_SWAP_TEST : IMAGE_SWAP_PERMANENT,
                           report->image_size);
    }
    if (status == STATUS_OK) {
        log_event(hal, HAL_BOOT_EVENT_SWAP, (uint32_t)swap);
    }
    return status;
}

static enum status do_wanted_swap(const struct hal *hal, struct boot_findings *findings) {
    enum status status = boot_swap_wanted(hal, &findings->swap);
    if (status != STATUS_OK || findings->swap == IMAGE_SWAP_NONE) {
        return status;
    }
    status = verify(hal, BOOT_SLOT_SECONDARY, &findings->secondary);
    if (image_is_accepted(status, findings->secondary.reason) == HARDENED_YES) {
        return exchange(hal, findings->swap, &findings->secondary);
    }
    if (findings->swap == IMAGE_SWAP_REVERT || findings->secondary.reason == IMAGE_REASON_READ) {
        return STATUS_OK; /* nothing to go back to, or not now: the image that is there stays */
    }
    /* A request for an image that is refused must not come up again at every start. */
    return boot_slot_erase_trailer(hal, BOOT_SLOT_SECONDARY);
}

/* What was interrupted, or else what is asked for. An image that has just come in gets its start,
 * so a test swap that was resumed is not at once reverted. */
static enum status settle(const struct hal *hal, struct boot_findings *findings) {
    enum status status = boot_swap_resume(hal, &findings->swap);
    if (status == STATUS_OK && findings->swap == IMAGE_SWAP_NONE) {
        return do_wanted_swap(hal, findings);
    }
    if (status == STATUS_OK) {
        log_event(hal, HAL_BOOT_EVENT_SWAP, (uint32_t)findings->swap);
    }
    return status;
}

/* A primary image that is refused may be the one a swap has just brought: the old one again. But a
 * read that failed says nothing about an image, and the next start may succeed. */
static enum status fall_back(const struct hal *hal, struct boot_findings *findings) {
    if (findings->primary.reason == IMAGE_REASON_READ) {
        return STATUS_FLASH;
    }
    enum status status = verify(hal, BOOT_SLOT_SECONDARY, &findings->secondary);
    if (image_is_accepted(status, findings->secondary.reason) != HARDENED_YES) {
        return status == STATUS_OK ? STATUS_INVALID : status;
    }
    status = exchange(hal, IMAGE_SWAP_REVERT, &findings->secondary);
    return status == STATUS_OK ? verify(hal, BOOT_SLOT_PRIMARY, &findings->primary) : status;
}

/* An image on trial must not shut out the one it replaced. */
static void raise_counter(const struct hal *hal, const struct image_report *report) {
    if (boot_is_confirmed(hal)) {
        /* A counter that cannot be raised keeps its value: nothing newer is shut out by it. */
        enum status status = hal->counter_raise(HAL_COUNTER_BL3, report->counter);
        (void)status;
    }
}

void boot_start_bl3(const struct hal *hal, enum boot_stay stay, struct boot_findings *findings) {
    memset(findings, 0, sizeof *findings);
    findings->swap = IMAGE_SWAP_NONE;
    if (may_run_firmware(hal) != HARDENED_YES || settle(hal, findings) != STATUS_OK) {
        return;
    }
    enum status status = verify(hal, BOOT_SLOT_PRIMARY, &findings->primary);
    if (image_is_accepted(status, findings->primary.reason) != HARDENED_YES) {
        status = fall_back(hal, findings);
    }
    if (image_is_accepted(status, findings->primary.reason) != HARDENED_YES ||
        stay != BOOT_MAY_START) {
        return;
    }
    raise_counter(hal, &findings->primary);
    enter(hal, BOOT_SLOT_PRIMARY, status, findings->primary.reason);
}
