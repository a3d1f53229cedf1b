/*
 * The encapsulated flow by which the device fetches the requester's chain inside the handshake
 * (DSP0274 1.2, 10.18, 10.19): GET_DIGESTS, then GET_CERTIFICATE until complete.
 *
 *   WANTED      -- GET_ENCAPSULATED_REQUEST -->  DIGESTS
 *   DIGESTS     -- good DIGESTS            -->  CERTIFICATE
 *   CERTIFICATE -- good portion, more left -->  CERTIFICATE
 *   CERTIFICATE -- whole chain, verified   -->  NONE, verified
 *   any         -- bad answer              -->  DEAD
 *
 * An acknowledgement that ends the flow proves nothing to FINISH; only `verified` does.
 */
#include "spdm/spdm_chain.h"
#include "spdm/spdm_negotiation.h"
#include "spdm/spdm_responder_internal.h"

#define PAYLOAD_NONE    0
#define PAYLOAD_REQUEST 1
#define SLOT            0
#define SLOT_MASK       0x0F
/* DELIVER header and CERTIFICATE header in front of a portion. */
#define PORTION_OVERHEAD 12
#define PORTION_MAX      (SPDM_MESSAGE_MAX - PORTION_OVERHEAD)

bool spdm_mutual_is_pending(const struct spdm_mutual *mutual) {
    return mutual->state == SPDM_ENCAPSULATED_WANTED ||
           mutual->state == SPDM_ENCAPSULATED_DIGESTS ||
           mutual->state == SPDM_ENCAPSULATED_CERTIFICATE;
}

static enum spdm_error give_up(struct spdm_mutual *mutual) {
    mutual->state = SPDM_ENCAPSULATED_DEAD;
    mutual->verified = false;
    return SPDM_ERROR_INVALID_RESPONSE_CODE;
}

enum spdm_error spdm_respond_encapsulated_request(struct spdm_exchange *exchange) {
    struct spdm_mutual *mutual = &exchange->responder->mutual;
    if (reader_finish(&exchange->reader) != STATUS_OK) {
        return SPDM_ERROR_INVALID_REQUEST;
    }
    if (!spdm_mutual_is_pending(mutual)) {
        return SPDM_ERROR_UNEXPECTED_REQUEST;
    }
    if (mutual->state != SPDM_ENCAPSULATED_WANTED) {
        return give_up(mutual);
    }
    mutual->state = SPDM_ENCAPSULATED_DIGESTS;
    mutual->request_id = 1;
    spdm_header_write(exchange->response, SPDM_VERSION_12, SPDM_ENCAPSULATED_REQUEST,
                      mutual->request_id, 0);
    spdm_header_write(exchange->response, SPDM_VERSION_12, SPDM_GET_DIGESTS, 0, 0);
    return SPDM_ERROR_NONE;
}

static void write_acknowledgement(struct spdm_exchange *exchange, uint8_t next_id,
                                  uint8_t payload_type) {
    spdm_header_write(exchange->response, SPDM_VERSION_12, SPDM_ENCAPSULATED_RESPONSE_ACK, next_id,
                      payload_type);
    write_u8(exchange->response, exchange->param1);
    write_fill(exchange->response, 0, 3);
}

static size_t next_portion(const struct spdm_responder *responder) {
    size_t room = responder->config.requester_chain_capacity - responder->mutual.received;
    return room < PORTION_MAX ? room : PORTION_MAX;
}

static void ask_for_certificate(struct spdm_exchange *exchange) {
    struct spdm_mutual *mutual = &exchange->responder->mutual;
    mutual->request_id++;
    write_acknowledgement(exchange, mutual->request_id, PAYLOAD_REQUEST);
    spdm_header_write(exchange->response, SPDM_VERSION_12, SPDM_GET_CERTIFICATE, SLOT, 0);
    write_u16le(exchange->response, (uint16_t)mutual->received);
    write_u16le(exchange->response, (uint16_t)next_portion(exchange->responder));
}

