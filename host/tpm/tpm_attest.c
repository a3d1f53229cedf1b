#include "tpm/tpm_attest.h"

#include "tpm/tpm_internal.h"

#include "base/secret.h"
#include "tpm_evidence/tpm_evidence.h"

#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_mu.h>

/* TCG EK Credential Profile 2.x, 2.2.1.4: the certificate for template L-1. */
#define EK_CERTIFICATE_INDEX 0x01C00002U
#define CHUNK                512 /* what the smallest TPM gives at once */

struct tpm_attest {
    struct tpm *tpm;
    struct tpm_blob ak;
};

static const TPMT_PUBLIC attestation_key = {
    .type = TPM2_ALG_ECC,
    .nameAlg = TPM2_ALG_SHA256,
    .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                        TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH |
                        TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_SIGN_ENCRYPT,
    .parameters.eccDetail = {
        .symmetric.algorithm = TPM2_ALG_NULL,
        .scheme = {.scheme = TPM2_ALG_ECDSA, .details.ecdsa.hashAlg = TPM2_ALG_SHA256},
        .curveID = TPM2_ECC_NIST_P256,
        .kdf.scheme = TPM2_ALG_NULL}};

/* Template L-1: only with exactly this does the maker's seed give the key in the certificate. */
static const TPM2B_PUBLIC endorsement_key = {
    .publicArea = {
        .type = TPM2_ALG_RSA,
        .nameAlg = TPM2_ALG_SHA256,
        .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                            TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_ADMINWITHPOLICY |
                            TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT,
        .authPolicy = {.size = 32,
                       .buffer = {0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xB3, 0xF8, 0x1A, 0x90, 0xCC,
                                  0x8D, 0x46, 0xA5, 0xD7, 0x24, 0xFD, 0x52, 0xD7, 0x6E, 0x06, 0x52,
                                  0x0B, 0x64, 0xF2, 0xA1, 0xDA, 0x1B, 0x33, 0x14, 0x69, 0xAA}},
        .parameters.rsaDetail = {.symmetric = {.algorithm = TPM2_ALG_AES,
                                               .keyBits.aes = 128,
                                               .mode.aes = TPM2_ALG_CFB},
                                 .scheme.scheme = TPM2_ALG_NULL,
                                 .keyBits = 2048},
        .unique.rsa.size = 256}};

static TSS2_RC certificate_read(struct tpm *tpm, ESYS_TR index, struct buffer *out) {
    TPM2B_NV_PUBLIC *public = NULL;
    TSS2_RC rc = Esys_NV_ReadPublic(tpm->esys, index, tpm->session, ESYS_TR_NONE, ESYS_TR_NONE,
                                    &public, NULL);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    size_t size = public->nvPublic.dataSize;
    Esys_Free(public);
    for (size_t offset = 0; offset < size && rc == TSS2_RC_SUCCESS;) {
        TPM2B_MAX_NV_BUFFER *data = NULL;
        size_t some = size - offset < CHUNK ? size - offset : CHUNK;
        rc = Esys_NV_Read(tpm->esys, index, index, tpm->session, ESYS_TR_NONE, ESYS_TR_NONE,
                          (UINT16)some, (UINT16)offset, &data);
        if (rc != TSS2_RC_SUCCESS)
            break;
        buffer_append(out, data->buffer, data->size);
        offset += some;
        Esys_Free(data);
    }
    return rc;
}

/* The space in the TPM may be longer than the certificate. */
static int certificate_trim(struct buffer *certificate, struct error *error) {
    struct reader reader = {0};
    reader_init(&reader, buffer_bytes(certificate));
    uint16_t tag = read_u16be(&reader); /* SEQUENCE with a length of two bytes */
    size_t size = (size_t)4 + read_u16be(&reader);
    if (reader_check(&reader) != STATUS_OK || tag != 0x3082 || size > certificate->size ||
        size > TPM_EVIDENCE_CERTIFICATE_MAX)
        return error_set(error, ERROR_UNSUPPORTED, "the TPM's certificate cannot be read");
    certificate->size = size;
    return 0;
}

static TSS2_RC certificate_find(struct tpm *tpm, void *context) {
    ESYS_TR index = ESYS_TR_NONE;
    TSS2_RC rc = Esys_TR_FromTPMPublic(tpm->esys, EK_CERTIFICATE_INDEX, ESYS_TR_NONE, ESYS_TR_NONE,
                                       ESYS_TR_NONE, &index);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    rc = certificate_read(tpm, index, context);
    (void)Esys_TR_Close(tpm->esys, &index);
    return rc;
}

