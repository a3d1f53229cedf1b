#include "tpm/tpm_internal.h"

#include <tss2/tss2_rc.h>

TSS2_RC tpm_error_number(TSS2_RC rc) {
    if ((rc & TSS2_RC_LAYER_MASK) == TSS2_TPM_RC_LAYER && (rc & TPM2_RC_FMT1) != 0)
        return rc & (TPM2_RC_FMT1 | 0x3FU);
    return rc;
}

/* Anything that was not said by a TPM leaves a connection nobody knows the state of. */
bool tpm_error_is_connection(TSS2_RC rc) {
    TSS2_RC layer = rc & TSS2_RC_LAYER_MASK;
    return rc != TSS2_RC_SUCCESS && layer != TSS2_TPM_RC_LAYER && layer != TSS2_RESMGR_TPM_RC_LAYER;
}

static bool is_refusal(TSS2_RC rc) {
    TSS2_RC number = tpm_error_number(rc);
    return number == TPM2_RC_AUTH_FAIL || number == TPM2_RC_BAD_AUTH;
}

int tpm_error_hierarchy(struct error *error, const char *hierarchy, TSS2_RC rc) {
    if (!is_refusal(rc))
        return -1;
    (void)error_set(error, ERROR_DENIED, "the TPM's %s hierarchy has a password", hierarchy);
    return error_hint(error, "clear the TPM, or take the password off, before its first use");
}

int tpm_error_set(struct error *error, const char *what, TSS2_RC rc) {
    switch (tpm_error_number(rc)) {
    case TPM2_RC_AUTH_FAIL:
    case TPM2_RC_BAD_AUTH:
        (void)error_set(error, ERROR_DENIED, "the TPM refuses the PIN of its keys");
        break;
    case TPM2_RC_INTEGRITY:
        (void)error_set(error, ERROR_ALTERED, "a key file was changed, or another TPM has made it");
        break;
    case TPM2_RC_LOCKOUT:
        (void)error_set(error, ERROR_HSM_UNAVAILABLE,
                        "the TPM is locked after too many wrong authorisations");
        break;
    default:
        (void)error_set(error, ERROR_HSM_UNAVAILABLE,
                        tpm_error_is_connection(rc) ? "%s: the TPM does not answer"
                                                    : "%s: the TPM refuses",
                        what);
        break;
    }
    return error_detail(error, "%s: %s", what, Tss2_RC_Decode(rc));
}
