/* What a programmer offers as proof: the first byte says which part, the rest is its bytes. */
#include "tpm_evidence/evidence_attest.h"
#include "tpm_evidence/evidence_public.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void public_try(struct bytes input, enum evidence_key kind) {
    struct evidence_public public;
    struct error error;
    if (evidence_public_read(input, kind, &public, &error) != 0 &&
        error.code != ERROR_ASSURANCE_UNPROVEN)
        abort();
}

static void attest_try(struct bytes input) {
    struct evidence_attest attest;
    if (evidence_attest_read(input, &attest) == 0 &&
        attest.nonce.size + attest.name.size > input.size)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    struct bytes input = bytes_of(data + 1, size - 1);
    switch (data[0] % 3) {
    case 0: public_try(input, EVIDENCE_AK); break;
    case 1: public_try(input, EVIDENCE_AUTHKEY); break;
    default: attest_try(input); break;
    }
    return 0;
}
