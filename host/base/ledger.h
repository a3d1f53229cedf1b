/*
 * The hash-chained ledger both sides of a job keep (docs/formats/ledger.md).
 *
 * An entry is deterministic CBOR: [sequence, previous hash, time, type, body], its hash is
 * SHA-256 over exactly these bytes. The first entry has sequence 1 and 32 zero bytes as previous.
 * An entry's bytes are stored and sent as they are, never re-encoded.
 *
 *     struct ledger_head head = {0};                          (an empty ledger)
 *     ledger_append(&head, now, "unit", members, 2, &entry_bytes, error);   store, then keep head
 *     ledger_extend(&head, entry_bytes, &entry, error);       the other side, for each entry
 */
#ifndef NUSEC_HOST_BASE_LEDGER_H
#define NUSEC_HOST_BASE_LEDGER_H

#include "base/buffer.h"

#define LEDGER_HASH_SIZE   32
#define LEDGER_TYPE_MAX    31
#define LEDGER_ENTRY_MAX   1024
#define LEDGER_MEMBERS_MAX 16

/* The last entry: where the next one must attach. All zero for an empty ledger. */
struct ledger_head {
    uint64_t sequence;
    uint8_t hash[LEDGER_HASH_SIZE];
};

/* One member of the body map: text key (sorted by the encoder), value one of three kinds. */
enum ledger_kind { LEDGER_TEXT, LEDGER_NUMBER, LEDGER_BYTES };
struct ledger_member {
    const char *key;
    enum ledger_kind kind;
    const char *text;
    uint64_t number;
    struct bytes bytes;
};

struct ledger_entry {
    uint64_t sequence;
    uint8_t previous[LEDGER_HASH_SIZE];
    uint64_t time;
    char type[LEDGER_TYPE_MAX + 1];
    struct bytes body; /* the encoded body map, borrowed from the entry bytes */
    uint8_t hash[LEDGER_HASH_SIZE];
};

/* Appends the encoding of the next entry to `out` and moves `head` on to it. */
int ledger_append(struct ledger_head *head, uint64_t time, const char *type,
                  const struct ledger_member *members, size_t member_count, struct buffer *out,
                  struct error *error);

/* Decodes strictly; ERROR_BAD_REQUEST if the bytes are no entry. No chain is checked. */
int ledger_parse(struct bytes encoded, struct ledger_entry *entry, struct error *error);

/*
 * Decodes and requires that the entry attaches to `head`, then moves `head` on to it.
 * ERROR_LEDGER_DIVERGED names the sequence where it does not.
 */
int ledger_extend(struct ledger_head *head, struct bytes encoded, struct ledger_entry *entry,
                  struct error *error);

/* Body members. -1 when absent or of another kind. Text is copied with a terminating zero. */
int ledger_body_text(const struct ledger_entry *entry, const char *key, char *out, size_t capacity);
int ledger_body_number(const struct ledger_entry *entry, const char *key, uint64_t *value);
int ledger_body_bytes(const struct ledger_entry *entry, const char *key, struct bytes *value);

#endif
