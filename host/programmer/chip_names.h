/*
 * What a chip says, in words: docs/formats/control.md.
 */
#ifndef NUSEC_PROGRAMMER_CHIP_NAMES_H
#define NUSEC_PROGRAMMER_CHIP_NAMES_H

#include "devauth/devauth.h"

#include <jansson.h>

/* Never NULL. */
const char *chip_stage_name(uint8_t stage);
const char *chip_life_name(uint8_t life_cycle);
const char *chip_measurement_name(uint8_t index);

/* New references. */
json_t *chip_info_json(const struct devauth_device_info *info);
json_t *chip_boot_state_json(const struct devauth_boot_state *state);

#endif
