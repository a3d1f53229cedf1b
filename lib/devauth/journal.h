/*
 * Device state outside OTP (certificate chain, object id): an A/B page journal in NOR flash.
 * docs/formats/journal.md has every stored byte.
 *
 * Calling sequence: journal_mount once after reset, then journal_read / journal_write.
 *
 * A half (a few pages) holds a header and records appended one after another; the newest committed
 * record of a type counts. When a half is full, or its end cannot be trusted, the live records move
 * to the other half and its header is programmed last. A power cut at any flash operation leaves
 * either the old value or the new one, never neither and never a mixture; a cell whose state is
 * unknown is never programmed. No RAM copy of the contents is kept.
 */
#ifndef NUSEC_DEVAUTH_JOURNAL_H
#define NUSEC_DEVAUTH_JOURNAL_H

#include "base/bytes.h"

#define JOURNAL_UNIT 8 /* bytes programmed at once; the flash's own unit must divide it */

enum journal_type {
    JOURNAL_CERTIFICATE_CHAIN = 1, /* CertChain blob of slot 0 */
    JOURNAL_OBJECT_ID = 2,
};
#define JOURNAL_TYPES 8 /* types 1..7; each keeps its newest record through compaction */

/* Borrowed for the journal's life. Semantics of firmware/hal's flash functions. */
struct journal_flash {
    enum status (*read)(uint32_t offset, uint8_t *out, size_t size);
    enum status (*program)(uint32_t offset, const uint8_t *data, size_t size);
    enum status (*erase)(uint32_t offset);
    uint32_t first_offset; /* of half A; half B follows at once */
    uint32_t page_bytes;
    uint32_t half_pages;
};

struct journal {
    struct journal_flash flash;
    int32_t active;      /* 0, 1, or -1: no valid half */
    uint32_t generation; /* of the active half */
    uint32_t end;        /* first free byte, offset inside the active half */
    bool closed;         /* the active half's end cannot be trusted: compact before writing */
    uint32_t record[JOURNAL_TYPES]; /* offset of the newest record inside the half, 0 = none */
};

/* OK also on an empty or never used journal. FLASH if reading fails. */
MUST_USE enum status journal_mount(struct journal *journal, const struct journal_flash *flash);

/* NOT_FOUND if the type has no record, NO_SPACE if `capacity` is too small, FLASH if the stored
 * bytes no longer match their CRC. */
MUST_USE enum status journal_read(struct journal *journal, enum journal_type type, uint8_t *out,
                                  size_t capacity, size_t *size);

/* Durable and read back when it returns OK. NO_SPACE if it can never fit; on FLASH the old value
 * is still there. An empty `value` removes the record. */
MUST_USE enum status journal_write(struct journal *journal, enum journal_type type,
                                   struct bytes value);

#endif
