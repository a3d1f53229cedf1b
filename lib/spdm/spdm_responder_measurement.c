/* GET_MEASUREMENTS and measurement summaries (DSP0274 1.2, 10.11). */
#include "spdm/spdm_negotiation.h"
#include "spdm/spdm_responder_internal.h"
#include "spdm/spdm_signing.h"

#include <string.h>

#define WITH_SIGNATURE 0x01
#define COUNT_ONLY     0x00
#define SUMMARY_NONE   0x00
#define SUMMARY_TCB    0x01
#define SUMMARY_ALL    0xFF
#define SLOT_MASK      0x0F
/* Header, block count, record length. */
#define COUNT_OFFSET  4
#define LENGTH_OFFSET 5
#define RECORD_OFFSET 8

bool spdm_is_summary_type(uint8_t type) {
    return type == SUMMARY_NONE || type == SUMMARY_TCB || type == SUMMARY_ALL;
}

/* Every block at the end of the response; OK only if they are well-formed. */
static enum status append_blocks(struct spdm_exchange *exchange, uint8_t *count) {
    const struct spdm_responder_config *config = &exchange->responder->config;
    struct writer *response = exchange->response;
    struct spdm_measurement block;
    struct reader reader;
    size_t start = response->size;
    enum status status = config->ops->measurements(config->context, response);
    if (status != STATUS_OK || writer_check(response) != STATUS_OK) {
        return STATUS_NO_SPACE;
    }
    reader_init(&reader, bytes_slice(writer_bytes(response), start, response->size - start));
    for (*count = 0; reader_remaining(&reader) > 0 && !reader.failed; (*count)++) {
        spdm_measurement_next(&reader, &block);
    }
    return reader_finish(&reader);
}

/* All we measure is trusted computing base, so both types of summary are over all blocks. */
enum status spdm_responder_summary(struct spdm_exchange *exchange, uint8_t type) {
    struct writer *response = exchange->response;
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    uint8_t count = 0;
    size_t start = response->size;
    if (type == SUMMARY_NONE) {
        return STATUS_OK;
    }
    enum status status = append_blocks(exchange, &count);
    if (status == STATUS_OK) {
        /* The blocks were only there to be hashed. */
        crypto_sha256(bytes_slice(writer_bytes(response), start, response->size - start), digest);
        response->size = start;
        write_bytes(response, bytes_of(digest, sizeof digest));
    }
    return status;
}

/* Leaves only the block with this index in the record; false if there is none. */
static bool keep_block(struct writer *response, uint8_t index) {
    struct spdm_measurement block;
    struct reader reader;
    reader_init(&reader,
                bytes_slice(writer_bytes(response), RECORD_OFFSET, response->size - RECORD_OFFSET));
    while (reader_remaining(&reader) > 0 && !reader.failed) {
        size_t start = reader.position;
        spdm_measurement_next(&reader, &block);
        size_t size = reader.position - start;
        if (!reader.failed && block.index == index) {
            memmove(&response->data[RECORD_OFFSET], &response->data[RECORD_OFFSET + start], size);
            response->size = RECORD_OFFSET + size;
            return true;
        }
    }
    return false;
}

/* Writes block count, record length and record for an operation (10.11.1). */
static enum spdm_error write_record(struct spdm_exchange *exchange, uint8_t operation) {
    struct writer *response = exchange->response;
    uint8_t count = 0;
    if (append_blocks(exchange, &count) != STATUS_OK) {
        return SPDM_ERROR_UNSPECIFIED;
    }
    if (operation == COUNT_ONLY) {
        response->data[2] = count;
        response->size = RECORD_OFFSET;
        count = 0;
    } else if (operation != SPDM_MEASUREMENT_ALL) {
        if (!keep_block(response, operation)) {
            return SPDM_ERROR_INVALID_REQUEST;
        }
        count = 1;
    }
    response->data[COUNT_OFFSET] = count;
    write_patch_u24le(response, LENGTH_OFFSET, (uint32_t)(response->size - RECORD_OFFSET));
    return SPDM_ERROR_NONE;
}

enum spdm_error spdm_respond_measurements(struct spdm_exchange *exchange) {
    struct spdm_responder *responder = exchange->responder;
    struct writer *response = exchange->response;
    struct crypto_sha256 *running =
        &responder->transcript.measurements[exchange->inside ? SPDM_INSIDE : SPDM_OUTSIDE];
    bool is_signed = (exchange->param1 & WITH_SIGNATURE) != 0;
    uint8_t slot = 0;
    if (is_signed) {
        read_skip(&exchange->reader, SPDM_NONCE_SIZE);
        slot = read_u8(&exchange->reader) & SLOT_MASK;
    }
    if (reader_finish(&exchange->reader) != STATUS_OK ||
        spdm_responder_chain(responder, slot).size == 0) {
        return SPDM_ERROR_INVALID_REQUEST;
    }
    spdm_header_write(response, SPDM_VERSION_12, SPDM_MEASUREMENTS, 0, slot);
    write_fill(response, 0, RECORD_OFFSET - SPDM_HEADER_SIZE);
    enum spdm_error error = write_record(exchange, exchange->param2);
    if (error != SPDM_ERROR_NONE) {
        return error;
    }
    enum status status = spdm_responder_random(response, SPDM_NONCE_SIZE);
    write_u16le(response, 0);
    crypto_sha256_update(running, exchange->request);
    crypto_sha256_update(running, writer_bytes(response));
    if (is_signed && status == STATUS_OK) {
        status = spdm_responder_sign(exchange, slot, SPDM_SIGN_MEASUREMENTS, running);
        *running = responder->transcript.vca;
    }
    return status == STATUS_OK ? SPDM_ERROR_NONE : SPDM_ERROR_UNSPECIFIED;
}
