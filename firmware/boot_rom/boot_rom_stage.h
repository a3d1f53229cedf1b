/*
 * boot_rom: starts BL2 if it is the one this chip's OTP names, and otherwise waits on the link,
 * where it says what it is and why (VERSION, CAPABILITIES, ALGORITHMS, DEVICE_INFO, LINK_PAYLOAD,
 * BOOT_STATE). It has no identity and no session. A chip whose BL2 did not start takes a new one
 * here, which must be signed with the key in OTP; nothing else is changed.
 *
 *     boot_rom_stage_prepare     before the debug lock is latched: finishes what was interrupted
 *     boot_rom_stage_run         does not return
 */
#ifndef NUSEC_BOOT_ROM_BOOT_ROM_STAGE_H
#define NUSEC_BOOT_ROM_BOOT_ROM_STAGE_H

#include "hal/hal.h"

/* Completes a torn life-cycle mark. In RMA nothing of the OEM is left when this returns. Does not
 * return while OTP cannot be read: then nothing is known that the debug lock could be decided by.
 */
void boot_rom_stage_prepare(const struct hal *hal);

void boot_rom_stage_run(const struct hal *hal);

#endif
