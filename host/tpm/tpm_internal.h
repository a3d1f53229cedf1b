/*
 * What the files of host/tpm share: the connection, operations, errors, key blobs.
 */
#ifndef NUSEC_HOST_TPM_TPM_INTERNAL_H
#define NUSEC_HOST_TPM_TPM_INTERNAL_H

#include "tpm/tpm.h"

#include <pthread.h>
#include <tss2/tss2_esys.h>

struct tpm {
    pthread_mutex_t lock; /* around every operation */
    char *tcti_name;
    char *directory;
    TPM2B_AUTH auth; /* of the keys: the PIN */
    bool is_pinned;
    TPM2B_NAME srk_name; /* once pinned */
    /* The connection; esys is NULL after the TPM went away, until the next operation. */
    TSS2_TCTI_CONTEXT *tcti;
    ESYS_CONTEXT *esys;
    ESYS_TR srk;
    ESYS_TR session; /* of the operation at work: salted, encrypts parameters both ways */
};

/* One operation: what it loads it flushes. */
typedef TSS2_RC tpm_operation(struct tpm *tpm, void *context);

/* Connects if need be, and runs it in a fresh session. `error` is set unless the result is
 * TSS2_RC_SUCCESS; `what` is for its message. */
TSS2_RC tpm_run(struct tpm *tpm, const char *what, tpm_operation *operation, void *context,
                struct error *error);

/* Another session beside the operation's, for a second key: salted; flushed by the caller.
 * `attributes` besides CONTINUESESSION. */
TSS2_RC tpm_session_begin(struct tpm *tpm, TPMA_SESSION attributes, ESYS_TR *session);

/* r || s of an ECDSA signature. */
int tpm_signature_take(const TPMT_SIGNATURE *made, uint8_t signature[TPM_SIGNATURE_SIZE]);

/* tpm_srk.c: finds or makes the storage key and holds it against the pinned name. */
int tpm_srk_open(struct tpm *tpm, struct error *error);
/* tpm_check.c: whether the TPM can do what is wanted of it. */
int tpm_check_commands(const TPML_CCA *commands, struct error *error);
int tpm_check(struct tpm *tpm, struct error *error);

/* tpm_error.c. The number of an error without the parameter, handle or session it is about. */
TSS2_RC tpm_error_number(TSS2_RC rc);
bool tpm_error_is_connection(TSS2_RC rc);
/* Instead of the PIN's: for what wants a hierarchy of the TPM and no key. */
int tpm_error_hierarchy(struct error *error, const char *hierarchy, TSS2_RC rc);
int tpm_error_set(struct error *error, const char *what, TSS2_RC rc);

/* A key as it is stored: TPM2B_PUBLIC and TPM2B_PRIVATE, each with its size. */
struct tpm_blob {
    TPM2B_PUBLIC public;
    TPM2B_PRIVATE private;
};
/* Label to path; NULL and an error for a label that cannot be a file name. */
char *tpm_key_path(const struct tpm *tpm, const char *label, struct error *error);
int tpm_blob_read(const struct tpm *tpm, const char *label, struct tpm_blob *blob,
                  struct error *error);
/* ERROR_CONFLICT if the file exists. */
int tpm_blob_store(const struct tpm *tpm, const char *label, const struct tpm_blob *blob,
                   struct error *error);

/* Inside of an operation. `sensitive` is the key's value, or empty: made by the TPM. */
TSS2_RC tpm_create(struct tpm *tpm, const TPMT_PUBLIC *template, struct bytes sensitive,
                   struct tpm_blob *blob);
/* To be flushed by the caller. */
TSS2_RC tpm_load(struct tpm *tpm, const struct tpm_blob *blob, ESYS_TR *object);
void tpm_flush(struct tpm *tpm, ESYS_TR object);

#endif
