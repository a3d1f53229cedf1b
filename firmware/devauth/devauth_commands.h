/*
 * The vendor-defined commands of DevAuth (devauth/devauth.h) and its measurements.
 */
#ifndef NUSEC_DEVAUTH_DEVAUTH_COMMANDS_H
#define NUSEC_DEVAUTH_DEVAUTH_COMMANDS_H

#include "devauth/devauth_device.h"

/* Operations of the responder; `context` is the device. */
enum status devauth_commands_vendor(void *context, enum spdm_privilege privilege,
                                    struct bytes payload, struct writer *response);
enum status devauth_commands_measurements(void *context, struct writer *blocks);

#endif
