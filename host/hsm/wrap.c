#include "hsm/wrap.h"

#include <string.h>

static CK_MECHANISM wrap_mechanism = {CKM_AES_KEY_WRAP_PAD, NULL, 0};

CK_RV hsm_wrap(struct hsm *hsm, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE kek,
               CK_OBJECT_HANDLE key, struct hsm_wrapped_key *wrapped) {
    CK_ULONG size = sizeof(wrapped->data);
    CK_RV rv =
        hsm->module->functions->C_WrapKey(session, &wrap_mechanism, kek, key, wrapped->data, &size);
    wrapped->size = rv == CKR_OK ? size : 0;
    return rv;
}

/* The wrapped value's length is the sender's word; only 32 bytes are the key we agreed on. */
static CK_RV check_length(struct hsm *hsm, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key) {
    CK_ULONG length = 0;
    CK_ATTRIBUTE attribute = {CKA_VALUE_LEN, &length, sizeof(length)};
    CK_RV rv = hsm->module->functions->C_GetAttributeValue(session, key, &attribute, 1);
    if (rv == CKR_OK && length != 32)
        rv = CKR_WRAPPED_KEY_INVALID;
    if (rv != CKR_OK)
        (void)hsm->module->functions->C_DestroyObject(session, key);
    return rv;
}

CK_RV hsm_unwrap(struct hsm *hsm, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE kek,
                 struct bytes wrapped, const char *label, CK_OBJECT_HANDLE *key) {
    CK_OBJECT_CLASS object_class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    CK_BBOOL *is_token = label != NULL ? &hsm_true : &hsm_false;
    CK_BBOOL *encrypts = label != NULL ? &hsm_false : &hsm_true;
    CK_BBOOL *decrypts = label != NULL ? &hsm_true : &hsm_false;
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &object_class, sizeof(object_class)},
        {CKA_KEY_TYPE, &type, sizeof(type)},
        {CKA_TOKEN, is_token, sizeof(*is_token)},
        {CKA_PRIVATE, &hsm_true, sizeof(hsm_true)},
        {CKA_SENSITIVE, &hsm_true, sizeof(hsm_true)},
        {CKA_EXTRACTABLE, &hsm_false, sizeof(hsm_false)},
        {CKA_ENCRYPT, encrypts, sizeof(*encrypts)},
        {CKA_DECRYPT, decrypts, sizeof(*decrypts)},
        {CKA_WRAP, &hsm_false, sizeof(hsm_false)},
        {CKA_UNWRAP, &hsm_false, sizeof(hsm_false)},
        {CKA_LABEL, (void *)(label != NULL ? label : ""),
         label != NULL ? (CK_ULONG)strlen(label) : 0},
    };
    CK_RV rv = hsm->module->functions->C_UnwrapKey(session, &wrap_mechanism, kek,
                                                   (CK_BYTE *)wrapped.data, (CK_ULONG)wrapped.size,
                                                   template, HSM_COUNT(template), key);
    /* SoftHSM answers CKR_GENERAL_ERROR when the integrity check of the wrapped key fails. */
    if (rv == CKR_GENERAL_ERROR || rv == CKR_WRAPPED_KEY_LEN_RANGE)
        return CKR_WRAPPED_KEY_INVALID;
    return rv == CKR_OK ? check_length(hsm, session, *key) : rv;
}
