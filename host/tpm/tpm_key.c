#include "tpm/tpm_internal.h"

#include "base/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const TPMT_PUBLIC signing_key = {
    .type = TPM2_ALG_ECC,
    .nameAlg = TPM2_ALG_SHA256,
    /* NODA: the PIN has 128 random bits, and a line must not stop because somebody guesses. */
    .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                        TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH |
                        TPMA_OBJECT_NODA | TPMA_OBJECT_SIGN_ENCRYPT,
    .parameters.eccDetail = {
        .symmetric.algorithm = TPM2_ALG_NULL,
        .scheme = {.scheme = TPM2_ALG_ECDSA, .details.ecdsa.hashAlg = TPM2_ALG_SHA256},
        .curveID = TPM2_ECC_NIST_P256,
        .kdf.scheme = TPM2_ALG_NULL}};

bool tpm_key_exists(struct tpm *tpm, const char *label) {
    struct error error;
    char *path = tpm_key_path(tpm, label, &error);
    bool exists = path != NULL && file_exists(path);
    free(path);
    return exists;
}

static TSS2_RC generate(struct tpm *tpm, void *context) {
    return tpm_create(tpm, &signing_key, bytes_of(NULL, 0), context);
}

int tpm_generate_p256(struct tpm *tpm, const char *label, struct error *error) {
    struct tpm_blob blob;
    if (tpm_key_exists(tpm, label))
        return error_set(error, ERROR_CONFLICT, "there is a key \"%s\" already", label);
    if (tpm_run(tpm, "key generation", generate, &blob, error) != TSS2_RC_SUCCESS)
        return -1;
    return tpm_blob_store(tpm, label, &blob, error);
}

/* A TPM may leave leading zeroes out. */
static int number_take(const TPM2B_ECC_PARAMETER *number, uint8_t out[32]) {
    if (number->size > 32)
        return -1;
    memset(out, 0, 32);
    memcpy(out + 32 - number->size, number->buffer, number->size);
    return 0;
}

int tpm_public_key(struct tpm *tpm, const char *label, uint8_t public_key[TPM_PUBLIC_KEY_SIZE],
                   struct error *error) {
    struct tpm_blob blob;
    if (tpm_blob_read(tpm, label, &blob, error) != 0)
        return -1;
    const TPMT_PUBLIC *key = &blob.public.publicArea;
    if (key->type != TPM2_ALG_ECC || number_take(&key->unique.ecc.x, public_key) != 0 ||
        number_take(&key->unique.ecc.y, public_key + 32) != 0)
        return error_set(error, ERROR_ALTERED, "the key \"%s\" is no signing key", label);
    return 0;
}

int tpm_signature_take(const TPMT_SIGNATURE *made, uint8_t signature[TPM_SIGNATURE_SIZE]) {
    if (made->sigAlg != TPM2_ALG_ECDSA ||
        number_take(&made->signature.ecdsa.signatureR, signature) != 0)
        return -1;
    return number_take(&made->signature.ecdsa.signatureS, signature + 32);
}

struct sign_request {
    struct tpm_blob blob;
    TPM2B_DIGEST digest;
    uint8_t *signature;
};

static TSS2_RC sign(struct tpm *tpm, void *context) {
    const struct sign_request *request = context;
    const TPMT_SIG_SCHEME scheme = {.scheme = TPM2_ALG_NULL};
    /* No hash of the TPM's is behind the digest: no ticket. */
    const TPMT_TK_HASHCHECK ticket = {.tag = TPM2_ST_HASHCHECK, .hierarchy = TPM2_RH_NULL};
    TPMT_SIGNATURE *made = NULL;
    ESYS_TR key = ESYS_TR_NONE;
    TSS2_RC rc = tpm_load(tpm, &request->blob, &key);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    rc = Esys_Sign(tpm->esys, key, tpm->session, ESYS_TR_NONE, ESYS_TR_NONE, &request->digest,
                   &scheme, &ticket, &made);
    tpm_flush(tpm, key);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    if (tpm_signature_take(made, request->signature) != 0)
        rc = TSS2_ESYS_RC_MALFORMED_RESPONSE;
    Esys_Free(made);
    return rc;
}

int tpm_sign(struct tpm *tpm, const char *label, const uint8_t digest[32],
             uint8_t signature[TPM_SIGNATURE_SIZE], struct error *error) {
    struct sign_request request = {.digest.size = 32, .signature = signature};
    memcpy(request.digest.buffer, digest, 32);
    if (tpm_blob_read(tpm, label, &request.blob, error) != 0)
        return -1;
    return tpm_run(tpm, "signature", sign, &request, error) == TSS2_RC_SUCCESS ? 0 : -1;
}

int tpm_destroy(struct tpm *tpm, const char *label, struct error *error) {
    char *path = tpm_key_path(tpm, label, error);
    if (path == NULL)
        return -1;
    int failed = unlink(path) == 0 ? 0 : error_set_errno(error, errno, path);
    free(path);
    return failed;
}
