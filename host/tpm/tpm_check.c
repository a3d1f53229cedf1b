#include "tpm/tpm_internal.h"

#include <stdlib.h>

static bool has_command(const TPML_CCA *commands, TPM2_CC wanted) {
    for (UINT32 i = 0; i < commands->count && i < TPM2_MAX_CAP_CC; i++)
        if ((commands->commandAttributes[i] & TPMA_CC_COMMANDINDEX_MASK) == wanted)
            return true;
    return false;
}

/* EncryptDecrypt2 is the one that many TPMs leave out, for the sake of export rules. */
int tpm_check_commands(const TPML_CCA *commands, struct error *error) {
    static const struct {
        TPM2_CC command;
        const char *name;
    } wanted[] = {
        {TPM2_CC_EncryptDecrypt2, "TPM2_EncryptDecrypt2"},
        {TPM2_CC_ECDH_ZGen, "TPM2_ECDH_ZGen"},
        {TPM2_CC_NV_Increment, "TPM2_NV_Increment"},
        {TPM2_CC_Certify, "TPM2_Certify"},
        {TPM2_CC_ActivateCredential, "TPM2_ActivateCredential"},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        if (!has_command(commands, wanted[i].command)) {
            (void)error_set(error, ERROR_UNSUPPORTED, "this TPM has no %s", wanted[i].name);
            return error_hint(error, "it cannot be a programmer's key store; use another TPM");
        }
    return 0;
}

static const TPMT_PUBLIC_PARMS aes_256_ctr = {
    .type = TPM2_ALG_SYMCIPHER,
    .parameters.symDetail.sym = {
        .algorithm = TPM2_ALG_AES, .keyBits.aes = 256, .mode.aes = TPM2_ALG_CTR}};

static const TPMT_PUBLIC_PARMS ecc_p256 = {
    .type = TPM2_ALG_ECC,
    .parameters.eccDetail = {
        .symmetric.algorithm = TPM2_ALG_NULL,
        .scheme = {.scheme = TPM2_ALG_ECDSA, .details.ecdsa.hashAlg = TPM2_ALG_SHA256},
        .curveID = TPM2_ECC_NIST_P256,
        .kdf.scheme = TPM2_ALG_NULL}};

int tpm_check(struct tpm *tpm, struct error *error) {
    TPMS_CAPABILITY_DATA *found = NULL;
    TPMI_YES_NO more = TPM2_NO;
    TSS2_RC rc =
        Esys_GetCapability(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_COMMANDS,
                           TPM2_CC_FIRST, TPM2_MAX_CAP_CC, &more, &found);
    if (rc != TSS2_RC_SUCCESS)
        return tpm_error_set(error, "capabilities", rc);
    int failed = tpm_check_commands(&found->data.command, error);
    Esys_Free(found);
    if (failed != 0)
        return -1;
    if (Esys_TestParms(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &aes_256_ctr) !=
        TSS2_RC_SUCCESS)
        return error_set(error, ERROR_UNSUPPORTED, "this TPM has no AES-256 in counter mode");
    if (Esys_TestParms(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &ecc_p256) !=
        TSS2_RC_SUCCESS)
        return error_set(error, ERROR_UNSUPPORTED, "this TPM has no ECDSA over P-256");
    return 0;
}
