#include "base/bytes.h"

#include <string.h>

struct bytes bytes_of(const void *data, size_t size) {
    return (struct bytes){.data = data, .size = size};
}

struct bytes bytes_slice(struct bytes whole, size_t offset, size_t size) {
    if (size == 0 || offset > whole.size || size > whole.size - offset) {
        return (struct bytes){.data = NULL, .size = 0};
    }
    return (struct bytes){.data = whole.data + offset, .size = size};
}

bool bytes_equal(struct bytes a, struct bytes b) {
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

void reader_init(struct reader *reader, struct bytes input) {
    reader->data = input.data;
    reader->size = input.size;
    reader->position = 0;
    reader->failed = false;
}

struct bytes read_bytes(struct reader *reader, size_t size) {
    if (reader->failed || size > reader->size - reader->position) {
        reader->failed = true;
        return (struct bytes){.data = NULL, .size = 0};
    }
    if (size == 0) {
        /* NULL + 0 is undefined in C, and an empty input may be NULL. */
        return (struct bytes){.data = reader->data, .size = 0};
    }
    struct bytes taken = {.data = reader->data + reader->position, .size = size};
    reader->position += size;
    return taken;
}

static uint64_t read_le(struct reader *reader, size_t size) {
    struct bytes raw = read_bytes(reader, size);
    uint64_t value = 0;
    for (size_t i = raw.size; i > 0; i--) {
        value = (value << 8) | raw.data[i - 1];
    }
    return value;
}

static uint64_t read_be(struct reader *reader, size_t size) {
    struct bytes raw = read_bytes(reader, size);
    uint64_t value = 0;
    for (size_t i = 0; i < raw.size; i++) {
        value = (value << 8) | raw.data[i];
    }
    return value;
}

uint8_t read_u8(struct reader *reader) {
    return (uint8_t)read_le(reader, 1);
}
uint16_t read_u16le(struct reader *reader) {
    return (uint16_t)read_le(reader, 2);
}
uint32_t read_u24le(struct reader *reader) {
    return (uint32_t)read_le(reader, 3);
}
uint32_t read_u32le(struct reader *reader) {
    return (uint32_t)read_le(reader, 4);
}
uint64_t read_u64le(struct reader *reader) {
    return read_le(reader, 8);
}
uint16_t read_u16be(struct reader *reader) {
    return (uint16_t)read_be(reader, 2);
}
uint32_t read_u32be(struct reader *reader) {
    return (uint32_t)read_be(reader, 4);
}
uint64_t read_u64be(struct reader *reader) {
    return read_be(reader, 8);
}

void read_copy(struct reader *reader, void *out, size_t size) {
    struct bytes raw = read_bytes(reader, size);
    if (raw.size == size && size > 0) {
        memcpy(out, raw.data, size);
    } else if (size > 0) {
        memset(out, 0, size);
    }
}

struct bytes read_rest(struct reader *reader) {
    return read_bytes(reader, reader_remaining(reader));
}

void read_skip(struct reader *reader, size_t size) {
    (void)read_bytes(reader, size);
}

size_t reader_remaining(const struct reader *reader) {
    return reader->failed ? 0 : reader->size - reader->position;
}

enum status reader_check(const struct reader *reader) {
    return reader->failed ? STATUS_TRUNCATED : STATUS_OK;
}

enum status reader_finish(const struct reader *reader) {
    if (reader->failed) {
        return STATUS_TRUNCATED;
    }
    return reader->position == reader->size ? STATUS_OK : STATUS_INVALID;
}

void writer_init(struct writer *writer, void *buffer, size_t capacity) {
    writer->data = buffer;
    writer->capacity = capacity;
    writer->size = 0;
    writer->failed = false;
}

uint8_t *write_reserve(struct writer *writer, size_t size) {
    if (writer->failed || size > writer->capacity - writer->size) {
        writer->failed = true;
        return NULL;
    }
    uint8_t *place = writer->data + writer->size;
    writer->size += size;
    return place;
}

static void put_le(uint8_t *place, uint64_t value, size_t size) {
    for (size_t i = 0; i < size; i++) {
        place[i] = (uint8_t)(value >> (8 * i));
    }
}

static void write_le(struct writer *writer, uint64_t value, size_t size) {
    uint8_t *place = write_reserve(writer, size);
    if (place != NULL) {
        put_le(place, value, size);
    }
}

static void write_be(struct writer *writer, uint64_t value, size_t size) {
    uint8_t *place = write_reserve(writer, size);
    for (size_t i = 0; place != NULL && i < size; i++) {
        place[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
    }
}

void write_u8(struct writer *writer, uint8_t value) {
    write_le(writer, value, 1);
}
void write_u16le(struct writer *writer, uint16_t value) {
    write_le(writer, value, 2);
}
void write_u24le(struct writer *writer, uint32_t value) {
    write_le(writer, value, 3);
}
void write_u32le(struct writer *writer, uint32_t value) {
    write_le(writer, value, 4);
}
void write_u64le(struct writer *writer, uint64_t value) {
    write_le(writer, value, 8);
}
void write_u16be(struct writer *writer, uint16_t value) {
    write_be(writer, value, 2);
}
void write_u32be(struct writer *writer, uint32_t value) {
    write_be(writer, value, 4);
}
void write_u64be(struct writer *writer, uint64_t value) {
    write_be(writer, value, 8);
}

void write_bytes(struct writer *writer, struct bytes bytes) {
    uint8_t *place = write_reserve(writer, bytes.size);
    if (place != NULL && bytes.size > 0) {
        memcpy(place, bytes.data, bytes.size);
    }
}

void write_fill(struct writer *writer, uint8_t value, size_t count) {
    uint8_t *place = write_reserve(writer, count);
    if (place != NULL && count > 0) {
        memset(place, value, count);
    }
}

static void write_patch(struct writer *writer, size_t offset, uint32_t value, size_t size) {
    if (writer->failed || offset > writer->size || size > writer->size - offset) {
        writer->failed = true;
        return;
    }
    put_le(writer->data + offset, value, size);
}

void write_patch_u16le(struct writer *writer, size_t offset, uint16_t value) {
    write_patch(writer, offset, value, 2);
}

void write_patch_u24le(struct writer *writer, size_t offset, uint32_t value) {
    write_patch(writer, offset, value, 3);
}

struct bytes writer_bytes(const struct writer *writer) {
    return (struct bytes){.data = writer->data, .size = writer->failed ? 0 : writer->size};
}

enum status writer_check(const struct writer *writer) {
    return writer->failed ? STATUS_NO_SPACE : STATUS_OK;
}
