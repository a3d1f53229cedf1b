/*
 * boot_rom of a chip without a bootloader to start: it waits, and says over the link what it is
 * (VERSION, CAPABILITIES, ALGORITHMS, DEVICE_INFO, LINK_PAYLOAD). It has no keys and changes
 * nothing. Does not return.
 */
#ifndef NUSEC_BOOT_ROM_BOOT_ROM_STAGE_H
#define NUSEC_BOOT_ROM_BOOT_ROM_STAGE_H

#include "hal/hal.h"

void boot_rom_stage_run(const struct hal *hal);

#endif
