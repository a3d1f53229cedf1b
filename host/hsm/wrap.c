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

/* RFC 5649, 4.1: 32 bytes wrap to 40. Asking the token for CKA_VALUE_LEN afterwards would be
 * stricter, but SoftHSM does not set it when unwrapping. */
#define WRAPPED_AES256_SIZE 40

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
    if (wrapped.size != WRAPPED_AES256_SIZE)
        return CKR_WRAPPED_KEY_INVALID;
    CK_RV rv = hsm->module->functions->C_UnwrapKey(session, &wrap_mechanism, kek,
                                                   (CK_BYTE *)wrapped.data, (CK_ULONG)wrapped.size,
                                                   template, HSM_COUNT(template), key);
    /* SoftHSM answers CKR_GENERAL_ERROR when the integrity check of the wrapped key fails. */
    if (rv == CKR_GENERAL_ERROR || rv == CKR_WRAPPED_KEY_LEN_RANGE)
        return CKR_WRAPPED_KEY_INVALID;
    return rv;
}
