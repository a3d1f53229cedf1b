/*
 * What every stage says about the chip in DEVICE_INFO, and the two vendor commands that need no
 * session and are the same everywhere: DEVICE_INFO and LINK_PAYLOAD.
 */
#ifndef NUSEC_HAL_DEVICE_INFO_H
#define NUSEC_HAL_DEVICE_INFO_H

#include "hal/hal.h"

#include "devauth/devauth.h"

/* A debugger is attached at this moment; forgets earlier ones, such as the bootstrap. */
bool device_info_is_debugged(const struct hal *hal);

/* Everything but DEVAUTH_FLAG_ISSUED_CHAIN, which the stage adds. */
void device_info_fill(const struct hal *hal, enum devauth_stage_id stage, uint32_t version,
                      struct devauth_device_info *info);

/* Answers LINK_PAYLOAD; `*agreed` takes effect once the answer has left. INVALID below the
 * baseline. */
MUST_USE enum status device_info_link_payload(struct bytes body, struct writer *response,
                                              uint16_t *agreed);

#endif