/* DIGESTS: slot 0 must be there; its digest has to match the chain later. */
static enum spdm_error take_digests(struct spdm_exchange *exchange, uint8_t mask) {
    struct spdm_mutual *mutual = &exchange->responder->mutual;
    if ((mask & 1U << SLOT) == 0) {
        return give_up(mutual);
    }
    read_copy(&exchange->reader, mutual->digest, sizeof mutual->digest);
    for (uint8_t slot = SLOT + 1; slot < SPDM_SLOTS; slot++) {
        read_skip(&exchange->reader, (mask & 1U << slot) != 0 ? (size_t)CRYPTO_DIGEST_SIZE : 0);
    }
    if (reader_finish(&exchange->reader) != STATUS_OK) {
        return give_up(mutual);
    }
    mutual->state = SPDM_ENCAPSULATED_CERTIFICATE;
    ask_for_certificate(exchange);
    return SPDM_ERROR_NONE;
}

/* The whole blob is here: right shape, as announced in DIGESTS, and under a root we accept. */
static enum status check_chain(struct spdm_responder *responder) {
    struct spdm_mutual *mutual = &responder->mutual;
    struct bytes blob = bytes_of(responder->config.requester_chain, mutual->total);
    struct bytes certificates;
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    enum status status = spdm_chain_parse(blob, &certificates);
    if (status != STATUS_OK) {
        return status;
    }
    crypto_sha256(blob, digest);
    if (!bytes_equal(bytes_of(digest, sizeof digest),
                     bytes_of(mutual->digest, sizeof mutual->digest))) {
        return STATUS_MISMATCH;
    }
    return responder->config.ops->verify_requester(responder->config.context, blob,
                                                   mutual->public_key);
}

static enum spdm_error take_certificate(struct spdm_exchange *exchange, uint8_t slot) {
    struct spdm_responder *responder = exchange->responder;
    struct spdm_mutual *mutual = &responder->mutual;
    size_t portion = read_u16le(&exchange->reader);
    size_t remainder = read_u16le(&exchange->reader);
    size_t total = mutual->received + portion + remainder;
    bool fits = portion > 0 && portion <= next_portion(responder) &&
                total <= responder->config.requester_chain_capacity &&
                (mutual->received == 0 || total == mutual->total);

    if ((slot & SLOT_MASK) != SLOT || !fits) {
        return give_up(mutual);
    }
    read_copy(&exchange->reader, &responder->config.requester_chain[mutual->received], portion);
    if (reader_finish(&exchange->reader) != STATUS_OK) {
        return give_up(mutual);
    }
    mutual->total = total;
    mutual->received += portion;
    if (remainder > 0) {
        ask_for_certificate(exchange);
        return SPDM_ERROR_NONE;
    }
    if (check_chain(responder) != STATUS_OK) {
        return give_up(mutual);
    }
    mutual->verified = true;
    mutual->state = SPDM_ENCAPSULATED_NONE;
    write_acknowledgement(exchange, 0, PAYLOAD_NONE);
    return SPDM_ERROR_NONE;
}

enum spdm_error spdm_respond_encapsulated_response(struct spdm_exchange *exchange) {
    struct spdm_mutual *mutual = &exchange->responder->mutual;
    if (mutual->state != SPDM_ENCAPSULATED_DIGESTS &&
        mutual->state != SPDM_ENCAPSULATED_CERTIFICATE) {
        return SPDM_ERROR_UNEXPECTED_REQUEST;
    }
    uint8_t version = read_u8(&exchange->reader);
    uint8_t code = read_u8(&exchange->reader);
    uint8_t param1 = read_u8(&exchange->reader);
    uint8_t param2 = read_u8(&exchange->reader);
    if (reader_check(&exchange->reader) != STATUS_OK || exchange->param1 != mutual->request_id) {
        return SPDM_ERROR_INVALID_REQUEST;
    }
    if (version == SPDM_VERSION_12 && code == SPDM_DIGESTS &&
        mutual->state == SPDM_ENCAPSULATED_DIGESTS) {
        return take_digests(exchange, param2);
    }
    if (version == SPDM_VERSION_12 && code == SPDM_CERTIFICATE &&
        mutual->state == SPDM_ENCAPSULATED_CERTIFICATE) {
        return take_certificate(exchange, param1);
    }
    return give_up(mutual);
}
