#include "tpm_evidence/evidence_public.h"

#include "crypto/crypto.h"

#include <string.h>

#define ALG_ECC    0x0023
#define ALG_SHA256 0x000B
#define ALG_NULL   0x0010
#define ALG_ECDSA  0x0018
#define P256       0x0003

/* fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, noDA, sign; the AK: restricted too. */
#define ATTRIBUTES_AUTHKEY 0x00040472U
#define ATTRIBUTES_AK      0x00050472U

/* TPM2B_ECC_PARAMETER; a TPM may leave leading zeroes out. */
static int number_read(struct reader *reader, uint8_t out[32]) {
    size_t size = read_u16be(reader);
    memset(out, 0, 32);
    if (size > 32)
        return -1;
    read_copy(reader, out + 32 - size, size);
    return 0;
}

/* TPMT_PUBLIC with TPMS_ECC_PARMS. */
static int area_read(struct reader *reader, uint32_t attributes, uint8_t public_key[64]) {
    bool fits = read_u16be(reader) == ALG_ECC;
    fits &= read_u16be(reader) == ALG_SHA256;
    fits &= read_u32be(reader) == attributes;
    fits &= read_u16be(reader) == 0; /* no policy */
    fits &= read_u16be(reader) == ALG_NULL;
    fits &= read_u16be(reader) == ALG_ECDSA;
    fits &= read_u16be(reader) == ALG_SHA256;
    fits &= read_u16be(reader) == P256;
    fits &= read_u16be(reader) == ALG_NULL;
    fits = number_read(reader, public_key) == 0 && fits;
    fits = number_read(reader, public_key + 32) == 0 && fits;
    return fits && reader_finish(reader) == STATUS_OK ? 0 : -1;
}

int evidence_public_read(struct bytes area, enum evidence_key kind, struct evidence_public *public,
                         struct error *error) {
    struct reader reader = {0};
    reader_init(&reader, area);
    memset(public, 0, sizeof *public);
    if (area_read(&reader, kind == EVIDENCE_AK ? ATTRIBUTES_AK : ATTRIBUTES_AUTHKEY,
                  public->public_key) != 0)
        return error_set(error, ERROR_ASSURANCE_UNPROVEN, "%s is no key that only a TPM can use",
                         kind == EVIDENCE_AK ? "the attestation key" : "AUTHKEY");
    public->name[1] = ALG_SHA256;
    crypto_sha256(area, public->name + 2);
    return 0;
}