static int certificate_take(struct tpm *tpm, struct buffer *certificate, struct error *error) {
    TSS2_RC rc = tpm_run(tpm, "endorsement certificate", certificate_find, certificate, error);
    if (tpm_error_number(rc) == TPM2_RC_HANDLE) {
        (void)error_set(error, ERROR_UNSUPPORTED,
                        "this TPM has no certificate of its maker (RSA, at 01C00002)");
        return error_hint(error, "it can be enrolled as software (--assurance software)");
    }
    if (rc != TSS2_RC_SUCCESS || buffer_check(certificate, error) != 0)
        return -1;
    return certificate_trim(certificate, error);
}

static int area_append(const TPMT_PUBLIC *area, struct buffer *out, struct error *error) {
    uint8_t encoded[sizeof *area];
    size_t size = 0;
    if (Tss2_MU_TPMT_PUBLIC_Marshal(area, encoded, sizeof encoded, &size) != TSS2_RC_SUCCESS)
        return error_set(error, ERROR_INTERNAL, "a public key of the TPM cannot be written");
    buffer_append(out, encoded, size);
    return buffer_check(out, error);
}

static TSS2_RC ak_make(struct tpm *tpm, void *context) {
    return tpm_create(tpm, &attestation_key, bytes_of(NULL, 0), context);
}

