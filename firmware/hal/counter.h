/*
 * Firmware counters in OTP (devauth/otp_map.h), for ports without hardware ones: a port's counter_*
 * functions call these with its own OTP functions. Unary: one bit per step, cleared in order from
 * the first entry's first byte, least significant bit first. A raise that a power cut tore leaves
 * some of its bits cleared, which counts as far as the cleared bits go without a gap.
 *
 *     BL2   entry 40        0 to 63, one bit is never used
 *     BL3   entries 44-47   0 to 255
 */
#ifndef NUSEC_HAL_COUNTER_H
#define NUSEC_HAL_COUNTER_H

#include "hal/hal.h"

struct counter_otp {
    enum status (*read)(unsigned entry, uint8_t out[HAL_OTP_ENTRY_SIZE]);
    enum status (*program)(unsigned entry, const uint8_t data[HAL_OTP_ENTRY_SIZE]);
};

uint32_t counter_otp_max(enum hal_counter counter);
MUST_USE enum status counter_otp_read(const struct counter_otp *otp, enum hal_counter counter,
                                      uint32_t *value);
/* The contract of hal->counter_raise; OTP if it does not read back. */
MUST_USE enum status counter_otp_raise(const struct counter_otp *otp, enum hal_counter counter,
                                       uint32_t value);

#endif
