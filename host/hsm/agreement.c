#include "hsm/agreement.h"

#include "hsm/wrap.h"

#include <stdlib.h>
#include <string.h>

/* One end's ephemeral pair: session objects, DERIVE only. */
struct pair {
    CK_OBJECT_HANDLE public_key;
    CK_OBJECT_HANDLE private_key;
};

struct hsm_agreement {
    struct hsm *hsm;
    CK_SESSION_HANDLE session; /* its own: the pair dies when it is closed */
    unsigned long generation;
    struct pair pair;
    uint8_t *point;
};

static CK_RV generate_pair(struct hsm *hsm, CK_SESSION_HANDLE session, struct pair *pair,
                           uint8_t point[HSM_POINT_SIZE]) {
    CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
    CK_ATTRIBUTE public_template[] = {
        {CKA_TOKEN, &hsm_false, sizeof(hsm_false)},
        {CKA_EC_PARAMS, (void *)hsm_p256_parameters, sizeof(hsm_p256_parameters)},
    };
    CK_ATTRIBUTE private_template[] = {
        {CKA_TOKEN, &hsm_false, sizeof(hsm_false)},
        {CKA_PRIVATE, &hsm_true, sizeof(hsm_true)},
        {CKA_SENSITIVE, &hsm_true, sizeof(hsm_true)},
        {CKA_EXTRACTABLE, &hsm_false, sizeof(hsm_false)},
        {CKA_DERIVE, &hsm_true, sizeof(hsm_true)},
        {CKA_SIGN, &hsm_false, sizeof(hsm_false)},
    };
    CK_RV rv = hsm->module->functions->C_GenerateKeyPair(
        session, &mechanism, public_template, HSM_COUNT(public_template), private_template,
        HSM_COUNT(private_template), &pair->public_key, &pair->private_key);
    return rv == CKR_OK ? hsm_read_point(hsm, session, pair->public_key, point) : rv;
}

/* The ECDH secret becomes a KEK without ever leaving the token: SP 800-56A 5.7.1.2, CKD_NULL. */
static CK_RV derive_kek(struct hsm *hsm, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE private_key,
                        const uint8_t peer[HSM_POINT_SIZE], CK_OBJECT_HANDLE *kek) {
    CK_OBJECT_CLASS object_class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    CK_ULONG size = 32;
    CK_ECDH1_DERIVE_PARAMS parameters = {CKD_NULL, 0, NULL, HSM_POINT_SIZE, (CK_BYTE *)peer};
    CK_MECHANISM mechanism = {CKM_ECDH1_DERIVE, &parameters, sizeof(parameters)};
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &object_class, sizeof(object_class)},
        {CKA_KEY_TYPE, &type, sizeof(type)},
        {CKA_VALUE_LEN, &size, sizeof(size)},
        {CKA_TOKEN, &hsm_false, sizeof(hsm_false)},
        {CKA_PRIVATE, &hsm_true, sizeof(hsm_true)},
        {CKA_SENSITIVE, &hsm_true, sizeof(hsm_true)},
        {CKA_EXTRACTABLE, &hsm_false, sizeof(hsm_false)},
        {CKA_WRAP, &hsm_true, sizeof(hsm_true)},
        {CKA_UNWRAP, &hsm_true, sizeof(hsm_true)},
        {CKA_ENCRYPT, &hsm_false, sizeof(hsm_false)},
        {CKA_DECRYPT, &hsm_false, sizeof(hsm_false)},
    };
    CK_RV rv = hsm->module->functions->C_DeriveKey(session, &mechanism, private_key, template,
                                                   HSM_COUNT(template), kek);
    /* SoftHSM answers CKR_GENERAL_ERROR when the peer's point is not on the curve. */
    return rv == CKR_GENERAL_ERROR ? CKR_MECHANISM_PARAM_INVALID : rv;
}

static void destroy(struct hsm *hsm, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object) {
    if (object != CK_INVALID_HANDLE)
        (void)hsm->module->functions->C_DestroyObject(session, object);
}

static void destroy_pair(struct hsm *hsm, CK_SESSION_HANDLE session, const struct pair *pair) {
    destroy(hsm, session, pair->public_key);
    destroy(hsm, session, pair->private_key);
}

/* Programmer side. */

static CK_RV begin(struct hsm *hsm, CK_SESSION_HANDLE session, void *context) {
    CK_FUNCTION_LIST *functions = hsm->module->functions;
    struct hsm_agreement *agreement = context;
    (void)session;
    CK_RV rv = functions->C_OpenSession(hsm->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL,
                                        &agreement->session);
    if (rv != CKR_OK)
        return rv;
    rv = generate_pair(hsm, agreement->session, &agreement->pair, agreement->point);
    if (rv != CKR_OK)
        (void)functions->C_CloseSession(agreement->session);
    agreement->generation = hsm->generation;
    return rv;
}

