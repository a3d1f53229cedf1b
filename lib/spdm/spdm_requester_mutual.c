/*
 * The encapsulated flow from the requester's side: the device asks for our chain and we serve it.
 * Any order and any ids are accepted and echoed; only the number of requests is bounded.
 */
#include "spdm/spdm_requester_internal.h"

#define PAYLOAD_NONE    0
#define PAYLOAD_REQUEST 1
#define PAYLOAD_SLOT    2
#define SLOT_MASK       0x0F
#define REQUESTS_MAX    64
/* DELIVER header and CERTIFICATE header in front of a portion. */
#define PORTION_OVERHEAD 12

/* Remembers the encapsulated request, to be answered by the next message we send. */
static enum status note(struct spdm_requester *requester, struct reader *reader,
                        uint8_t request_id) {
    struct spdm_served *served = &requester->served;
    uint8_t version = read_u8(reader);
    served->code = read_u8(reader);
    served->slot = read_u8(reader) & SLOT_MASK;
    read_skip(reader, 1);
    served->request_id = request_id;
    served->offset = 0;
    served->length = 0;
    if (served->code == SPDM_GET_CERTIFICATE) {
        served->offset = read_u16le(reader);
        served->length = read_u16le(reader);
    } else if (served->code != SPDM_GET_DIGESTS) {
        (void)read_rest(reader); /* will be refused, whatever it says */
    }
    served->count++;
    enum status status = reader_finish(reader);
    if (status != STATUS_OK) {
        return status;
    }
    return version != SPDM_VERSION_12 || served->count > REQUESTS_MAX ? STATUS_INVALID : STATUS_OK;
}

enum status spdm_build_encapsulated_request(struct spdm_requester *requester,
                                            struct writer *message) {
    (void)requester;
    spdm_header_write(message, SPDM_VERSION_12, SPDM_GET_ENCAPSULATED_REQUEST, 0, 0);
    return STATUS_OK;
}

enum status spdm_take_encapsulated_request(struct spdm_requester *requester,
                                           struct spdm_response *response, uint8_t *next_step) {
    *next_step = SPDM_DELIVER_ENCAPSULATED_RESPONSE;
    return note(requester, &response->reader, response->param1);
}

static void serve_digests(const struct spdm_requester *requester, struct writer *message) {
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    uint8_t mask = 0;
    for (uint8_t slot = 0; slot < SPDM_SLOTS; slot++) {
        mask |= (uint8_t)(spdm_requester_own_chain(requester, slot).size > 0 ? 1U << slot : 0);
    }
    spdm_header_write(message, SPDM_VERSION_12, SPDM_DIGESTS, 0, mask);
    for (uint8_t slot = 0; slot < SPDM_SLOTS; slot++) {
        struct bytes blob = spdm_requester_own_chain(requester, slot);
        if (blob.size > 0) {
            crypto_sha256(blob, digest);
            write_bytes(message, bytes_of(digest, sizeof digest));
        }
    }
}

static void serve_error(struct writer *message, enum spdm_error error, uint8_t data) {
    spdm_header_write(message, SPDM_VERSION_12, SPDM_ERROR, (uint8_t)error, data);
}

static void serve_certificate(const struct spdm_requester *requester, struct writer *message) {
    const struct spdm_served *served = &requester->served;
    struct bytes blob = spdm_requester_own_chain(requester, served->slot);
    size_t room = requester->peer.transfer_size < SPDM_MESSAGE_MAX ? requester->peer.transfer_size
                                                                   : SPDM_MESSAGE_MAX;
    room -= PORTION_OVERHEAD;
    if (served->offset >= blob.size || served->length == 0) {
        serve_error(message, SPDM_ERROR_INVALID_REQUEST, 0);
        return;
    }
    size_t left = blob.size - served->offset;
    size_t portion = served->length < left ? served->length : left;
    portion = portion < room ? portion : room;
    spdm_header_write(message, SPDM_VERSION_12, SPDM_CERTIFICATE, served->slot, 0);
    write_u16le(message, (uint16_t)portion);
    write_u16le(message, (uint16_t)(left - portion));
    write_bytes(message, bytes_slice(blob, served->offset, portion));
}

enum status spdm_build_encapsulated_response(struct spdm_requester *requester,
                                             struct writer *message) {
    const struct spdm_served *served = &requester->served;
    spdm_header_write(message, SPDM_VERSION_12, SPDM_DELIVER_ENCAPSULATED_RESPONSE,
                      served->request_id, 0);
    switch (served->code) {
    case SPDM_GET_DIGESTS: serve_digests(requester, message); break;
    case SPDM_GET_CERTIFICATE: serve_certificate(requester, message); break;
    default: serve_error(message, SPDM_ERROR_UNSUPPORTED_REQUEST, served->code); break;
    }
    return STATUS_OK;
}

enum status spdm_take_encapsulated_ack(struct spdm_requester *requester,
                                       struct spdm_response *response, uint8_t *next_step) {
    uint8_t acknowledged = read_u8(&response->reader);
    read_skip(&response->reader, 3);
    if (acknowledged != requester->served.request_id) {
        return STATUS_INVALID;
    }
    switch (response->param2) {
    case PAYLOAD_REQUEST:
        *next_step = SPDM_DELIVER_ENCAPSULATED_RESPONSE;
        return note(requester, &response->reader, response->param1);
    case PAYLOAD_SLOT: requester->own_slot = read_u8(&response->reader); break;
    case PAYLOAD_NONE: requester->own_slot = 0; break;
    default: return STATUS_INVALID;
    }
    *next_step = SPDM_FINISH;
    return reader_finish(&response->reader);
}
