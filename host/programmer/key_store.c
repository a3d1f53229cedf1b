#include "programmer/key_store.h"

#include "base/encoding.h"
#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"
#include "hsm/gcm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define AUTHKEY_LABEL "authkey"
#define DEFAULT_TOKEN "nusec-programmer"
#define PIN_BYTES     16

/* A PIN nobody has to remember: the file's owner is who may use the token. */
static int secret_file_ensure(const char *path, struct error *error) {
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

struct token_paths {
    char *pin;
    char *so_pin;
    char *config;
    char *tokens;
};

static int token_paths_make(struct token_paths *paths, const char *directory, struct error *error) {
    paths->pin = path_join(directory, "pin");
    paths->so_pin = path_join(directory, "so-pin");
    paths->config = path_join(directory, "softhsm2.conf");
    paths->tokens = path_join(directory, "tokens");
    if (paths->pin == NULL || paths->so_pin == NULL || paths->config == NULL ||
        paths->tokens == NULL)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    return 0;
}

static void token_paths_free(struct token_paths *paths) {
    free(paths->pin);
    free(paths->so_pin);
    free(paths->config);
    free(paths->tokens);
}

/* Every step may find its work done by an earlier run that did not get to its end. */
static int softhsm_ensure(const struct token_paths *paths, const struct hsm_config *config,
                          struct error *error) {
    if (config->pin_file == paths->pin && secret_file_ensure(paths->pin, error) != 0)
        return -1;
    if (secret_file_ensure(paths->so_pin, error) != 0)
        return -1;
    if (hsm_softhsm_configure(paths->config, paths->tokens, error) != 0)
        return -1;
    if (hsm_init_token(config, paths->so_pin, error) != 0 && error->code != ERROR_CONFLICT)
        return -1;
    return 0;
}

static int token_open(struct key_store *store, const struct key_store_options *options,
                      const struct token_paths *paths, struct error *error) {
    bool is_softhsm = options->module_path == NULL;
    if (!is_softhsm && options->pin_file == NULL)
        return error_set(error, ERROR_USAGE, "a PKCS#11 module needs --pin-file");
    struct hsm_config config = {
        .module_path = is_softhsm ? HSM_DEFAULT_MODULE : options->module_path,
        .token_label = options->token_label != NULL ? options->token_label : DEFAULT_TOKEN,
        .pin_file = options->pin_file != NULL ? options->pin_file : paths->pin,
        .softhsm_config = is_softhsm ? paths->config : NULL,
    };
    if (is_softhsm && softhsm_ensure(paths, &config, error) != 0)
        return -1;
    store->assurance = !is_softhsm && strstr(config.module_path, "tpm2") ? "tpm" : "software";
    store->hsm = hsm_open(&config, error);
    return store->hsm != NULL ? 0 : -1;
}

static int authkey_ensure(struct key_store *store, struct error *error) {
    store->authkey = hsm_key(store->hsm, AUTHKEY_LABEL, error);
    if (store->authkey == NULL && error->code == ERROR_NOT_FOUND) {
        if (hsm_generate_p256(store->hsm, AUTHKEY_LABEL, error) != 0)
            return -1;
        log_info("authkey.generated", "assurance", store->assurance);
        store->authkey = hsm_key(store->hsm, AUTHKEY_LABEL, error);
    }
    if (store->authkey == NULL)
        return -1;
    return hsm_public_key(store->authkey, store->public_key, error);
}

int key_store_open(struct key_store *store, const struct key_store_options *options,
                   struct error *error) {
    *store = (struct key_store){0};
    struct token_paths paths = {0};
    int failed = token_paths_make(&paths, options->directory, error);
    if (failed == 0)
        failed = token_open(store, options, &paths, error);
    if (failed == 0)
        failed = authkey_ensure(store, error);
    token_paths_free(&paths);
    if (failed != 0)
        key_store_close(store);
    return failed;
}

void key_store_close(struct key_store *store) {
    if (store->hsm != NULL)
        hsm_close(store->hsm);
    *store = (struct key_store){0};
}

int key_store_sign(const struct key_store *store, const uint8_t digest[32],
                   uint8_t signature[HSM_SIGNATURE_SIZE], struct error *error) {
    return hsm_sign(store->authkey, digest, signature, error);
}

void key_store_epoch_label(uint32_t epoch, char label[HSM_LABEL_MAX + 1]) {
    (void)snprintf(label, HSM_LABEL_MAX + 1, "aes-nulink3-%u", epoch);
}

struct hsm_key *key_store_epoch_key(const struct key_store *store, uint32_t epoch,
                                    struct error *error) {
    char label[HSM_LABEL_MAX + 1];
    key_store_epoch_label(epoch, label);
    struct hsm_key *key = hsm_key(store->hsm, label, error);
    if (key == NULL && error->code == ERROR_NOT_FOUND)
        (void)error_set(error, ERROR_WRONG_EPOCH, "the key store has no AES_NuLink3 of epoch %u",
                        epoch);
    return key;
}

static int cipher_decrypt(void *context, const uint8_t iv[12], struct bytes aad, struct bytes input,
                          uint8_t *out, struct error *error) {
    return hsm_gcm_decrypt(context, iv, aad, input, out, error);
}

struct package_cipher key_store_package_cipher(struct hsm_key *epoch_key) {
    return (struct package_cipher){.decrypt = cipher_decrypt, .context = epoch_key};
}
