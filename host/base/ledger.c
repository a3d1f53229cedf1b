#include "base/ledger.h"

#include "cose/cbor.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#define ENTRY_ITEMS 5

/* Keys in the order of their encodings: the shorter first, then bytewise (RFC 8949, 4.2.1). */
static int compare_members(const void *a, const void *b) {
    const struct ledger_member *left = a;
    const struct ledger_member *right = b;
    size_t left_size = strlen(left->key);
    size_t right_size = strlen(right->key);
    if (left_size != right_size)
        return left_size < right_size ? -1 : 1;
    return strcmp(left->key, right->key);
}

static void write_member(struct writer *writer, const struct ledger_member *member) {
    cbor_write_text(writer, member->key);
    switch (member->kind) {
    case LEDGER_TEXT: cbor_write_text(writer, member->text); break;
    case LEDGER_NUMBER: cbor_write_uint(writer, member->number); break;
    case LEDGER_BYTES: cbor_write_bytes(writer, member->bytes); break;
    }
}

static void write_entry(struct writer *writer, const struct ledger_head *head, uint64_t time,
                        const char *type, const struct ledger_member *members, size_t count) {
    struct ledger_member sorted[LEDGER_MEMBERS_MAX];
    if (count != 0)
        memcpy(sorted, members, count * sizeof(sorted[0]));
    qsort(sorted, count, sizeof(sorted[0]), compare_members);
    cbor_write_array(writer, ENTRY_ITEMS);
    cbor_write_uint(writer, head->sequence + 1);
    cbor_write_bytes(writer, bytes_of(head->hash, LEDGER_HASH_SIZE));
    cbor_write_uint(writer, time);
    cbor_write_text(writer, type);
    cbor_write_map(writer, count);
    for (size_t i = 0; i < count; i++)
        write_member(writer, &sorted[i]);
}

static void move_on(struct ledger_head *head, const struct ledger_entry *entry) {
    head->sequence = entry->sequence;
    memcpy(head->hash, entry->hash, LEDGER_HASH_SIZE);
}

int ledger_append(struct ledger_head *head, uint64_t time, const char *type,
                  const struct ledger_member *members, size_t member_count, struct buffer *out,
                  struct error *error) {
    uint8_t encoded[LEDGER_ENTRY_MAX];
    struct writer writer;
    struct ledger_entry entry;
    if (member_count > LEDGER_MEMBERS_MAX)
        return error_set(error, ERROR_INTERNAL, "too many members for a ledger entry");
    writer_init(&writer, encoded, sizeof(encoded));
    write_entry(&writer, head, time, type, members, member_count);
    if (writer_check(&writer) != STATUS_OK)
        return error_set(error, ERROR_INTERNAL, "a ledger entry has at most %d bytes",
                         LEDGER_ENTRY_MAX);
    /* What is written must be what the other side will accept: duplicate keys, bad UTF-8. */
    if (ledger_parse(writer_bytes(&writer), &entry, error) != 0)
        return error_set(error, ERROR_INTERNAL, "the ledger entry breaks its own format");
    buffer_append(out, encoded, writer.size);
    if (buffer_check(out, error) != 0)
        return -1;
    move_on(head, &entry);
    return 0;
}

static void read_type(struct reader *reader, char type[LEDGER_TYPE_MAX + 1]) {
    struct bytes text = cbor_read_text(reader);
    if (text.size == 0 || text.size > LEDGER_TYPE_MAX || memchr(text.data, 0, text.size) != NULL)
        reader->failed = true;
    else
        memcpy(type, text.data, text.size);
}

/* Text keys in order, values of the three kinds. */
static void read_body(struct reader *reader) {
    struct cbor_map map;
    size_t count = 0;
    cbor_read_map(reader, &map);
    while (cbor_map_next(reader, &map)) {
        (void)cbor_read_text(reader);
        switch (cbor_peek(reader)) {
        case CBOR_TEXT: (void)cbor_read_text(reader); break;
        case CBOR_UINT: (void)cbor_read_uint(reader); break;
        case CBOR_BYTES: (void)cbor_read_bytes(reader); break;
        default: reader->failed = true; break;
        }
        if (++count > LEDGER_MEMBERS_MAX)
            reader->failed = true;
    }
}

