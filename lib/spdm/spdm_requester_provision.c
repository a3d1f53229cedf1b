/* GET_CSR, SET_CERTIFICATE, VENDOR_DEFINED from the requester's side. */
#include "spdm/spdm_requester_internal.h"

#include <string.h>

/* Keeps a result beyond the life of the message it came in. */
static enum status keep(struct spdm_requester *requester, struct bytes part) {
    struct writer result;
    writer_init(&result, requester->result, sizeof requester->result);
    write_bytes(&result, part);
    requester->result_size = result.size;
    requester->result_part = writer_bytes(&result);
    return writer_check(&result);
}

enum status spdm_build_csr(struct spdm_requester *requester, struct writer *message) {
    spdm_header_write(message, SPDM_VERSION_12, SPDM_GET_CSR, 0, 0);
    write_u16le(message, (uint16_t)requester->argument.size);
    write_u16le(message, 0);
    write_bytes(message, requester->argument);
    return STATUS_OK;
}

enum status spdm_take_csr(struct spdm_requester *requester, struct spdm_response *response,
                          uint8_t *next_step) {
    uint16_t size = read_u16le(&response->reader);
    read_skip(&response->reader, 2);
    struct bytes csr = read_bytes(&response->reader, size);
    enum status status = reader_finish(&response->reader);
    *next_step = SPDM_STEP_DONE;
    return status == STATUS_OK ? keep(requester, csr) : status;
}

enum status spdm_build_set_certificate(struct spdm_requester *requester, struct writer *message) {
    spdm_header_write(message, SPDM_VERSION_12, SPDM_SET_CERTIFICATE, requester->slot, 0);
    write_bytes(message, requester->argument);
    return STATUS_OK;
}

enum status spdm_take_set_certificate(struct spdm_requester *requester,
                                      struct spdm_response *response, uint8_t *next_step) {
    *next_step = SPDM_STEP_DONE;
    if (response->param1 != requester->slot) {
        return STATUS_INVALID;
    }
    return reader_finish(&response->reader);
}

enum status spdm_build_vendor(struct spdm_requester *requester, struct writer *message) {
    spdm_header_write(message, SPDM_VERSION_12, SPDM_VENDOR_DEFINED_REQUEST, 0, 0);
    write_u16le(message, SPDM_VENDOR_STANDARD);
    write_u8(message, sizeof(uint32_t));
    write_u32le(message, SPDM_VENDOR_ID);
    write_u16le(message, (uint16_t)requester->argument.size);
    write_bytes(message, requester->argument);
    return STATUS_OK;
}

enum status spdm_take_vendor(struct spdm_requester *requester, struct spdm_response *response,
                             uint8_t *next_step) {
    uint16_t standard = read_u16le(&response->reader);
    uint8_t id_size = read_u8(&response->reader);
    uint32_t id = read_u32le(&response->reader);
    struct bytes payload = read_bytes(&response->reader, read_u16le(&response->reader));
    enum status status = reader_finish(&response->reader);
    if (status != STATUS_OK) {
        return status;
    }
    if (standard != SPDM_VENDOR_STANDARD || id_size != sizeof id || id != SPDM_VENDOR_ID) {
        return STATUS_INVALID;
    }
    *next_step = SPDM_STEP_DONE;
    return keep(requester, payload);
}
