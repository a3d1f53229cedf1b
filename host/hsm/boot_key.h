/*
 * Per-device signing keys and content keys: made in the token as session objects, wrapped by a KEK,
 * kept by the caller, used again later. They never fill the token.
 *
 * Unwrapping an EC key costs SoftHSM ten times a signature, so the keys used last stay unwrapped in
 * a small cache; a lost session empties it. Signing with them is one call at a time per token.
 */
#ifndef NUSEC_HOST_HSM_BOOT_KEY_H
#define NUSEC_HOST_HSM_BOOT_KEY_H

#include "hsm/hsm.h"

#define HSM_BOOT_KEY_WRAPPED_MAX 256
#define HSM_CONTENT_KEY_SIZE     32

struct hsm_boot_key {
    uint8_t public_key[HSM_PUBLIC_KEY_SIZE];
    uint8_t wrapped[HSM_BOOT_KEY_WRAPPED_MAX];
    size_t wrapped_size;
};

/* A new P-256 signing pair, wrapped by `kek`. ERROR_HSM_UNAVAILABLE. */
int hsm_boot_key_make(struct hsm_key *kek, struct hsm_boot_key *key, struct error *error);

/* Signs with a wrapped key. ERROR_ALTERED if `kek` did not wrap it, or if its public half is not
 * the one in `key` (a row that was exchanged). Any thread. */
int hsm_boot_key_sign(struct hsm_key *kek, const struct hsm_boot_key *key, const uint8_t digest[32],
                      uint8_t signature[HSM_SIGNATURE_SIZE], struct error *error);

/* A new AES-256 content key: its value (wipe it) and its wrapped form. */
int hsm_content_key_make(struct hsm_key *kek, uint8_t value[HSM_CONTENT_KEY_SIZE],
                         uint8_t wrapped[HSM_WRAPPED_KEY_MAX], size_t *wrapped_size,
                         struct error *error);
/* ERROR_ALTERED. Wipe `value` after use. */
int hsm_content_key_open(struct hsm_key *kek, struct bytes wrapped,
                         uint8_t value[HSM_CONTENT_KEY_SIZE], struct error *error);

#endif
