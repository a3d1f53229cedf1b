#include "tpm/tpm_internal.h"

#include "base/file.h"
#include "base/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_mu.h>

char *tpm_key_path(const struct tpm *tpm, const char *label, struct error *error) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    char name[TPM_LABEL_MAX + sizeof ".key"];
    size_t size = strlen(label);
    if (size == 0 || size > TPM_LABEL_MAX || strspn(label, allowed) != size) {
        (void)error_set(error, ERROR_INTERNAL, "\"%s\" cannot be the label of a key", label);
        return NULL;
    }
    (void)snprintf(name, sizeof name, "%s.key", label);
    char *path = path_join(tpm->directory, name);
    if (path == NULL)
        (void)error_set(error, ERROR_INTERNAL, "out of memory");
    return path;
}

static bool blob_decode(struct bytes stored, struct tpm_blob *blob) {
    size_t offset = 0;
    memset(blob, 0, sizeof *blob);
    return Tss2_MU_TPM2B_PUBLIC_Unmarshal(stored.data, stored.size, &offset, &blob->public) ==
               TSS2_RC_SUCCESS &&
           Tss2_MU_TPM2B_PRIVATE_Unmarshal(stored.data, stored.size, &offset, &blob->private) ==
               TSS2_RC_SUCCESS &&
           offset == stored.size;
}

int tpm_blob_read(const struct tpm *tpm, const char *label, struct tpm_blob *blob,
                  struct error *error) {
    struct buffer stored = {0};
    char *path = tpm_key_path(tpm, label, error);
    int failed = path == NULL ? -1 : file_read(path, sizeof *blob, &stored, error);
    if (failed == 0 && !blob_decode(buffer_bytes(&stored), blob))
        failed = error_set(error, ERROR_ALTERED, "%s is no key of a TPM", path);
    buffer_free(&stored);
    free(path);
    return failed;
}

int tpm_blob_store(const struct tpm *tpm, const char *label, const struct tpm_blob *blob,
                   struct error *error) {
    uint8_t stored[sizeof *blob];
    size_t size = 0;
    char *path = tpm_key_path(tpm, label, error);
    int failed = path == NULL ? -1 : 0;
    if (failed == 0 && (Tss2_MU_TPM2B_PUBLIC_Marshal(&blob->public, stored, sizeof stored, &size) !=
                            TSS2_RC_SUCCESS ||
                        Tss2_MU_TPM2B_PRIVATE_Marshal(&blob->private, stored, sizeof stored,
                                                      &size) != TSS2_RC_SUCCESS))
        failed = error_set(error, ERROR_INTERNAL, "a key of the TPM cannot be written");
    if (failed == 0)
        failed = file_create_durable(path, bytes_of(stored, size), 0600, error);
    free(path);
    return failed;
}

TSS2_RC tpm_create(struct tpm *tpm, const TPMT_PUBLIC *template, struct bytes sensitive,
                   struct tpm_blob *blob) {
    TPM2B_SENSITIVE_CREATE input = {.sensitive.userAuth = tpm->auth};
    const TPM2B_PUBLIC wanted = {.publicArea = *template};
    const TPM2B_DATA outside = {0};
    const TPML_PCR_SELECTION pcrs = {0};
    TPM2B_PRIVATE *private = NULL;
    TPM2B_PUBLIC *public = NULL;
    if (sensitive.size > sizeof input.sensitive.data.buffer)
        return TSS2_ESYS_RC_BAD_SIZE;
    if (sensitive.size > 0)
        memcpy(input.sensitive.data.buffer, sensitive.data, sensitive.size);
    input.sensitive.data.size = (UINT16)sensitive.size;
    TSS2_RC rc = Esys_Create(tpm->esys, tpm->srk, tpm->session, ESYS_TR_NONE, ESYS_TR_NONE, &input,
                             &wanted, &outside, &pcrs, &private, &public, NULL, NULL, NULL);
    secret_wipe(&input, sizeof input);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    blob->private = *private;
    blob->public = *public;
    Esys_Free(private);
    Esys_Free(public);
    return TSS2_RC_SUCCESS;
}

TSS2_RC tpm_load(struct tpm *tpm, const struct tpm_blob *blob, ESYS_TR *object) {
    TSS2_RC rc = Esys_Load(tpm->esys, tpm->srk, tpm->session, ESYS_TR_NONE, ESYS_TR_NONE,
                           &blob->private, &blob->public, object);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    rc = Esys_TR_SetAuth(tpm->esys, *object, &tpm->auth);
    if (rc != TSS2_RC_SUCCESS)
        tpm_flush(tpm, *object);
    return rc;
}

void tpm_flush(struct tpm *tpm, ESYS_TR object) {
    (void)Esys_FlushContext(tpm->esys, object);
}
