/*
 * The programmer's key store ([Key store] of Programmer_CM): one PKCS#11 token.
 *
 *   authkey            P-256, signs only: TLS client, SPDM requester, requests, agreements
 *   aes-nulink3-<n>    AES-256, decrypts only: the packages of epoch n
 *
 * The default is a SoftHSM token inside the state directory, made on the first run with a random
 * PIN in a file only the daemon's user can read. With another module (a TPM through tpm2-pkcs11)
 * the token must exist and the PIN file must be named.
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
    const char *module_path; /* NULL: SoftHSM inside the state directory */
    const char *token_label; /* NULL: "nusec-programmer" */
    const char *pin_file;    /* NULL: generated; required with a module */
};

struct key_store {
    struct hsm *hsm;
    struct hsm_key *authkey;
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

/* The label of an epoch's AES_NuLink3. */
void key_store_epoch_label(uint32_t epoch, char label[HSM_LABEL_MAX + 1]);

/* The key of an epoch; ERROR_WRONG_EPOCH if the token has none. */
struct hsm_key *key_store_epoch_key(const struct key_store *store, uint32_t epoch,
                                    struct error *error);

/* Opens packages with the key of one epoch (package/package.h, reading side only). */
struct package_cipher key_store_package_cipher(struct hsm_key *epoch_key);

#endif
