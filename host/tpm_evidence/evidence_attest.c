#include "tpm_evidence/evidence_attest.h"
#include "tpm_evidence/evidence_public.h"

#include "base/secret.h"
#include "crypto/crypto.h"

#include <string.h>

#define LABEL     "NuSEC TPM evidence v1"
#define GENERATED 0xFF544347U /* TPM_GENERATED_VALUE: the AK signs nothing else that begins so */
#define CERTIFY   0x8017      /* TPM_ST_ATTEST_CERTIFY */

void tpm_evidence_nonce(const uint8_t secret[TPM_EVIDENCE_SECRET_SIZE],
                        uint8_t nonce[TPM_EVIDENCE_NONCE_SIZE]) {
    struct crypto_sha256 hash;
    crypto_sha256_start(&hash);
    crypto_sha256_update(&hash, bytes_of(LABEL, strlen(LABEL)));
    crypto_sha256_update(&hash, bytes_of(secret, TPM_EVIDENCE_SECRET_SIZE));
    crypto_sha256_finish(&hash, nonce);
}

static struct bytes sized_read(struct reader *reader) {
    size_t size = read_u16be(reader);
    return read_bytes(reader, size);
}

/* TPMS_ATTEST with TPMS_CERTIFY_INFO (Part 2, 10.12.8). */
int evidence_attest_read(struct bytes encoded, struct evidence_attest *attest) {
    struct reader reader = {0};
    reader_init(&reader, encoded);
    attest->magic = read_u32be(&reader);
    attest->type = read_u16be(&reader);
    (void)sized_read(&reader); /* qualified signer */
    attest->nonce = sized_read(&reader);
    read_skip(&reader, 8 + 4 + 4 + 1); /* clock, resets, restarts, safe */
    read_skip(&reader, 8);             /* firmware version */
    attest->name = sized_read(&reader);
    (void)sized_read(&reader); /* qualified name */
    return reader_finish(&reader) == STATUS_OK ? 0 : -1;
}

static int unproven(struct error *error, const char *why) {
    return error_set(error, ERROR_ASSURANCE_UNPROVEN, "the TPM's statement %s", why);
}

int tpm_evidence_verify(const struct tpm_evidence_proof *proof,
                        const uint8_t nonce[TPM_EVIDENCE_NONCE_SIZE], const uint8_t public_key[64],
                        struct error *error) {
    struct evidence_public ak;
    struct evidence_public authkey;
    struct evidence_attest attest;
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    if (evidence_public_read(proof->ak_public, EVIDENCE_AK, &ak, error) != 0 ||
        evidence_public_read(proof->authkey_public, EVIDENCE_AUTHKEY, &authkey, error) != 0)
        return -1;
    crypto_sha256(proof->attest, digest);
    if (crypto_p256_verify(ak.public_key, digest, proof->signature) != STATUS_OK)
        return unproven(error, "is not signed by its attestation key");
    if (evidence_attest_read(proof->attest, &attest) != 0 || attest.magic != GENERATED ||
        attest.type != CERTIFY)
        return unproven(error, "does not certify a key");
    if (attest.nonce.size != TPM_EVIDENCE_NONCE_SIZE ||
        !secret_equal(attest.nonce.data, nonce, TPM_EVIDENCE_NONCE_SIZE))
        return unproven(error, "answers another challenge");
    if (!bytes_equal(attest.name, bytes_of(authkey.name, sizeof authkey.name)) ||
        !secret_equal(authkey.public_key, public_key, 64))
        return unproven(error, "is about another key than the request's");
    return 0;
}
