#include "board/rsp.h"

#include <string.h>

#define ESCAPE        0x7Du
#define ESCAPE_FLIP   0x20u
#define INTERRUPT     0x03u
#define RUN_LENGTH    '*'
#define RUN_BIAS      29
#define RUN_FIRST     ' '
#define RUN_LAST      '~'
#define NUMBER_DIGITS 8

static const char digits[] = "0123456789abcdef";

static int digit_value(uint8_t character) {
    if (character >= '0' && character <= '9')
        return character - '0';
    if (character >= 'a' && character <= 'f')
        return character - 'a' + 10;
    if (character >= 'A' && character <= 'F')
        return character - 'A' + 10;
    return -1;
}

void rsp_parser_init(struct rsp_parser *parser) {
    memset(parser, 0, sizeof(*parser));
}

static void start_packet(struct rsp_parser *parser) {
    parser->state = RSP_IN_PAYLOAD;
    parser->sum = 0;
    parser->size = 0;
    parser->is_bad = false;
}

static enum rsp_event feed_idle(struct rsp_parser *parser, uint8_t byte) {
    switch (byte) {
    case '$': start_packet(parser); return RSP_NOTHING;
    case '+': return RSP_ACK;
    case '-': return RSP_NACK;
    case INTERRUPT: return RSP_INTERRUPT;
    default: return RSP_NOTHING; /* noise between packets */
    }
}

static void feed_payload(struct rsp_parser *parser, uint8_t byte) {
    if (byte == '#') {
        parser->state = RSP_CHECKSUM_HIGH;
        return;
    }
    if (byte == '$') { /* never inside a packet: the sender started over */
        start_packet(parser);
        return;
    }
    parser->sum = (uint8_t)(parser->sum + byte);
    if (parser->size < RSP_PAYLOAD_MAX)
        parser->payload[parser->size++] = byte;
    else
        parser->is_bad = true;
}

static enum rsp_event feed_checksum(struct rsp_parser *parser, uint8_t byte) {
    int value = digit_value(byte);

    if (value < 0)
        parser->is_bad = true;
    if (parser->state == RSP_CHECKSUM_HIGH) {
        parser->received_sum = (uint8_t)((unsigned)value << 4);
        parser->state = RSP_CHECKSUM_LOW;
        return RSP_NOTHING;
    }
    parser->state = RSP_IDLE;
    parser->received_sum = (uint8_t)(parser->received_sum | (unsigned)value);
    parser->payload[parser->size] = 0;
    return parser->is_bad || parser->received_sum != parser->sum ? RSP_BAD : RSP_PACKET;
}

enum rsp_event rsp_feed(struct rsp_parser *parser, uint8_t byte) {
    switch (parser->state) {
    case RSP_IDLE: return feed_idle(parser, byte);
    case RSP_IN_PAYLOAD: feed_payload(parser, byte); return RSP_NOTHING;
    default: return feed_checksum(parser, byte);
    }
}

void rsp_encode(struct writer *writer, struct bytes payload) {
    uint8_t sum = 0;

    for (size_t i = 0; i < payload.size; i++)
        sum = (uint8_t)(sum + payload.data[i]);
    write_u8(writer, '$');
    write_bytes(writer, payload);
    write_u8(writer, '#');
    rsp_write_hex(writer, bytes_of(&sum, 1));
}

size_t rsp_unescape(uint8_t *data, size_t size) {
    size_t out = 0;

    for (size_t i = 0; i < size; i++) {
        if (data[i] != ESCAPE) {
            data[out++] = data[i];
            continue;
        }
        if (++i == size)
            return SIZE_MAX;
        data[out++] = data[i] ^ ESCAPE_FLIP;
    }
    return out;
}

void rsp_expand(struct bytes reply, struct writer *writer) {
    uint8_t last = 0;

    for (size_t i = 0; i < reply.size; i++) {
        if (reply.data[i] != RUN_LENGTH || i == 0) {
            last = reply.data[i];
            write_u8(writer, last);
            continue;
        }
        i++;
        if (i == reply.size || reply.data[i] < RUN_FIRST || reply.data[i] > RUN_LAST) {
            writer->failed = true;
            return;
        }
        write_fill(writer, last, (size_t)(reply.data[i] - RUN_BIAS));
    }
}

void rsp_write_text(struct writer *writer, const char *text) {
    write_bytes(writer, bytes_of(text, strlen(text)));
}

void rsp_write_hex(struct writer *writer, struct bytes data) {
    for (size_t i = 0; i < data.size; i++) {
        write_u8(writer, (uint8_t)digits[data.data[i] >> 4]);
        write_u8(writer, (uint8_t)digits[data.data[i] & 15u]);
    }
}

void rsp_write_number(struct writer *writer, uint32_t value) {
    int shift = 28;

    while (shift > 0 && value >> shift == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        write_u8(writer, (uint8_t)digits[value >> shift & 15u]);
}

uint32_t rsp_read_number(struct reader *reader) {
    uint32_t value = 0;
    int count = 0;

    while (reader_remaining(reader) > 0 && count <= NUMBER_DIGITS) {
        int digit = digit_value(reader->data[reader->position]);
        if (digit < 0)
            break;
        value = value << 4 | (uint32_t)digit;
        read_skip(reader, 1);
        count++;
    }
    if (count == 0 || count > NUMBER_DIGITS)
        reader->failed = true;
    return reader->failed ? 0 : value;
}

void rsp_read_hex(struct reader *reader, uint8_t *out, size_t size) {
    for (size_t i = 0; i < size; i++) {
        int high = digit_value(read_u8(reader));
        int low = digit_value(read_u8(reader));
        if (high < 0 || low < 0)
            reader->failed = true;
        out[i] = (uint8_t)(((unsigned)high << 4 | (unsigned)low) & 0xFFu);
        if (reader->failed)
            out[i] = 0;
    }
}

void rsp_expect(struct reader *reader, char expected) {
    if (read_u8(reader) != (uint8_t)expected)
        reader->failed = true;
}
