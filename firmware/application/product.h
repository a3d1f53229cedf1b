/*
 * The product: what an OEM replaces. The sample does nothing.
 */
#ifndef NUSEC_APPLICATION_PRODUCT_H
#define NUSEC_APPLICATION_PRODUCT_H

#include "hal/hal.h"

/* Once, before the link is served. */
void product_start(const struct hal *hal);

/*
 * Whether this image works on this board. Asked once after the start: only then is an update
 * confirmed. A product that returns false, or hangs until its watchdog bites, is replaced by the
 * image before it at the next reset.
 */
bool product_is_healthy(const struct hal *hal);

/* As often as the main loop turns; must return soon, the link is not served meanwhile. */
void product_poll(const struct hal *hal);

#endif
