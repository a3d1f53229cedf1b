/*
 * A stage on the issued chain: responder, link and main loop, the same for bootloader and
 * application but for their rules and commands.
 */
#ifndef NUSEC_DEVICE_DEVICE_STAGE_H
#define NUSEC_DEVICE_DEVICE_STAGE_H

#include "device/device_identity.h"
#include "hal/device_link.h"

struct device_stage {
    struct device_identity identity; /* first: the context of the responder's operations */
    struct spdm_responder responder;
    struct device_link link;
    const struct device_command *commands;
    size_t command_count;
};

struct device_stage_plan {
    const struct device_rules *rules;
    const struct device_command *commands;
    size_t command_count;
    uint32_t version; /* for DEVICE_INFO */
};

/* `plan` and `hal` must outlive the stage. NO_ENTROPY and the like: the chip stays silent. A chip
 * without identity answers, but has no chain. */
MUST_USE enum status device_stage_start(struct device_stage *stage, const struct hal *hal,
                                        const struct device_stage_plan *plan);

/* One turn of the main loop; IDLE: nothing came. */
enum device_link_activity device_stage_poll(struct device_stage *stage);

/* Version of the image in a slot as one number: major u8, minor u8, revision u16; 0: no image. */
uint32_t device_stage_version(const struct hal *hal, enum boot_slot slot);

#endif
