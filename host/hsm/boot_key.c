#include "hsm/boot_key.h"

#include "base/secret.h"
#include "crypto/crypto.h"
#include "hsm/objects.h"

#include <string.h>

static CK_MECHANISM wrap_mechanism = {CKM_AES_KEY_WRAP_PAD, NULL, 0};

/* SoftHSM answers CKR_GENERAL_ERROR when the integrity check of a wrapped key fails. */
static CK_RV wrapped_error(CK_RV rv) {
    switch (rv) {
    case CKR_GENERAL_ERROR:
    case CKR_WRAPPED_KEY_LEN_RANGE:
    case CKR_FUNCTION_FAILED:
    case CKR_ARGUMENTS_BAD: return CKR_WRAPPED_KEY_INVALID;
    default: return rv;
    }
}

static int key_error(CK_RV rv, const char *what, struct error *error) {
    if (rv != CKR_WRAPPED_KEY_INVALID)
        return -1; /* hsm_run has said it */
    (void)error_set(error, ERROR_ALTERED, "the %s does not open", what);
    return error_hint(error, "the database row or the KEK is not the one it was wrapped with");
}

struct make_request {
    struct hsm_key *kek;
    struct hsm_boot_key *key;
};

static void destroy(struct hsm *hsm, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object) {
    if (object != CK_INVALID_HANDLE)
        (void)hsm->module->functions->C_DestroyObject(session, object);
}

static CK_RV generate_pair(struct hsm *hsm, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *public_key,
                           CK_OBJECT_HANDLE *private_key) {
    CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
    CK_ATTRIBUTE public_template[] = {
        {CKA_TOKEN, &hsm_false, sizeof(hsm_false)},
        {CKA_EC_PARAMS, (void *)hsm_p256_parameters, sizeof(hsm_p256_parameters)},
    };
    /* Extractable means here: may be wrapped. Sensitive: never readable. */
    CK_ATTRIBUTE private_template[] = {
        {CKA_TOKEN, &hsm_false, sizeof(hsm_false)},
        {CKA_PRIVATE, &hsm_true, sizeof(hsm_true)},
        {CKA_SENSITIVE, &hsm_true, sizeof(hsm_true)},
        {CKA_EXTRACTABLE, &hsm_true, sizeof(hsm_true)},
        {CKA_SIGN, &hsm_true, sizeof(hsm_true)},
        {CKA_DERIVE, &hsm_false, sizeof(hsm_false)},
    };
    return hsm->module->functions->C_GenerateKeyPair(
        session, &mechanism, public_template, HSM_COUNT(public_template), private_template,
        HSM_COUNT(private_template), public_key, private_key);
}

static CK_RV make_pair(struct hsm *hsm, CK_SESSION_HANDLE session, void *context) {
    struct make_request *request = context;
    struct hsm_boot_key *key = request->key;
    CK_OBJECT_HANDLE public_key = CK_INVALID_HANDLE;
    CK_OBJECT_HANDLE private_key = CK_INVALID_HANDLE;
    CK_ULONG size = sizeof(key->wrapped);
    uint8_t point[HSM_POINT_SIZE];
    if (request->kek->handle == CK_INVALID_HANDLE)
        return CKR_KEY_HANDLE_INVALID;
    CK_RV rv = generate_pair(hsm, session, &public_key, &private_key);
    if (rv == CKR_OK)
        rv = hsm_read_point(hsm, session, public_key, point);
    if (rv == CKR_OK)
        rv = hsm->module->functions->C_WrapKey(session, &wrap_mechanism, request->kek->handle,
                                               private_key, key->wrapped, &size);
    destroy(hsm, session, private_key);
    destroy(hsm, session, public_key);
    if (rv == CKR_OK) {
        memcpy(key->public_key, point + 1, sizeof(key->public_key));
        key->wrapped_size = size;
    }
    return rv;
}

