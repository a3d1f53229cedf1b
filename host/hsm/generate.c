#include "hsm/objects.h"

#include <string.h>

static CK_RV generate_p256(struct hsm *hsm, CK_SESSION_HANDLE session, void *context) {
    const char *label = context;
    CK_ULONG label_size = (CK_ULONG)strlen(label);
    CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
    CK_ATTRIBUTE public_template[] = {
        {CKA_TOKEN, &hsm_true, sizeof(hsm_true)},
        {CKA_PRIVATE, &hsm_false, sizeof(hsm_false)},
        {CKA_VERIFY, &hsm_true, sizeof(hsm_true)},
        {CKA_ENCRYPT, &hsm_false, sizeof(hsm_false)},
        {CKA_WRAP, &hsm_false, sizeof(hsm_false)},
        {CKA_EC_PARAMS, (void *)hsm_p256_parameters, sizeof(hsm_p256_parameters)},
        {CKA_LABEL, (void *)label, label_size},
    };
    CK_ATTRIBUTE private_template[] = {
        {CKA_TOKEN, &hsm_true, sizeof(hsm_true)},
        {CKA_PRIVATE, &hsm_true, sizeof(hsm_true)},
        {CKA_SENSITIVE, &hsm_true, sizeof(hsm_true)},
        {CKA_EXTRACTABLE, &hsm_false, sizeof(hsm_false)},
        {CKA_SIGN, &hsm_true, sizeof(hsm_true)},
        {CKA_DECRYPT, &hsm_false, sizeof(hsm_false)},
        {CKA_DERIVE, &hsm_false, sizeof(hsm_false)},
        {CKA_UNWRAP, &hsm_false, sizeof(hsm_false)},
        {CKA_LABEL, (void *)label, label_size},
    };
    CK_OBJECT_HANDLE public_key;
    CK_OBJECT_HANDLE private_key;
    return hsm->module->functions->C_GenerateKeyPair(
        session, &mechanism, public_template, HSM_COUNT(public_template), private_template,
        HSM_COUNT(private_template), &public_key, &private_key);
}

int hsm_generate_p256(struct hsm *hsm, const char *label, struct error *error) {
    if (hsm_label_check(hsm, label, error) != 0)
        return -1;
    CK_RV rv = hsm_run(hsm, "C_GenerateKeyPair", generate_p256, (void *)label, error);
    return rv == CKR_OK ? 0 : -1;
}

static CK_RV generate_kek(struct hsm *hsm, CK_SESSION_HANDLE session, void *context) {
    const char *label = context;
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    CK_ULONG size = 32;
    CK_ATTRIBUTE template[] = {
        {CKA_TOKEN, &hsm_true, sizeof(hsm_true)},
        {CKA_PRIVATE, &hsm_true, sizeof(hsm_true)},
        {CKA_SENSITIVE, &hsm_true, sizeof(hsm_true)},
        {CKA_EXTRACTABLE, &hsm_false, sizeof(hsm_false)},
        {CKA_WRAP, &hsm_true, sizeof(hsm_true)},
        {CKA_UNWRAP, &hsm_true, sizeof(hsm_true)},
        {CKA_ENCRYPT, &hsm_false, sizeof(hsm_false)},
        {CKA_DECRYPT, &hsm_false, sizeof(hsm_false)},
        {CKA_VALUE_LEN, &size, sizeof(size)},
        {CKA_LABEL, (void *)label, (CK_ULONG)strlen(label)},
    };
    CK_OBJECT_HANDLE key;
    return hsm->module->functions->C_GenerateKey(session, &mechanism, template, HSM_COUNT(template),
                                                 &key);
}

int hsm_generate_kek(struct hsm *hsm, const char *label, struct error *error) {
    if (hsm_label_check(hsm, label, error) != 0)
        return -1;
    CK_RV rv = hsm_run(hsm, "C_GenerateKey", generate_kek, (void *)label, error);
    return rv == CKR_OK ? 0 : -1;
}
