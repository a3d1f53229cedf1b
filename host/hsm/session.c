#include "hsm/session.h"

#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"
#include "hsm/objects.h"

#include <string.h>

static CK_RV open_session(struct hsm *hsm, CK_SESSION_HANDLE *session) {
    return hsm->module->functions->C_OpenSession(hsm->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION,
                                                 NULL, NULL, session);
}

static CK_RV borrow(struct hsm *hsm, CK_SESSION_HANDLE *session) {
    bool found = false;
    pthread_mutex_lock(&hsm->pool_mutex);
    if (hsm->idle_count != 0) {
        *session = hsm->idle[--hsm->idle_count];
        found = true;
    }
    pthread_mutex_unlock(&hsm->pool_mutex);
    return found ? CKR_OK : open_session(hsm, session);
}

/* After an error the session may have an operation open: it is closed rather than kept. */
static void give_back(struct hsm *hsm, CK_SESSION_HANDLE session, CK_RV rv) {
    bool kept = false;
    pthread_mutex_lock(&hsm->pool_mutex);
    if (rv == CKR_OK && hsm->idle_count < HSM_POOL_MAX) {
        hsm->idle[hsm->idle_count++] = session;
        kept = true;
    }
    pthread_mutex_unlock(&hsm->pool_mutex);
    if (!kept)
        (void)hsm->module->functions->C_CloseSession(session);
}

static CK_RV login(struct hsm *hsm, struct error *error) {
    char pin[256];
    if (file_read_secret(hsm->pin_file, pin, error) != 0)
        return CKR_PIN_INVALID;
    CK_RV rv = hsm->module->functions->C_Login(hsm->keeper, CKU_USER, (CK_UTF8CHAR *)pin,
                                               (CK_ULONG)strlen(pin));
    secret_wipe(pin, sizeof(pin));
    if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN)
        return CKR_OK;
    hsm_error_set(error, rv, "C_Login");
    return rv;
}

void hsm_disconnect(struct hsm *hsm) {
    CK_FUNCTION_LIST *functions = hsm->module->functions;
    /* After a restart of the module the numbers may already name somebody else's sessions. */
    if (hsm->connected && hsm->module_generation == hsm->module->generation) {
        for (size_t i = 0; i < hsm->idle_count; i++)
            (void)functions->C_CloseSession(hsm->idle[i]);
        (void)functions->C_CloseSession(hsm->keeper);
    }
    hsm->idle_count = 0;
    hsm->connected = false;
    for (struct hsm_key *key = hsm->keys; key != NULL; key = key->next)
        key->handle = CK_INVALID_HANDLE;
}

int hsm_connect(struct hsm *hsm, struct error *error) {
    CK_RV rv = hsm_module_find_token(hsm->module, hsm->token_label, &hsm->slot);
    if (rv != CKR_OK) {
        hsm_error_set(error, rv, "C_GetSlotList");
        return error_hint(error, "token label \"%s\"", hsm->token_label);
    }
    rv = open_session(hsm, &hsm->keeper);
    if (rv != CKR_OK)
        return hsm_error_set(error, rv, "C_OpenSession");
    if (login(hsm, error) != CKR_OK) {
        (void)hsm->module->functions->C_CloseSession(hsm->keeper);
        return -1;
    }
    hsm->module_generation = hsm->module->generation;
    hsm->generation++;
    hsm->connected = true;
    for (struct hsm_key *key = hsm->keys; key != NULL; key = key->next) {
        struct error missing; /* one lost key must not stop the others */
        if (hsm_key_locate(hsm, key, &missing) != 0)
            log_warn("hsm.key_lost", "label", key->label, "detail", missing.detail);
    }
    return 0;
}

/* What a restarted, removed or emptied token makes a call return. */
static bool is_lost(CK_RV rv) {
    switch (rv) {
    case CKR_SESSION_HANDLE_INVALID:
    case CKR_SESSION_CLOSED:
    case CKR_DEVICE_REMOVED:
    case CKR_DEVICE_ERROR:
    case CKR_TOKEN_NOT_PRESENT:
    case CKR_TOKEN_NOT_RECOGNIZED:
    case CKR_SLOT_ID_INVALID:
    case CKR_CRYPTOKI_NOT_INITIALIZED:
    case CKR_USER_NOT_LOGGED_IN:
    case CKR_KEY_HANDLE_INVALID:
    case CKR_WRAPPING_KEY_HANDLE_INVALID:
    case CKR_UNWRAPPING_KEY_HANDLE_INVALID:
    case CKR_OBJECT_HANDLE_INVALID: return true;
    default: return false;
    }
}

/* Only the first thread that noticed reconnects; the others find the generation moved on. */
static int recover(struct hsm *hsm, unsigned long seen, CK_RV rv, struct error *error) {
    int result = 0;
    pthread_rwlock_wrlock(&hsm->module->lock);
    if (!hsm->connected || hsm->generation == seen ||
        hsm->module_generation != hsm->module->generation) {
        if (hsm->connected) /* once, not for every call while it is away */
            log_warn("hsm.lost", "token", hsm->token_label, "ck_rv", LOG_NUMBER(rv));
        hsm_disconnect(hsm);
        result = hsm_connect(hsm, error);
        /* Some modules see a token that came back only after C_Initialize. */
        if (result != 0 && error->code == ERROR_HSM_UNAVAILABLE &&
            hsm_module_restart(hsm->module) == CKR_OK)
            result = hsm_connect(hsm, error);
        if (result == 0)
            log_info("hsm.back", "token", hsm->token_label);
    }
    pthread_rwlock_unlock(&hsm->module->lock);
    return result;
}

static CK_RV attempt(struct hsm *hsm, hsm_operation *operation, void *context,
                     unsigned long *generation) {
    CK_RV rv = CKR_SESSION_HANDLE_INVALID;
    pthread_rwlock_rdlock(&hsm->module->lock);
    *generation = hsm->generation;
    if (hsm->connected && hsm->module_generation == hsm->module->generation) {
        CK_SESSION_HANDLE session;
        rv = borrow(hsm, &session);
        if (rv == CKR_OK) {
            rv = operation(hsm, session, context);
            give_back(hsm, session, rv);
        }
    }
    pthread_rwlock_unlock(&hsm->module->lock);
    return rv;
}

CK_RV hsm_run(struct hsm *hsm, const char *what, hsm_operation *operation, void *context,
              struct error *error) {
    unsigned long generation = 0;
    CK_RV rv = attempt(hsm, operation, context, &generation);
    if (is_lost(rv)) {
        if (recover(hsm, generation, rv, error) != 0)
            return rv;
        rv = attempt(hsm, operation, context, &generation);
    }
    if (rv != CKR_OK)
        hsm_error_set(error, rv, what);
    return rv;
}
