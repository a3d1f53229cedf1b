/*
 * Permits (cose/permit.h) and what they change in OTP. docs/formats/otp.md has the entries.
 */
#ifndef NUSEC_DEVAUTH_DEVAUTH_PERMIT_H
#define NUSEC_DEVAUTH_DEVAUTH_PERMIT_H

#include "devauth/devauth_device.h"

/* A new outstanding nonce for one command; the one before is dead. UNSUPPORTED for a command this
 * stage does not execute. */
MUST_USE enum status devauth_permit_nonce(struct devauth_device *device, uint8_t command,
                                          uint8_t nonce[DEVAUTH_NONCE_SIZE]);

/*
 * Executes a permit. The outstanding nonce is used up by the attempt, whatever comes of it.
 * DENIED (session), BAD_STATE (not on the issued chain, wrong life cycle), REPLAYED (nonce),
 * MISMATCH (UID, key, hashes), BAD_CERTIFICATE, BAD_SIGNATURE, INVALID, TRUNCATED, UNSUPPORTED;
 * OTP when an entry already holds something else. After a power cut the same values complete
 * what was begun.
 */
MUST_USE enum status devauth_permit_execute(struct devauth_device *device,
                                            enum spdm_privilege privilege, struct bytes encoded,
                                            struct devauth_permit_result *result);

/* MISMATCH if OTP names another root than the loaded one; torn or written counts alike. */
MUST_USE enum status devauth_permit_check_root(const struct devauth_device *device);

#endif
