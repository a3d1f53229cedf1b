/*
 * A hardware security module or key store, called through PKCS#11 v2.40 directly (the module is
 * dlopen'ed; SoftHSM2 by default).
 *
 *     hsm_softhsm_configure(conf, token_directory, error);          SoftHSM only, once
 *     hsm_init_token(&config, so_pin_file, error);                  once
 *     hsm = hsm_open(&config, error);
 *     hsm_generate_p256(hsm, "device-ca", error);                   once
 *     key = hsm_key(hsm, "device-ca", error);                       at start: one object search
 *     hsm_sign(key, digest, signature, error);                      any thread, no search
 *     hsm_close(hsm);
 *
 * Threads: everything may be called from any thread once hsm_open returned. Each call borrows a
 * session from a pool that grows as needed. A struct hsm_key belongs to its hsm and stays valid
 * until hsm_close, whatever happens to the token.
 *
 * Recovery: when sessions are lost (token restarted or removed, module finalized), the call that
 * notices reopens, logs in again with the PIN file and finds the keys again, then repeats itself
 * once. While that fails, calls return ERROR_HSM_UNAVAILABLE and the next call tries again.
 *
 * Signing keys are copied to a session object when the module allows, because a SoftHSM token
 * object costs several file operations on every use.
 *
 * All tokens open at one time in one process share one module instance, hence one softhsm_config.
 * Do not fork after hsm_open and go on using it in the child.
 *
 * Shapes: public keys X || Y (64), points 04 || X || Y (65), signatures r || s (64).
 */
#ifndef NUSEC_HOST_HSM_HSM_H
#define NUSEC_HOST_HSM_HSM_H

#include "base/buffer.h"
#include "base/signer.h"

#define HSM_LABEL_MAX       63
#define HSM_PUBLIC_KEY_SIZE 64
#define HSM_POINT_SIZE      65
#define HSM_SIGNATURE_SIZE  64
#define HSM_GCM_IV_SIZE     12
#define HSM_GCM_TAG_SIZE    16
#define HSM_WRAPPED_KEY_MAX 64 /* a wrapped AES-256 key has 40 bytes */
#define HSM_DEFAULT_MODULE  "/usr/lib/softhsm/libsofthsm2.so"

struct hsm;
struct hsm_key;

struct hsm_config {
    const char *module_path;
    const char *token_label;
    const char *pin_file;       /* user PIN; read at open and at recovery, never kept */
    const char *softhsm_config; /* put into SOFTHSM2_CONF before loading; NULL for other modules */
};

/* Writes a softhsm2.conf for a token directory (created with mode 0700). Durable. */
int hsm_softhsm_configure(const char *config_path, const char *token_directory,
                          struct error *error);

/* Initialises a token in the first free slot under the config's label and sets the user PIN.
 * ERROR_CONFLICT if a token of that label exists. */
int hsm_init_token(const struct hsm_config *config, const char *so_pin_file, struct error *error);

/* The config is copied. NULL: ERROR_HSM_UNAVAILABLE (module, token), ERROR_DENIED (PIN). */
struct hsm *hsm_open(const struct hsm_config *config, struct error *error);
void hsm_close(struct hsm *hsm);

/*
 * Token objects. Each is private, sensitive and never extractable, made in the token, and can do
 * one thing only. ERROR_CONFLICT if the label is taken.
 */
/* SIGN only; the public key is kept beside it under the same label. */
int hsm_generate_p256(struct hsm *hsm, const char *label, struct error *error);
/* AES-256, WRAP and UNWRAP only: with DECRYPT a PIN holder could unwrap keys by hand. */
int hsm_generate_kek(struct hsm *hsm, const char *label, struct error *error);
/* Removes every object of that label. ERROR_NOT_FOUND if there is none. */
int hsm_destroy(struct hsm *hsm, const char *label, struct error *error);

/* Finds a private or secret key by its label, once; later calls return the same handle.
 * NULL: ERROR_NOT_FOUND. */
struct hsm_key *hsm_key(struct hsm *hsm, const char *label, struct error *error);
const char *hsm_key_label(const struct hsm_key *key);

/* Calls `visit` for each key that is a token object, with its label, CKO_ class and CKK_ type. */
typedef void hsm_object_visitor(void *context, const char *label, unsigned long object_class,
                                unsigned long key_type);
int hsm_list(struct hsm *hsm, hsm_object_visitor *visit, void *context, struct error *error);

/* Cheap liveness: one C_GenerateRandom through the pool, with recovery. */
int hsm_check(struct hsm *hsm, struct error *error);

int hsm_public_key(struct hsm_key *key, uint8_t public_key[HSM_PUBLIC_KEY_SIZE],
                   struct error *error);
int hsm_sign(struct hsm_key *key, const uint8_t digest[32], uint8_t signature[HSM_SIGNATURE_SIZE],
             struct error *error);
/* The key as base/signer.h wants it; valid as long as the key. */
struct signer hsm_signer(struct hsm_key *key);
int hsm_random(struct hsm *hsm, uint8_t *out, size_t size, struct error *error);

#endif