int hsm_boot_key_make(struct hsm_key *kek, struct hsm_boot_key *key, struct error *error) {
    struct make_request request = {kek, key};
    memset(key, 0, sizeof(*key));
    return hsm_run(kek->hsm, "making a boot key", make_pair, &request, error) == CKR_OK ? 0 : -1;
}

static CK_RV unwrap_pair(struct hsm *hsm, struct hsm_key *kek, const struct hsm_boot_key *key,
                         CK_OBJECT_HANDLE *handle) {
    CK_OBJECT_CLASS object_class = CKO_PRIVATE_KEY;
    CK_KEY_TYPE type = CKK_EC;
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &object_class, sizeof(object_class)},
        {CKA_KEY_TYPE, &type, sizeof(type)},
        {CKA_TOKEN, &hsm_false, sizeof(hsm_false)},
        {CKA_PRIVATE, &hsm_true, sizeof(hsm_true)},
        {CKA_SENSITIVE, &hsm_true, sizeof(hsm_true)},
        {CKA_EXTRACTABLE, &hsm_false, sizeof(hsm_false)},
        {CKA_SIGN, &hsm_true, sizeof(hsm_true)},
        {CKA_DERIVE, &hsm_false, sizeof(hsm_false)},
        {CKA_UNWRAP, &hsm_false, sizeof(hsm_false)},
        {CKA_DECRYPT, &hsm_false, sizeof(hsm_false)},
    };
    if (kek->handle == CK_INVALID_HANDLE)
        return CKR_KEY_HANDLE_INVALID;
    if (key->wrapped_size == 0 || key->wrapped_size % 8 != 0 ||
        key->wrapped_size > sizeof(key->wrapped))
        return CKR_WRAPPED_KEY_INVALID;
    return wrapped_error(hsm->module->functions->C_UnwrapKey(
        hsm->keeper, &wrap_mechanism, kek->handle, (CK_BYTE *)key->wrapped,
        (CK_ULONG)key->wrapped_size, template, HSM_COUNT(template), handle));
}

/* Handles of a connection that is gone are numbers of nothing. */
static void drop_stale(struct hsm *hsm) {
    if (hsm->unwrapped_generation == hsm->generation)
        return;
    memset(hsm->unwrapped, 0, sizeof(hsm->unwrapped));
    hsm->unwrapped_generation = hsm->generation;
}

static struct hsm_unwrapped *find_unwrapped(struct hsm *hsm, const struct hsm_key *kek,
                                            const uint8_t row_hash[CRYPTO_DIGEST_SIZE]) {
    for (size_t i = 0; i < HSM_UNWRAPPED_MAX; i++) {
        struct hsm_unwrapped *entry = &hsm->unwrapped[i];
        if (entry->kek == kek && memcmp(entry->row_hash, row_hash, CRYPTO_DIGEST_SIZE) == 0)
            return entry;
    }
    return NULL;
}

/* The entry that was used longest ago makes room. */
static struct hsm_unwrapped *make_room(struct hsm *hsm) {
    struct hsm_unwrapped *oldest = &hsm->unwrapped[0];
    for (size_t i = 1; i < HSM_UNWRAPPED_MAX; i++)
        if (hsm->unwrapped[i].used < oldest->used)
            oldest = &hsm->unwrapped[i];
    if (oldest->kek != NULL)
        destroy(hsm, hsm->keeper, oldest->handle);
    memset(oldest, 0, sizeof(*oldest));
    return oldest;
}

static void forget_unwrapped(struct hsm *hsm, struct hsm_unwrapped *entry) {
    destroy(hsm, hsm->keeper, entry->handle);
    memset(entry, 0, sizeof(*entry));
}

struct sign_request {
    struct hsm_key *kek;
    const struct hsm_boot_key *key;
    const uint8_t *row_hash;
    const uint8_t *digest;
    uint8_t *signature;
};

