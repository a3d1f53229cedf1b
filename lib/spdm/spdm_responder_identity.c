/* GET_DIGESTS, GET_CERTIFICATE, CHALLENGE (DSP0274 1.2, 10.6 to 10.8). */
#include "spdm/spdm_negotiation.h"
#include "spdm/spdm_responder_internal.h"
#include "spdm/spdm_signing.h"

#define SLOT_MASK               0x0F
#define CERTIFICATE_HEADER_SIZE 8

struct bytes spdm_responder_chain(const struct spdm_responder *responder, uint8_t slot) {
    struct bytes blob = {.data = NULL, .size = 0};
    if (slot >= SPDM_SLOTS ||
        responder->config.ops->chain(responder->config.context, slot, &blob) != STATUS_OK) {
        return bytes_of(NULL, 0);
    }
    return blob;
}

enum status spdm_responder_sign(struct spdm_exchange *exchange, uint8_t slot, int role,
                                struct crypto_sha256 *running) {
    const struct spdm_responder_config *config = &exchange->responder->config;
    uint8_t hash[CRYPTO_DIGEST_SIZE];
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    uint8_t *signature = write_reserve(exchange->response, SPDM_SIGNATURE_SIZE);
    if (signature == NULL) {
        return STATUS_NO_SPACE;
    }
    spdm_transcript_digest(running, hash);
    spdm_signing_digest((enum spdm_signing_role)role, hash, digest);
    enum status status = config->ops->sign(config->context, slot, digest, signature);
    crypto_sha256_update(running, bytes_of(signature, SPDM_SIGNATURE_SIZE));
    return status;
}

static uint8_t slot_mask(const struct spdm_responder *responder) {
    uint8_t mask = 0;
    for (uint8_t slot = 0; slot < SPDM_SLOTS; slot++) {
        if (spdm_responder_chain(responder, slot).size > 0) {
            mask |= (uint8_t)(1U << slot);
        }
    }
    return mask;
}

static void write_chain_hash(struct writer *response, struct bytes blob) {
    uint8_t *place = write_reserve(response, CRYPTO_DIGEST_SIZE);
    if (place != NULL) {
        crypto_sha256(blob, place);
    }
}

/* Clear DIGESTS and CERTIFICATE exchanges are part B of M1/M2. */
static void remember(struct spdm_exchange *exchange) {
    struct crypto_sha256 *challenge = &exchange->responder->transcript.challenge;
    if (!exchange->inside) {
        crypto_sha256_update(challenge, exchange->request);
        crypto_sha256_update(challenge, writer_bytes(exchange->response));
    }
}

enum spdm_error spdm_respond_digests(struct spdm_exchange *exchange) {
    struct spdm_responder *responder = exchange->responder;
    if (reader_finish(&exchange->reader) != STATUS_OK) {
        return SPDM_ERROR_INVALID_REQUEST;
    }
    spdm_header_write(exchange->response, SPDM_VERSION_12, SPDM_DIGESTS, 0, slot_mask(responder));
    for (uint8_t slot = 0; slot < SPDM_SLOTS; slot++) {
        struct bytes blob = spdm_responder_chain(responder, slot);
        if (blob.size > 0) {
            write_chain_hash(exchange->response, blob);
        }
    }
    if (!exchange->inside) {
        /* A requester that asks again has started again. */
        responder->transcript.challenge = responder->transcript.vca;
    }
    remember(exchange);
    return SPDM_ERROR_NONE;
}

enum spdm_error spdm_respond_certificate(struct spdm_exchange *exchange) {
    const struct spdm_responder *responder = exchange->responder;
    uint8_t slot = exchange->param1 & SLOT_MASK;
    uint16_t offset = read_u16le(&exchange->reader);
    size_t portion = read_u16le(&exchange->reader);
    struct bytes blob = spdm_responder_chain(responder, slot);
    if (reader_finish(&exchange->reader) != STATUS_OK || offset >= blob.size || portion == 0) {
        return SPDM_ERROR_INVALID_REQUEST;
    }
    size_t room = spdm_responder_message_max(responder) - CERTIFICATE_HEADER_SIZE;
    size_t left = blob.size - offset;
    portion = portion < room ? portion : room;
    portion = portion < left ? portion : left;
    spdm_header_write(exchange->response, SPDM_VERSION_12, SPDM_CERTIFICATE, slot, 0);
    write_u16le(exchange->response, (uint16_t)portion);
    write_u16le(exchange->response, (uint16_t)(left - portion));
    write_bytes(exchange->response, bytes_slice(blob, offset, portion));
    remember(exchange);
    return SPDM_ERROR_NONE;
}

enum spdm_error spdm_respond_challenge(struct spdm_exchange *exchange) {
    struct spdm_responder *responder = exchange->responder;
    struct writer *response = exchange->response;
    struct crypto_sha256 running = responder->transcript.challenge;
    struct bytes blob = spdm_responder_chain(responder, exchange->param1);
    read_skip(&exchange->reader, SPDM_NONCE_SIZE);
    if (reader_finish(&exchange->reader) != STATUS_OK || blob.size == 0 ||
        !spdm_is_summary_type(exchange->param2)) {
        return SPDM_ERROR_INVALID_REQUEST;
    }
    spdm_header_write(response, SPDM_VERSION_12, SPDM_CHALLENGE_AUTH, exchange->param1,
                      slot_mask(responder));
    write_chain_hash(response, blob);
    enum status status = spdm_responder_random(response, SPDM_NONCE_SIZE);
    if (status == STATUS_OK) {
        status = spdm_responder_summary(exchange, exchange->param2);
    }
    write_u16le(response, 0);
    crypto_sha256_update(&running, exchange->request);
    crypto_sha256_update(&running, writer_bytes(response));
    if (status == STATUS_OK) {
        status = spdm_responder_sign(exchange, exchange->param1, SPDM_SIGN_CHALLENGE, &running);
    }
    responder->transcript.challenge = responder->transcript.vca;
    return status == STATUS_OK ? SPDM_ERROR_NONE : SPDM_ERROR_UNSPECIFIED;
}
