/* KEY_EXCHANGE, FINISH, END_SESSION (DSP0274 1.2, 10.14 to 10.15, 10.21). */
#include "base/secret.h"
#include "spdm/spdm_negotiation.h"
#include "spdm/spdm_opaque.h"
#include "spdm/spdm_responder_internal.h"
#include "spdm/spdm_signing.h"

#define MUTUAL_NONE         0
#define MUTUAL_ENCAPSULATED 2
#define SIGNATURE_INCLUDED  0x01

struct key_exchange {
    uint8_t summary_type;
    uint8_t slot;
    uint16_t requester_id;
    struct bytes public_key;
    uint16_t secured_version;
};

bool spdm_responder_wants_mutual(const struct spdm_responder *responder) {
    uint32_t both = SPDM_CAP_MUT_AUTH | SPDM_CAP_ENCAP;
    uint32_t requester = both | SPDM_CAP_CERT;
    return (responder->config.capabilities & both) == both &&
           (responder->requester_capabilities & requester) == requester;
}

static enum spdm_error parse_key_exchange(struct spdm_exchange *exchange,
                                          struct key_exchange *request) {
    struct reader *reader = &exchange->reader;
    request->summary_type = exchange->param1;
    request->slot = exchange->param2;
    request->requester_id = read_u16le(reader);
    read_skip(reader, 2 + SPDM_NONCE_SIZE); /* session policy, reserved, random data */
    request->public_key = read_bytes(reader, SPDM_KEY_SIZE);
    struct bytes opaque = read_bytes(reader, read_u16le(reader));
    if (reader_finish(reader) != STATUS_OK || !spdm_is_summary_type(request->summary_type) ||
        spdm_opaque_parse_offer(opaque, &request->secured_version) != STATUS_OK) {
        return SPDM_ERROR_INVALID_REQUEST;
    }
    return SPDM_ERROR_NONE;
}

/* Our half of the session id; never zero, so that no valid id is. */
static enum status choose_id(uint16_t *id) {
    uint8_t raw[sizeof *id];
    enum status status = crypto_random(raw, sizeof raw);
    *id = (uint16_t)(raw[0] | raw[1] << 8);
    if (*id == 0) {
        *id = 1;
    }
    return status;
}

/* Header up to and including our ephemeral key; `shared` is the ECDH secret. */
static enum status write_exchange(struct spdm_exchange *exchange,
                                  const struct key_exchange *request, uint8_t shared[32]) {
    struct spdm_responder *responder = exchange->responder;
    struct writer *response = exchange->response;
    uint8_t private_key[CRYPTO_PRIVATE_KEY_SIZE];
    uint8_t public_key[CRYPTO_PUBLIC_KEY_SIZE];
    uint16_t id = 0;
    enum status status = choose_id(&id);

    responder->mutual.demanded = spdm_responder_wants_mutual(responder);
    responder->session.id = (uint32_t)id << 16 | request->requester_id;
    spdm_header_write(response, SPDM_VERSION_12, SPDM_KEY_EXCHANGE_RSP, 0, 0);
    write_u16le(response, id);
    write_u8(response, responder->mutual.demanded ? MUTUAL_ENCAPSULATED : MUTUAL_NONE);
    write_u8(response, 0);
    if (status == STATUS_OK) {
        status = spdm_responder_random(response, SPDM_NONCE_SIZE);
    }
    if (status == STATUS_OK) {
        status = crypto_p256_generate(private_key, public_key);
    }
    if (status == STATUS_OK) {
        status = crypto_p256_agree(private_key, request->public_key.data, shared);
        write_bytes(response, bytes_of(public_key, sizeof public_key));
    }
    secret_wipe(private_key, sizeof private_key);
    return status;
}

/* Opaque data, signature, handshake keys, ResponderVerifyData. */
static enum status write_proof(struct spdm_exchange *exchange, const struct key_exchange *request,
                               const uint8_t shared[32]) {
    struct spdm_responder *responder = exchange->responder;
    struct crypto_sha256 *running = &responder->transcript.exchange;
    struct writer *response = exchange->response;
    uint8_t digest[CRYPTO_DIGEST_SIZE];

    enum status status = spdm_responder_summary(exchange, request->summary_type);
    if (status != STATUS_OK) {
        return status;
    }
    spdm_opaque_write_selection(response, request->secured_version);
    *running = responder->transcript.vca;
    crypto_sha256(spdm_responder_chain(responder, request->slot), digest);
    crypto_sha256_update(running, bytes_of(digest, sizeof digest));
    crypto_sha256_update(running, exchange->request);
    crypto_sha256_update(running, writer_bytes(response));
    status = spdm_responder_sign(exchange, request->slot, SPDM_SIGN_KEY_EXCHANGE, running);
    if (status == STATUS_OK) {
        spdm_transcript_digest(running, digest); /* TH1 */
        status = spdm_session_handshake(&responder->session, shared, digest);
    }
    uint8_t *verify_data = write_reserve(response, CRYPTO_DIGEST_SIZE);
    if (verify_data == NULL) {
        return STATUS_NO_SPACE;
    }
    if (status == STATUS_OK) {
        status =
            spdm_session_verify_data(responder->session.response_finished, running, verify_data);
        crypto_sha256_update(running, bytes_of(verify_data, CRYPTO_DIGEST_SIZE));
    }
    return status;
}

