#include "cose/cbor.h"

#include <string.h>

/* Additional information of the initial byte (RFC 8949, 3). */
#define INFO_U8  24
#define INFO_U16 25
#define INFO_U32 26
#define INFO_U64 27

#define SIMPLE_FALSE 20
#define SIMPLE_TRUE  21
#define SIMPLE_NULL  22

static uint64_t fail(struct reader *reader) {
    reader->failed = true;
    return 0;
}

/* Type and argument; the argument must be in its shortest form (4.2.1). */
static uint64_t read_head(struct reader *reader, enum cbor_type *type) {
    uint8_t initial = read_u8(reader);
    uint8_t info = initial & 0x1F;
    uint64_t value = info;
    uint64_t least = 0;
    if (info == INFO_U8) {
        value = read_u8(reader);
        least = INFO_U8;
    } else if (info == INFO_U16) {
        value = read_u16be(reader);
        least = 0x100;
    } else if (info == INFO_U32) {
        value = read_u32be(reader);
        least = 0x10000;
    } else if (info == INFO_U64) {
        value = read_u64be(reader);
        least = 0x100000000;
    } else if (info > INFO_U64) {
        return fail(reader); /* reserved, or indefinite length */
    }
    *type = reader->failed ? CBOR_NONE : (enum cbor_type)(initial >> 5);
    return value < least ? fail(reader) : value;
}

static uint64_t read_typed(struct reader *reader, enum cbor_type wanted) {
    if (cbor_peek(reader) != wanted) {
        return fail(reader);
    }
    enum cbor_type type = CBOR_NONE;
    return read_head(reader, &type);
}

enum cbor_type cbor_peek(const struct reader *reader) {
    struct reader ahead = *reader;
    uint8_t initial = read_u8(&ahead);
    return ahead.failed ? CBOR_NONE : (enum cbor_type)(initial >> 5);
}

uint64_t cbor_read_uint(struct reader *reader) {
    return read_typed(reader, CBOR_UINT);
}

int64_t cbor_read_int(struct reader *reader) {
    bool negative = cbor_peek(reader) == CBOR_NINT;
    uint64_t value = read_typed(reader, negative ? CBOR_NINT : CBOR_UINT);
    if (value > INT64_MAX) {
        (void)fail(reader);
        return 0;
    }
    if (reader->failed) {
        return 0;
    }
    return negative ? -1 - (int64_t)value : (int64_t)value;
}

static struct bytes read_string(struct reader *reader, enum cbor_type type) {
    uint64_t size = read_typed(reader, type);
    if (size > reader_remaining(reader)) {
        (void)fail(reader);
        return bytes_of(NULL, 0);
    }
    return read_bytes(reader, (size_t)size);
}

struct bytes cbor_read_bytes(struct reader *reader) {
    return read_string(reader, CBOR_BYTES);
}

/* Bytes of continuation that follow a UTF-8 lead byte, and the least code point it may begin
 * (RFC 3629: overlong forms and surrogates are invalid); 4 for no lead byte. */
static unsigned utf8_continuation(uint8_t lead, uint32_t *least, uint32_t *point) {
    if (lead < 0x80) {
        *least = 0;
        *point = lead;
        return 0;
    }
    if (lead >= 0xC0 && lead < 0xE0) {
        *least = 0x80;
        *point = lead & 0x1Fu;
        return 1;
    }
    if (lead >= 0xE0 && lead < 0xF0) {
        *least = 0x800;
        *point = lead & 0x0Fu;
        return 2;
    }
    *least = 0x10000;
    *point = lead & 0x07u;
    return lead >= 0xF0 && lead < 0xF8 ? 3 : 4;
}

static bool is_utf8(struct bytes text) {
    struct reader reader;
    reader_init(&reader, text);
    while (reader_remaining(&reader) > 0 && !reader.failed) {
        uint32_t least = 0;
        uint32_t point = 0;
        unsigned more = utf8_continuation(read_u8(&reader), &least, &point);
        if (more > 3) {
            return false;
        }
        for (; more > 0; more--) {
            uint8_t next = read_u8(&reader);
            if ((next & 0xC0) != 0x80) {
                return false;
            }
            point = point << 6 | (next & 0x3Fu);
        }
        if (point < least || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) {
            return false;
        }
    }
    return !reader.failed;
}

