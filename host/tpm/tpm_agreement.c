#include "tpm/tpm_agreement.h"

#include "tpm/tpm_internal.h"

#include "base/secret.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define AES_KEY_SIZE 32
#define WRAPPED_SIZE 40 /* RFC 5649, 4.1 */

struct tpm_agreement {
    struct tpm *tpm;
    struct tpm_blob pair;
};

static const TPMT_PUBLIC agreement_key = {
    .type = TPM2_ALG_ECC,
    .nameAlg = TPM2_ALG_SHA256,
    .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                        TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH |
                        TPMA_OBJECT_NODA | TPMA_OBJECT_DECRYPT,
    .parameters.eccDetail = {.symmetric.algorithm = TPM2_ALG_NULL,
                             .scheme.scheme = TPM2_ALG_NULL,
                             .curveID = TPM2_ECC_NIST_P256,
                             .kdf.scheme = TPM2_ALG_NULL}};

/* Counter mode only: with it tpm_gcm.c computes all of GCM, and no other mode is wanted. */
static const TPMT_PUBLIC package_key = {
    .type = TPM2_ALG_SYMCIPHER,
    .nameAlg = TPM2_ALG_SHA256,
    .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_USERWITHAUTH |
                        TPMA_OBJECT_NODA | TPMA_OBJECT_DECRYPT,
    .parameters.symDetail.sym = {
        .algorithm = TPM2_ALG_AES, .keyBits.aes = 256, .mode.aes = TPM2_ALG_CTR}};

static TSS2_RC generate(struct tpm *tpm, void *context) {
    return tpm_create(tpm, &agreement_key, bytes_of(NULL, 0), context);
}

static void point_write(const TPMS_ECC_POINT *key, uint8_t point[TPM_POINT_SIZE]) {
    memset(point, 0, TPM_POINT_SIZE);
    point[0] = 4;
    memcpy(point + 33 - key->x.size, key->x.buffer, key->x.size);
    memcpy(point + 65 - key->y.size, key->y.buffer, key->y.size);
}

struct tpm_agreement *tpm_agreement_begin(struct tpm *tpm, uint8_t point[TPM_POINT_SIZE],
                                          struct error *error) {
    struct tpm_agreement *agreement = calloc(1, sizeof *agreement);
    if (agreement == NULL) {
        (void)error_set(error, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    agreement->tpm = tpm;
    const TPMS_ECC_POINT *made = &agreement->pair.public.publicArea.unique.ecc;
    int failed =
        tpm_run(tpm, "key agreement", generate, &agreement->pair, error) != TSS2_RC_SUCCESS;
    if (failed == 0 && (made->x.size > 32 || made->y.size > 32))
        failed = error_set(error, ERROR_HSM_UNAVAILABLE, "the TPM has made another kind of key");
    if (failed == 0) {
        point_write(made, point);
        return agreement;
    }
    tpm_agreement_free(agreement);
    return NULL;
}

/* RFC 5649 under the agreed secret (SP 800-56A 5.7.1.2, used as it is: hsm/agreement.h). */
static int unwrap(const uint8_t kek[AES_KEY_SIZE], struct bytes wrapped,
                  uint8_t key[AES_KEY_SIZE]) {
    uint8_t out[WRAPPED_SIZE + 16]; /* OpenSSL writes whole blocks while it looks */
    int size = 0;
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    bool opens = false;
    if (context != NULL && wrapped.size == WRAPPED_SIZE) {
        EVP_CIPHER_CTX_set_flags(context, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
        opens = EVP_DecryptInit_ex(context, EVP_aes_256_wrap_pad(), NULL, kek, NULL) == 1 &&
                EVP_DecryptUpdate(context, out, &size, wrapped.data, WRAPPED_SIZE) == 1 &&
                size == AES_KEY_SIZE;
    }
    if (opens)
        memcpy(key, out, AES_KEY_SIZE);
    secret_wipe(out, sizeof out);
    EVP_CIPHER_CTX_free(context);
    return opens ? 0 : -1;
}

struct finish {
    struct tpm_agreement *agreement;
    const uint8_t *peer;
    struct bytes wrapped;
    struct tpm_blob blob; /* result */
    bool is_open;         /* whether the wrapped key was the peer's */
};

static TSS2_RC derive(struct tpm *tpm, const struct finish *finish, uint8_t secret[AES_KEY_SIZE]) {
    TPM2B_ECC_POINT peer = {.point = {.x.size = 32, .y.size = 32}};
    TPM2B_ECC_POINT *shared = NULL;
    ESYS_TR key = ESYS_TR_NONE;
    memcpy(peer.point.x.buffer, finish->peer + 1, 32);
    memcpy(peer.point.y.buffer, finish->peer + 33, 32);
    TSS2_RC rc = tpm_load(tpm, &finish->agreement->pair, &key);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    rc = Esys_ECDH_ZGen(tpm->esys, key, tpm->session, ESYS_TR_NONE, ESYS_TR_NONE, &peer, &shared);
    tpm_flush(tpm, key);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    size_t size = shared->point.x.size;
    memset(secret, 0, AES_KEY_SIZE);
    if (size <= AES_KEY_SIZE)
        memcpy(secret + AES_KEY_SIZE - size, shared->point.x.buffer, size);
    secret_wipe(shared, sizeof *shared);
    Esys_Free(shared);
    return size <= AES_KEY_SIZE ? TSS2_RC_SUCCESS : TSS2_ESYS_RC_MALFORMED_RESPONSE;
}

static TSS2_RC finish(struct tpm *tpm, void *context) {
    struct finish *request = context;
    uint8_t secret[AES_KEY_SIZE];
    uint8_t key[AES_KEY_SIZE];
    TSS2_RC rc = derive(tpm, request, secret);
    request->is_open = rc == TSS2_RC_SUCCESS && unwrap(secret, request->wrapped, key) == 0;
    if (request->is_open)
        rc = tpm_create(tpm, &package_key, bytes_of(key, sizeof key), &request->blob);
    secret_wipe(secret, sizeof secret);
    secret_wipe(key, sizeof key);
    return rc;
}

int tpm_agreement_finish(struct tpm_agreement *agreement, const uint8_t peer[TPM_POINT_SIZE],
                         struct bytes wrapped, const char *label, struct error *error) {
    struct finish request = {.agreement = agreement, .peer = peer, .wrapped = wrapped};
    if (tpm_key_exists(agreement->tpm, label))
        return error_set(error, ERROR_CONFLICT, "there is a key \"%s\" already", label);
    if (peer[0] != 4)
        return error_set(error, ERROR_BAD_REQUEST, "the peer's point is compressed");
    TSS2_RC rc = tpm_run(agreement->tpm, "key agreement", finish, &request, error);
    if (tpm_error_number(rc) == TPM2_RC_ECC_POINT || tpm_error_number(rc) == TPM2_RC_CURVE)
        return error_set(error, ERROR_BAD_REQUEST, "the peer's point is not on the curve");
    if (rc != TSS2_RC_SUCCESS)
        return -1;
    if (!request.is_open)
        return error_set(error, ERROR_ALTERED, "the wrapped key does not open");
    return tpm_blob_store(agreement->tpm, label, &request.blob, error);
}

void tpm_agreement_free(struct tpm_agreement *agreement) {
    if (agreement == NULL)
        return;
    secret_wipe(agreement, sizeof *agreement);
    free(agreement);
}
