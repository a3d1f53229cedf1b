/* GET_VERSION, GET_CAPABILITIES, NEGOTIATE_ALGORITHMS (DSP0274 1.2, 10.3 to 10.5). */
#include "spdm/spdm_negotiation.h"
#include "spdm/spdm_responder_internal.h"

enum spdm_error spdm_respond_version(struct spdm_exchange *exchange) {
    struct spdm_responder *responder = exchange->responder;
    if (reader_finish(&exchange->reader) != STATUS_OK) {
        return SPDM_ERROR_INVALID_REQUEST;
    }
    spdm_responder_reset(responder);
    spdm_version_write(exchange->response);
    crypto_sha256_update(&responder->transcript.vca, exchange->request);
    crypto_sha256_update(&responder->transcript.vca, writer_bytes(exchange->response));
    responder->connection = SPDM_CONNECTION_VERSION;
    return SPDM_ERROR_NONE;
}

/*
 * Takes a step of the negotiation, or recognises the request as the one already answered: then it
 * is answered again and the transcript stays. A different one may not replace the first (10.4).
 */
static enum spdm_error step(struct spdm_exchange *exchange, enum spdm_connection next) {
    struct spdm_responder *responder = exchange->responder;
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    crypto_sha256(exchange->request, digest);
    if (responder->connection >= next) {
        bool same = responder->connection == next &&
                    bytes_equal(bytes_of(digest, sizeof digest),
                                bytes_of(responder->last_negotiation, sizeof digest));
        return same ? SPDM_ERROR_NONE : SPDM_ERROR_UNEXPECTED_REQUEST;
    }
    read_copy(&(struct reader){.data = digest, .size = sizeof digest}, responder->last_negotiation,
              sizeof digest);
    responder->connection = next;
    crypto_sha256_update(&responder->transcript.vca, exchange->request);
    crypto_sha256_update(&responder->transcript.vca, writer_bytes(exchange->response));
    return SPDM_ERROR_NONE;
}

enum spdm_error spdm_respond_capabilities(struct spdm_exchange *exchange) {
    struct spdm_responder *responder = exchange->responder;
    struct spdm_capabilities capabilities;
    if (spdm_capabilities_parse(exchange->request, SPDM_PARTY_REQUESTER, &capabilities) !=
        STATUS_OK) {
        return SPDM_ERROR_INVALID_REQUEST;
    }
    spdm_capabilities_write(exchange->response, SPDM_CAPABILITIES,
                            responder->config.crypto_timeout_exponent,
                            responder->config.capabilities);
    enum spdm_error error = step(exchange, SPDM_CONNECTION_CAPABILITIES);
    if (error == SPDM_ERROR_NONE) {
        responder->requester_capabilities = capabilities.flags;
        responder->requester_transfer_size = capabilities.transfer_size;
    }
    return error;
}

enum spdm_error spdm_respond_algorithms(struct spdm_exchange *exchange) {
    struct spdm_responder *responder = exchange->responder;
    if (spdm_algorithms_parse_request(exchange->request) != STATUS_OK) {
        return SPDM_ERROR_INVALID_REQUEST;
    }
    spdm_algorithms_write_response(exchange->response, spdm_responder_wants_mutual(responder));
    enum spdm_error error = step(exchange, SPDM_CONNECTION_NEGOTIATED);
    if (error == SPDM_ERROR_NONE) {
        spdm_transcript_negotiated(&responder->transcript);
    }
    return error;
}
