#include "spdm/spdm_measurement.h"

#include "spdm/spdm_negotiation.h"
#include "spdm/spdm_signing.h"

void spdm_measurement_write(struct writer *blocks, uint8_t index, uint8_t type,
                            struct bytes value) {
    write_u8(blocks, index);
    write_u8(blocks, SPDM_MEASUREMENT_DMTF);
    write_u16le(blocks, (uint16_t)(SPDM_MEASUREMENT_VALUE_HEADER + value.size));
    write_u8(blocks, type);
    write_u16le(blocks, (uint16_t)value.size);
    write_bytes(blocks, value);
}

void spdm_measurement_next(struct reader *record, struct spdm_measurement *measurement) {
    measurement->index = read_u8(record);
    uint8_t specification = read_u8(record);
    uint16_t size = read_u16le(record);
    measurement->type = read_u8(record);
    uint16_t value_size = read_u16le(record);
    measurement->value = read_bytes(record, value_size);
    if (specification != SPDM_MEASUREMENT_DMTF ||
        size != SPDM_MEASUREMENT_VALUE_HEADER + (size_t)value_size) {
        record->failed = true;
    }
}

enum status spdm_measurement_check(struct bytes record, uint8_t count) {
    struct spdm_measurement block;
    struct reader reader;
    reader_init(&reader, record);
    for (uint8_t i = 0; i < count; i++) {
        spdm_measurement_next(&reader, &block);
    }
    return reader_finish(&reader);
}

/* Measurement request and response as one signed statement, split into what a verifier needs. */
struct statement {
    struct bytes nonce;
    uint8_t count; /* of blocks, as announced */
    struct bytes record;
    struct bytes covered; /* the transcript without its signature */
    struct bytes signature;
};

#define GET_VERSION_SIZE     4
#define VERSION_FIXED_SIZE   6
#define VERSION_ENTRY_SIZE   2
#define CAPABILITIES_SIZE    20
#define ALGORITHMS_LENGTH_AT 4
#define REQUEST_SIGNED       0x01
#define SLOT                 0
#define SLOT_MASK            0x0F

/* A message whose length is in a little-endian field of `width` bytes at `offset`. */
static struct bytes read_counted(struct reader *reader, struct bytes whole, size_t offset,
                                 size_t fixed, size_t unit, uint8_t width) {
    struct reader ahead;
    reader_init(&ahead, whole);
    read_skip(&ahead, reader->position + offset);
    size_t count = width == 1 ? read_u8(&ahead) : read_u16le(&ahead);
    return read_bytes(reader, fixed + count * unit);
}

static bool is_message(struct bytes message, uint8_t version, uint8_t code) {
    struct reader reader;
    reader_init(&reader, message);
    uint8_t stated_version = read_u8(&reader);
    uint8_t stated_code = read_u8(&reader);
    return reader_check(&reader) == STATUS_OK && stated_version == version && stated_code == code;
}

