/* HARDENED against fault injection: see the header. Change nothing here for speed or brevity. */
#include "image/image_hardened.h"

#include "base/secret.h"

enum hardened image_hardened_equal(const uint8_t *a, const uint8_t *b, size_t size) {
    volatile uint8_t difference = 0xFF;
    volatile size_t left = size;
    if (size == 0 || !secret_equal(a, b, size)) {
        return HARDENED_NO;
    }
    /* The second look goes backwards: a fault timed to skip one byte meets another one here. */
    uint8_t found = 0;
    while (left > 0) {
        left = left - 1;
        found |= (uint8_t)(a[left] ^ b[left]);
    }
    difference = found;
    return difference == 0 && left == 0 ? HARDENED_YES : HARDENED_NO;
}

enum hardened image_hardened_is_ok(enum status status) {
    volatile uint32_t first = (uint32_t)status;
    volatile uint32_t second = ~(uint32_t)status;
    if (first != (uint32_t)STATUS_OK) {
        return HARDENED_NO;
    }
    return second == ~(uint32_t)STATUS_OK ? HARDENED_YES : HARDENED_NO;
}

enum hardened image_hardened_in_range(uint32_t value, uint32_t minimum, uint32_t maximum) {
    volatile uint32_t first = value;
    volatile uint32_t second = ~value;
    if (first < minimum || first > maximum) {
        return HARDENED_NO;
    }
    /* The order turns round with the complement. */
    return second <= ~minimum && second >= ~maximum ? HARDENED_YES : HARDENED_NO;
}
