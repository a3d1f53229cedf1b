/*
 * What the server asks of a programmer that claims to have its keys in a TPM (no TPM is needed
 * here): docs/formats/tpm_evidence.md, docs/decisions/0082.
 *
 *     tpm_evidence_ek_check(&certificate, folder, now, error);       a TPM of a maker we know
 *     tpm_evidence_challenge(&offer, secret, &challenge, error);     a secret only that TPM opens,
 *                                                                    and only with that AK in it
 *     tpm_evidence_nonce(secret, nonce);                             kept until the proof comes
 *     tpm_evidence_verify(&proof, nonce, public_key, error);         the AK says that AUTHKEY is
 *                                                                    in the TPM and was made there
 *
 * Whatever does not hold is ERROR_ASSURANCE_UNPROVEN. Integers are big-endian, structures those of
 * TPM 2.0 Part 2 (revision 1.38).
 */
#ifndef NUSEC_HOST_TPM_EVIDENCE_TPM_EVIDENCE_H
#define NUSEC_HOST_TPM_EVIDENCE_TPM_EVIDENCE_H

#include "base/buffer.h"

#define TPM_EVIDENCE_SECRET_SIZE     32
#define TPM_EVIDENCE_NONCE_SIZE      32
#define TPM_EVIDENCE_CERTIFICATE_MAX 4096
#define TPM_EVIDENCE_PUBLIC_MAX      128 /* TPMT_PUBLIC of a P-256 key */
#define TPM_EVIDENCE_ATTEST_MAX      512
#define TPM_EVIDENCE_CREDENTIAL_SIZE 68  /* TPMS_ID_OBJECT */
#define TPM_EVIDENCE_ENCRYPTED_SIZE  256 /* under RSA-2048 */

/* A certificate for an endorsement key (RSA-2048) that chains to a PEM file in `folder`. */
int tpm_evidence_ek_check(struct bytes certificate, const char *folder, uint64_t now_s,
                          struct error *error);

struct tpm_evidence_challenge {
    uint8_t credential[TPM_EVIDENCE_CREDENTIAL_SIZE];
    uint8_t encrypted_secret[TPM_EVIDENCE_ENCRYPTED_SIZE];
};
/* TPM2_MakeCredential for the endorsement key in a certificate that was checked, and the AK. */
int tpm_evidence_challenge(struct bytes certificate, struct bytes ak_public,
                           const uint8_t secret[TPM_EVIDENCE_SECRET_SIZE],
                           struct tpm_evidence_challenge *challenge, struct error *error);

/* What the AK has to sign: it shows that the secret was opened. */
void tpm_evidence_nonce(const uint8_t secret[TPM_EVIDENCE_SECRET_SIZE],
                        uint8_t nonce[TPM_EVIDENCE_NONCE_SIZE]);

struct tpm_evidence_proof {
    struct bytes ak_public;      /* TPMT_PUBLIC, that of the challenge */
    struct bytes authkey_public; /* TPMT_PUBLIC */
    struct bytes attest;         /* TPMS_ATTEST of TPM2_Certify */
    uint8_t signature[64];       /* by the AK, r || s */
};
/* `public_key` is AUTHKEY's, as its certificate request has it. */
int tpm_evidence_verify(const struct tpm_evidence_proof *proof,
                        const uint8_t nonce[TPM_EVIDENCE_NONCE_SIZE], const uint8_t public_key[64],
                        struct error *error);

#endif