static CK_RV get_unwrapped(struct hsm *hsm, const struct sign_request *request,
                           struct hsm_unwrapped **entry) {
    drop_stale(hsm);
    *entry = find_unwrapped(hsm, request->kek, request->row_hash);
    if (*entry == NULL) {
        CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
        CK_RV rv = unwrap_pair(hsm, request->kek, request->key, &handle);
        if (rv != CKR_OK)
            return rv;
        *entry = make_room(hsm);
        (*entry)->kek = request->kek;
        (*entry)->handle = handle;
        memcpy((*entry)->row_hash, request->row_hash, CRYPTO_DIGEST_SIZE);
    }
    (*entry)->used = ++hsm->unwrapped_clock;
    return CKR_OK;
}

static CK_RV sign_unwrapped(struct hsm *hsm, CK_SESSION_HANDLE session, void *context) {
    CK_FUNCTION_LIST *functions = hsm->module->functions;
    const struct sign_request *request = context;
    struct hsm_unwrapped *entry;
    CK_MECHANISM mechanism = {CKM_ECDSA, NULL, 0};
    CK_ULONG size = HSM_SIGNATURE_SIZE;
    CK_RV rv = get_unwrapped(hsm, request, &entry);
    if (rv == CKR_OK)
        rv = functions->C_SignInit(session, &mechanism, entry->handle);
    if (rv == CKR_OK)
        rv = functions->C_Sign(session, (CK_BYTE *)request->digest, 32, request->signature, &size);
    if (rv != CKR_OK || size != HSM_SIGNATURE_SIZE)
        return rv == CKR_OK ? CKR_GENERAL_ERROR : rv;
    /* A row whose public key was exchanged would sign images that no chip starts, or be a key of
     * somebody else's choice in a chip. */
    if (!entry->proved && crypto_p256_verify(request->key->public_key, request->digest,
                                             request->signature) != STATUS_OK) {
        forget_unwrapped(hsm, entry);
        return CKR_WRAPPED_KEY_INVALID;
    }
    entry->proved = true;
    return CKR_OK;
}

static void hash_row(const struct hsm_boot_key *key, uint8_t hash[CRYPTO_DIGEST_SIZE]) {
    struct crypto_sha256 running;
    crypto_sha256_start(&running);
    crypto_sha256_update(&running, bytes_of(key->public_key, sizeof(key->public_key)));
    crypto_sha256_update(&running, bytes_of(key->wrapped, key->wrapped_size));
    crypto_sha256_finish(&running, hash);
}

int hsm_boot_key_sign(struct hsm_key *kek, const struct hsm_boot_key *key, const uint8_t digest[32],
                      uint8_t signature[HSM_SIGNATURE_SIZE], struct error *error) {
    struct hsm *hsm = kek->hsm;
    uint8_t row_hash[CRYPTO_DIGEST_SIZE];
    struct sign_request request = {kek, key, row_hash, digest, signature};
    memset(signature, 0, HSM_SIGNATURE_SIZE);
    if (key->wrapped_size > sizeof(key->wrapped))
        return key_error(CKR_WRAPPED_KEY_INVALID, "boot key", error);
    hash_row(key, row_hash);
    pthread_mutex_lock(&hsm->keys_mutex);
    CK_RV rv = hsm_run(hsm, "signing with a boot key", sign_unwrapped, &request, error);
    pthread_mutex_unlock(&hsm->keys_mutex);
    if (rv == CKR_OK)
        return 0;
    memset(signature, 0, HSM_SIGNATURE_SIZE);
    return key_error(rv, "boot key", error);
}

/* Content keys: an image is encrypted outside of the token, so their values come out. */

struct content_request {
    struct hsm_key *kek;
    uint8_t *value;
    uint8_t *wrapped; /* make */
    size_t *wrapped_size;
    struct bytes input; /* open */
};

static CK_RV read_value(struct hsm *hsm, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                        uint8_t value[HSM_CONTENT_KEY_SIZE]) {
    CK_ATTRIBUTE attribute = {CKA_VALUE, value, HSM_CONTENT_KEY_SIZE};
    CK_RV rv = hsm->module->functions->C_GetAttributeValue(session, object, &attribute, 1);
    return rv == CKR_OK && attribute.ulValueLen != HSM_CONTENT_KEY_SIZE ? CKR_WRAPPED_KEY_INVALID
                                                                        : rv;
}

