/*
 * Keys of one session (DSP0274 1.2, 12): from the ECDH secret and TH1 to handshake keys, from TH2
 * to data keys.
 *
 *     spdm_session_handshake, FINISH and FINISH_RSP under those keys, spdm_session_data,
 *     spdm_session_wipe.
 */
#ifndef NUSEC_SPDM_SPDM_SESSION_H
#define NUSEC_SPDM_SPDM_SESSION_H

#include "spdm/spdm_secured.h"

enum spdm_session_phase {
    SPDM_SESSION_NONE,
    SPDM_SESSION_HANDSHAKE,
    SPDM_SESSION_ESTABLISHED,
};

struct spdm_session {
    enum spdm_session_phase phase;
    uint32_t id; /* responder's half << 16 | requester's half */
    struct spdm_channel request;
    struct spdm_channel response;
    uint8_t handshake_secret[CRYPTO_DIGEST_SIZE];
    uint8_t request_finished[CRYPTO_DIGEST_SIZE];
    uint8_t response_finished[CRYPTO_DIGEST_SIZE];
};

/* HKDF-Expand with SPDM's label and context (12.2); at most CRYPTO_DIGEST_SIZE bytes out. */
MUST_USE enum status spdm_expand(const uint8_t secret[CRYPTO_DIGEST_SIZE], const char *label,
                                 struct bytes context, uint8_t *out, size_t size);

/* Sets everything but `phase` and `id`. The session is wiped on failure. */
MUST_USE enum status spdm_session_handshake(struct spdm_session *session,
                                            const uint8_t shared[CRYPTO_DIGEST_SIZE],
                                            const uint8_t th1[CRYPTO_DIGEST_SIZE]);

/* Replaces the handshake keys by the data keys and forgets the secrets behind them. */
MUST_USE enum status spdm_session_data(struct spdm_session *session,
                                       const uint8_t th2[CRYPTO_DIGEST_SIZE]);

/* HMAC over the transcript *hash*, as in ResponderVerifyData and RequesterVerifyData. */
MUST_USE enum status spdm_session_verify_data(const uint8_t finished_key[CRYPTO_DIGEST_SIZE],
                                              const struct crypto_sha256 *running,
                                              uint8_t mac[CRYPTO_DIGEST_SIZE]);

void spdm_session_wipe(struct spdm_session *session);

#endif
