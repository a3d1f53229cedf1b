/*
 * DevAuth as a stage: loaded into SRAM by a programmer, run once, gone with the next reset.
 *
 * `parameter_block` is the memory the programmer filled (board/devauth_image.h), `image` the
 * stage's own image as loaded (measurement 1). `publish_mailbox` is called exactly once: ready or
 * failed. Does not return on a device, except by hal->reset.
 */
#ifndef NUSEC_DEVAUTH_DEVAUTH_STAGE_H
#define NUSEC_DEVAUTH_DEVAUTH_STAGE_H

#include "hal/hal.h"

#include "board/devauth_image.h"

void devauth_stage_run(const struct hal *hal, struct bytes parameter_block, struct bytes image,
                       void (*publish_mailbox)(const uint8_t mailbox[DEVAUTH_MAILBOX_SIZE]));

#endif
