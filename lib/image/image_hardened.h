/*
 * HARDENED against fault injection: the comparisons a boot decision rests on.
 *
 * A glitch skips an instruction or corrupts a register. So answers are distant constants instead of
 * 0 and 1, every comparison is made twice in different ways over volatile values, and loops prove
 * that they ran to their end. Compare results with HARDENED_YES by name; anything else is no.
 */
#ifndef NUSEC_IMAGE_IMAGE_HARDENED_H
#define NUSEC_IMAGE_IMAGE_HARDENED_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

enum hardened {
    HARDENED_YES = 0x5B3CA6C3,
    HARDENED_NO = 0x24C3593C,
};

/* Equal bytes; `size` is at least 1. Time depends on `size` only. */
MUST_USE enum hardened image_hardened_equal(const uint8_t *a, const uint8_t *b, size_t size);

/* `status` is STATUS_OK. */
MUST_USE enum hardened image_hardened_is_ok(enum status status);

/* minimum <= value <= maximum. */
MUST_USE enum hardened image_hardened_in_range(uint32_t value, uint32_t minimum, uint32_t maximum);

#endif
