/*
 * devauth.bin: what a debugger loads into SRAM and starts. Its header is made by devauth.ld.
 */
#include "mps2_an505.h"

#include "common/board_model.h"
#include "devauth/devauth_stage.h"

const uint32_t mps2_stage = 2;

/* From the linker script: the image as it was loaded; it does not change while it runs. */
extern const uint8_t image_start[];
extern const uint8_t image_end[];

/* The magic goes last: a programmer never reads half a mailbox. */
static void publish_mailbox(const uint8_t mailbox[DEVAUTH_MAILBOX_SIZE]) {
    volatile uint8_t *out = (volatile uint8_t *)BOARD_MAILBOX_ADDRESS;

    for (size_t i = 4; i < DEVAUTH_MAILBOX_SIZE; i++)
        out[i] = mailbox[i];
    __asm volatile("dsb" ::: "memory");
    *mps2_word(BOARD_MAILBOX_ADDRESS) = (uint32_t)mailbox[0] | (uint32_t)mailbox[1] << 8 |
                                        (uint32_t)mailbox[2] << 16 | (uint32_t)mailbox[3] << 24;
}

void mps2_stage_main(void) {
    const struct hal *hal = mps2_board_start();
    struct bytes parameters =
        bytes_of((const void *)BOARD_PARAMETERS_ADDRESS, BOARD_PARAMETERS_CAPACITY);
    struct bytes image = bytes_of(image_start, (size_t)(image_end - image_start));

    devauth_stage_run(hal, parameters, image, publish_mailbox);
}
