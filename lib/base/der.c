#include "base/der.h"

#include <string.h>

#define TAG_NUMBER_MASK 0x1F /* all ones: the tag goes on in further bytes */
#define LONG_FORM       0x80

static const struct bytes NOTHING = {.data = NULL, .size = 0};

static struct bytes fail(struct reader *reader) {
    reader->failed = true;
    return NOTHING;
}

/* X.690 10.1: definite form, and the shortest that holds the length. */
static size_t read_length(struct reader *reader) {
    uint8_t first = read_u8(reader);
    if (first < LONG_FORM) {
        return first;
    }
    size_t length = 0;
    size_t least = 0;
    if (first == (LONG_FORM | 1)) {
        length = read_u8(reader);
        least = 0x80;
    } else if (first == (LONG_FORM | 2)) {
        length = read_u16be(reader);
        least = 0x100;
    } else {
        (void)fail(reader);
    }
    if (length < least) {
        (void)fail(reader);
    }
    return length;
}

uint8_t der_peek_tag(const struct reader *reader) {
    struct reader ahead = *reader;
    return read_u8(&ahead);
}

struct bytes der_read_any(struct reader *reader, uint8_t *tag) {
    uint8_t found = read_u8(reader);
    if (found == 0 || (found & TAG_NUMBER_MASK) == TAG_NUMBER_MASK) {
        (void)fail(reader);
    }
    size_t length = read_length(reader);
    struct bytes contents = read_bytes(reader, length);
    *tag = reader->failed ? 0 : found;
    return contents;
}

struct bytes der_read(struct reader *reader, uint8_t tag) {
    uint8_t found = 0;
    struct bytes contents = der_read_any(reader, &found);
    return found == tag ? contents : fail(reader);
}

struct bytes der_read_element(struct reader *reader, uint8_t tag) {
    size_t start = reader->position;
    (void)der_read(reader, tag);
    if (reader->failed) {
        return NOTHING;
    }
    return bytes_slice(bytes_of(reader->data, reader->size), start, reader->position - start);
}

void der_enter(struct reader *reader, uint8_t tag, struct reader *inner) {
    reader_init(inner, der_read(reader, tag));
    inner->failed = reader->failed;
}

void der_expect_oid(struct reader *reader, struct bytes oid) {
    struct bytes found = der_read(reader, DER_OID);
    if (!bytes_equal(found, oid)) {
        (void)fail(reader);
    }
}

bool der_read_boolean(struct reader *reader) {
    struct bytes contents = der_read(reader, DER_BOOLEAN);
    /* X.690 11.1: TRUE is FF and nothing else. */
    if (contents.size != 1 || (contents.data[0] != 0 && contents.data[0] != 0xFF)) {
        (void)fail(reader);
        return false;
    }
    return contents.data[0] == 0xFF;
}

/* The magnitude of a non-negative minimal INTEGER (X.690 8.3.2), leading zero removed. */
static struct bytes read_magnitude(struct reader *reader) {
    struct bytes contents = der_read(reader, DER_INTEGER);
    if (contents.size == 0 || contents.data[0] >= 0x80) {
        return fail(reader);
    }
    if (contents.size == 1 || contents.data[0] != 0) {
        return contents;
    }
    struct bytes magnitude = bytes_slice(contents, 1, contents.size - 1);
    return magnitude.data[0] >= 0x80 ? magnitude : fail(reader);
}

void der_read_unsigned(struct reader *reader, uint8_t *out, size_t size) {
    struct bytes magnitude = read_magnitude(reader);
    if (magnitude.size > size) {
        magnitude = fail(reader);
    }
    size_t padding = size - magnitude.size;
    memset(out, 0, padding);
    if (magnitude.size > 0) {
        memcpy(out + padding, magnitude.data, magnitude.size);
    }
}

uint32_t der_read_u32(struct reader *reader) {
    uint8_t raw[4];
    der_read_unsigned(reader, raw, sizeof raw);
    struct reader value;
    reader_init(&value, bytes_of(raw, sizeof raw));
    return read_u32be(&value);
}

struct bytes der_read_bit_string(struct reader *reader) {
    struct bytes contents = der_read(reader, DER_BIT_STRING);
    if (contents.size == 0 || contents.data[0] != 0) {
        return fail(reader);
    }
    return bytes_slice(contents, 1, contents.size - 1);
}

size_t der_begin(struct writer *writer, uint8_t tag) {
    write_u8(writer, tag);
    return writer->size;
}

void der_end(struct writer *writer, size_t mark) {
    if (writer->failed) {
        return;
    }
    size_t length = writer->size - mark;
    if (length > 0xFFFF) {
        writer->failed = true;
        return;
    }
    size_t header = length < 0x80 ? 1 : length < 0x100 ? 2 : 3;
    if (write_reserve(writer, header) == NULL) {
        return;
    }
    memmove(writer->data + mark + header, writer->data + mark, length);
    struct writer place;
    writer_init(&place, writer->data + mark, header);
    if (header == 1) {
        write_u8(&place, (uint8_t)length);
    } else if (header == 2) {
        write_u8(&place, LONG_FORM | 1);
        write_u8(&place, (uint8_t)length);
    } else {
        write_u8(&place, LONG_FORM | 2);
        write_u16be(&place, (uint16_t)length);
    }
}

void der_write(struct writer *writer, uint8_t tag, struct bytes contents) {
    size_t mark = der_begin(writer, tag);
    write_bytes(writer, contents);
    der_end(writer, mark);
}

void der_write_boolean(struct writer *writer, bool value) {
    const uint8_t contents = value ? 0xFF : 0;
    der_write(writer, DER_BOOLEAN, bytes_of(&contents, 1));
}

void der_write_null(struct writer *writer) {
    der_write(writer, DER_NULL, NOTHING);
}

void der_write_u32(struct writer *writer, uint32_t value) {
    uint8_t raw[4];
    struct writer big_endian;
    writer_init(&big_endian, raw, sizeof raw);
    write_u32be(&big_endian, value);
    der_write_unsigned(writer, bytes_of(raw, sizeof raw));
}

void der_write_unsigned(struct writer *writer, struct bytes value) {
    size_t zeros = 0;
    while (zeros < value.size && value.data[zeros] == 0) {
        zeros++;
    }
    struct bytes magnitude = bytes_slice(value, zeros, value.size - zeros);
    size_t mark = der_begin(writer, DER_INTEGER);
    if (magnitude.size == 0 || magnitude.data[0] >= 0x80) {
        write_u8(writer, 0);
    }
    write_bytes(writer, magnitude);
    der_end(writer, mark);
}

void der_write_bit_string(struct writer *writer, struct bytes bits) {
    size_t mark = der_begin(writer, DER_BIT_STRING);
    write_u8(writer, 0);
    write_bytes(writer, bits);
    der_end(writer, mark);
}
