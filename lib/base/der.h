/*
 * DER (X.690): a strict bounded reader and a writer, on the readers and writers of base/bytes.h.
 *
 * Reading: one `struct reader` per constructed value. der_enter opens the contents of a SEQUENCE,
 * SET or context tag as a reader of its own; each reader ends with reader_finish (all consumed,
 * nothing failed) before any value is used. A failed read yields empty or zero and sticks, and an
 * inner reader opened on a failed outer one is failed from the start. Values are borrowed.
 *
 *     der_enter(&outer, DER_SEQUENCE, &inner);
 *     der_expect_oid(&inner, oid);
 *     value = der_read(&inner, DER_OCTET_STRING);
 *     if (reader_finish(&inner) != STATUS_OK || reader_finish(&outer) != STATUS_OK) ...
 *
 * Writing: der_begin writes a tag and remembers the place, der_end inserts the minimal length by
 * moving the contents up. Every der_begin is closed by its der_end, innermost first; check once
 * with writer_check.
 *
 * Only what X.509, PKCS #10 and ECDSA need: one-byte tags, definite minimal lengths below 64 KiB.
 * Anything else is refused, so that no two encodings of one value are both accepted.
 */
#ifndef NUSEC_BASE_DER_H
#define NUSEC_BASE_DER_H

#include "base/bytes.h"

#define DER_BOOLEAN          0x01
#define DER_INTEGER          0x02
#define DER_BIT_STRING       0x03
#define DER_OCTET_STRING     0x04
#define DER_NULL             0x05
#define DER_OID              0x06
#define DER_UTF8_STRING      0x0C
#define DER_PRINTABLE_STRING 0x13
#define DER_UTC_TIME         0x17
#define DER_GENERALIZED_TIME 0x18
#define DER_SEQUENCE         0x30
#define DER_SET              0x31
/* [n] primitive and [n] constructed, n < 31. */
#define DER_CONTEXT(n)             (0x80 | (n))
#define DER_CONTEXT_CONSTRUCTED(n) (0xA0 | (n))

/* The tag of the next value, without consuming it; 0 (no valid tag) at the end or after a failure.
 */
uint8_t der_peek_tag(const struct reader *reader);

/* The contents of the next value, whose tag must be `tag`. */
struct bytes der_read(struct reader *reader, uint8_t tag);

/* The contents of the next value whatever its tag; `tag` is 0 on failure. */
struct bytes der_read_any(struct reader *reader, uint8_t *tag);

/* The next value with its tag and length, as a signature covers it. */
struct bytes der_read_element(struct reader *reader, uint8_t tag);

/* Opens the contents of the next value, whose tag must be `tag`, as a reader of its own. */
void der_enter(struct reader *reader, uint8_t tag, struct reader *inner);

/* Reads an OBJECT IDENTIFIER and fails unless it is `oid` (value bytes, without tag and length). */
void der_expect_oid(struct reader *reader, struct bytes oid);

bool der_read_boolean(struct reader *reader);

/* An INTEGER from 0 to 2^32 - 1. */
uint32_t der_read_u32(struct reader *reader);

/* A non-negative INTEGER, big-endian, zero-padded on the left to `size`; zeroed on failure. */
void der_read_unsigned(struct reader *reader, uint8_t *out, size_t size);

/* The bytes of a BIT STRING with no unused bits. */
struct bytes der_read_bit_string(struct reader *reader);

/* Returns the mark that der_end needs. */
size_t der_begin(struct writer *writer, uint8_t tag);
void der_end(struct writer *writer, size_t mark);

/* A whole value: `tag`, length, `contents`. Strings, OIDs, octet strings, times. */
void der_write(struct writer *writer, uint8_t tag, struct bytes contents);
void der_write_boolean(struct writer *writer, bool value);
void der_write_null(struct writer *writer);
void der_write_u32(struct writer *writer, uint32_t value);
/* Big-endian `value` as a non-negative INTEGER: leading zeros stripped, one added if needed. */
void der_write_unsigned(struct writer *writer, struct bytes value);
/* A BIT STRING with no unused bits. */
void der_write_bit_string(struct writer *writer, struct bytes bits);

#endif
