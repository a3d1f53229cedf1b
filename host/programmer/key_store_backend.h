/*
 * What a kind of key store has to offer; key_store.c is the only caller.
 */
#ifndef NUSEC_PROGRAMMER_KEY_STORE_BACKEND_H
#define NUSEC_PROGRAMMER_KEY_STORE_BACKEND_H

#include "programmer/key_store.h"

#define KEY_STORE_AUTHKEY "authkey"

struct key_store_backend {
    const char *assurance;
    /* Fills `keys`; on failure nothing is left open. AUTHKEY is there afterwards. */
    int (*open)(void **keys, const struct key_store_options *options,
                uint8_t public_key[HSM_PUBLIC_KEY_SIZE], struct error *error);
    void (*close)(void *keys);
    int (*sign)(void *keys, const uint8_t digest[32], uint8_t signature[HSM_SIGNATURE_SIZE],
                struct error *error);
    int (*random)(void *keys, uint8_t *out, size_t size, struct error *error);
    void *(*agreement_begin)(void *keys, uint8_t point[HSM_POINT_SIZE], struct error *error);
    int (*agreement_finish)(void *agreement, const uint8_t peer[HSM_POINT_SIZE],
                            struct bytes wrapped, const char *label, struct error *error);
    void (*agreement_free)(void *agreement);
    /* ERROR_NOT_FOUND if there is none. */
    int (*key_check)(void *keys, const char *label, struct error *error);
    int (*key_destroy)(void *keys, const char *label, struct error *error);
    int (*decrypt)(void *keys, const char *label, const uint8_t iv[12], struct bytes aad,
                   struct bytes input, uint8_t *out, struct error *error);
    /* All three or none: a proof that AUTHKEY is in a TPM (tpm/tpm_attest.h). */
    void *(*proof_begin)(void *keys, struct buffer *ek_certificate, struct buffer *ak_public,
                         struct error *error);
    int (*proof_finish)(void *proof, struct bytes credential, struct bytes encrypted_secret,
                        struct buffer *authkey_public, struct buffer *statement,
                        uint8_t signature[HSM_SIGNATURE_SIZE], struct error *error);
    void (*proof_free)(void *proof);
    /* All three or none: a monotonic counter (tpm/tpm_counter.h). */
    int (*counter_make)(void *keys, uint32_t *index, uint64_t *value, struct error *error);
    int (*counter_read)(void *keys, uint32_t index, uint64_t *value, struct error *error);
    int (*counter_raise)(void *keys, uint32_t index, struct error *error);
};

extern const struct key_store_backend key_store_pkcs11;
extern const struct key_store_backend key_store_tpm;

/* A PIN nobody has to remember, made once: the file's owner is who may use the keys. */
int key_store_pin_ensure(const char *path, struct error *error);

#endif
