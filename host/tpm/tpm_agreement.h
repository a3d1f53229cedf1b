/*
 * The programmer's end of the agreement on AES_NuLink3 (hsm/agreement.h has the other one), in a
 * TPM. It has no key unwrapping, so the agreed secret and with it the AES key are in this process'
 * memory between ECDH and import, in the OEM's trusted room, and wiped.
 */
#ifndef NUSEC_HOST_TPM_TPM_AGREEMENT_H
#define NUSEC_HOST_TPM_TPM_AGREEMENT_H

#include "tpm/tpm.h"

struct tpm_agreement;

/* A pair made in the TPM; it is never stored and ends with tpm_agreement_free. */
struct tpm_agreement *tpm_agreement_begin(struct tpm *tpm, uint8_t point[TPM_POINT_SIZE],
                                          struct error *error);
/* Unwraps (RFC 5649) an AES-256 key and puts it into the TPM as `label`: decrypts only.
 * ERROR_CONFLICT if the label is taken, ERROR_BAD_REQUEST if `peer` is no point of the curve,
 * ERROR_ALTERED if the wrapped key is not the peer's. */
int tpm_agreement_finish(struct tpm_agreement *agreement, const uint8_t peer[TPM_POINT_SIZE],
                         struct bytes wrapped, const char *label, struct error *error);
void tpm_agreement_free(struct tpm_agreement *agreement);

#endif
