/*
 * The CBOR subset of NuSEC's objects (RFC 8949 deterministic encoding, 4.2.1), on the readers and
 * writers of base/bytes.h: unsigned and negative integers, byte and text strings, arrays, maps,
 * tags, false, true, null.
 *
 * Refused when reading: lengths and integers not in shortest form, indefinite lengths, floats and
 * other simple values, text that is not UTF-8, map keys out of order or twice. So one value has one
 * encoding, and a signature over it cannot be moved to another.
 *
 * A failed read yields zero or empty and sticks. An object of fixed shape is read in line:
 *
 *     cbor_expect_map(&reader, 2);
 *     cbor_expect_uint(&reader, 1);
 *     command = cbor_read_uint(&reader);
 *     cbor_expect_uint(&reader, 2);
 *     cbor_read_fixed(&reader, nonce, sizeof nonce);
 *     if (reader_finish(&reader) != STATUS_OK) ...
 *
 * A map of optional keys is walked with struct cbor_map, which enforces the key order.
 */
#ifndef NUSEC_COSE_CBOR_H
#define NUSEC_COSE_CBOR_H

#include "base/bytes.h"

/* Nesting that cbor_skip accepts; deeper input is refused, so it bounds the stack. */
#define CBOR_DEPTH_MAX 8

enum cbor_type { /* the major types */
                 CBOR_UINT = 0,
                 CBOR_NINT = 1,
                 CBOR_BYTES = 2,
                 CBOR_TEXT = 3,
                 CBOR_ARRAY = 4,
                 CBOR_MAP = 5,
                 CBOR_TAG = 6,
                 CBOR_SIMPLE = 7,
                 CBOR_NONE = 8, /* end of input or an earlier failure */
};

/* Type of the next item, without consuming it. */
enum cbor_type cbor_peek(const struct reader *reader);

uint64_t cbor_read_uint(struct reader *reader);
/* Unsigned or negative; fails outside int64_t. */
int64_t cbor_read_int(struct reader *reader);
/* Borrowed. */
struct bytes cbor_read_bytes(struct reader *reader);
struct bytes cbor_read_text(struct reader *reader);
/* A byte string of exactly `size` bytes; zeroed on failure. */
void cbor_read_fixed(struct reader *reader, void *out, size_t size);
bool cbor_read_bool(struct reader *reader);
void cbor_read_null(struct reader *reader);
/* Number of items (pairs) that follow; fails if that many cannot be left in the input. */
size_t cbor_read_array(struct reader *reader);
uint64_t cbor_read_tag(struct reader *reader);

/* Fail unless the next item is exactly this. */
void cbor_expect_uint(struct reader *reader, uint64_t value);
void cbor_expect_text(struct reader *reader, const char *text);
void cbor_expect_array(struct reader *reader, size_t count);
void cbor_expect_map(struct reader *reader, size_t pairs);
void cbor_expect_tag(struct reader *reader, uint64_t tag);

/* Any whole item, checked inside too; returns its encoding, borrowed. */
struct bytes cbor_read_item(struct reader *reader);
void cbor_skip(struct reader *reader);

/* Walks a map: while (cbor_map_next(&reader, &map)) { read the key, read the value }. */
struct cbor_map {
    size_t remaining;
    struct bytes previous_key; /* encoded */
};
void cbor_read_map(struct reader *reader, struct cbor_map *map);
/* True when a key follows, checked to be greater than the one before; false at the end or on
 * failure. */
bool cbor_map_next(struct reader *reader, struct cbor_map *map);

void cbor_write_uint(struct writer *writer, uint64_t value);
void cbor_write_int(struct writer *writer, int64_t value);
void cbor_write_bytes(struct writer *writer, struct bytes value);
/* Only the head, for contents that the caller writes next. */
void cbor_write_bytes_head(struct writer *writer, size_t size);
void cbor_write_text(struct writer *writer, const char *text);
/* `text` must be UTF-8. */
void cbor_write_text_bytes(struct writer *writer, struct bytes text);
void cbor_write_array(struct writer *writer, size_t count);
/* The caller writes the keys in order: bytewise by encoding, that is, small integers first. */
void cbor_write_map(struct writer *writer, size_t pairs);
void cbor_write_tag(struct writer *writer, uint64_t tag);
void cbor_write_bool(struct writer *writer, bool value);
void cbor_write_null(struct writer *writer);

/* Size of the head (type and length) of an item with argument `value`: 1, 2, 3, 5 or 9. */
size_t cbor_head_size(uint64_t value);

#endif
