/*
 * Key-encryption keys that can be backed up, once: while they are made.
 *
 * A KEK in the token is never extractable, so nobody who holds the PIN can take it out later. It is
 * therefore made as a session object, wrapped (AES-KWP, RFC 5649) by a backup key that the caller
 * keeps in memory for this moment only, and unwrapped into the token as what hsm_generate_kek
 * makes. Restoring is the last of these steps alone.
 */
#ifndef NUSEC_HOST_HSM_KEK_H
#define NUSEC_HOST_HSM_KEK_H

#include "hsm/hsm.h"

#define HSM_BACKUP_KEY_SIZE  32
#define HSM_WRAPPED_KEK_SIZE 40 /* RFC 5649, 4.1: 32 bytes of key */

/* A new KEK under `label`, and the same wrapped. ERROR_CONFLICT if the label is taken. */
int hsm_kek_make(struct hsm *hsm, const char *label, const uint8_t backup_key[HSM_BACKUP_KEY_SIZE],
                 uint8_t wrapped[HSM_WRAPPED_KEK_SIZE], struct error *error);

/* ERROR_ALTERED if this backup key did not wrap it; ERROR_CONFLICT if the label is taken. */
int hsm_kek_restore(struct hsm *hsm, const char *label,
                    const uint8_t backup_key[HSM_BACKUP_KEY_SIZE],
                    const uint8_t wrapped[HSM_WRAPPED_KEK_SIZE], struct error *error);

/* What hsm_kek_restore would answer to key and wrapped form; changes nothing. */
int hsm_kek_check(struct hsm *hsm, const uint8_t backup_key[HSM_BACKUP_KEY_SIZE],
                  const uint8_t wrapped[HSM_WRAPPED_KEK_SIZE], struct error *error);

#endif
