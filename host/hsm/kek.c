#include "hsm/kek.h"

#include "hsm/objects.h"

#include <string.h>

static CK_MECHANISM wrap_mechanism = {CKM_AES_KEY_WRAP_PAD, NULL, 0};

struct kek_request {
    const char *label; /* NULL: a session object, to see whether it opens */
    const uint8_t *backup_key;
    uint8_t *wrapped;
    bool make;
};

static void destroy(struct hsm *hsm, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object) {
    if (object != CK_INVALID_HANDLE)
        (void)hsm->module->functions->C_DestroyObject(session, object);
}

static CK_RV import_backup_key(struct hsm *hsm, CK_SESSION_HANDLE session,
                               const uint8_t value[HSM_BACKUP_KEY_SIZE], CK_OBJECT_HANDLE *key) {
    CK_OBJECT_CLASS object_class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &object_class, sizeof(object_class)},
        {CKA_KEY_TYPE, &type, sizeof(type)},
        {CKA_TOKEN, &hsm_false, sizeof(hsm_false)},
        {CKA_PRIVATE, &hsm_true, sizeof(hsm_true)},
        {CKA_SENSITIVE, &hsm_true, sizeof(hsm_true)},
        {CKA_EXTRACTABLE, &hsm_false, sizeof(hsm_false)},
        {CKA_WRAP, &hsm_true, sizeof(hsm_true)},
        {CKA_UNWRAP, &hsm_true, sizeof(hsm_true)},
        {CKA_ENCRYPT, &hsm_false, sizeof(hsm_false)},
        {CKA_DECRYPT, &hsm_false, sizeof(hsm_false)},
        {CKA_VALUE, (void *)value, HSM_BACKUP_KEY_SIZE},
    };
    return hsm->module->functions->C_CreateObject(session, template, HSM_COUNT(template), key);
}

/* Extractable means here: may be wrapped. It lives until the end of make_and_wrap. */
static CK_RV generate(struct hsm *hsm, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *key) {
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    CK_ULONG size = 32;
    CK_ATTRIBUTE template[] = {
        {CKA_TOKEN, &hsm_false, sizeof(hsm_false)},
        {CKA_PRIVATE, &hsm_true, sizeof(hsm_true)},
        {CKA_SENSITIVE, &hsm_true, sizeof(hsm_true)},
        {CKA_EXTRACTABLE, &hsm_true, sizeof(hsm_true)},
        {CKA_WRAP, &hsm_false, sizeof(hsm_false)},
        {CKA_UNWRAP, &hsm_false, sizeof(hsm_false)},
        {CKA_ENCRYPT, &hsm_false, sizeof(hsm_false)},
        {CKA_DECRYPT, &hsm_false, sizeof(hsm_false)},
        {CKA_VALUE_LEN, &size, sizeof(size)},
    };
    return hsm->module->functions->C_GenerateKey(session, &mechanism, template, HSM_COUNT(template),
                                                 key);
}

static CK_RV make_and_wrap(struct hsm *hsm, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE backup_key,
                           uint8_t wrapped[HSM_WRAPPED_KEK_SIZE]) {
    CK_OBJECT_HANDLE kek = CK_INVALID_HANDLE;
    CK_ULONG size = HSM_WRAPPED_KEK_SIZE;
    CK_RV rv = generate(hsm, session, &kek);
    if (rv == CKR_OK)
        rv = hsm->module->functions->C_WrapKey(session, &wrap_mechanism, backup_key, kek, wrapped,
                                               &size);
    destroy(hsm, session, kek);
    return rv == CKR_OK && size != HSM_WRAPPED_KEK_SIZE ? CKR_GENERAL_ERROR : rv;
}

