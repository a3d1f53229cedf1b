/*
 * Images in flash: where they lie, whether they may be started or installed, the swap, and starting
 * them. Used by boot_rom (BL2), the bootloader (BL3), DevAuth and the application (installing,
 * measuring, confirming). Everything goes through the HAL; nothing here talks on the link.
 *
 *     boot_rom      boot_start_bl2, which returns only if BL2 is refused
 *     bootloader    boot_start_bl3, which returns only if nothing may be started or it is to stay
 *     installing    boot_erase_slot, flash_program, boot_verify, then boot_request_install
 *     application   boot_confirm
 *
 * What decides is lib/image (image_verify, hardened) with a policy from OTP and counters; trailers
 * only choose between images that were accepted. docs/formats/image.md.
 */
#ifndef NUSEC_BOOT_BOOT_H
#define NUSEC_BOOT_BOOT_H

#include "hal/hal.h"

#include "image/image_trailer.h"
#include "image/image_verify.h"

/* Header size of every image this code starts: the vector table's alignment on an M2354. */
#define BOOT_HEADER_SIZE 0x400
/* BL3 is encrypted with AES-256. */
#define BOOT_CONTENT_KEY_SIZE 32

enum boot_slot {
    BOOT_SLOT_BL2 = 0,
    BOOT_SLOT_PRIMARY = 1,   /* BL3, plaintext */
    BOOT_SLOT_SECONDARY = 2, /* BL3, ciphertext: the one to be installed, or the one before */
    BOOT_SLOTS = 3,
};

uint32_t boot_slot_offset(const struct hal *hal, enum boot_slot slot); /* device offset */
uint32_t boot_slot_size(const struct hal *hal, enum boot_slot slot);

/*
 * Whether the image in a slot is one this chip accepts: key hash from OTP, counters, header size;
 * the secondary slot through the content key wrapped for this chip's ENC key. The status is OK only
 * with report->reason IMAGE_ACCEPTED. NOT_FOUND, reason KEY: OTP has no valid key hash yet.
 */
MUST_USE enum status boot_verify(const struct hal *hal, enum boot_slot slot,
                                 struct image_report *report);

/* Erases every page of the slot that is not blank. A page that a cut left looking blank refuses to
 * be programmed: whoever meets one erases all of them. */
MUST_USE enum status boot_erase_slot(const struct hal *hal, enum boot_slot slot);

/* Asks for the image in the secondary slot, which was verified: a test swap, or a permanent one if
 * the primary slot has no image that could be gone back to. */
MUST_USE enum status boot_request_install(const struct hal *hal);

/* What the trailers ask for, when no swap was interrupted. */
MUST_USE enum status boot_swap_wanted(const struct hal *hal, enum image_swap *swap);

/* The running application says it works: the swap is not reverted. OK if it was confirmed, or never
 * in question. */
MUST_USE enum status boot_confirm(const struct hal *hal);
bool boot_is_confirmed(const struct hal *hal);

/* What a start found; a reason of 0: it did not look. */
struct boot_findings {
    struct image_report bl2;
    struct image_report primary;
    struct image_report secondary;
    enum image_swap swap;
};

/* Verifies BL2 and starts it. Returns only if it is refused or must not be started. */
void boot_start_bl2(const struct hal *hal, struct boot_findings *findings);

/*
 * Finishes an interrupted swap, does what the trailers ask for, verifies, falls back to an accepted
 * secondary image if the primary one is refused, raises BL3's counter unless the image is on trial,
 * starts. Returns if there is nothing to start, or with everything done but counter and start when
 * `stay` says so.
 */
enum boot_stay { BOOT_MAY_START, BOOT_STAY };
void boot_start_bl3(const struct hal *hal, enum boot_stay stay, struct boot_findings *findings);

/* The bootloader runs, so the boot ROM accepted it: its counter is raised to what it states. */
MUST_USE enum status boot_raise_own_counter(const struct hal *hal);

/* Erases all images and the device-state journal: RMA. The keys are the caller's. May be repeated
 * after a power cut. */
MUST_USE enum status boot_erase_everything(const struct hal *hal);

#endif
