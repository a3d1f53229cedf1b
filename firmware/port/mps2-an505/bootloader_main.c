/*
 * bootloader.bin: BL2, started by boot_rom.
 */
#include "mps2_an505.h"

#include "bootloader/bootloader_stage.h"

const uint32_t mps2_stage = 3;

void mps2_stage_main(void) {
    const struct hal *hal = mps2_board_start();

    mps2_mpu_apply_debug_lock();
    bootloader_stage_run(hal);
}
