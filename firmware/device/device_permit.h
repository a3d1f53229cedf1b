/*
 * Permits (cose/permit.h) after ROOT_HASH, and what all permits have in common.
 */
#ifndef NUSEC_DEVICE_DEVICE_PERMIT_H
#define NUSEC_DEVICE_DEVICE_PERMIT_H

#include "cose/cose_sign1.h"
#include "cose/permit.h"
#include "device/device.h"

/* Everything in a permit that ties it to this chip, this key and this moment: REPLAYED, MISMATCH.
 */
MUST_USE enum status device_permit_check_binding(const struct device *device,
                                                 const struct device_nonce *nonce,
                                                 const struct permit *permit);

/*
 * Executes a permit of one of the commands in the stage's rules; `nonce` was taken from the device
 * before. DENIED: not by the key in OTP. BAD_STATE: not in this life cycle. REPLAYED, MISMATCH,
 * BAD_SIGNATURE, INVALID, TRUNCATED, UNSUPPORTED; OTP, FLASH.
 */
MUST_USE enum status device_permit_run(struct device *device, const struct device_nonce *nonce,
                                       struct bytes encoded, struct devauth_permit_result *result);

#endif
