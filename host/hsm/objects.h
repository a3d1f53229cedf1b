/*
 * Searching, reading and making objects. Private to host/hsm.
 */
#ifndef NUSEC_HOST_HSM_OBJECTS_H
#define NUSEC_HOST_HSM_OBJECTS_H

#include "hsm/session.h"

#define HSM_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Attribute values need an address. */
extern CK_BBOOL hsm_true;
extern CK_BBOOL hsm_false;
/* namedCurve secp256r1, DER: CKA_EC_PARAMS. */
extern const uint8_t hsm_p256_parameters[10];

/* All objects that match, at most `capacity`; `count` is how many were found. */
CK_RV hsm_find(struct hsm *hsm, CK_SESSION_HANDLE session, CK_ATTRIBUTE *template,
               CK_ULONG template_count, CK_OBJECT_HANDLE *found, size_t capacity, size_t *count);

/* Finds the key's object by label with the keeper's session, copies a private key to a session
 * object and reads its public key. The module's lock is held. */
int hsm_key_locate(struct hsm *hsm, struct hsm_key *key, struct error *error);

/* CKA_EC_POINT as 04 || X || Y. Modules return it bare or in an OCTET STRING. */
CK_RV hsm_read_point(struct hsm *hsm, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                     uint8_t point[HSM_POINT_SIZE]);

/* 0 if no token object has this label, else ERROR_CONFLICT. */
int hsm_label_check(struct hsm *hsm, const char *label, struct error *error);

#endif
