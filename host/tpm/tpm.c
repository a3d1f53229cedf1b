#include "tpm/tpm_internal.h"

#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"

#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_tctildr.h>

/* Of a name algorithm SHA-256: TPM 2.0 Part 2, 11.1.12. */
#define AUTH_MAX 32

static int pin_read(struct tpm *tpm, const char *path, struct error *error) {
    char pin[256];
    if (file_read_secret(path, pin, error) != 0)
        return -1;
    size_t size = strlen(pin);
    if (size <= AUTH_MAX) {
        memcpy(tpm->auth.buffer, pin, size);
        tpm->auth.size = (UINT16)size;
    }
    secret_wipe(pin, sizeof pin);
    return size <= AUTH_MAX
               ? 0
               : error_set(error, ERROR_USAGE, "a PIN for a TPM has at most %d bytes", AUTH_MAX);
}

static void disconnect(struct tpm *tpm) {
    if (tpm->esys != NULL)
        Esys_Finalize(&tpm->esys);
    if (tpm->tcti != NULL)
        Tss2_TctiLdr_Finalize(&tpm->tcti);
}

static int connect(struct tpm *tpm, struct error *error) {
    if (tpm->esys != NULL)
        return 0;
    TSS2_RC rc = Tss2_TctiLdr_Initialize(tpm->tcti_name, &tpm->tcti);
    if (rc != TSS2_RC_SUCCESS) {
        (void)tpm_error_set(error, "connection", rc);
        return error_hint(error, "is there a TPM at %s?", tpm->tcti_name);
    }
    rc = Esys_Initialize(&tpm->esys, tpm->tcti, NULL);
    int failed = rc == TSS2_RC_SUCCESS ? 0 : tpm_error_set(error, "connection", rc);
    if (failed == 0)
        failed = tpm_check(tpm, error);
    if (failed == 0)
        failed = tpm_srk_open(tpm, error);
    if (failed != 0)
        disconnect(tpm);
    return failed;
}

/* Salted: only the TPM that has the storage key can follow, and the bus sees nothing in clear. */
TSS2_RC tpm_session_begin(struct tpm *tpm, TPMA_SESSION attributes, ESYS_TR *session) {
    const TPMT_SYM_DEF symmetric = {
        .algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB};
    TSS2_RC rc = Esys_StartAuthSession(tpm->esys, tpm->srk, ESYS_TR_NONE, ESYS_TR_NONE,
                                       ESYS_TR_NONE, ESYS_TR_NONE, NULL, TPM2_SE_HMAC, &symmetric,
                                       TPM2_ALG_SHA256, session);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    rc = Esys_TRSess_SetAttributes(tpm->esys, *session, attributes | TPMA_SESSION_CONTINUESESSION,
                                   0xFF);
    if (rc != TSS2_RC_SUCCESS)
        tpm_flush(tpm, *session);
    return rc;
}

static TSS2_RC operate(struct tpm *tpm, tpm_operation *operation, void *context) {
    TSS2_RC rc = tpm_session_begin(tpm, TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT, &tpm->session);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    rc = operation(tpm, context);
    tpm_flush(tpm, tpm->session);
    return rc;
}

TSS2_RC tpm_run(struct tpm *tpm, const char *what, tpm_operation *operation, void *context,
                struct error *error) {
    TSS2_RC rc = TSS2_ESYS_RC_GENERAL_FAILURE;
    (void)pthread_mutex_lock(&tpm->lock);
    if (connect(tpm, error) == 0) {
        rc = operate(tpm, operation, context);
        if (rc != TSS2_RC_SUCCESS)
            (void)tpm_error_set(error, what, rc);
        /* A TPM that was restarted is found again by the next operation. */
        if (tpm_error_is_connection(rc))
            disconnect(tpm);
    }
    (void)pthread_mutex_unlock(&tpm->lock);
    return rc;
}

static int tpm_fill(struct tpm *tpm, const struct tpm_config *config, struct error *error) {
    tpm->tcti_name = strdup(config->tcti);
    tpm->directory = strdup(config->directory);
    if (tpm->tcti_name == NULL || tpm->directory == NULL)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    if (directory_create_private(config->directory, error) != 0 ||
        pin_read(tpm, config->pin_file, error) != 0)
        return -1;
    return connect(tpm, error);
}

struct tpm *tpm_open(const struct tpm_config *config, struct error *error) {
    /* The library writes to standard error on its own, among the lines of our log. */
    (void)setenv("TSS2_LOG", "all+NONE", 0);
    struct tpm *tpm = calloc(1, sizeof *tpm);
    if (tpm == NULL) {
        (void)error_set(error, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    (void)pthread_mutex_init(&tpm->lock, NULL);
    if (tpm_fill(tpm, config, error) == 0)
        return tpm;
    tpm_close(tpm);
    return NULL;
}

void tpm_close(struct tpm *tpm) {
    if (tpm == NULL)
        return;
    disconnect(tpm);
    free(tpm->tcti_name);
    free(tpm->directory);
    (void)pthread_mutex_destroy(&tpm->lock);
    secret_wipe(tpm, sizeof *tpm);
    free(tpm);
}

struct random_request {
    uint8_t *out;
    size_t size;
};

static TSS2_RC random_fill(struct tpm *tpm, void *context) {
    const struct random_request *request = context;
    size_t done = 0;
    while (done < request->size) {
        TPM2B_DIGEST *drawn = NULL;
        size_t wanted = request->size - done < AUTH_MAX ? request->size - done : AUTH_MAX;
        TSS2_RC rc = Esys_GetRandom(tpm->esys, tpm->session, ESYS_TR_NONE, ESYS_TR_NONE,
                                    (UINT16)wanted, &drawn);
        if (rc != TSS2_RC_SUCCESS)
            return rc;
        size_t got = drawn->size < wanted ? drawn->size : wanted;
        memcpy(request->out + done, drawn->buffer, got);
        secret_wipe(drawn, sizeof *drawn);
        Esys_Free(drawn);
        if (got == 0)
            return TSS2_ESYS_RC_MALFORMED_RESPONSE;
        done += got;
    }
    return TSS2_RC_SUCCESS;
}

int tpm_random(struct tpm *tpm, uint8_t *out, size_t size, struct error *error) {
    struct random_request request = {out, size};
    return tpm_run(tpm, "random bytes", random_fill, &request, error) == TSS2_RC_SUCCESS ? 0 : -1;
}
