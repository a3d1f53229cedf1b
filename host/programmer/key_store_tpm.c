#include "programmer/key_store_backend.h"

#include "base/file.h"
#include "base/log.h"
#include "tpm/tpm_agreement.h"
#include "tpm/tpm_attest.h"
#include "tpm/tpm_counter.h"

#include <assert.h>
#include <stdlib.h>

static_assert(TPM_PUBLIC_KEY_SIZE == HSM_PUBLIC_KEY_SIZE && TPM_POINT_SIZE == HSM_POINT_SIZE &&
                  TPM_SIGNATURE_SIZE == HSM_SIGNATURE_SIZE,
              "one size for both kinds of key store");

static void tpm_keys_close(void *keys) {
    tpm_close(keys);
}

static int authkey_ensure(struct tpm *tpm, struct error *error) {
    if (tpm_key_exists(tpm, KEY_STORE_AUTHKEY))
        return 0;
    if (tpm_generate_p256(tpm, KEY_STORE_AUTHKEY, error) != 0)
        return -1;
    log_info("authkey.generated", "assurance", key_store_tpm.assurance);
    return 0;
}

/* A file that another TPM has made, or another PIN, should be known now and not at the first unit.
 */
static int authkey_try(struct tpm *tpm, uint8_t public_key[HSM_PUBLIC_KEY_SIZE],
                       struct error *error) {
    const uint8_t digest[32] = {0};
    uint8_t signature[TPM_SIGNATURE_SIZE];
    if (tpm_public_key(tpm, KEY_STORE_AUTHKEY, public_key, error) != 0)
        return -1;
    return tpm_sign(tpm, KEY_STORE_AUTHKEY, digest, signature, error);
}

static int tpm_keys_open(void **opened, const struct key_store_options *options,
                         uint8_t public_key[HSM_PUBLIC_KEY_SIZE], struct error *error) {
    char *generated = path_join(options->directory, "pin");
    char *directory = path_join(options->directory, "tpm");
    struct tpm *tpm = NULL;
    int failed = generated == NULL || directory == NULL
                     ? error_set(error, ERROR_INTERNAL, "out of memory")
                     : 0;
    if (failed == 0 && options->pin_file == NULL)
        failed = key_store_pin_ensure(generated, error);
    if (failed == 0) {
        const struct tpm_config config = {
            .tcti = options->tpm,
            .directory = directory,
            .pin_file = options->pin_file != NULL ? options->pin_file : generated,
        };
        tpm = tpm_open(&config, error);
        failed = tpm != NULL ? 0 : -1;
    }
    if (failed == 0 &&
        (authkey_ensure(tpm, error) != 0 || authkey_try(tpm, public_key, error) != 0))
        failed = -1;
    free(generated);
    free(directory);
    if (failed != 0)
        tpm_close(tpm);
    else
        *opened = tpm;
    return failed;
}

static int tpm_keys_sign(void *keys, const uint8_t digest[32],
                         uint8_t signature[HSM_SIGNATURE_SIZE], struct error *error) {
    return tpm_sign(keys, KEY_STORE_AUTHKEY, digest, signature, error);
}

static int tpm_keys_random(void *keys, uint8_t *out, size_t size, struct error *error) {
    return tpm_random(keys, out, size, error);
}

static void *tpm_keys_agreement_begin(void *keys, uint8_t point[HSM_POINT_SIZE],
                                      struct error *error) {
    return tpm_agreement_begin(keys, point, error);
}

static int tpm_keys_agreement_finish(void *agreement, const uint8_t peer[HSM_POINT_SIZE],
                                     struct bytes wrapped, const char *label, struct error *error) {
    return tpm_agreement_finish(agreement, peer, wrapped, label, error);
}

static void tpm_keys_agreement_free(void *agreement) {
    tpm_agreement_free(agreement);
}

static int tpm_keys_check(void *keys, const char *label, struct error *error) {
    return tpm_key_exists(keys, label)
               ? 0
               : error_set(error, ERROR_NOT_FOUND, "there is no key \"%s\"", label);
}

static int tpm_keys_destroy(void *keys, const char *label, struct error *error) {
    return tpm_destroy(keys, label, error);
}

static int tpm_keys_decrypt(void *keys, const char *label, const uint8_t iv[12], struct bytes aad,
                            struct bytes input, uint8_t *out, struct error *error) {
    return tpm_gcm_decrypt(keys, label, iv, aad, input, out, error);
}

static void *tpm_keys_proof_begin(void *keys, struct buffer *ek_certificate,
                                  struct buffer *ak_public, struct error *error) {
    return tpm_attest_begin(keys, ek_certificate, ak_public, error);
}

static int tpm_keys_proof_finish(void *proof, struct bytes credential,
                                 struct bytes encrypted_secret, struct buffer *authkey_public,
                                 struct buffer *statement, uint8_t signature[HSM_SIGNATURE_SIZE],
                                 struct error *error) {
    return tpm_attest_prove(proof, credential, encrypted_secret, KEY_STORE_AUTHKEY, authkey_public,
                            statement, signature, error);
}

static void tpm_keys_proof_free(void *proof) {
    tpm_attest_free(proof);
}

static int tpm_keys_counter_make(void *keys, uint32_t *index, uint64_t *value,
                                 struct error *error) {
    return tpm_counter_make(keys, index, value, error);
}

static int tpm_keys_counter_read(void *keys, uint32_t index, uint64_t *value, struct error *error) {
    return tpm_counter_read(keys, index, value, error);
}

static int tpm_keys_counter_raise(void *keys, uint32_t index, struct error *error) {
    return tpm_counter_raise(keys, index, error);
}

const struct key_store_backend key_store_tpm = {
    .assurance = "tpm",
    .open = tpm_keys_open,
    .close = tpm_keys_close,
    .sign = tpm_keys_sign,
    .random = tpm_keys_random,
    .agreement_begin = tpm_keys_agreement_begin,
    .agreement_finish = tpm_keys_agreement_finish,
    .agreement_free = tpm_keys_agreement_free,
    .key_check = tpm_keys_check,
    .key_destroy = tpm_keys_destroy,
    .decrypt = tpm_keys_decrypt,
    .proof_begin = tpm_keys_proof_begin,
    .proof_finish = tpm_keys_proof_finish,
    .proof_free = tpm_keys_proof_free,
    .counter_make = tpm_keys_counter_make,
    .counter_read = tpm_keys_counter_read,
    .counter_raise = tpm_keys_counter_raise,
};
