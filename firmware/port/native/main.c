/*
 * nusec-board-native BOARD_FILE [STAGE SRAM_FD]     started by nusec-virtual-board --native, or by
 *                                                   itself at a reset
 * nusec-board-native --write-devauth FILE           writes this program's devauth.bin
 */
#include "native.h"

#include "board/devauth_image.h"
#include "boot_rom/boot_rom_stage.h"
#include "common/board_model.h"
#include "devauth/devauth_stage.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
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

static int write_devauth(const char *path) {
    uint8_t image[NATIVE_IMAGE_SIZE];
    FILE *file = fopen(path, "wb");
    int failed;

    native_image_make(image);
    if (file == NULL) {
        perror(path);
        return 1;
    }
    failed = fwrite(image, sizeof(image), 1, file) != 1;
    failed |= fclose(file) != 0;
    return failed;
}

static void run_stage(enum native_stage stage) {
    native_board_start(stage);
    if (stage == NATIVE_DEVAUTH)
        devauth_stage_run(
            &native_board, bytes_of(sram_at(BOARD_PARAMETERS_ADDRESS), BOARD_PARAMETERS_CAPACITY),
            bytes_of(sram_at(BOARD_DEVAUTH_ADDRESS), NATIVE_IMAGE_SIZE), publish_mailbox);
    else
        boot_rom_stage_run(&native_board);
}

int main(int argc, char **argv) {
    enum native_stage stage = NATIVE_BOOT_ROM;

    if (argc == 3 && strcmp(argv[1], "--write-devauth") == 0)
        return write_devauth(argv[2]);
    if (argc != 2 && argc != 4) {
        (void)fprintf(stderr, "nusec-virtual-board --native starts this program\n");
        return 2;
    }
    if (argc == 4 && strtol(argv[2], NULL, 10) == NATIVE_DEVAUTH)
        stage = NATIVE_DEVAUTH;
    native_memory_start(argv[1], argc == 4 ? (int)strtol(argv[3], NULL, 10) : -1);
    native_stub_start();
    run_stage(stage);
    native_reset(HAL_BOOT_WATCHDOG); /* a stage that ends is a stage gone wrong */
}
