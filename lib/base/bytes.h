/*
 * Bounded readers and writers: the only place in lib/ that does pointer arithmetic.
 *
 * Calling sequence: reader_init, read_* as the format says, then once reader_finish (all consumed,
 * nothing failed) before any value is used. A failed read yields zero and sticks; so does a failed
 * write. Nothing here allocates; a reader borrows its input, a writer its output buffer, and a
 * `struct bytes` never outlives what it points into.
 */
#ifndef NUSEC_BASE_BYTES_H
#define NUSEC_BASE_BYTES_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A borrowed, read-only run of bytes. size 0 is the empty run; data may then be NULL. */
struct bytes {
    const uint8_t *data;
    size_t size;
};

struct bytes bytes_of(const void *data, size_t size);

/* `size` bytes of `whole` from `offset`; empty if that is not inside it. */
struct bytes bytes_slice(struct bytes whole, size_t offset, size_t size);

/* Ordinary comparison, for public values. */
bool bytes_equal(struct bytes a, struct bytes b);

struct reader {
    const uint8_t *data;
    size_t size;
    size_t position;
    bool failed;
};

void reader_init(struct reader *reader, struct bytes input);
uint8_t read_u8(struct reader *reader);
uint16_t read_u16le(struct reader *reader);
uint32_t read_u24le(struct reader *reader);
uint32_t read_u32le(struct reader *reader);
uint64_t read_u64le(struct reader *reader);
uint16_t read_u16be(struct reader *reader);
uint32_t read_u32be(struct reader *reader);
uint64_t read_u64be(struct reader *reader);
/* Borrowed from the input; empty and failed when fewer than `size` bytes remain. */
struct bytes read_bytes(struct reader *reader, size_t size);
/* Copies exactly `size` bytes; on failure `out` is zeroed. */
void read_copy(struct reader *reader, void *out, size_t size);
struct bytes read_rest(struct reader *reader);
void read_skip(struct reader *reader, size_t size);
size_t reader_remaining(const struct reader *reader);
/* OK only if no read failed and every byte was consumed; else TRUNCATED or INVALID. */
MUST_USE enum status reader_finish(const struct reader *reader);
/* OK only if no read failed; trailing bytes allowed. */
MUST_USE enum status reader_check(const struct reader *reader);

struct writer {
    uint8_t *data;
    size_t capacity;
    size_t size; /* bytes written so far */
    bool failed;
};

void writer_init(struct writer *writer, void *buffer, size_t capacity);
void write_u8(struct writer *writer, uint8_t value);
void write_u16le(struct writer *writer, uint16_t value);
void write_u24le(struct writer *writer, uint32_t value);
void write_u32le(struct writer *writer, uint32_t value);
void write_u64le(struct writer *writer, uint64_t value);
void write_u16be(struct writer *writer, uint16_t value);
void write_u32be(struct writer *writer, uint32_t value);
void write_u64be(struct writer *writer, uint64_t value);
void write_bytes(struct writer *writer, struct bytes bytes);
void write_fill(struct writer *writer, uint8_t value, size_t count);
/* Reserves `size` bytes to be filled by the caller; NULL and failed when there is no room. */
uint8_t *write_reserve(struct writer *writer, size_t size);
/* Overwrites two bytes already written, for a length known only afterwards. */
void write_patch_u16le(struct writer *writer, size_t offset, uint16_t value);
void write_patch_u24le(struct writer *writer, size_t offset, uint32_t value);
struct bytes writer_bytes(const struct writer *writer);
/* NO_SPACE if any write failed. */
MUST_USE enum status writer_check(const struct writer *writer);

#endif
