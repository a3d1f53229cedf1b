#include "tpm/tpm_counter.h"

#include "tpm/tpm_internal.h"

#include "crypto/crypto.h"

#include <string.h>

/* Of the owner's range (Registry of reserved TPM 2.0 handles): drawn, since others may be there. */
#define INDEX_FIRST 0x01800000U
#define INDEX_MASK  0x000FFFFFU
#define VALUE_SIZE  8
#define TRIES       8

#define ATTRIBUTES                                                                                 \
    (((TPMA_NV)TPM2_NT_COUNTER << TPMA_NV_TPM2_NT_SHIFT) | TPMA_NV_AUTHREAD | TPMA_NV_AUTHWRITE |  \
     TPMA_NV_NO_DA)

struct counter_request {
    uint32_t index;
    uint64_t value;
};

static TSS2_RC index_open(struct tpm *tpm, uint32_t index, ESYS_TR *counter) {
    TSS2_RC rc =
        Esys_TR_FromTPMPublic(tpm->esys, index, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, counter);
    return rc == TSS2_RC_SUCCESS ? Esys_TR_SetAuth(tpm->esys, *counter, &tpm->auth) : rc;
}

/* Ordinary memory under the same index would say what it is told to. */
static TSS2_RC kind_check(struct tpm *tpm, ESYS_TR counter) {
    TPM2B_NV_PUBLIC *public = NULL;
    TSS2_RC rc = Esys_NV_ReadPublic(tpm->esys, counter, tpm->session, ESYS_TR_NONE, ESYS_TR_NONE,
                                    &public, NULL);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    if ((public->nvPublic.attributes & ~(TPMA_NV)TPMA_NV_WRITTEN) != ATTRIBUTES)
        rc = TPM2_RC_HANDLE;
    Esys_Free(public);
    return rc;
}

static TSS2_RC value_read(struct tpm *tpm, ESYS_TR counter, uint64_t *value) {
    TPM2B_MAX_NV_BUFFER *data = NULL;
    struct reader reader = {0};
    TSS2_RC rc = Esys_NV_Read(tpm->esys, counter, counter, tpm->session, ESYS_TR_NONE, ESYS_TR_NONE,
                              VALUE_SIZE, 0, &data);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    reader_init(&reader, bytes_of(data->buffer, data->size));
    *value = read_u64be(&reader);
    if (reader_finish(&reader) != STATUS_OK)
        rc = TSS2_ESYS_RC_MALFORMED_RESPONSE;
    Esys_Free(data);
    return rc;
}

static TSS2_RC counter_define(struct tpm *tpm, uint32_t index, ESYS_TR *counter) {
    const TPM2B_NV_PUBLIC public = {.nvPublic = {.nvIndex = index,
                                                 .nameAlg = TPM2_ALG_SHA256,
                                                 .attributes = ATTRIBUTES,
                                                 .dataSize = VALUE_SIZE}};
    return Esys_NV_DefineSpace(tpm->esys, ESYS_TR_RH_OWNER, tpm->session, ESYS_TR_NONE,
                               ESYS_TR_NONE, &tpm->auth, &public, counter);
}

/* It cannot be read before it was raised once. */
static TSS2_RC counter_make(struct tpm *tpm, void *context) {
    struct counter_request *request = context;
    ESYS_TR counter = ESYS_TR_NONE;
    TSS2_RC rc = counter_define(tpm, request->index, &counter);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    rc = Esys_TR_SetAuth(tpm->esys, counter, &tpm->auth);
    if (rc == TSS2_RC_SUCCESS)
        rc = Esys_NV_Increment(tpm->esys, counter, counter, tpm->session, ESYS_TR_NONE,
                               ESYS_TR_NONE);
    if (rc == TSS2_RC_SUCCESS)
        rc = value_read(tpm, counter, &request->value);
    (void)Esys_TR_Close(tpm->esys, &counter);
    return rc;
}

int tpm_counter_make(struct tpm *tpm, uint32_t *index, uint64_t *value, struct error *error) {
    struct counter_request request = {0};
    uint32_t lot = 0;
    TSS2_RC rc = TPM2_RC_NV_DEFINED;
    for (int i = 0; i < TRIES && rc == TPM2_RC_NV_DEFINED; i++) {
        if (crypto_random((uint8_t *)&lot, sizeof lot) != STATUS_OK)
            return error_set(error, ERROR_INTERNAL, "no random numbers");
        request.index = INDEX_FIRST | (lot & INDEX_MASK);
        rc = tpm_run(tpm, "counter", counter_make, &request, error);
    }
    *index = request.index;
    *value = request.value;
    return rc == TSS2_RC_SUCCESS ? 0 : tpm_error_hierarchy(error, "owner", rc);
}

static TSS2_RC counter_read(struct tpm *tpm, void *context) {
    struct counter_request *request = context;
    ESYS_TR counter = ESYS_TR_NONE;
    TSS2_RC rc = index_open(tpm, request->index, &counter);
    if (rc == TSS2_RC_SUCCESS)
        rc = kind_check(tpm, counter);
    if (rc == TSS2_RC_SUCCESS)
        rc = value_read(tpm, counter, &request->value);
    if (counter != ESYS_TR_NONE)
        (void)Esys_TR_Close(tpm->esys, &counter);
    return rc;
}

static int counter_error(TSS2_RC rc, struct error *error) {
    TSS2_RC number = tpm_error_number(rc);
    if (number == TPM2_RC_HANDLE || number == TPM2_RC_NV_UNINITIALIZED)
        return error_set(error, ERROR_NOT_FOUND, "the counter is gone from the TPM");
    return rc == TSS2_RC_SUCCESS ? 0 : -1;
}

int tpm_counter_read(struct tpm *tpm, uint32_t index, uint64_t *value, struct error *error) {
    struct counter_request request = {.index = index};
    TSS2_RC rc = tpm_run(tpm, "counter", counter_read, &request, error);
    *value = request.value;
    return counter_error(rc, error);
}

static TSS2_RC counter_raise(struct tpm *tpm, void *context) {
    const struct counter_request *request = context;
    ESYS_TR counter = ESYS_TR_NONE;
    TSS2_RC rc = index_open(tpm, request->index, &counter);
    if (rc == TSS2_RC_SUCCESS)
        rc = Esys_NV_Increment(tpm->esys, counter, counter, tpm->session, ESYS_TR_NONE,
                               ESYS_TR_NONE);
    if (counter != ESYS_TR_NONE)
        (void)Esys_TR_Close(tpm->esys, &counter);
    return rc;
}

int tpm_counter_raise(struct tpm *tpm, uint32_t index, struct error *error) {
    struct counter_request request = {.index = index};
    return counter_error(tpm_run(tpm, "counter", counter_raise, &request, error), error);
}
