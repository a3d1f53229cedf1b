/*
 * Wrapping AES-256 keys with AES key wrap with padding (RFC 5649, CKM_AES_KEY_WRAP_PAD). Called
 * inside of an operation. Private to host/hsm.
 */
#ifndef NUSEC_HOST_HSM_WRAP_H
#define NUSEC_HOST_HSM_WRAP_H

#include "hsm/agreement.h"
#include "hsm/objects.h"

CK_RV hsm_wrap(struct hsm *hsm, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE kek,
               CK_OBJECT_HANDLE key, struct hsm_wrapped_key *wrapped);

/*
 * What the unwrapped key may do and where it lives: a session object for one ENCRYPT (`label`
 * NULL) or a token object for DECRYPT. Sensitive and not extractable either way.
 * CKR_WRAPPED_KEY_INVALID whenever the KEK did not wrap it, or it is no AES-256 key.
 */
CK_RV hsm_unwrap(struct hsm *hsm, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE kek,
                 struct bytes wrapped, const char *label, CK_OBJECT_HANDLE *key);

#endif