/* The same attributes as hsm_generate_kek. */
static CK_RV unwrap(struct hsm *hsm, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE backup_key,
                    const struct kek_request *request, CK_OBJECT_HANDLE *kek) {
    const char *label = request->label != NULL ? request->label : "";
    CK_BBOOL *is_token = request->label != NULL ? &hsm_true : &hsm_false;
    CK_OBJECT_CLASS object_class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &object_class, sizeof(object_class)},
        {CKA_KEY_TYPE, &type, sizeof(type)},
        {CKA_TOKEN, is_token, sizeof(*is_token)},
        {CKA_PRIVATE, &hsm_true, sizeof(hsm_true)},
        {CKA_SENSITIVE, &hsm_true, sizeof(hsm_true)},
        {CKA_EXTRACTABLE, &hsm_false, sizeof(hsm_false)},
        {CKA_WRAP, &hsm_true, sizeof(hsm_true)},
        {CKA_UNWRAP, &hsm_true, sizeof(hsm_true)},
        {CKA_ENCRYPT, &hsm_false, sizeof(hsm_false)},
        {CKA_DECRYPT, &hsm_false, sizeof(hsm_false)},
        {CKA_LABEL, (void *)label, (CK_ULONG)strlen(label)},
    };
    CK_RV rv = hsm->module->functions->C_UnwrapKey(session, &wrap_mechanism, backup_key,
                                                   request->wrapped, HSM_WRAPPED_KEK_SIZE, template,
                                                   HSM_COUNT(template), kek);
    /* SoftHSM answers CKR_GENERAL_ERROR when the integrity check of a wrapped key fails. */
    return rv == CKR_GENERAL_ERROR || rv == CKR_WRAPPED_KEY_LEN_RANGE ? CKR_WRAPPED_KEY_INVALID
                                                                      : rv;
}

static CK_RV run_request(struct hsm *hsm, CK_SESSION_HANDLE session, void *context) {
    const struct kek_request *request = context;
    CK_OBJECT_HANDLE backup_key = CK_INVALID_HANDLE;
    CK_OBJECT_HANDLE kek = CK_INVALID_HANDLE;
    CK_RV rv = import_backup_key(hsm, session, request->backup_key, &backup_key);
    if (rv == CKR_OK && request->make)
        rv = make_and_wrap(hsm, session, backup_key, request->wrapped);
    if (rv == CKR_OK)
        rv = unwrap(hsm, session, backup_key, request, &kek);
    if (request->label == NULL)
        destroy(hsm, session, kek);
    destroy(hsm, session, backup_key);
    return rv;
}

static int run(struct hsm *hsm, struct kek_request *request, struct error *error) {
    if (request->label != NULL && hsm_label_check(hsm, request->label, error) != 0)
        return -1;
    CK_RV rv = hsm_run(hsm, "C_UnwrapKey", run_request, request, error);
    if (rv == CKR_WRAPPED_KEY_INVALID) {
        (void)error_set(error, ERROR_ALTERED, "the backup does not open with this backup key");
        return error_hint(error, "a share or the backup file is not as it was written");
    }
    return rv == CKR_OK ? 0 : -1;
}

int hsm_kek_make(struct hsm *hsm, const char *label, const uint8_t backup_key[HSM_BACKUP_KEY_SIZE],
                 uint8_t wrapped[HSM_WRAPPED_KEK_SIZE], struct error *error) {
    struct kek_request request = {label, backup_key, wrapped, true};
    return run(hsm, &request, error);
}

int hsm_kek_restore(struct hsm *hsm, const char *label,
                    const uint8_t backup_key[HSM_BACKUP_KEY_SIZE],
                    const uint8_t wrapped[HSM_WRAPPED_KEK_SIZE], struct error *error) {
    uint8_t copy[HSM_WRAPPED_KEK_SIZE];
    struct kek_request request = {label, backup_key, copy, false};
    memcpy(copy, wrapped, sizeof(copy));
    return run(hsm, &request, error);
}

int hsm_kek_check(struct hsm *hsm, const uint8_t backup_key[HSM_BACKUP_KEY_SIZE],
                  const uint8_t wrapped[HSM_WRAPPED_KEK_SIZE], struct error *error) {
    return hsm_kek_restore(hsm, NULL, backup_key, wrapped, error);
}
