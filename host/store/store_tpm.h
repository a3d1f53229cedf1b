/*
 * Challenges to TPMs (server/service_tpm.c), each good for one enrolment.
 */
#ifndef NUSEC_STORE_TPM_H
#define NUSEC_STORE_TPM_H

#include "store/store.h"
#include "store/store_job.h"

#define STORE_TPM_PUBLIC_MAX 128

struct store_tpm_challenge {
    char id[STORE_ID_MAX + 1];
    uint8_t nonce[32];
    uint8_t ak_public[STORE_TPM_PUBLIC_MAX];
    size_t ak_public_size;
    uint8_t ek_certificate_hash[32];
    uint64_t expires;
};

/* Removes those that are over at `now`, so that the table does not grow. */
int store_tpm_challenge_insert(struct store_db *db, const struct store_tpm_challenge *challenge,
                               uint64_t now, struct error *error);
/* ERROR_CHALLENGE_EXPIRED if there is none, or if it is over. */
int store_tpm_challenge_find(struct store_db *db, const char *id, uint64_t now,
                             struct store_tpm_challenge *challenge, struct error *error);
/* ERROR_CHALLENGE_EXPIRED if somebody else used it meanwhile. */
int store_tpm_challenge_use(struct store_db *db, const char *id, struct error *error);

#endif
