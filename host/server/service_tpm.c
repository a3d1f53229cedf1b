#include "server/service.h"

#include "base/secret.h"
#include "crypto/crypto.h"

#include <stdio.h>
#include <string.h>

#define CA_FOLDER   "tpm-ca"
#define CHALLENGE_S 600 /* a TPM may take a minute for its endorsement key */

static int record_challenge(struct store_db *db, void *context, struct error *error) {
    const struct store_tpm_challenge *challenge = context;

    return store_tpm_challenge_insert(db, challenge, challenge->expires - CHALLENGE_S, error);
}

int service_tpm_challenge(struct service *service, struct service_tpm_challenge *request,
                          struct error *error) {
    struct store_tpm_challenge row = {.expires = service_now(service) + CHALLENGE_S};
    uint8_t secret[TPM_EVIDENCE_SECRET_SIZE];
    int result = -1;

    if (tpm_evidence_ek_check(request->ek_certificate, server_path(&service->data, CA_FOLDER).text,
                              service_now(service), error) != 0)
        return -1;
    if (request->ak_public.size > sizeof row.ak_public)
        return error_set(error, ERROR_BAD_REQUEST, "ak_public_b64 is too long");
    if (crypto_random(secret, sizeof secret) != STATUS_OK)
        return error_set(error, ERROR_INTERNAL, "no random numbers");
    if (tpm_evidence_challenge(request->ek_certificate, request->ak_public, secret,
                               &request->challenge, error) == 0)
        result = service_new_id("tpm-", row.id, error);
    tpm_evidence_nonce(secret, row.nonce);
    secret_wipe(secret, sizeof secret);
    if (result != 0)
        return -1;
    memcpy(row.ak_public, request->ak_public.data, request->ak_public.size);
    row.ak_public_size = request->ak_public.size;
    x509_sha256(request->ek_certificate, row.ek_certificate_hash);
    memcpy(request->id, row.id, sizeof row.id);
    return store_run(service->store, record_challenge, &row, error);
}

int service_tpm_verify(struct service *service, struct store_db *reader,
                       const struct service_tpm_proof *proof, const uint8_t public_key[64],
                       struct store_tpm_challenge *challenge, struct error *error) {
    if (store_tpm_challenge_find(reader, proof->challenge_id, service_now(service), challenge,
                                 error) != 0)
        return -1;
    struct tpm_evidence_proof evidence = {
        .ak_public = bytes_of(challenge->ak_public, challenge->ak_public_size),
        .authkey_public = proof->authkey_public,
        .attest = proof->attest,
    };
    memcpy(evidence.signature, proof->signature, sizeof evidence.signature);
    return tpm_evidence_verify(&evidence, challenge->nonce, public_key, error);
}
