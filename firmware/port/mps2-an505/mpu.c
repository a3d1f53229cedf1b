/*
 * Memory protection: QEMU's ROM and flash are plain RAM, so a wild pointer would change them.
 * The board file is writable only between open and close, inside the drivers.
 */
#include "mps2_an505.h"

#include "common/board_model.h"

#define REGION_ROM   0u
#define REGION_BOARD 1u

#define RBAR_READ_ONLY   (2u << 1) /* privileged code may read */
#define RBAR_NO_EXECUTE  1u
#define RLAR_ENABLE      1u
#define CTRL_ENABLE      1u
#define CTRL_DEFAULT_MAP 4u    /* all other addresses as without an MPU */
#define MAIR_NORMAL      0x44u /* attribute 0: normal memory, not cached */

static void set_region(uint32_t region, uint32_t address, uint32_t size, uint32_t access) {
    *mps2_word(MPS2_MPU_RNR) = region;
    *mps2_word(MPS2_MPU_RBAR) = address | access;
    *mps2_word(MPS2_MPU_RLAR) = ((address + size - 1) & ~31u) | RLAR_ENABLE;
}

static void barrier(void) {
    __asm volatile("dsb\n isb" ::: "memory");
}

void mps2_mpu_start(void) {
    *mps2_word(MPS2_MPU_MAIR0) = MAIR_NORMAL;
    set_region(REGION_ROM, BOARD_ROM_ADDRESS, BOARD_ROM_SIZE, RBAR_READ_ONLY);
    set_region(REGION_BOARD, BOARD_FILE_ADDRESS, BOARD_FILE_SIZE, RBAR_READ_ONLY | RBAR_NO_EXECUTE);
    *mps2_word(MPS2_MPU_CTRL) = CTRL_ENABLE | CTRL_DEFAULT_MAP;
    barrier();
}

void mps2_mpu_open_board_file(void) {
    *mps2_word(MPS2_MPU_RNR) = REGION_BOARD;
    *mps2_word(MPS2_MPU_RLAR) &= ~RLAR_ENABLE;
    barrier();
}

void mps2_mpu_close_board_file(void) {
    *mps2_word(MPS2_MPU_RNR) = REGION_BOARD;
    *mps2_word(MPS2_MPU_RLAR) |= RLAR_ENABLE;
    barrier();
}
