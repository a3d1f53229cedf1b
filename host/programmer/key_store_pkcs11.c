#include "programmer/key_store_backend.h"

#include "base/file.h"
#include "base/log.h"
#include "hsm/gcm.h"

#include <stdlib.h>

#define DEFAULT_TOKEN "nusec-programmer"

struct pkcs11_keys {
    struct hsm *hsm;
    struct hsm_key *authkey;
};

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
    if (config->pin_file == paths->pin && key_store_pin_ensure(paths->pin, error) != 0)
        return -1;
    if (key_store_pin_ensure(paths->so_pin, error) != 0)
        return -1;
    if (hsm_softhsm_configure(paths->config, paths->tokens, error) != 0)
        return -1;
    if (hsm_init_token(config, paths->so_pin, error) != 0 && error->code != ERROR_CONFLICT)
        return -1;
    return 0;
}

static int token_open(struct pkcs11_keys *keys, const struct key_store_options *options,
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
    keys->hsm = hsm_open(&config, error);
    return keys->hsm != NULL ? 0 : -1;
}

static int authkey_ensure(struct pkcs11_keys *keys, struct error *error) {
    keys->authkey = hsm_key(keys->hsm, KEY_STORE_AUTHKEY, error);
    if (keys->authkey == NULL && error->code == ERROR_NOT_FOUND) {
        if (hsm_generate_p256(keys->hsm, KEY_STORE_AUTHKEY, error) != 0)
            return -1;
        log_info("authkey.generated", "assurance", key_store_pkcs11.assurance);
        keys->authkey = hsm_key(keys->hsm, KEY_STORE_AUTHKEY, error);
    }
    return keys->authkey != NULL ? 0 : -1;
}

static void pkcs11_close(void *context) {
    struct pkcs11_keys *keys = context;
    if (keys->hsm != NULL)
        hsm_close(keys->hsm);
    free(keys);
}

static int pkcs11_open(void **opened, const struct key_store_options *options,
                       uint8_t public_key[HSM_PUBLIC_KEY_SIZE], struct error *error) {
    struct token_paths paths = {0};
    struct pkcs11_keys *keys = calloc(1, sizeof *keys);
    if (keys == NULL)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    int failed = token_paths_make(&paths, options->directory, error);
    if (failed == 0)
        failed = token_open(keys, options, &paths, error);
    if (failed == 0)
        failed = authkey_ensure(keys, error);
    if (failed == 0)
        failed = hsm_public_key(keys->authkey, public_key, error);
    token_paths_free(&paths);
    if (failed != 0)
        pkcs11_close(keys);
    else
        *opened = keys;
    return failed;
}

static int pkcs11_sign(void *context, const uint8_t digest[32],
                       uint8_t signature[HSM_SIGNATURE_SIZE], struct error *error) {
    const struct pkcs11_keys *keys = context;
    return hsm_sign(keys->authkey, digest, signature, error);
}

static int pkcs11_random(void *context, uint8_t *out, size_t size, struct error *error) {
    const struct pkcs11_keys *keys = context;
    return hsm_random(keys->hsm, out, size, error);
}

static void *pkcs11_agreement_begin(void *context, uint8_t point[HSM_POINT_SIZE],
                                    struct error *error) {
    const struct pkcs11_keys *keys = context;
    return hsm_agreement_begin(keys->hsm, point, error);
}

static int pkcs11_agreement_finish(void *agreement, const uint8_t peer[HSM_POINT_SIZE],
                                   struct bytes wrapped, const char *label, struct error *error) {
    return hsm_agreement_finish(agreement, peer, wrapped, label, error);
}

static void pkcs11_agreement_free(void *agreement) {
    hsm_agreement_free(agreement);
}

static int pkcs11_key_check(void *context, const char *label, struct error *error) {
    const struct pkcs11_keys *keys = context;
    return hsm_key(keys->hsm, label, error) != NULL ? 0 : -1;
}

static int pkcs11_key_destroy(void *context, const char *label, struct error *error) {
    const struct pkcs11_keys *keys = context;
    return hsm_destroy(keys->hsm, label, error);
}

static int pkcs11_decrypt(void *context, const char *label, const uint8_t iv[12], struct bytes aad,
                          struct bytes input, uint8_t *out, struct error *error) {
    const struct pkcs11_keys *keys = context;
    struct hsm_key *key = hsm_key(keys->hsm, label, error);
    return key != NULL ? hsm_gcm_decrypt(key, iv, aad, input, out, error) : -1;
}

const struct key_store_backend key_store_pkcs11 = {
    /* Whatever the module is: PKCS#11 has no proof of where a key is that a server could check. */
    .assurance = "software",
    .open = pkcs11_open,
    .close = pkcs11_close,
    .sign = pkcs11_sign,
    .random = pkcs11_random,
    .agreement_begin = pkcs11_agreement_begin,
    .agreement_finish = pkcs11_agreement_finish,
    .agreement_free = pkcs11_agreement_free,
    .key_check = pkcs11_key_check,
    .key_destroy = pkcs11_key_destroy,
    .decrypt = pkcs11_decrypt,
};
