/*
 * Writing OTP so that a power cut anywhere leaves something the same values complete.
 */
#ifndef NUSEC_DEVICE_DEVICE_OTP_H
#define NUSEC_DEVICE_DEVICE_OTP_H

#include "hal/hal.h"

/* A 32-byte value in four entries. */
struct device_otp_value {
    unsigned first;
    const uint8_t *value;
};

/*
 * Writes values and then the validity entry. Two passes: a value that cannot be completed is found
 * before anything is written (OTP). Each entry is programmed, read back, locked.
 */
MUST_USE enum status device_otp_write_group(const struct hal *hal,
                                            const struct device_otp_value *values, size_t count,
                                            unsigned valid);

#endif