struct bytes cbor_read_text(struct reader *reader) {
    struct bytes text = read_string(reader, CBOR_TEXT);
    if (!is_utf8(text)) {
        (void)fail(reader);
        return bytes_of(NULL, 0);
    }
    return text;
}

void cbor_read_fixed(struct reader *reader, void *out, size_t size) {
    struct bytes value = cbor_read_bytes(reader);
    memset(out, 0, size);
    if (reader->failed || value.size != size) {
        (void)fail(reader);
        return;
    }
    memcpy(out, value.data, size);
}

bool cbor_read_bool(struct reader *reader) {
    uint64_t value = read_typed(reader, CBOR_SIMPLE);
    if (value != SIMPLE_FALSE && value != SIMPLE_TRUE) {
        (void)fail(reader);
    }
    return !reader->failed && value == SIMPLE_TRUE;
}

void cbor_read_null(struct reader *reader) {
    if (read_typed(reader, CBOR_SIMPLE) != SIMPLE_NULL) {
        (void)fail(reader);
    }
}

/* Every item takes a byte at least, so a count larger than the input is a lie; refusing it here
 * keeps loops over it short. */
static size_t bounded_count(struct reader *reader, uint64_t count, size_t bytes_each) {
    if (reader->failed || count > reader_remaining(reader) / bytes_each) {
        return (size_t)fail(reader);
    }
    return (size_t)count;
}

size_t cbor_read_array(struct reader *reader) {
    return bounded_count(reader, read_typed(reader, CBOR_ARRAY), 1);
}

uint64_t cbor_read_tag(struct reader *reader) {
    return read_typed(reader, CBOR_TAG);
}

void cbor_expect_uint(struct reader *reader, uint64_t value) {
    if (cbor_read_uint(reader) != value) {
        (void)fail(reader);
    }
}

void cbor_expect_text(struct reader *reader, const char *text) {
    if (!bytes_equal(cbor_read_text(reader), bytes_of(text, strlen(text)))) {
        (void)fail(reader);
    }
}

void cbor_expect_array(struct reader *reader, size_t count) {
    if (cbor_read_array(reader) != count) {
        (void)fail(reader);
    }
}

void cbor_expect_map(struct reader *reader, size_t pairs) {
    if (read_typed(reader, CBOR_MAP) != pairs) {
        (void)fail(reader);
    }
}

void cbor_expect_tag(struct reader *reader, uint64_t tag) {
    if (cbor_read_tag(reader) != tag) {
        (void)fail(reader);
    }
}

static void skip_simple(struct reader *reader) {
    enum cbor_type type = CBOR_NONE;
    uint64_t value = read_head(reader, &type);
    if (value < SIMPLE_FALSE || value > SIMPLE_NULL) {
        (void)fail(reader);
    }
}

static void skip_nested(struct reader *reader, unsigned depth);

static void skip_array(struct reader *reader, unsigned depth) {
    for (size_t left = cbor_read_array(reader); left > 0 && !reader->failed; left--) {
        skip_nested(reader, depth);
    }
}

static bool map_next_nested(struct reader *reader, struct cbor_map *map, unsigned depth);

static void skip_map(struct reader *reader, unsigned depth) {
    struct cbor_map map;
    cbor_read_map(reader, &map);
    while (map_next_nested(reader, &map, depth)) {
        skip_nested(reader, depth);
        skip_nested(reader, depth);
    }
}

/* Recursion is bounded by CBOR_DEPTH_MAX. */
static void skip_nested(struct reader *reader, unsigned depth) {
    enum cbor_type type = cbor_peek(reader);
    if (depth == 0 || type == CBOR_NONE) {
        (void)fail(reader);
    } else if (type == CBOR_BYTES) {
        (void)cbor_read_bytes(reader);
    } else if (type == CBOR_TEXT) {
        (void)cbor_read_text(reader);
    } else if (type == CBOR_ARRAY) {
        skip_array(reader, depth - 1);
    } else if (type == CBOR_MAP) {
        skip_map(reader, depth - 1);
    } else if (type == CBOR_TAG) {
        (void)cbor_read_tag(reader);
        skip_nested(reader, depth - 1);
    } else if (type == CBOR_SIMPLE) {
        skip_simple(reader);
    } else {
        (void)read_head(reader, &type);
    }
}

