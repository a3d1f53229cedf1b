#include "programmer/key_store.h"

#include "base/encoding.h"
#include "base/file.h"
#include "base/secret.h"
#include "programmer/key_store_backend.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define PIN_BYTES 16

int key_store_pin_ensure(const char *path, struct error *error) {
    if (file_exists(path))
        return 0;
    uint8_t random[PIN_BYTES];
    char text[2 * PIN_BYTES + 1];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return error_set(error, ERROR_INTERNAL, "the system gave no random bytes");
    hex_encode(bytes_of(random, sizeof random), text);
    int failed = file_create_durable(path, bytes_of(text, strlen(text)), 0600, error);
    secret_wipe(random, sizeof random);
    secret_wipe(text, sizeof text);
    return failed;
}

int key_store_open(struct key_store *store, const struct key_store_options *options,
                   struct error *error) {
    *store = (struct key_store){0};
    if (options->tpm != NULL && (options->module_path != NULL || options->token_label != NULL))
        return error_set(error, ERROR_USAGE, "the key store is a TPM or a PKCS#11 token, not both");
    const struct key_store_backend *backend =
        options->tpm != NULL ? &key_store_tpm : &key_store_pkcs11;
    if (backend->open(&store->keys, options, store->public_key, error) != 0)
        return -1;
    store->backend = backend;
    store->assurance = backend->assurance;
    return 0;
}

void key_store_close(struct key_store *store) {
    if (store->backend != NULL)
        store->backend->close(store->keys);
    *store = (struct key_store){0};
}

int key_store_sign(const struct key_store *store, const uint8_t digest[32],
                   uint8_t signature[HSM_SIGNATURE_SIZE], struct error *error) {
    return store->backend->sign(store->keys, digest, signature, error);
}

static int sign_as_signer(void *context, const uint8_t digest[32], uint8_t signature[64],
                          struct error *error) {
    return key_store_sign(context, digest, signature, error);
}

struct signer key_store_signer(const struct key_store *store) {
    /* A const in, a non-const void * slot: only ever read back as const. */
    return (struct signer){.sign = sign_as_signer, .context = (void *)(uintptr_t)store};
}

int key_store_random(const struct key_store *store, uint8_t *out, size_t size,
                     struct error *error) {
    return store->backend->random(store->keys, out, size, error);
}

struct key_store_agreement *key_store_agreement_begin(const struct key_store *store,
                                                      uint8_t point[HSM_POINT_SIZE],
                                                      struct error *error) {
    return store->backend->agreement_begin(store->keys, point, error);
}

static void epoch_label(uint32_t epoch, char label[HSM_LABEL_MAX + 1]) {
    (void)snprintf(label, HSM_LABEL_MAX + 1, "aes-nulink3-%u", epoch);
}

int key_store_agreement_finish(const struct key_store *store, struct key_store_agreement *agreement,
                               const uint8_t peer[HSM_POINT_SIZE], struct bytes wrapped,
                               uint32_t epoch, struct error *error) {
    char label[HSM_LABEL_MAX + 1];
    epoch_label(epoch, label);
    if (store->backend->key_destroy(store->keys, label, error) != 0 &&
        error->code != ERROR_NOT_FOUND)
        return -1;
    return store->backend->agreement_finish(agreement, peer, wrapped, label, error);
}

void key_store_agreement_free(const struct key_store *store,
                              struct key_store_agreement *agreement) {
    if (agreement != NULL)
        store->backend->agreement_free(agreement);
}

struct key_store_proof *key_store_proof_begin(const struct key_store *store,
                                              struct buffer *ek_certificate,
                                              struct buffer *ak_public, struct error *error) {
    if (store->backend->proof_begin != NULL)
        return store->backend->proof_begin(store->keys, ek_certificate, ak_public, error);
    (void)error_set(error, ERROR_UNSUPPORTED, "this key store is no TPM");
    return NULL;
}

int key_store_proof_finish(const struct key_store *store, struct key_store_proof *proof,
                           struct bytes credential, struct bytes encrypted_secret,
                           struct buffer *authkey_public, struct buffer *statement,
                           uint8_t signature[HSM_SIGNATURE_SIZE], struct error *error) {
    return store->backend->proof_finish(proof, credential, encrypted_secret, authkey_public,
                                        statement, signature, error);
}

void key_store_proof_free(const struct key_store *store, struct key_store_proof *proof) {
    if (proof != NULL)
        store->backend->proof_free(proof);
}

bool key_store_has_counter(const struct key_store *store) {
    return store->backend->counter_make != NULL;
}

int key_store_counter_make(const struct key_store *store, uint32_t *index, uint64_t *value,
                           struct error *error) {
    return store->backend->counter_make(store->keys, index, value, error);
}

int key_store_counter_read(const struct key_store *store, uint32_t index, uint64_t *value,
                           struct error *error) {
    return store->backend->counter_read(store->keys, index, value, error);
}

int key_store_counter_raise(const struct key_store *store, uint32_t index, struct error *error) {
    return store->backend->counter_raise(store->keys, index, error);
}

int key_store_epoch(const struct key_store *store, uint32_t epoch, struct key_store_epoch *key,
                    struct error *error) {
    char label[HSM_LABEL_MAX + 1];
    *key = (struct key_store_epoch){store, epoch};
    epoch_label(epoch, label);
    if (store->backend->key_check(store->keys, label, error) == 0)
        return 0;
    if (error->code == ERROR_NOT_FOUND)
        (void)error_set(error, ERROR_WRONG_EPOCH, "the key store has no AES_NuLink3 of epoch %u",
                        epoch);
    return -1;
}

static int cipher_decrypt(void *context, const uint8_t iv[12], struct bytes aad, struct bytes input,
                          uint8_t *out, struct error *error) {
    const struct key_store_epoch *key = context;
    char label[HSM_LABEL_MAX + 1];
    epoch_label(key->epoch, label);
    return key->store->backend->decrypt(key->store->keys, label, iv, aad, input, out, error);
}

struct package_cipher key_store_package_cipher(struct key_store_epoch *key) {
    return (struct package_cipher){.decrypt = cipher_decrypt, .context = key};
}