int ledger_parse(struct bytes encoded, struct ledger_entry *entry, struct error *error) {
    struct reader reader;
    memset(entry, 0, sizeof(*entry));
    reader_init(&reader, encoded);
    cbor_expect_array(&reader, ENTRY_ITEMS);
    entry->sequence = cbor_read_uint(&reader);
    cbor_read_fixed(&reader, entry->previous, LEDGER_HASH_SIZE);
    entry->time = cbor_read_uint(&reader);
    read_type(&reader, entry->type);
    size_t start = reader.position;
    read_body(&reader);
    if (encoded.size > LEDGER_ENTRY_MAX || reader_finish(&reader) != STATUS_OK ||
        entry->sequence == 0 || entry->sequence > INT64_MAX || entry->time > INT64_MAX) {
        memset(entry, 0, sizeof(*entry));
        return error_set(error, ERROR_BAD_REQUEST, "not a ledger entry");
    }
    entry->body = bytes_slice(encoded, start, encoded.size - start);
    SHA256(encoded.data, encoded.size, entry->hash);
    return 0;
}

int ledger_extend(struct ledger_head *head, struct bytes encoded, struct ledger_entry *entry,
                  struct error *error) {
    if (ledger_parse(encoded, entry, error) != 0)
        return -1;
    if (entry->sequence != head->sequence + 1)
        return error_set(error, ERROR_LEDGER_DIVERGED,
                         "the ledger continues with entry %llu, entry %llu was sent",
                         (unsigned long long)head->sequence + 1,
                         (unsigned long long)entry->sequence);
    if (memcmp(entry->previous, head->hash, LEDGER_HASH_SIZE) != 0)
        return error_set(error, ERROR_LEDGER_DIVERGED,
                         "ledger entry %llu does not follow the entry %llu known here",
                         (unsigned long long)entry->sequence, (unsigned long long)head->sequence);
    move_on(head, entry);
    return 0;
}

/* The value of a member, its reader standing on it. The body was checked by ledger_parse. */
static int find_member(const struct ledger_entry *entry, const char *key, enum cbor_type type,
                       struct reader *value) {
    struct cbor_map map;
    reader_init(value, entry->body);
    cbor_read_map(value, &map);
    while (cbor_map_next(value, &map)) {
        struct bytes name = cbor_read_text(value);
        if (bytes_equal(name, bytes_of(key, strlen(key))))
            return cbor_peek(value) == type ? 0 : -1;
        cbor_skip(value);
    }
    return -1;
}

int ledger_body_text(const struct ledger_entry *entry, const char *key, char *out,
                     size_t capacity) {
    struct reader reader;
    memset(out, 0, capacity);
    if (find_member(entry, key, CBOR_TEXT, &reader) != 0)
        return -1;
    struct bytes text = cbor_read_text(&reader);
    if (text.size >= capacity || (text.size != 0 && memchr(text.data, 0, text.size) != NULL))
        return -1;
    if (text.size != 0)
        memcpy(out, text.data, text.size);
    return 0;
}

int ledger_body_number(const struct ledger_entry *entry, const char *key, uint64_t *value) {
    struct reader reader;
    *value = 0;
    if (find_member(entry, key, CBOR_UINT, &reader) != 0)
        return -1;
    *value = cbor_read_uint(&reader);
    return 0;
}

int ledger_body_bytes(const struct ledger_entry *entry, const char *key, struct bytes *value) {
    struct reader reader;
    *value = bytes_of(NULL, 0);
    if (find_member(entry, key, CBOR_BYTES, &reader) != 0)
        return -1;
    *value = cbor_read_bytes(&reader);
    return 0;
}