static struct bytes read_item_nested(struct reader *reader, unsigned depth) {
    size_t start = reader->position;
    skip_nested(reader, depth);
    if (reader->failed) {
        return bytes_of(NULL, 0);
    }
    return bytes_slice(bytes_of(reader->data, reader->size), start, reader->position - start);
}

struct bytes cbor_read_item(struct reader *reader) {
    return read_item_nested(reader, CBOR_DEPTH_MAX);
}

void cbor_skip(struct reader *reader) {
    skip_nested(reader, CBOR_DEPTH_MAX);
}

void cbor_read_map(struct reader *reader, struct cbor_map *map) {
    map->remaining = bounded_count(reader, read_typed(reader, CBOR_MAP), 2);
    map->previous_key = bytes_of(NULL, 0);
}

/* Bytewise lexicographic order of the encoded keys (RFC 8949, 4.2.1). */
static bool is_after(struct bytes key, struct bytes previous) {
    if (previous.size == 0) {
        return true;
    }
    size_t shorter = key.size < previous.size ? key.size : previous.size;
    int order = memcmp(key.data, previous.data, shorter);
    return order > 0 || (order == 0 && key.size > previous.size);
}

static bool map_next_nested(struct reader *reader, struct cbor_map *map, unsigned depth) {
    if (reader->failed || map->remaining == 0) {
        return false;
    }
    struct reader ahead = *reader;
    struct bytes key = read_item_nested(&ahead, depth);
    if (ahead.failed || !is_after(key, map->previous_key)) {
        (void)fail(reader);
        return false;
    }
    map->previous_key = key;
    map->remaining--;
    return true;
}

bool cbor_map_next(struct reader *reader, struct cbor_map *map) {
    return map_next_nested(reader, map, CBOR_DEPTH_MAX);
}

size_t cbor_head_size(uint64_t value) {
    if (value < INFO_U8) {
        return 1;
    }
    if (value < 0x100) {
        return 2;
    }
    if (value < 0x10000) {
        return 3;
    }
    return value < 0x100000000 ? 5 : 9;
}

static void write_head(struct writer *writer, enum cbor_type type, uint64_t value) {
    uint8_t major = (uint8_t)((unsigned)type << 5);
    switch (cbor_head_size(value)) {
    case 1: write_u8(writer, (uint8_t)(major | value)); break;
    case 2:
        write_u8(writer, major | INFO_U8);
        write_u8(writer, (uint8_t)value);
        break;
    case 3:
        write_u8(writer, major | INFO_U16);
        write_u16be(writer, (uint16_t)value);
        break;
    case 5:
        write_u8(writer, major | INFO_U32);
        write_u32be(writer, (uint32_t)value);
        break;
    default:
        write_u8(writer, major | INFO_U64);
        write_u64be(writer, value);
        break;
    }
}

void cbor_write_uint(struct writer *writer, uint64_t value) {
    write_head(writer, CBOR_UINT, value);
}

void cbor_write_int(struct writer *writer, int64_t value) {
    if (value >= 0) {
        write_head(writer, CBOR_UINT, (uint64_t)value);
    } else {
        write_head(writer, CBOR_NINT, (uint64_t)(-1 - value));
    }
}

void cbor_write_bytes_head(struct writer *writer, size_t size) {
    write_head(writer, CBOR_BYTES, size);
}

void cbor_write_bytes(struct writer *writer, struct bytes value) {
    cbor_write_bytes_head(writer, value.size);
    write_bytes(writer, value);
}

void cbor_write_text_bytes(struct writer *writer, struct bytes text) {
    write_head(writer, CBOR_TEXT, text.size);
    write_bytes(writer, text);
}

void cbor_write_text(struct writer *writer, const char *text) {
    cbor_write_text_bytes(writer, bytes_of(text, strlen(text)));
}

void cbor_write_array(struct writer *writer, size_t count) {
    write_head(writer, CBOR_ARRAY, count);
}

void cbor_write_map(struct writer *writer, size_t pairs) {
    write_head(writer, CBOR_MAP, pairs);
}

void cbor_write_tag(struct writer *writer, uint64_t tag) {
    write_head(writer, CBOR_TAG, tag);
}

void cbor_write_bool(struct writer *writer, bool value) {
    write_head(writer, CBOR_SIMPLE, value ? SIMPLE_TRUE : SIMPLE_FALSE);
}

void cbor_write_null(struct writer *writer) {
    write_head(writer, CBOR_SIMPLE, SIMPLE_NULL);
}
