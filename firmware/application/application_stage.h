/*
 * BL3 as an OEM finds it: a device that can be authenticated, measured and updated over the link,
 * and a place for the product itself (product.h). Does not return.
 */
#ifndef NUSEC_APPLICATION_APPLICATION_STAGE_H
#define NUSEC_APPLICATION_APPLICATION_STAGE_H

#include "hal/hal.h"

void application_stage_run(const struct hal *hal);

#endif
