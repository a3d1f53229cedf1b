#include "spdm/spdm_secured.h"

#include "base/secret.h"

#include <string.h>

/* DSP0277 1.2: the counter, little-endian, over the first eight bytes of the IV. */
static void make_iv(const struct spdm_channel *channel, uint8_t iv[CRYPTO_GCM_IV_SIZE]) {
    memcpy(iv, channel->iv, CRYPTO_GCM_IV_SIZE);
    for (unsigned int i = 0; i < sizeof channel->sequence; i++) {
        iv[i] ^= (uint8_t)(channel->sequence >> (8 * i));
    }
}

enum status spdm_secured_seal(struct spdm_channel *channel, uint32_t session_id, uint8_t *record,
                              size_t capacity, size_t message_size, size_t padding_size,
                              size_t *record_size) {
    uint8_t iv[CRYPTO_GCM_IV_SIZE];
    struct writer writer;
    size_t inner_size = SPDM_RECORD_INNER_SIZE + message_size + padding_size;

    writer_init(&writer, record, capacity);
    if (message_size > SPDM_MESSAGE_MAX || padding_size > SPDM_RECORD_PADDING_MAX) {
        return STATUS_INVALID;
    }
    write_u32le(&writer, session_id);
    write_u16le(&writer, (uint16_t)channel->sequence);
    write_u16le(&writer, (uint16_t)(inner_size + SPDM_RECORD_TAG_SIZE));
    write_u16le(&writer, (uint16_t)(1 + message_size));
    write_u8(&writer, SPDM_TYPE_CLEAR);
    (void)write_reserve(&writer, message_size + padding_size);
    uint8_t *tag = write_reserve(&writer, SPDM_RECORD_TAG_SIZE);
    if (tag == NULL) {
        return STATUS_NO_SPACE;
    }
    uint8_t *inner = &record[SPDM_RECORD_HEADER_SIZE];
    make_iv(channel, iv);
    enum status status =
        crypto_gcm_seal(channel->key, iv, bytes_of(record, SPDM_RECORD_HEADER_SIZE),
                        bytes_of(inner, inner_size), inner, tag);
    secret_wipe(iv, sizeof iv);
    channel->sequence++;
    *record_size = writer.size;
    return status;
}

uint32_t spdm_secured_session(struct bytes record) {
    struct reader reader;
    reader_init(&reader, record);
    return read_u32le(&reader);
}

static enum status parse_plaintext(struct bytes plaintext, struct bytes *message) {
    struct reader reader;
    reader_init(&reader, plaintext);
    uint16_t size = read_u16le(&reader);
    uint8_t type = read_u8(&reader);
    if (reader_check(&reader) != STATUS_OK || size == 0 || type != SPDM_TYPE_CLEAR) {
        return STATUS_INVALID;
    }
    *message = read_bytes(&reader, (size_t)size - 1);
    return reader_check(&reader) == STATUS_OK && message->size <= SPDM_MESSAGE_MAX ? STATUS_OK
                                                                                   : STATUS_INVALID;
}

enum status spdm_secured_open(struct spdm_channel *channel, uint8_t *record, size_t size,
                              struct bytes *message) {
    uint8_t iv[CRYPTO_GCM_IV_SIZE];
    struct reader reader;

    *message = (struct bytes){.data = NULL, .size = 0};
    reader_init(&reader, bytes_of(record, size));
    read_skip(&reader, sizeof(uint32_t));
    uint16_t sequence = read_u16le(&reader);
    uint16_t length = read_u16le(&reader);
    if (reader_check(&reader) != STATUS_OK || length != reader_remaining(&reader) ||
        length < SPDM_RECORD_INNER_SIZE + SPDM_RECORD_TAG_SIZE) {
        return STATUS_INVALID;
    }
    if (sequence != (uint16_t)channel->sequence) {
        return STATUS_BAD_SIGNATURE;
    }
    uint8_t *inner = &record[SPDM_RECORD_HEADER_SIZE];
    size_t inner_size = (size_t)length - SPDM_RECORD_TAG_SIZE;
    make_iv(channel, iv);
    enum status status =
        crypto_gcm_open(channel->key, iv, bytes_of(record, SPDM_RECORD_HEADER_SIZE),
                        bytes_of(inner, inner_size), inner, &inner[inner_size]);
    secret_wipe(iv, sizeof iv);
    if (status != STATUS_OK) {
        return status;
    }
    channel->sequence++;
    return parse_plaintext(bytes_of(inner, inner_size), message);
}
