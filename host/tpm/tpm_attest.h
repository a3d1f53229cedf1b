/*
 * The programmer's half of the proof that AUTHKEY is in a TPM (docs/formats/tpm_evidence.md): the
 * certificate of the TPM's endorsement key, an attestation key (AK) made for this one time, and,
 * once the server's challenge is opened with both, the AK's statement about AUTHKEY.
 */
#ifndef NUSEC_HOST_TPM_TPM_ATTEST_H
#define NUSEC_HOST_TPM_TPM_ATTEST_H

#include "tpm/tpm.h"

struct tpm_attest;

/* Appends certificate (DER) and AK (TPMT_PUBLIC). ERROR_UNSUPPORTED if the maker has put no
 * certificate for an RSA endorsement key into the TPM. */
struct tpm_attest *tpm_attest_begin(struct tpm *tpm, struct buffer *ek_certificate,
                                    struct buffer *ak_public, struct error *error);

/* Appends the public area (TPMT_PUBLIC) of the key and the statement (TPMS_ATTEST).
 * ERROR_ALTERED if the challenge is not for this TPM and AK. */
int tpm_attest_prove(struct tpm_attest *attest, struct bytes credential,
                     struct bytes encrypted_secret, const char *label, struct buffer *key_public,
                     struct buffer *statement, uint8_t signature[TPM_SIGNATURE_SIZE],
                     struct error *error);
void tpm_attest_free(struct tpm_attest *attest);

#endif
