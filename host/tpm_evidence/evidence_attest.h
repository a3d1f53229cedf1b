/* The AK's statement, taken apart. Private to host/tpm_evidence. */
#ifndef NUSEC_HOST_TPM_EVIDENCE_EVIDENCE_ATTEST_H
#define NUSEC_HOST_TPM_EVIDENCE_EVIDENCE_ATTEST_H

#include "tpm_evidence/tpm_evidence.h"

struct evidence_attest {
    uint32_t magic;
    uint16_t type;
    struct bytes nonce; /* borrowed from the statement, as is: */
    struct bytes name;
};

/* -1 unless it is a statement about a key, fully consumed; magic and type are for the caller. */
int evidence_attest_read(struct bytes encoded, struct evidence_attest *attest);

#endif
