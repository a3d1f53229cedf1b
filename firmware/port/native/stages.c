/*
 * The stages this program can be, by number.
 */
#include "native.h"

#include "application/application_stage.h"
#include "boot_rom/boot_rom_stage.h"
#include "bootloader/bootloader_stage.h"
#include "common/board_model.h"
#include "devauth/devauth_stage.h"

#include <stdatomic.h>
#include <string.h>

static uint8_t *sram_at(uint32_t address) {
    return native_sram() + (address - BOARD_SRAM_ADDRESS);
}

/* The magic goes last: a programmer never reads half a mailbox. */
static void publish_mailbox(const uint8_t mailbox[DEVAUTH_MAILBOX_SIZE]) {
    uint8_t *out = sram_at(BOARD_MAILBOX_ADDRESS);

    memcpy(out + 4, mailbox + 4, DEVAUTH_MAILBOX_SIZE - 4);
    atomic_thread_fence(memory_order_release);
    memcpy(out, mailbox, 4);
}

static void run_boot_rom(void) {
    board_register_add(BOARD_REGISTER_STARTS, 1);
    boot_rom_stage_prepare(&native_board);
    board_debug_latch(native_board.life_cycle());
    boot_rom_stage_run(&native_board);
}

void native_run_stage(enum native_stage stage) {
    native_board_start(stage);
    switch (stage) {
    case NATIVE_DEVAUTH:
        devauth_stage_run(
            &native_board, bytes_of(sram_at(BOARD_PARAMETERS_ADDRESS), BOARD_PARAMETERS_CAPACITY),
            bytes_of(sram_at(BOARD_DEVAUTH_ADDRESS), NATIVE_IMAGE_SIZE), publish_mailbox);
        break;
    case NATIVE_BOOTLOADER: bootloader_stage_run(&native_board); break;
    case NATIVE_APPLICATION: application_stage_run(&native_board); break;
    case NATIVE_BOOT_ROM: run_boot_rom(); break;
    }
}
