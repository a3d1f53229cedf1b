/*
 * The first permit of a chip's life, ROOT_HASH, and the root it leaves in OTP. docs/formats/otp.md
 * has the entries.
 */
#ifndef NUSEC_DEVAUTH_DEVAUTH_PERMIT_H
#define NUSEC_DEVAUTH_DEVAUTH_PERMIT_H

#include "devauth/devauth_device.h"

/*
 * PERMIT_EXECUTE. ROOT_HASH is done here, every other permit by firmware/device. The outstanding
 * nonce is used up by the attempt, whatever comes of it.
 * For ROOT_HASH: DENIED (session), BAD_STATE (not on the issued chain, wrong life cycle), REPLAYED
 * (nonce), MISMATCH (UID, key, hashes), BAD_CERTIFICATE, BAD_SIGNATURE, INVALID, TRUNCATED; OTP
 * when an entry already holds something else. After a power cut the same values complete what was
 * begun.
 */
device_command_function devauth_permit_command;

/* MISMATCH if OTP names another root than the loaded one; torn or written counts alike. */
MUST_USE enum status devauth_permit_check_root(const struct devauth_device *device);

#endif