struct tpm_attest *tpm_attest_begin(struct tpm *tpm, struct buffer *ek_certificate,
                                    struct buffer *ak_public, struct error *error) {
    struct tpm_attest *attest = calloc(1, sizeof *attest);
    if (attest == NULL) {
        (void)error_set(error, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    attest->tpm = tpm;
    if (certificate_take(tpm, ek_certificate, error) == 0 &&
        tpm_run(tpm, "attestation key", ak_make, &attest->ak, error) == TSS2_RC_SUCCESS &&
        area_append(&attest->ak.public.publicArea, ak_public, error) == 0)
        return attest;
    tpm_attest_free(attest);
    return NULL;
}

struct prove {
    const struct tpm_attest *attest;
    TPM2B_ID_OBJECT credential;
    TPM2B_ENCRYPTED_SECRET encrypted_secret;
    struct tpm_blob key;
    TPM2B_ATTEST statement; /* results */
    TPMT_SIGNATURE signature;
    bool is_refused; /* the challenge: TPMs have many words for one that is not theirs */
};

/* The endorsement key's own policy: whoever may use the endorsement hierarchy. */
static TSS2_RC policy_begin(struct tpm *tpm, ESYS_TR *policy) {
    const TPMT_SYM_DEF none = {.algorithm = TPM2_ALG_NULL};
    TSS2_RC rc =
        Esys_StartAuthSession(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                              ESYS_TR_NONE, NULL, TPM2_SE_POLICY, &none, TPM2_ALG_SHA256, policy);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    rc = Esys_PolicySecret(tpm->esys, ESYS_TR_RH_ENDORSEMENT, *policy, tpm->session, ESYS_TR_NONE,
                           ESYS_TR_NONE, NULL, NULL, NULL, 0, NULL, NULL);
    if (rc != TSS2_RC_SUCCESS)
        tpm_flush(tpm, *policy);
    return rc;
}

static TSS2_RC endorsement_open(struct tpm *tpm, ESYS_TR *key) {
    const TPM2B_SENSITIVE_CREATE sensitive = {0};
    const TPM2B_DATA outside = {0};
    const TPML_PCR_SELECTION pcrs = {0};
    return Esys_CreatePrimary(tpm->esys, ESYS_TR_RH_ENDORSEMENT, tpm->session, ESYS_TR_NONE,
                              ESYS_TR_NONE, &sensitive, &endorsement_key, &outside, &pcrs, key,
                              NULL, NULL, NULL, NULL);
}

static TSS2_RC secret_open(struct tpm *tpm, struct prove *prove, ESYS_TR ak,
                           uint8_t secret[TPM_EVIDENCE_SECRET_SIZE]) {
    TPM2B_DIGEST *opened = NULL;
    ESYS_TR policy = ESYS_TR_NONE;
    ESYS_TR key = ESYS_TR_NONE;
    TSS2_RC rc = endorsement_open(tpm, &key);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    rc = policy_begin(tpm, &policy);
    if (rc == TSS2_RC_SUCCESS) {
        rc = Esys_ActivateCredential(tpm->esys, ak, key, tpm->session, policy, ESYS_TR_NONE,
                                     &prove->credential, &prove->encrypted_secret, &opened);
        prove->is_refused = rc != TSS2_RC_SUCCESS && !tpm_error_is_connection(rc);
        tpm_flush(tpm, policy);
    }
    tpm_flush(tpm, key);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    if (opened->size == TPM_EVIDENCE_SECRET_SIZE)
        memcpy(secret, opened->buffer, TPM_EVIDENCE_SECRET_SIZE);
    else
        rc = TSS2_ESYS_RC_MALFORMED_RESPONSE;
    secret_wipe(opened, sizeof *opened);
    Esys_Free(opened);
    return rc;
}

/* Two keys are authorised, each in a session of its own. */
static TSS2_RC certify(struct tpm *tpm, struct prove *prove, ESYS_TR ak,
                       const uint8_t secret[TPM_EVIDENCE_SECRET_SIZE]) {
    const TPMT_SIG_SCHEME scheme = {.scheme = TPM2_ALG_NULL};
    TPM2B_DATA nonce = {.size = TPM_EVIDENCE_NONCE_SIZE};
    TPM2B_ATTEST *statement = NULL;
    TPMT_SIGNATURE *signature = NULL;
    ESYS_TR second = ESYS_TR_NONE;
    ESYS_TR key = ESYS_TR_NONE;
    tpm_evidence_nonce(secret, nonce.buffer);
    TSS2_RC rc = tpm_load(tpm, &prove->key, &key);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    rc = tpm_session_begin(tpm, 0, &second);
    if (rc == TSS2_RC_SUCCESS) {
        rc = Esys_Certify(tpm->esys, key, ak, tpm->session, second, ESYS_TR_NONE, &nonce, &scheme,
                          &statement, &signature);
        tpm_flush(tpm, second);
    }
    tpm_flush(tpm, key);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    prove->statement = *statement;
    prove->signature = *signature;
    Esys_Free(statement);
    Esys_Free(signature);
    return TSS2_RC_SUCCESS;
}

static TSS2_RC prove(struct tpm *tpm, void *context) {
    struct prove *request = context;
    uint8_t secret[TPM_EVIDENCE_SECRET_SIZE];
    ESYS_TR ak = ESYS_TR_NONE;
    TSS2_RC rc = tpm_load(tpm, &request->attest->ak, &ak);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    rc = secret_open(tpm, request, ak, secret);
    if (rc == TSS2_RC_SUCCESS)
        rc = certify(tpm, request, ak, secret);
    tpm_flush(tpm, ak);
    secret_wipe(secret, sizeof secret);
    return rc;
}

static int challenge_take(struct prove *request, struct bytes credential,
                          struct bytes encrypted_secret, struct error *error) {
    if (credential.size > sizeof request->credential.credential ||
        encrypted_secret.size > sizeof request->encrypted_secret.secret)
        return error_set(error, ERROR_BAD_REQUEST, "the challenge is too long");
    memcpy(request->credential.credential, credential.data, credential.size);
    request->credential.size = (UINT16)credential.size;
    memcpy(request->encrypted_secret.secret, encrypted_secret.data, encrypted_secret.size);
    request->encrypted_secret.size = (UINT16)encrypted_secret.size;
    return 0;
}

int tpm_attest_prove(struct tpm_attest *attest, struct bytes credential,
                     struct bytes encrypted_secret, const char *label, struct buffer *key_public,
                     struct buffer *statement, uint8_t signature[TPM_SIGNATURE_SIZE],
                     struct error *error) {
    struct prove request = {.attest = attest};
    if (challenge_take(&request, credential, encrypted_secret, error) != 0 ||
        tpm_blob_read(attest->tpm, label, &request.key, error) != 0)
        return -1;
    TSS2_RC rc = tpm_run(attest->tpm, "attestation", prove, &request, error);
    if (request.is_refused) {
        error->code = ERROR_ALTERED;
        return error_prefix(error, "the challenge is not for this TPM");
    }
    if (rc != TSS2_RC_SUCCESS)
        return tpm_error_hierarchy(error, "endorsement", rc);
    if (tpm_signature_take(&request.signature, signature) != 0)
        return error_set(error, ERROR_HSM_UNAVAILABLE, "the TPM has signed otherwise");
    buffer_append(statement, request.statement.attestationData, request.statement.size);
    if (buffer_check(statement, error) != 0)
        return -1;
    return area_append(&request.key.public.publicArea, key_public, error);
}

void tpm_attest_free(struct tpm_attest *attest) {
    if (attest == NULL)
        return;
    secret_wipe(attest, sizeof *attest);
    free(attest);
}
