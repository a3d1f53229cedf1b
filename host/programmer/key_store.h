/*
 * The programmer's key store ([Key store] of Programmer_CM): a PKCS#11 token or a TPM.
 *
 *   authkey            P-256, signs only: TLS client, SPDM requester, requests, agreements
 *   aes-nulink3-<n>    AES-256, decrypts only: the packages of epoch n
 *
 * The default is a SoftHSM token inside the state directory, made on the first run with a random
 * PIN in a file only the daemon's user can read. With another module the token must exist and the
 * PIN file must be named. With a TPM (tpm/tpm.h) the keys are files that only this TPM loads.
 *
 *     key_store_open(&store, &options, error);
 *     key_store_sign / key_store_package_cipher        any thread
 *     key_store_close(store);
 */
#ifndef NUSEC_PROGRAMMER_KEY_STORE_H
#define NUSEC_PROGRAMMER_KEY_STORE_H

#include "hsm/agreement.h"
#include "package/package.h"

struct key_store_options {
    const char *directory;   /* the state directory, exists */
    const char *tpm;         /* how to reach it (tpm/tpm.h); NULL: PKCS#11 */
    const char *module_path; /* NULL: SoftHSM inside the state directory */
    const char *token_label; /* NULL: "nusec-programmer" */
    const char *pin_file;    /* NULL: generated; required with a module */
};

struct key_store_backend; /* key_store_backend.h */

struct key_store {
    const struct key_store_backend *backend; /* NULL: closed */
    void *keys;                              /* the backend's */
    uint8_t public_key[HSM_PUBLIC_KEY_SIZE];
    const char *assurance; /* "software" or "tpm" */
};

/* Makes token and AUTHKEY when they are missing. */
int key_store_open(struct key_store *store, const struct key_store_options *options,
                   struct error *error);
/* An opened or zeroed store. */
void key_store_close(struct key_store *store);

/* Signs a SHA-256 digest with AUTHKEY; r || s. */
int key_store_sign(const struct key_store *store, const uint8_t digest[32],
                   uint8_t signature[HSM_SIGNATURE_SIZE], struct error *error);
/* The same for base/signer.h; valid as long as the store. */
struct signer key_store_signer(const struct key_store *store);

int key_store_random(const struct key_store *store, uint8_t *out, size_t size, struct error *error);

/*
 * The programmer's end of the agreement on AES_NuLink3 (hsm/agreement.h, tpm/tpm_agreement.h). The
 * pair lasts until _free; _finish takes the key of this epoch in, in the place of one that is left
 * from an agreement nobody noted down.
 */
struct key_store_agreement;
struct key_store_agreement *key_store_agreement_begin(const struct key_store *store,
                                                      uint8_t point[HSM_POINT_SIZE],
                                                      struct error *error);
int key_store_agreement_finish(const struct key_store *store, struct key_store_agreement *agreement,
                               const uint8_t peer[HSM_POINT_SIZE], struct bytes wrapped,
                               uint32_t epoch, struct error *error);
void key_store_agreement_free(const struct key_store *store, struct key_store_agreement *agreement);

/*
 * The proof that AUTHKEY is in a TPM (tpm/tpm_attest.h): ERROR_UNSUPPORTED for another kind of
 * store. What is appended is for the server, as it is.
 */
struct key_store_proof;
struct key_store_proof *key_store_proof_begin(const struct key_store *store,
                                              struct buffer *ek_certificate,
                                              struct buffer *ak_public, struct error *error);
int key_store_proof_finish(const struct key_store *store, struct key_store_proof *proof,
                           struct bytes credential, struct bytes encrypted_secret,
                           struct buffer *authkey_public, struct buffer *statement,
                           uint8_t signature[HSM_SIGNATURE_SIZE], struct error *error);
void key_store_proof_free(const struct key_store *store, struct key_store_proof *proof);

/* A monotonic counter (tpm/tpm_counter.h); only a TPM has one. */
bool key_store_has_counter(const struct key_store *store);
int key_store_counter_make(const struct key_store *store, uint32_t *index, uint64_t *value,
                           struct error *error);
int key_store_counter_read(const struct key_store *store, uint32_t index, uint64_t *value,
                           struct error *error);
int key_store_counter_raise(const struct key_store *store, uint32_t index, struct error *error);

/* The AES_NuLink3 of an epoch. */
struct key_store_epoch {
    const struct key_store *store;
    uint32_t epoch;
};
/* ERROR_WRONG_EPOCH if the store has none. */
int key_store_epoch(const struct key_store *store, uint32_t epoch, struct key_store_epoch *key,
                    struct error *error);

/* Opens packages with the key of one epoch (package/package.h, reading side only). `key` is
 * borrowed. */
struct package_cipher key_store_package_cipher(struct key_store_epoch *key);

#endif