/* One session; but one whose mutual authentication failed can only be replaced. */
static bool is_session_free(const struct spdm_responder *responder) {
    return responder->session.phase == SPDM_SESSION_NONE ||
           (responder->session.phase == SPDM_SESSION_HANDSHAKE &&
            responder->mutual.state == SPDM_ENCAPSULATED_DEAD);
}

enum spdm_error spdm_respond_key_exchange(struct spdm_exchange *exchange) {
    struct spdm_responder *responder = exchange->responder;
    struct key_exchange request;
    uint8_t shared[32];

    enum spdm_error error = parse_key_exchange(exchange, &request);
    if (error != SPDM_ERROR_NONE || spdm_responder_chain(responder, request.slot).size == 0) {
        return SPDM_ERROR_INVALID_REQUEST;
    }
    if (!is_session_free(responder)) {
        return SPDM_ERROR_SESSION_LIMIT_EXCEEDED;
    }
    spdm_session_wipe(&responder->session);
    responder->mutual = (struct spdm_mutual){.state = SPDM_ENCAPSULATED_NONE};
    enum status status = write_exchange(exchange, &request, shared);
    if (status == STATUS_OK) {
        status = write_proof(exchange, &request, shared);
    }
    secret_wipe(shared, sizeof shared);
    if (status != STATUS_OK) {
        exchange->after = SPDM_AFTER_CLOSE;
        /* INVALID: the requester's point is not on the curve. */
        return status == STATUS_INVALID ? SPDM_ERROR_INVALID_REQUEST : SPDM_ERROR_UNSPECIFIED;
    }
    responder->session.phase = SPDM_SESSION_HANDSHAKE;
    if (responder->mutual.demanded) {
        responder->mutual.state = SPDM_ENCAPSULATED_WANTED;
    }
    return SPDM_ERROR_NONE;
}

/* The requester's signature over the handshake, by the key of the chain it delivered (Cm). */
static enum status check_signature(const struct spdm_mutual *mutual, struct crypto_sha256 *running,
                                   struct bytes header, struct bytes signature) {
    uint8_t hash[CRYPTO_DIGEST_SIZE];
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    crypto_sha256_update(running, bytes_of(mutual->digest, sizeof mutual->digest));
    crypto_sha256_update(running, header);
    spdm_transcript_digest(running, hash);
    spdm_signing_digest(SPDM_SIGN_FINISH, hash, digest);
    crypto_sha256_update(running, signature);
    return crypto_p256_verify(mutual->public_key, digest, signature.data);
}

static enum status check_finish(const struct spdm_responder *responder,
                                struct crypto_sha256 *running, struct bytes header,
                                struct bytes signature, struct bytes verify_data) {
    uint8_t expected[CRYPTO_DIGEST_SIZE];
    enum status status = STATUS_OK;
    if (responder->mutual.demanded) {
        status = check_signature(&responder->mutual, running, header, signature);
    } else {
        crypto_sha256_update(running, header);
    }
    if (status == STATUS_OK) {
        status = spdm_session_verify_data(responder->session.request_finished, running, expected);
    }
    if (status == STATUS_OK && !secret_equal(expected, verify_data.data, sizeof expected)) {
        status = STATUS_BAD_SIGNATURE;
    }
    secret_wipe(expected, sizeof expected);
    crypto_sha256_update(running, verify_data);
    return status;
}

enum spdm_error spdm_respond_finish(struct spdm_exchange *exchange) {
    struct spdm_responder *responder = exchange->responder;
    struct crypto_sha256 running = responder->transcript.exchange;
    struct bytes header = bytes_slice(exchange->request, 0, SPDM_HEADER_SIZE);
    bool mutual = responder->mutual.demanded;
    struct bytes signature =
        read_bytes(&exchange->reader, mutual ? (size_t)SPDM_SIGNATURE_SIZE : 0);
    struct bytes verify_data = read_bytes(&exchange->reader, CRYPTO_DIGEST_SIZE);

    /* The chain fetched was slot 0's; without authentication the slot is reserved. */
    if (reader_finish(&exchange->reader) != STATUS_OK || exchange->param2 != 0 ||
        exchange->param1 != (mutual ? SIGNATURE_INCLUDED : 0)) {
        return SPDM_ERROR_INVALID_REQUEST;
    }
    if (mutual && !responder->mutual.verified) {
        return SPDM_ERROR_UNEXPECTED_REQUEST;
    }
    if (check_finish(responder, &running, header, signature, verify_data) != STATUS_OK) {
        exchange->after = SPDM_AFTER_CLOSE;
        return SPDM_ERROR_DECRYPT;
    }
    spdm_header_write(exchange->response, SPDM_VERSION_12, SPDM_FINISH_RSP, 0, 0);
    crypto_sha256_update(&running, writer_bytes(exchange->response));
    responder->transcript.exchange = running;
    responder->transcript.measurements[SPDM_INSIDE] = responder->transcript.vca;
    exchange->after = SPDM_AFTER_DATA_KEYS;
    return SPDM_ERROR_NONE;
}

enum spdm_error spdm_respond_end_session(struct spdm_exchange *exchange) {
    if (reader_finish(&exchange->reader) != STATUS_OK) {
        return SPDM_ERROR_INVALID_REQUEST;
    }
    spdm_header_write(exchange->response, SPDM_VERSION_12, SPDM_END_SESSION_ACK, 0, 0);
    exchange->after = SPDM_AFTER_CLOSE;
    return SPDM_ERROR_NONE;
}
