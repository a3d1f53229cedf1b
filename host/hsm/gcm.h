/*
 * AES-256-GCM with keys that stay in the token.
 */
#ifndef NUSEC_HOST_HSM_GCM_H
#define NUSEC_HOST_HSM_GCM_H

#include "hsm/agreement.h"

/*
 * Encrypts with a key that is kept wrapped by `kek` (server, database): unwrapped to a session
 * object, used, destroyed. `out` gets plaintext.size + HSM_GCM_TAG_SIZE bytes (ciphertext || tag).
 * ERROR_ALTERED if the wrapped key is not `kek`'s.
 */
int hsm_gcm_encrypt_wrapped(struct hsm_key *kek, struct bytes wrapped,
                            const uint8_t iv[HSM_GCM_IV_SIZE], struct bytes aad,
                            struct bytes plaintext, uint8_t *out, struct error *error);

/*
 * Decrypts ciphertext || tag with a token key (programmer). `out` gets input.size -
 * HSM_GCM_TAG_SIZE bytes. ERROR_ALTERED if the tag does not match; `out` is then zeroed.
 */
int hsm_gcm_decrypt(struct hsm_key *key, const uint8_t iv[HSM_GCM_IV_SIZE], struct bytes aad,
                    struct bytes input, uint8_t *out, struct error *error);

#endif
