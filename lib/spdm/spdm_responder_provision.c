/* GET_CSR, SET_CERTIFICATE, VENDOR_DEFINED (DSP0274 1.2, 10.24, 10.25, 10.13). */
#include "spdm/spdm_chain.h"
#include "spdm/spdm_negotiation.h"
#include "spdm/spdm_responder_internal.h"

#define CSR_LENGTH_OFFSET 4

/* What the requester got wrong is InvalidRequest, what we cannot do is Unspecified. */
static enum spdm_error error_of(enum status status) {
    switch (status) {
    case STATUS_OK: return SPDM_ERROR_NONE;
    case STATUS_INVALID:
    case STATUS_TRUNCATED:
    case STATUS_MISMATCH: return SPDM_ERROR_INVALID_REQUEST;
    default: return SPDM_ERROR_UNSPECIFIED;
    }
}

static bool is_privileged(const struct spdm_exchange *exchange) {
    return exchange->inside &&
           spdm_responder_privilege(exchange->responder) == SPDM_PRIVILEGE_PRIVILEGED;
}

enum spdm_error spdm_respond_csr(struct spdm_exchange *exchange) {
    const struct spdm_responder_config *config = &exchange->responder->config;
    struct writer *response = exchange->response;
    uint16_t info_size = read_u16le(&exchange->reader);
    uint16_t opaque_size = read_u16le(&exchange->reader);
    struct bytes info = read_bytes(&exchange->reader, info_size);
    if (reader_finish(&exchange->reader) != STATUS_OK || opaque_size != 0) {
        return SPDM_ERROR_INVALID_REQUEST;
    }
    if (!is_privileged(exchange)) {
        return SPDM_ERROR_UNEXPECTED_REQUEST;
    }
    spdm_header_write(response, SPDM_VERSION_12, SPDM_CSR, 0, 0);
    write_u32le(response, 0); /* length, set below, and two reserved bytes */
    size_t start = response->size;
    enum status status = config->ops->csr(config->context, info, response);
    write_patch_u16le(response, CSR_LENGTH_OFFSET, (uint16_t)(response->size - start));
    return error_of(status);
}

enum spdm_error spdm_respond_set_certificate(struct spdm_exchange *exchange) {
    const struct spdm_responder_config *config = &exchange->responder->config;
    struct bytes blob = read_rest(&exchange->reader);
    struct bytes certificates;
    if (exchange->param1 >= SPDM_SLOTS || spdm_chain_parse(blob, &certificates) != STATUS_OK) {
        return SPDM_ERROR_INVALID_REQUEST;
    }
    if (!is_privileged(exchange)) {
        return SPDM_ERROR_UNEXPECTED_REQUEST;
    }
    enum status status = config->ops->set_certificate(config->context, exchange->param1, blob);
    spdm_header_write(exchange->response, SPDM_VERSION_12, SPDM_SET_CERTIFICATE_RSP,
                      exchange->param1, 0);
    return error_of(status);
}

static void write_vendor_header(struct writer *response) {
    spdm_header_write(response, SPDM_VERSION_12, SPDM_VENDOR_DEFINED_RESPONSE, 0, 0);
    write_u16le(response, SPDM_VENDOR_STANDARD);
    write_u8(response, sizeof(uint32_t));
    write_u32le(response, SPDM_VENDOR_ID);
    write_u16le(response, 0); /* payload length, set when it is known */
}

enum spdm_error spdm_respond_vendor(struct spdm_exchange *exchange) {
    const struct spdm_responder *responder = exchange->responder;
    struct writer *response = exchange->response;
    uint16_t standard = read_u16le(&exchange->reader);
    uint8_t id_size = read_u8(&exchange->reader);
    uint32_t id = read_u32le(&exchange->reader);
    struct bytes payload = read_bytes(&exchange->reader, read_u16le(&exchange->reader));
    if (reader_finish(&exchange->reader) != STATUS_OK || standard != SPDM_VENDOR_STANDARD ||
        id_size != sizeof id || id != SPDM_VENDOR_ID) {
        return SPDM_ERROR_INVALID_REQUEST;
    }
    enum spdm_privilege privilege =
        exchange->inside ? spdm_responder_privilege(responder) : SPDM_PRIVILEGE_NONE;
    write_vendor_header(response);
    exchange->vendor_status =
        responder->config.ops->vendor(responder->config.context, privilege, payload, response);
    write_patch_u16le(response, SPDM_VENDOR_HEADER_SIZE - 2,
                      (uint16_t)(response->size - SPDM_VENDOR_HEADER_SIZE));
    return exchange->vendor_status == STATUS_OK ? SPDM_ERROR_NONE : SPDM_ERROR_VENDOR;
}
