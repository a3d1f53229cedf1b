/*
 * BL2: starts the application, or waits on the link to be given one.
 *
 * It finishes interrupted swaps, does what the trailers ask for, verifies, and starts BL3
 * (boot/boot.h). Without a BL3 it may start, or when the reset asked it to stay, it is an SPDM
 * responder on the issued chain: authentication, measurements, permits (BL3's key hash, lock, RMA,
 * object id), installing BL3. Its sessions are never mutual: images prove themselves, permits prove
 * commands. Does not return.
 */
#ifndef NUSEC_BOOTLOADER_BOOTLOADER_STAGE_H
#define NUSEC_BOOTLOADER_BOOTLOADER_STAGE_H

#include "hal/hal.h"

void bootloader_stage_run(const struct hal *hal);

#endif
