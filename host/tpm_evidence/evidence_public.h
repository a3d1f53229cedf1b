/* Public areas of the two keys a proof is about. Private to host/tpm_evidence. */
#ifndef NUSEC_HOST_TPM_EVIDENCE_EVIDENCE_PUBLIC_H
#define NUSEC_HOST_TPM_EVIDENCE_EVIDENCE_PUBLIC_H

#include "tpm_evidence/tpm_evidence.h"

#define EVIDENCE_NAME_SIZE 34 /* algorithm, SHA-256 */

enum evidence_key {
    EVIDENCE_AK,      /* restricted: signs nothing that did not come from inside of the TPM */
    EVIDENCE_AUTHKEY, /* signs digests */
};

struct evidence_public {
    uint8_t name[EVIDENCE_NAME_SIZE];
    uint8_t public_key[64];
};

/* Exactly the attributes and the scheme a key of this kind has to have; -1 and an error. */
int evidence_public_read(struct bytes area, enum evidence_key kind, struct evidence_public *public,
                         struct error *error);

#endif
