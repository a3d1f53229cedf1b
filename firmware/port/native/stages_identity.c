/*
 * The stages of a build without bootloader and application.
 */
#include "native.h"

#include "boot_rom/boot_rom_stage.h"
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

void native_run_stage(enum native_stage stage) {
    native_board_start(stage);
    switch (stage) {
    case NATIVE_DEVAUTH:
        devauth_stage_run(
            &native_board, bytes_of(sram_at(BOARD_PARAMETERS_ADDRESS), BOARD_PARAMETERS_CAPACITY),
            bytes_of(sram_at(BOARD_DEVAUTH_ADDRESS), NATIVE_IMAGE_SIZE), publish_mailbox);
        break;
    case NATIVE_BOOTLOADER:
    case NATIVE_APPLICATION: break;
    case NATIVE_BOOT_ROM: boot_rom_stage_run(&native_board); break;
    }
}
