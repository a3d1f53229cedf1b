#include "hsm/objects.h"

#include <string.h>

struct sign_request {
    struct hsm_key *key;
    const uint8_t *digest;
    uint8_t *signature;
};

static CK_RV sign_digest(struct hsm *hsm, CK_SESSION_HANDLE session, void *context) {
    CK_FUNCTION_LIST *functions = hsm->module->functions;
    struct sign_request *request = context;
    CK_MECHANISM mechanism = {CKM_ECDSA, NULL, 0};
    CK_ULONG size = HSM_SIGNATURE_SIZE;
    if (request->key->handle == CK_INVALID_HANDLE)
        return CKR_KEY_HANDLE_INVALID;
    CK_RV rv = functions->C_SignInit(session, &mechanism, request->key->handle);
    if (rv != CKR_OK)
        return rv;
    rv = functions->C_Sign(session, (CK_BYTE *)request->digest, 32, request->signature, &size);
    return rv == CKR_OK && size != HSM_SIGNATURE_SIZE ? CKR_GENERAL_ERROR : rv;
}

int hsm_sign(struct hsm_key *key, const uint8_t digest[32], uint8_t signature[HSM_SIGNATURE_SIZE],
             struct error *error) {
    struct sign_request request = {key, digest, signature};
    if (hsm_run(key->hsm, "C_Sign", sign_digest, &request, error) == CKR_OK)
        return 0;
    memset(signature, 0, HSM_SIGNATURE_SIZE);
    return -1;
}

static int sign_as_signer(void *context, const uint8_t digest[32], uint8_t signature[64],
                          struct error *error) {
    return hsm_sign(context, digest, signature, error);
}

struct signer hsm_signer(struct hsm_key *key) {
    return (struct signer){sign_as_signer, key};
}

int hsm_public_key(struct hsm_key *key, uint8_t public_key[HSM_PUBLIC_KEY_SIZE],
                   struct error *error) {
    memset(public_key, 0, HSM_PUBLIC_KEY_SIZE);
    if (!key->has_public_key)
        return error_set(error, ERROR_NOT_FOUND, "\"%s\" is no signing key", key->label);
    memcpy(public_key, key->public_key, HSM_PUBLIC_KEY_SIZE);
    return 0;
}