/* The negotiation must have chosen our algorithms and nothing else. */
static enum status check_vca(struct reader *reader, struct bytes whole) {
    struct spdm_capabilities capabilities;
    struct bytes get_version = read_bytes(reader, GET_VERSION_SIZE);
    struct bytes version = read_counted(reader, whole, VERSION_FIXED_SIZE - 1, VERSION_FIXED_SIZE,
                                        VERSION_ENTRY_SIZE, 1);
    struct bytes requester = read_bytes(reader, CAPABILITIES_SIZE);
    struct bytes responder = read_bytes(reader, CAPABILITIES_SIZE);
    struct bytes offered = read_counted(reader, whole, ALGORITHMS_LENGTH_AT, 0, 1, 2);
    struct bytes chosen = read_counted(reader, whole, ALGORITHMS_LENGTH_AT, 0, 1, 2);
    enum status status = reader_check(reader);
    if (status == STATUS_OK && (!is_message(get_version, SPDM_VERSION_10, SPDM_GET_VERSION) ||
                                !is_message(requester, SPDM_VERSION_12, SPDM_GET_CAPABILITIES) ||
                                !is_message(responder, SPDM_VERSION_12, SPDM_CAPABILITIES) ||
                                !is_message(offered, SPDM_VERSION_12, SPDM_NEGOTIATE_ALGORITHMS) ||
                                !is_message(chosen, SPDM_VERSION_12, SPDM_ALGORITHMS))) {
        status = STATUS_INVALID;
    }
    if (status == STATUS_OK) {
        status = spdm_version_parse(version);
    }
    if (status == STATUS_OK) {
        status = spdm_capabilities_parse(requester, SPDM_PARTY_REQUESTER, &capabilities);
    }
    if (status == STATUS_OK) {
        status = spdm_capabilities_parse(responder, SPDM_PARTY_RESPONDER, &capabilities);
    }
    if (status == STATUS_OK) {
        status = spdm_algorithms_parse_request(offered);
    }
    if (status == STATUS_OK) {
        status = spdm_algorithms_parse_response(chosen);
    }
    return status;
}

static enum status parse_statement(struct bytes transcript, struct statement *statement) {
    struct reader reader;
    reader_init(&reader, transcript);
    enum status status = check_vca(&reader, transcript);
    uint8_t request_version = read_u8(&reader);
    uint8_t request = read_u8(&reader);
    uint8_t attributes = read_u8(&reader);
    uint8_t operation = read_u8(&reader);
    statement->nonce = read_bytes(&reader, SPDM_NONCE_SIZE);
    uint8_t slot = read_u8(&reader);
    uint8_t response_version = read_u8(&reader);
    uint8_t response = read_u8(&reader);
    read_skip(&reader, 1);
    uint8_t response_slot = read_u8(&reader) & SLOT_MASK; /* above it: has the content changed */
    statement->count = read_u8(&reader);
    statement->record = read_bytes(&reader, read_u24le(&reader));
    read_skip(&reader, SPDM_NONCE_SIZE);
    read_skip(&reader, read_u16le(&reader));
    statement->covered = bytes_slice(transcript, 0, reader.position);
    statement->signature = read_bytes(&reader, SPDM_SIGNATURE_SIZE);
    if (status == STATUS_OK) {
        status = reader_finish(&reader);
    }
    if (status == STATUS_OK &&
        (request_version != SPDM_VERSION_12 || request != SPDM_GET_MEASUREMENTS ||
         attributes != REQUEST_SIGNED || operation != SPDM_MEASUREMENT_ALL || slot != SLOT ||
         response_version != SPDM_VERSION_12 || response != SPDM_MEASUREMENTS ||
         response_slot != SLOT)) {
        status = STATUS_INVALID;
    }
    if (status == STATUS_OK) {
        status = spdm_measurement_check(statement->record, statement->count);
    }
    return status;
}

enum status spdm_measurement_verify(struct bytes transcript,
                                    const uint8_t public_key[CRYPTO_PUBLIC_KEY_SIZE],
                                    const uint8_t nonce[SPDM_NONCE_SIZE], struct bytes *record) {
    struct statement statement;
    uint8_t hash[CRYPTO_DIGEST_SIZE];
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    *record = (struct bytes){.data = NULL, .size = 0};
    enum status status = parse_statement(transcript, &statement);
    if (status != STATUS_OK) {
        return status;
    }
    if (!bytes_equal(statement.nonce, bytes_of(nonce, SPDM_NONCE_SIZE))) {
        return STATUS_REPLAYED;
    }
    crypto_sha256(statement.covered, hash);
    spdm_signing_digest(SPDM_SIGN_MEASUREMENTS, hash, digest);
    status = crypto_p256_verify(public_key, digest, statement.signature.data);
    if (status == STATUS_OK) {
        *record = statement.record;
    }
    return status;
}
