/*
 * Who the chip is: slot 0's chain, the device keys, the CSR. Parts of struct devauth_device;
 * the functions with a `context` are the responder's operations, whose contracts apply.
 */
#ifndef NUSEC_DEVAUTH_DEVAUTH_IDENTITY_H
#define NUSEC_DEVAUTH_DEVAUTH_IDENTITY_H

#include "devauth/devauth_device.h"

/* Makes the ephemeral key and loads the issued chain, if there is one for this chip and root. */
MUST_USE enum status devauth_identity_start(struct devauth_device *device);

/* SHA-256 of the key slot 0 answers with. */
MUST_USE enum status devauth_identity_slot_key_hash(const struct devauth_device *device,
                                                    uint8_t key_hash[CRYPTO_DIGEST_SIZE]);

/*
 * New AUTH, ENC and TLS keys, in a BLANK chip only; older ones and their chain are gone first.
 * DEBUGGED while a debugger is attached, or if one attached meanwhile (the keys are then
 * destroyed).
 */
MUST_USE enum status devauth_identity_generate(struct devauth_device *device,
                                               struct devauth_public_keys *keys);

enum status devauth_identity_chain(void *context, uint8_t slot, struct bytes *blob);
enum status devauth_identity_sign(void *context, uint8_t slot,
                                  const uint8_t digest[CRYPTO_DIGEST_SIZE],
                                  uint8_t signature[CRYPTO_SIGNATURE_SIZE]);
enum status devauth_identity_csr(void *context, struct bytes requester_info, struct writer *csr);
enum status devauth_identity_set_certificate(void *context, uint8_t slot, struct bytes chain_blob);

#endif
