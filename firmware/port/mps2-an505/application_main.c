/*
 * application.bin: BL3, started by the bootloader.
 */
#include "mps2_an505.h"

#include "application/application_stage.h"

const uint32_t mps2_stage = 4;

void mps2_stage_main(void) {
    const struct hal *hal = mps2_board_start();

    mps2_mpu_apply_debug_lock();
    application_stage_run(hal);
}
