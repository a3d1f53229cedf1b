#include "store/store_tpm.h"

#include <stdio.h>
#include <string.h>

int store_tpm_challenge_insert(struct store_db *db, const struct store_tpm_challenge *challenge,
                               uint64_t now, struct error *error) {
    if (store_exec(db, error, "DELETE FROM tpm_challenges WHERE expires<=?", "i", (int64_t)now) !=
        0)
        return -1;
    return store_exec(db, error,
                      "INSERT INTO tpm_challenges(id, nonce, ak_public, ek_certificate_hash,"
                      " expires) VALUES(?,?,?,?,?)",
                      "tbbbi", challenge->id, bytes_of(challenge->nonce, 32),
                      bytes_of(challenge->ak_public, challenge->ak_public_size),
                      bytes_of(challenge->ek_certificate_hash, 32), (int64_t)challenge->expires);
}

static int expired(struct error *error) {
    return error_set(error, ERROR_CHALLENGE_EXPIRED,
                     "the challenge to the TPM is used up or too old");
}

static int challenge_read(sqlite3_stmt *row, struct store_tpm_challenge *challenge) {
    struct bytes ak = store_column_bytes(row, 1);

    if (ak.size > sizeof challenge->ak_public)
        return -1;
    memcpy(challenge->ak_public, ak.data, ak.size);
    challenge->ak_public_size = ak.size;
    return store_column_copy(row, 0, challenge->nonce, 32) == 0 &&
                   store_column_copy(row, 2, challenge->ek_certificate_hash, 32) == 0
               ? 0
               : -1;
}

int store_tpm_challenge_find(struct store_db *db, const char *id, uint64_t now,
                             struct store_tpm_challenge *challenge, struct error *error) {
    sqlite3_stmt *row;
    int found = -1;

    memset(challenge, 0, sizeof *challenge);
    if (store_query(db, &row, error,
                    "SELECT nonce, ak_public, ek_certificate_hash FROM tpm_challenges"
                    " WHERE id=? AND expires>?",
                    "ti", id, (int64_t)now) == 0)
        found = store_step(db, row, error);
    if (found == 1 && challenge_read(row, challenge) != 0)
        found = error_set(error, ERROR_STORAGE, "a challenge to a TPM cannot be read");
    store_done(row);
    if (found == 0)
        return expired(error);
    (void)snprintf(challenge->id, sizeof challenge->id, "%s", id);
    return found == 1 ? 0 : -1;
}

int store_tpm_challenge_use(struct store_db *db, const char *id, struct error *error) {
    if (store_exec(db, error, "DELETE FROM tpm_challenges WHERE id=?", "t", id) != 0)
        return -1;
    return store_changes_last(db) == 0 ? expired(error) : 0;
}
