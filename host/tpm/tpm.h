/*
 * A TPM 2.0 as key store, through tpm2-tss (ESYS); why not PKCS#11: docs/decisions/0080.
 *
 * Keys are children of the storage key at handle 81000001 (made if it is missing) and live as files
 * `<label>.key` in a directory, encrypted by that storage key: only the TPM that made a file loads
 * it. The name of the storage key is pinned in `tpm.json` beside them, so that neither another TPM
 * nor somebody on its bus is talked to by mistake. Each operation has a session of its own, salted
 * to the storage key: PIN, keys and what they decrypt are not in clear on the bus.
 *
 *     tpm = tpm_open(&config, error);
 *     tpm_generate_p256(tpm, "authkey", error);  tpm_sign(tpm, "authkey", ...);     any thread
 *     tpm_close(tpm);
 */
#ifndef NUSEC_HOST_TPM_TPM_H
#define NUSEC_HOST_TPM_TPM_H

#include "base/buffer.h"

#define TPM_LABEL_MAX       63
#define TPM_PUBLIC_KEY_SIZE 64
#define TPM_POINT_SIZE      65
#define TPM_SIGNATURE_SIZE  64
#define TPM_GCM_IV_SIZE     12
#define TPM_GCM_TAG_SIZE    16

struct tpm;

struct tpm_config {
    const char *tcti;      /* "device:/dev/tpmrm0", "swtpm:path=...": tpm2-tss' own notation */
    const char *directory; /* of the key files; made if it is missing */
    const char *pin_file;  /* of the keys, at most 32 bytes; read once */
};

/* The config is copied. NULL: ERROR_HSM_UNAVAILABLE (no TPM there, or another one than before),
 * ERROR_UNSUPPORTED (it lacks a command or an algorithm). */
struct tpm *tpm_open(const struct tpm_config *config, struct error *error);
void tpm_close(struct tpm *tpm);

int tpm_random(struct tpm *tpm, uint8_t *out, size_t size, struct error *error);

/*
 * Keys by label. Each can do one thing only. Where one is missing: ERROR_NOT_FOUND; where its file
 * was changed or is another TPM's: ERROR_ALTERED; with another PIN: ERROR_DENIED.
 */
bool tpm_key_exists(struct tpm *tpm, const char *label);
/* Signs only; made in the TPM and fixed to it. ERROR_CONFLICT if the label is taken. */
int tpm_generate_p256(struct tpm *tpm, const char *label, struct error *error);
int tpm_public_key(struct tpm *tpm, const char *label, uint8_t public_key[TPM_PUBLIC_KEY_SIZE],
                   struct error *error);
int tpm_sign(struct tpm *tpm, const char *label, const uint8_t digest[32],
             uint8_t signature[TPM_SIGNATURE_SIZE], struct error *error);
/* Removes the file. A copy of it would still load: the TPM keeps no list. */
int tpm_destroy(struct tpm *tpm, const char *label, struct error *error);

/* ciphertext || tag with an AES-256 key; `out` has input.size - 16 bytes, zeroes on failure.
 * ERROR_ALTERED if the tag does not match. */
int tpm_gcm_decrypt(struct tpm *tpm, const char *label, const uint8_t iv[TPM_GCM_IV_SIZE],
                    struct bytes aad, struct bytes input, uint8_t *out, struct error *error);

#endif
