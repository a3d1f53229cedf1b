/*
 * Exchanging the images of primary and secondary slot, page by page, as MCUboot's swap-move does:
 * first the primary image moves up by one page, last page first; then, page by page, the secondary
 * page goes to the primary slot (decrypted) and the old page to the secondary (encrypted again,
 * with the key it came with). A status cell behind every operation makes it resumable after a power
 * cut at any point.
 *
 * Images must have been verified before; what arrives is verified again by the caller.
 */
#ifndef NUSEC_BOOT_BOOT_SWAP_H
#define NUSEC_BOOT_BOOT_SWAP_H

#include "boot/boot.h"

/* Exchanges now. TEST or PERMANENT; `new_size` is report.image_size of the secondary image. */
MUST_USE enum status boot_swap(const struct hal *hal, enum image_swap swap, uint32_t new_size);

/* Finishes a swap that was cut. OK and NONE if there is none. */
MUST_USE enum status boot_swap_resume(const struct hal *hal, enum image_swap *swap);

#endif
