/*
 * AES_NuLink3: an AES-256 key shared by the server's HSM and one programmer's key store, made in
 * the HSM, never outside of a token in clear.
 *
 * Both ends make an ephemeral P-256 pair and derive a KEK (ECDH, CKD_NULL, AES-256, WRAP/UNWRAP
 * only) from it; the KEK carries the random key across once. Pairs and KEK are session objects and
 * destroyed before these functions return (the programmer's pair: by hsm_agreement_free).
 * Authenticating the points is the caller's part: sign and verify the transcript before _finish.
 *
 *     programmer: agreement = hsm_agreement_begin(hsm, point, error);        send point
 *     server:     hsm_agreement_answer(hsm, programmer_kek, point, own_point, ...);
 *                 send own_point and wrapped_for_peer, store wrapped_for_storage
 *     programmer: hsm_agreement_finish(agreement, server_point, wrapped_for_peer, label, error);
 *                 hsm_agreement_free(agreement);
 */
#ifndef NUSEC_HOST_HSM_AGREEMENT_H
#define NUSEC_HOST_HSM_AGREEMENT_H

#include "hsm/hsm.h"

struct hsm_wrapped_key {
    uint8_t data[HSM_WRAPPED_KEY_MAX];
    size_t size;
};

struct hsm_agreement;

/* The pair lives in the token's session until _free; if the token restarts, _finish fails with
 * ERROR_HSM_UNAVAILABLE and the agreement starts anew. */
struct hsm_agreement *hsm_agreement_begin(struct hsm *hsm, uint8_t point[HSM_POINT_SIZE],
                                          struct error *error);

/*
 * Unwraps the key as a token object `label`: sensitive, not extractable, DECRYPT only.
 * ERROR_CONFLICT if the label is taken, ERROR_ALTERED if the wrapped key is not the peer's.
 */
int hsm_agreement_finish(struct hsm_agreement *agreement, const uint8_t peer[HSM_POINT_SIZE],
                         struct bytes wrapped, const char *label, struct error *error);
void hsm_agreement_free(struct hsm_agreement *agreement);

/* Server side: a fresh key, once for the peer, once under `kek` for the database.
 * ERROR_BAD_REQUEST if `peer` is no point of the curve. */
int hsm_agreement_answer(struct hsm *hsm, struct hsm_key *kek, const uint8_t peer[HSM_POINT_SIZE],
                         uint8_t point[HSM_POINT_SIZE], struct hsm_wrapped_key *wrapped_for_peer,
                         struct hsm_wrapped_key *wrapped_for_storage, struct error *error);

#endif
