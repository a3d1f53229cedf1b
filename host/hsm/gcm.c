#include "hsm/gcm.h"

#include "hsm/wrap.h"

#include <string.h>

struct gcm_request {
    struct hsm_key *key; /* the KEK when encrypting */
    struct bytes wrapped;
    const uint8_t *iv;
    struct bytes aad;
    struct bytes input;
    uint8_t *out;
    size_t out_size;
};

static CK_GCM_PARAMS gcm_parameters(const struct gcm_request *request) {
    return (CK_GCM_PARAMS){
        .pIv = (CK_BYTE *)request->iv,
        .ulIvLen = HSM_GCM_IV_SIZE,
        .ulIvBits = HSM_GCM_IV_SIZE * 8ul,
        .pAAD = (CK_BYTE *)request->aad.data,
        .ulAADLen = (CK_ULONG)request->aad.size,
        .ulTagBits = HSM_GCM_TAG_SIZE * 8ul,
    };
}

static CK_RV encrypt(struct hsm *hsm, CK_SESSION_HANDLE session, void *context) {
    CK_FUNCTION_LIST *functions = hsm->module->functions;
    struct gcm_request *request = context;
    CK_GCM_PARAMS parameters = gcm_parameters(request);
    CK_MECHANISM mechanism = {CKM_AES_GCM, &parameters, sizeof(parameters)};
    CK_OBJECT_HANDLE key;
    CK_ULONG size = (CK_ULONG)request->out_size;
    if (request->key->handle == CK_INVALID_HANDLE)
        return CKR_KEY_HANDLE_INVALID;
    CK_RV rv = hsm_unwrap(hsm, session, request->key->handle, request->wrapped, NULL, &key);
    if (rv != CKR_OK)
        return rv;
    rv = functions->C_EncryptInit(session, &mechanism, key);
    if (rv == CKR_OK)
        rv = functions->C_Encrypt(session, (CK_BYTE *)request->input.data,
                                  (CK_ULONG)request->input.size, request->out, &size);
    if (rv == CKR_OK && size != request->out_size)
        rv = CKR_DATA_LEN_RANGE;
    (void)functions->C_DestroyObject(session, key);
    return rv;
}

int hsm_gcm_encrypt_wrapped(struct hsm_key *kek, struct bytes wrapped,
                            const uint8_t iv[HSM_GCM_IV_SIZE], struct bytes aad,
                            struct bytes plaintext, uint8_t *out, struct error *error) {
    struct gcm_request request = {
        kek, wrapped, iv, aad, plaintext, out, plaintext.size + HSM_GCM_TAG_SIZE};
    CK_RV rv = hsm_run(kek->hsm, "C_Encrypt", encrypt, &request, error);
    if (rv == CKR_OK)
        return 0;
    memset(out, 0, request.out_size);
    if (rv == CKR_WRAPPED_KEY_INVALID)
        error_set(error, ERROR_ALTERED, "the stored key does not open");
    return -1;
}

static CK_RV decrypt(struct hsm *hsm, CK_SESSION_HANDLE session, void *context) {
    CK_FUNCTION_LIST *functions = hsm->module->functions;
    struct gcm_request *request = context;
    CK_GCM_PARAMS parameters = gcm_parameters(request);
    CK_MECHANISM mechanism = {CKM_AES_GCM, &parameters, sizeof(parameters)};
    CK_ULONG size = (CK_ULONG)request->input.size;
    if (request->key->handle == CK_INVALID_HANDLE)
        return CKR_KEY_HANDLE_INVALID;
    CK_RV rv = functions->C_DecryptInit(session, &mechanism, request->key->handle);
    if (rv != CKR_OK)
        return rv;
    rv = functions->C_Decrypt(session, (CK_BYTE *)request->input.data,
                              (CK_ULONG)request->input.size, request->out, &size);
    /* SoftHSM answers CKR_GENERAL_ERROR when the tag does not match. */
    if (rv == CKR_GENERAL_ERROR || rv == CKR_ENCRYPTED_DATA_LEN_RANGE)
        return CKR_ENCRYPTED_DATA_INVALID;
    return rv == CKR_OK && size != request->out_size ? CKR_ENCRYPTED_DATA_INVALID : rv;
}

int hsm_gcm_decrypt(struct hsm_key *key, const uint8_t iv[HSM_GCM_IV_SIZE], struct bytes aad,
                    struct bytes input, uint8_t *out, struct error *error) {
    if (input.size < HSM_GCM_TAG_SIZE)
        return error_set(error, ERROR_ALTERED, "shorter than its authentication tag");
    size_t out_size = input.size - HSM_GCM_TAG_SIZE;
    struct buffer room = {0}; /* SoftHSM wants room for the tag too, though it never writes it */
    struct gcm_request request = {.key = key,
                                  .iv = iv,
                                  .aad = aad,
                                  .input = input,
                                  .out = buffer_reserve(&room, input.size),
                                  .out_size = out_size};
    if (buffer_check(&room, error) != 0)
        return -1;
    CK_RV rv = hsm_run(key->hsm, "C_Decrypt", decrypt, &request, error);
    if (rv == CKR_OK)
        memcpy(out, room.data, out_size);
    else
        memset(out, 0, out_size);
    buffer_free(&room);
    if (rv == CKR_ENCRYPTED_DATA_INVALID)
        error_set(error, ERROR_ALTERED, "the authentication tag does not match");
    return rv == CKR_OK ? 0 : -1;
}
