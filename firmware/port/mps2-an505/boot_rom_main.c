/*
 * boot_rom.elf: what QEMU starts at reset.
 */
#include "mps2_an505.h"

#include "boot_rom/boot_rom_stage.h"
#include "common/board_model.h"

const uint32_t mps2_stage = 1;

void mps2_stage_main(void) {
    const struct hal *hal = mps2_board_start();

    board_register_add(BOARD_REGISTER_STARTS, 1);
    boot_rom_stage_prepare(hal);
    board_debug_latch(hal->life_cycle());
    mps2_mpu_apply_debug_lock();
    boot_rom_stage_run(hal);
}
