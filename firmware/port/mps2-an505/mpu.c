/*
 * Memory protection: QEMU's ROM and flash are plain RAM, so a wild pointer would change them.
 *
 * There is no default map: what no region names does not exist, the NULL page and every other name
 * of a memory included. Only the running image's code can be executed; a debugger's loader window
 * too, as long as the chip's debug port is open. The board file is writable only between open and
 * close, inside the drivers, and there only behind the running image: no stage ever changes an
 * image that was started before it, or itself.
 */
#include "mps2_an505.h"

#include "common/board_model.h"

/* Not overlapping, which ARMv8-M would treat as a fault; eight, as many as an M2354 has. */
enum region {
    REGION_ROM,
    REGION_FILE_BELOW, /* of the image that runs from flash */
    REGION_CODE,       /* of the image that runs from flash */
    REGION_FILE,       /* the rest of the board file */
    REGION_SRAM_LOW,
    REGION_LOADER, /* DevAuth's place */
    REGION_SRAM_HIGH,
    REGION_PERIPHERALS,
};

enum access {
    ACCESS_WRITE = 0,           /* privileged code writes and reads */
    ACCESS_READ_ONLY = 2u << 1, /* and reads */
    ACCESS_NO_EXECUTE = 1u,     /* in addition to one of the two */
    ACCESS_DATA = ACCESS_WRITE | ACCESS_NO_EXECUTE,
    ACCESS_CONSTANT = ACCESS_READ_ONLY | ACCESS_NO_EXECUTE,
    ACCESS_CODE = ACCESS_READ_ONLY,
};

#define RBAR_ACCESS_MASK 31u
#define RLAR_ENABLE      1u
#define RLAR_MEMORY      (0u << 1)
#define RLAR_DEVICE      (1u << 1)
#define CTRL_ENABLE      1u
#define MAIR_ATTRIBUTES  0x0044u /* 0: normal memory, not cached; 1: device memory */

#define FILE_END    (BOARD_FILE_ADDRESS + BOARD_FILE_SIZE)
#define LOADER_END  (BOARD_DEVAUTH_ADDRESS + BOARD_DEVAUTH_CAPACITY)
#define SRAM_END    (BOARD_SRAM_ADDRESS + BOARD_SRAM_SIZE)
#define DEVICE_SIZE 0x400000u

/* From the linker script: where this image's code is, in whole flash pages at its end. */
extern const uint8_t image_code_start[];
extern const uint8_t image_code_end[];

static bool code_is_at(uint32_t address) {
    return (uint32_t)(uintptr_t)image_code_start == address;
}

static bool code_is_in_flash(void) {
    return (uint32_t)(uintptr_t)image_code_start >= BOARD_FILE_ADDRESS;
}

static void point_at(enum region region) {
    *mps2_word(MPS2_MPU_RNR) = (uint32_t)region;
}

static void set_region(enum region region, uint32_t start, uint32_t end, enum access access,
                       uint32_t attribute) {
    point_at(region);
    *mps2_word(MPS2_MPU_RBAR) = start | (uint32_t)access;
    *mps2_word(MPS2_MPU_RLAR) = start < end ? ((end - 1) & ~31u) | attribute | RLAR_ENABLE : 0;
}

static void set_access(enum region region, enum access access) {
    point_at(region);
    *mps2_word(MPS2_MPU_RBAR) = (*mps2_word(MPS2_MPU_RBAR) & ~RBAR_ACCESS_MASK) | (uint32_t)access;
    __asm volatile("dsb\n isb" ::: "memory");
}

static void set_board_file(void) {
    uint32_t start = BOARD_FILE_ADDRESS;
    uint32_t end = BOARD_FILE_ADDRESS;

    if (code_is_in_flash()) {
        start = (uint32_t)(uintptr_t)image_code_start;
        end = (uint32_t)(uintptr_t)image_code_end;
    }
    set_region(REGION_FILE_BELOW, BOARD_FILE_ADDRESS, start, ACCESS_CONSTANT, RLAR_MEMORY);
    set_region(REGION_CODE, start, end, ACCESS_CODE, RLAR_MEMORY);
    set_region(REGION_FILE, end, FILE_END, ACCESS_CONSTANT, RLAR_MEMORY);
}

void mps2_mpu_start(void) {
    *mps2_word(MPS2_MPU_MAIR0) = MAIR_ATTRIBUTES;
    set_region(REGION_ROM, BOARD_ROM_ADDRESS, BOARD_ROM_ADDRESS + BOARD_ROM_SIZE,
               code_is_at(BOARD_ROM_ADDRESS) ? ACCESS_CODE : ACCESS_CONSTANT, RLAR_MEMORY);
    set_board_file();
    set_region(REGION_SRAM_LOW, BOARD_SRAM_ADDRESS, BOARD_DEVAUTH_ADDRESS, ACCESS_DATA,
               RLAR_MEMORY);
    /* DevAuth stays what was loaded and verified. Elsewhere what a debugger loads must start. */
    set_region(REGION_LOADER, BOARD_DEVAUTH_ADDRESS, LOADER_END,
               code_is_at(BOARD_DEVAUTH_ADDRESS) ? ACCESS_CODE : ACCESS_WRITE, RLAR_MEMORY);
    set_region(REGION_SRAM_HIGH, LOADER_END, SRAM_END, ACCESS_DATA, RLAR_MEMORY);
    set_region(REGION_PERIPHERALS, MPS2_PERIPHERALS, MPS2_PERIPHERALS + DEVICE_SIZE, ACCESS_DATA,
               RLAR_DEVICE);
    *mps2_word(MPS2_MPU_CTRL) = CTRL_ENABLE;
    __asm volatile("dsb\n isb" ::: "memory");
}

void mps2_mpu_apply_debug_lock(void) {
    if (board_debug_locked())
        set_access(REGION_LOADER, ACCESS_DATA);
}

void mps2_mpu_open_board_file(void) {
    set_access(REGION_FILE, ACCESS_DATA);
}

void mps2_mpu_close_board_file(void) {
    set_access(REGION_FILE, ACCESS_CONSTANT);
}
