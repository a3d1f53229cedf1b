/*
 * Reading groups of OTP entries (devauth/otp_map.h): a 32-byte hash and the validity entry behind
 * it, which is written last. A group whose validity entry is torn is not there.
 */
#ifndef NUSEC_HAL_OTP_GROUP_H
#define NUSEC_HAL_OTP_GROUP_H

#include "hal/hal.h"

#define OTP_GROUP_HASH_SIZE 32

/* True if the validity entry is complete; false also when OTP cannot be read. */
bool otp_group_is_valid(const struct hal *hal, unsigned valid);

/* NOT_FOUND unless the group is valid. On any status but OK `hash` is FF throughout, which is the
 * hash of nothing. */
MUST_USE enum status otp_group_read_hash(const struct hal *hal, unsigned first, unsigned valid,
                                         uint8_t hash[OTP_GROUP_HASH_SIZE]);

#endif