struct hsm_agreement *hsm_agreement_begin(struct hsm *hsm, uint8_t point[HSM_POINT_SIZE],
                                          struct error *error) {
    struct hsm_agreement *agreement = calloc(1, sizeof(*agreement));
    if (agreement == NULL) {
        error_set(error, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    agreement->hsm = hsm;
    agreement->point = point;
    if (hsm_run(hsm, "key agreement", begin, agreement, error) == CKR_OK)
        return agreement;
    free(agreement);
    return NULL;
}

struct finish {
    struct hsm_agreement *agreement;
    const uint8_t *peer;
    struct bytes wrapped;
    const char *label;
};

static CK_RV finish(struct hsm *hsm, CK_SESSION_HANDLE session, void *context) {
    struct finish *request = context;
    struct hsm_agreement *agreement = request->agreement;
    CK_OBJECT_HANDLE kek = CK_INVALID_HANDLE;
    CK_OBJECT_HANDLE key;
    (void)session;
    if (agreement->generation != hsm->generation)
        return CKR_OPERATION_NOT_INITIALIZED;
    CK_RV rv =
        derive_kek(hsm, agreement->session, agreement->pair.private_key, request->peer, &kek);
    if (rv == CKR_OK)
        rv = hsm_unwrap(hsm, agreement->session, kek, request->wrapped, request->label, &key);
    destroy(hsm, agreement->session, kek);
    return rv;
}

static int agreement_error(CK_RV rv, struct error *error) {
    if (rv == CKR_MECHANISM_PARAM_INVALID)
        return error_set(error, ERROR_BAD_REQUEST, "the peer's point is not on the curve");
    if (rv == CKR_WRAPPED_KEY_INVALID)
        return error_set(error, ERROR_ALTERED, "the wrapped key does not open");
    if (rv == CKR_OPERATION_NOT_INITIALIZED)
        return error_set(error, ERROR_HSM_UNAVAILABLE,
                         "the token restarted during the agreement: start it again");
    return -1; /* hsm_run has said it */
}

int hsm_agreement_finish(struct hsm_agreement *agreement, const uint8_t peer[HSM_POINT_SIZE],
                         struct bytes wrapped, const char *label, struct error *error) {
    struct finish request = {agreement, peer, wrapped, label};
    if (hsm_label_check(agreement->hsm, label, error) != 0)
        return -1;
    CK_RV rv = hsm_run(agreement->hsm, "key agreement", finish, &request, error);
    return rv == CKR_OK ? 0 : agreement_error(rv, error);
}

void hsm_agreement_free(struct hsm_agreement *agreement) {
    if (agreement == NULL)
        return;
    struct hsm *hsm = agreement->hsm;
    pthread_rwlock_rdlock(&hsm->module->lock);
    /* After a reconnect the session is gone, and its number may be another's. */
    if (hsm->connected && agreement->generation == hsm->generation &&
        hsm->module_generation == hsm->module->generation) {
        destroy_pair(hsm, agreement->session, &agreement->pair);
        (void)hsm->module->functions->C_CloseSession(agreement->session);
    }
    pthread_rwlock_unlock(&hsm->module->lock);
    free(agreement);
}

/* Server side. */

/* Extractable so that it can be wrapped, sensitive so that it cannot be read; used for nothing. */
static CK_RV generate_shared_key(struct hsm *hsm, CK_SESSION_HANDLE session,
                                 CK_OBJECT_HANDLE *key) {
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    CK_ULONG size = 32;
    CK_ATTRIBUTE template[] = {
        {CKA_TOKEN, &hsm_false, sizeof(hsm_false)},
        {CKA_PRIVATE, &hsm_true, sizeof(hsm_true)},
        {CKA_SENSITIVE, &hsm_true, sizeof(hsm_true)},
        {CKA_EXTRACTABLE, &hsm_true, sizeof(hsm_true)},
        {CKA_ENCRYPT, &hsm_false, sizeof(hsm_false)},
        {CKA_DECRYPT, &hsm_false, sizeof(hsm_false)},
        {CKA_WRAP, &hsm_false, sizeof(hsm_false)},
        {CKA_UNWRAP, &hsm_false, sizeof(hsm_false)},
        {CKA_VALUE_LEN, &size, sizeof(size)},
    };
    return hsm->module->functions->C_GenerateKey(session, &mechanism, template, HSM_COUNT(template),
                                                 key);
}

struct answer {
    struct hsm_key *kek;
    const uint8_t *peer;
    uint8_t *point;
    struct hsm_wrapped_key *for_peer;
    struct hsm_wrapped_key *for_storage;
};

static CK_RV answer(struct hsm *hsm, CK_SESSION_HANDLE session, void *context) {
    struct answer *request = context;
    struct pair pair = {CK_INVALID_HANDLE, CK_INVALID_HANDLE};
    CK_OBJECT_HANDLE kek = CK_INVALID_HANDLE;
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
    if (request->kek->handle == CK_INVALID_HANDLE)
        return CKR_KEY_HANDLE_INVALID;
    CK_RV rv = generate_pair(hsm, session, &pair, request->point);
    if (rv == CKR_OK)
        rv = derive_kek(hsm, session, pair.private_key, request->peer, &kek);
    if (rv == CKR_OK)
        rv = generate_shared_key(hsm, session, &key);
    if (rv == CKR_OK)
        rv = hsm_wrap(hsm, session, kek, key, request->for_peer);
    if (rv == CKR_OK)
        rv = hsm_wrap(hsm, session, request->kek->handle, key, request->for_storage);
    destroy(hsm, session, key);
    destroy(hsm, session, kek);
    destroy_pair(hsm, session, &pair);
    return rv;
}

int hsm_agreement_answer(struct hsm *hsm, struct hsm_key *kek, const uint8_t peer[HSM_POINT_SIZE],
                         uint8_t point[HSM_POINT_SIZE], struct hsm_wrapped_key *wrapped_for_peer,
                         struct hsm_wrapped_key *wrapped_for_storage, struct error *error) {
    struct answer request = {kek, peer, point, wrapped_for_peer, wrapped_for_storage};
    memset(wrapped_for_peer, 0, sizeof(*wrapped_for_peer));
    memset(wrapped_for_storage, 0, sizeof(*wrapped_for_storage));
    CK_RV rv = hsm_run(hsm, "key agreement", answer, &request, error);
    return rv == CKR_OK ? 0 : agreement_error(rv, error);
}
