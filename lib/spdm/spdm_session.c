#include "spdm/spdm_session.h"

#include "base/secret.h"
#include "spdm/spdm_transcript.h"

#include <string.h>

#define LABEL_VERSION "spdm1.2 " /* with its trailing space, without a terminator */
/* Length, version, longest label ("rsp hs data", "req app data"), context. */
#define INFO_MAX (2 + 8 + 12 + CRYPTO_DIGEST_SIZE)

static const uint8_t ZEROES[CRYPTO_DIGEST_SIZE];
static const struct bytes NO_CONTEXT = {.data = NULL, .size = 0};

enum status spdm_expand(const uint8_t secret[CRYPTO_DIGEST_SIZE], const char *label,
                        struct bytes context, uint8_t *out, size_t size) {
    uint8_t info[INFO_MAX];
    struct writer writer;
    writer_init(&writer, info, sizeof info);
    write_u16le(&writer, (uint16_t)size);
    write_bytes(&writer, bytes_of(LABEL_VERSION, strlen(LABEL_VERSION)));
    write_bytes(&writer, bytes_of(label, strlen(label)));
    write_bytes(&writer, context);
    if (writer_check(&writer) != STATUS_OK) {
        return STATUS_INVALID;
    }
    return crypto_hkdf_expand(secret, writer_bytes(&writer), out, size);
}

/* Key and IV of one direction, and its finished key (which data keys never use). */
static enum status derive_channel(const uint8_t secret[CRYPTO_DIGEST_SIZE], const char *label,
                                  const uint8_t th[CRYPTO_DIGEST_SIZE],
                                  struct spdm_channel *channel,
                                  uint8_t finished[CRYPTO_DIGEST_SIZE]) {
    uint8_t traffic[CRYPTO_DIGEST_SIZE];
    enum status status =
        spdm_expand(secret, label, bytes_of(th, CRYPTO_DIGEST_SIZE), traffic, sizeof traffic);
    if (status == STATUS_OK) {
        status = spdm_expand(traffic, "key", NO_CONTEXT, channel->key, sizeof channel->key);
    }
    if (status == STATUS_OK) {
        status = spdm_expand(traffic, "iv", NO_CONTEXT, channel->iv, sizeof channel->iv);
    }
    if (status == STATUS_OK) {
        status = spdm_expand(traffic, "finished", NO_CONTEXT, finished, CRYPTO_DIGEST_SIZE);
    }
    channel->sequence = 0;
    secret_wipe(traffic, sizeof traffic);
    return status;
}

enum status spdm_session_handshake(struct spdm_session *session,
                                   const uint8_t shared[CRYPTO_DIGEST_SIZE],
                                   const uint8_t th1[CRYPTO_DIGEST_SIZE]) {
    enum status status =
        crypto_hmac_sha256(bytes_of(ZEROES, sizeof ZEROES), bytes_of(shared, CRYPTO_DIGEST_SIZE),
                           session->handshake_secret);
    if (status == STATUS_OK) {
        status = derive_channel(session->handshake_secret, "req hs data", th1, &session->request,
                                session->request_finished);
    }
    if (status == STATUS_OK) {
        status = derive_channel(session->handshake_secret, "rsp hs data", th1, &session->response,
                                session->response_finished);
    }
    if (status != STATUS_OK) {
        spdm_session_wipe(session);
    }
    return status;
}

enum status spdm_session_data(struct spdm_session *session, const uint8_t th2[CRYPTO_DIGEST_SIZE]) {
    uint8_t salt[CRYPTO_DIGEST_SIZE];
    uint8_t master[CRYPTO_DIGEST_SIZE] = {0};
    enum status status =
        spdm_expand(session->handshake_secret, "derived", NO_CONTEXT, salt, sizeof salt);
    if (status == STATUS_OK) {
        status = crypto_hmac_sha256(bytes_of(salt, sizeof salt), bytes_of(ZEROES, sizeof ZEROES),
                                    master);
    }
    if (status == STATUS_OK) {
        status = derive_channel(master, "req app data", th2, &session->request,
                                session->request_finished);
    }
    if (status == STATUS_OK) {
        status = derive_channel(master, "rsp app data", th2, &session->response,
                                session->response_finished);
    }
    secret_wipe(salt, sizeof salt);
    secret_wipe(master, sizeof master);
    secret_wipe(session->handshake_secret, sizeof session->handshake_secret);
    secret_wipe(session->request_finished, sizeof session->request_finished);
    secret_wipe(session->response_finished, sizeof session->response_finished);
    if (status != STATUS_OK) {
        spdm_session_wipe(session);
    }
    return status;
}

enum status spdm_session_verify_data(const uint8_t finished_key[CRYPTO_DIGEST_SIZE],
                                     const struct crypto_sha256 *running,
                                     uint8_t mac[CRYPTO_DIGEST_SIZE]) {
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    spdm_transcript_digest(running, digest);
    return crypto_hmac_sha256(bytes_of(finished_key, CRYPTO_DIGEST_SIZE),
                              bytes_of(digest, sizeof digest), mac);
}

void spdm_session_wipe(struct spdm_session *session) {
    secret_wipe(session, sizeof *session); /* phase NONE is zero */
}