static CK_RV make_content_key(struct hsm *hsm, CK_SESSION_HANDLE session, void *context) {
    struct content_request *request = context;
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    CK_ULONG length = HSM_CONTENT_KEY_SIZE;
    CK_ULONG size = HSM_WRAPPED_KEY_MAX;
    CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
    CK_ATTRIBUTE template[] = {
        {CKA_TOKEN, &hsm_false, sizeof(hsm_false)},
        {CKA_PRIVATE, &hsm_true, sizeof(hsm_true)},
        {CKA_SENSITIVE, &hsm_false, sizeof(hsm_false)},
        {CKA_EXTRACTABLE, &hsm_true, sizeof(hsm_true)},
        {CKA_VALUE_LEN, &length, sizeof(length)},
    };
    if (request->kek->handle == CK_INVALID_HANDLE)
        return CKR_KEY_HANDLE_INVALID;
    CK_RV rv = hsm->module->functions->C_GenerateKey(session, &mechanism, template,
                                                     HSM_COUNT(template), &object);
    if (rv == CKR_OK)
        rv = read_value(hsm, session, object, request->value);
    if (rv == CKR_OK)
        rv = hsm->module->functions->C_WrapKey(session, &wrap_mechanism, request->kek->handle,
                                               object, request->wrapped, &size);
    destroy(hsm, session, object);
    *request->wrapped_size = rv == CKR_OK ? size : 0;
    return rv;
}

int hsm_content_key_make(struct hsm_key *kek, uint8_t value[HSM_CONTENT_KEY_SIZE],
                         uint8_t wrapped[HSM_WRAPPED_KEY_MAX], size_t *wrapped_size,
                         struct error *error) {
    struct content_request request = {
        .kek = kek, .value = value, .wrapped = wrapped, .wrapped_size = wrapped_size};
    if (hsm_run(kek->hsm, "making a content key", make_content_key, &request, error) == CKR_OK)
        return 0;
    secret_wipe(value, HSM_CONTENT_KEY_SIZE);
    return -1;
}

static CK_RV open_content_key(struct hsm *hsm, CK_SESSION_HANDLE session, void *context) {
    struct content_request *request = context;
    CK_OBJECT_CLASS object_class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &object_class, sizeof(object_class)},
        {CKA_KEY_TYPE, &type, sizeof(type)},
        {CKA_TOKEN, &hsm_false, sizeof(hsm_false)},
        {CKA_PRIVATE, &hsm_true, sizeof(hsm_true)},
        {CKA_SENSITIVE, &hsm_false, sizeof(hsm_false)},
        {CKA_EXTRACTABLE, &hsm_true, sizeof(hsm_true)},
    };
    if (request->kek->handle == CK_INVALID_HANDLE)
        return CKR_KEY_HANDLE_INVALID;
    CK_RV rv = wrapped_error(hsm->module->functions->C_UnwrapKey(
        session, &wrap_mechanism, request->kek->handle, (CK_BYTE *)request->input.data,
        (CK_ULONG)request->input.size, template, HSM_COUNT(template), &object));
    if (rv == CKR_OK)
        rv = read_value(hsm, session, object, request->value);
    destroy(hsm, session, object);
    return rv;
}

int hsm_content_key_open(struct hsm_key *kek, struct bytes wrapped,
                         uint8_t value[HSM_CONTENT_KEY_SIZE], struct error *error) {
    struct content_request request = {.kek = kek, .value = value, .input = wrapped};
    CK_RV rv = CKR_WRAPPED_KEY_INVALID;
    if (wrapped.size == HSM_CONTENT_KEY_SIZE + 8)
        rv = hsm_run(kek->hsm, "opening a content key", open_content_key, &request, error);
    if (rv == CKR_OK)
        return 0;
    secret_wipe(value, HSM_CONTENT_KEY_SIZE);
    return key_error(rv, "content key", error);
}
