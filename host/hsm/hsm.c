#include "hsm/hsm.h"

#include "hsm/objects.h"

#include <stdlib.h>
#include <string.h>

static void free_hsm(struct hsm *hsm) {
    while (hsm->keys != NULL) {
        struct hsm_key *next = hsm->keys->next;
        free(hsm->keys);
        hsm->keys = next;
    }
    hsm_module_release(hsm->module);
    pthread_mutex_destroy(&hsm->pool_mutex);
    pthread_mutex_destroy(&hsm->keys_mutex);
    free(hsm->token_label);
    free(hsm->pin_file);
    free(hsm);
}

struct hsm *hsm_open(const struct hsm_config *config, struct error *error) {
    struct hsm *hsm = calloc(1, sizeof(*hsm));
    if (hsm == NULL) {
        error_set(error, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    pthread_mutex_init(&hsm->pool_mutex, NULL);
    pthread_mutex_init(&hsm->keys_mutex, NULL);
    hsm->token_label = strdup(config->token_label);
    hsm->pin_file = strdup(config->pin_file);
    int result = -1;
    if (hsm->token_label == NULL || hsm->pin_file == NULL)
        error_set(error, ERROR_INTERNAL, "out of memory");
    else if ((hsm->module =
                  hsm_module_acquire(config->module_path, config->softhsm_config, error)) != NULL) {
        pthread_rwlock_wrlock(&hsm->module->lock);
        result = hsm_connect(hsm, error);
        pthread_rwlock_unlock(&hsm->module->lock);
    }
    if (result == 0)
        return hsm;
    free_hsm(hsm);
    return NULL;
}

void hsm_close(struct hsm *hsm) {
    if (hsm == NULL)
        return;
    pthread_rwlock_wrlock(&hsm->module->lock);
    hsm_disconnect(hsm);
    pthread_rwlock_unlock(&hsm->module->lock);
    free_hsm(hsm);
}

/* Under the shared lock a reconnect cannot walk the list while it grows. */
static CK_RV locate_and_add(struct hsm *hsm, CK_SESSION_HANDLE session, void *context) {
    struct hsm_key *key = context;
    struct error error;
    (void)session;
    if (hsm_key_locate(hsm, key, &error) != 0)
        return error.code == ERROR_NOT_FOUND ? CKR_DATA_INVALID : CKR_SESSION_HANDLE_INVALID;
    key->next = hsm->keys;
    hsm->keys = key;
    return CKR_OK;
}

static struct hsm_key *known_key(struct hsm *hsm, const char *label) {
    for (struct hsm_key *key = hsm->keys; key != NULL; key = key->next)
        if (strcmp(key->label, label) == 0)
            return key;
    return NULL;
}

static CK_RV relocate(struct hsm *hsm, CK_SESSION_HANDLE session, void *context) {
    struct hsm_key *key = context;
    struct error error;
    (void)session;
    if (key->handle != CK_INVALID_HANDLE || hsm_key_locate(hsm, key, &error) == 0)
        return CKR_OK;
    return error.code == ERROR_NOT_FOUND ? CKR_DATA_INVALID : CKR_SESSION_HANDLE_INVALID;
}

static struct hsm_key *find_key(struct hsm *hsm, const char *label, struct error *error) {
    struct hsm_key *key = known_key(hsm, label);
    struct hsm_key *fresh = NULL;
    if (key == NULL) {
        key = fresh = calloc(1, sizeof(*key));
        if (key == NULL) {
            error_set(error, ERROR_INTERNAL, "out of memory");
            return NULL;
        }
        key->hsm = hsm;
        memcpy(key->label, label, strlen(label));
    }
    CK_RV rv = hsm_run(hsm, "key search", fresh != NULL ? locate_and_add : relocate, key, error);
    if (rv == CKR_OK)
        return key;
    free(fresh);
    if (rv == CKR_DATA_INVALID)
        error_set(error, ERROR_NOT_FOUND, "no key \"%s\" in the token", label);
    return NULL;
}

struct hsm_key *hsm_key(struct hsm *hsm, const char *label, struct error *error) {
    if (strlen(label) > HSM_LABEL_MAX) {
        error_set(error, ERROR_USAGE, "a key label has 1 to %d bytes", HSM_LABEL_MAX);
        return NULL;
    }
    pthread_mutex_lock(&hsm->keys_mutex);
    struct hsm_key *key = find_key(hsm, label, error);
    pthread_mutex_unlock(&hsm->keys_mutex);
    return key;
}

const char *hsm_key_label(const struct hsm_key *key) {
    return key->label;
}

struct random_request {
    uint8_t *out;
    size_t size;
};

static CK_RV generate_random(struct hsm *hsm, CK_SESSION_HANDLE session, void *context) {
    struct random_request *request = context;
    return hsm->module->functions->C_GenerateRandom(session, request->out, (CK_ULONG)request->size);
}

int hsm_random(struct hsm *hsm, uint8_t *out, size_t size, struct error *error) {
    struct random_request request = {out, size};
    if (hsm_run(hsm, "C_GenerateRandom", generate_random, &request, error) == CKR_OK)
        return 0;
    memset(out, 0, size);
    return -1;
}

int hsm_check(struct hsm *hsm, struct error *error) {
    uint8_t byte;
    return hsm_random(hsm, &byte, 1, error);
}
