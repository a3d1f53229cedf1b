#include "cose/permit.h"

#include "cose/cbor.h"

#include <string.h>

enum { KEY_COMMAND = 1, KEY_ARGUMENTS, KEY_UID, KEY_AUTH_KEY_HASH, KEY_NONCE, KEYS = KEY_NONCE };
enum { ARGUMENT_ROOT_HASH = 1, ARGUMENT_COMMAND_KEY_HASH, ROOT_HASH_ARGUMENTS = 2 };
enum { ARGUMENT_TARGET = 1, ARGUMENT_KEY_HASH, BOOT_KEY_HASH_ARGUMENTS = 2 };
enum { ARGUMENT_OBJECT_ID = 1, OBJECT_ID_ARGUMENTS = 1 };
enum { TARGET_BL2 = 1, TARGET_BL3 = 2 };

enum status permit_parse(struct bytes payload, struct permit *permit) {
    struct reader reader;
    memset(permit, 0, sizeof *permit);
    reader_init(&reader, payload);
    cbor_expect_map(&reader, KEYS);
    cbor_expect_uint(&reader, KEY_COMMAND);
    permit->command = cbor_read_uint(&reader);
    cbor_expect_uint(&reader, KEY_ARGUMENTS);
    bool is_map = cbor_peek(&reader) == CBOR_MAP;
    permit->arguments = cbor_read_item(&reader);
    cbor_expect_uint(&reader, KEY_UID);
    cbor_read_fixed(&reader, permit->uid, sizeof permit->uid);
    cbor_expect_uint(&reader, KEY_AUTH_KEY_HASH);
    cbor_read_fixed(&reader, permit->auth_key_hash, sizeof permit->auth_key_hash);
    cbor_expect_uint(&reader, KEY_NONCE);
    cbor_read_fixed(&reader, permit->nonce, sizeof permit->nonce);
    enum status status = reader_finish(&reader);
    if (status == STATUS_OK && !is_map) {
        status = STATUS_INVALID;
    }
    if (status != STATUS_OK) {
        memset(permit, 0, sizeof *permit);
    }
    return status;
}

enum status permit_parse_root_hash(struct bytes arguments, struct permit_root_hash *root_hash) {
    struct reader reader;
    memset(root_hash, 0, sizeof *root_hash);
    reader_init(&reader, arguments);
    cbor_expect_map(&reader, ROOT_HASH_ARGUMENTS);
    cbor_expect_uint(&reader, ARGUMENT_ROOT_HASH);
    cbor_read_fixed(&reader, root_hash->root_hash, sizeof root_hash->root_hash);
    cbor_expect_uint(&reader, ARGUMENT_COMMAND_KEY_HASH);
    cbor_read_fixed(&reader, root_hash->command_key_hash, sizeof root_hash->command_key_hash);
    enum status status = reader_finish(&reader);
    if (status != STATUS_OK) {
        memset(root_hash, 0, sizeof *root_hash);
    }
    return status;
}

enum status permit_parse_boot_key_hash(struct bytes arguments,
                                       struct permit_boot_key_hash *boot_key_hash) {
    struct reader reader;
    memset(boot_key_hash, 0, sizeof *boot_key_hash);
    reader_init(&reader, arguments);
    cbor_expect_map(&reader, BOOT_KEY_HASH_ARGUMENTS);
    cbor_expect_uint(&reader, ARGUMENT_TARGET);
    boot_key_hash->target = cbor_read_uint(&reader);
    cbor_expect_uint(&reader, ARGUMENT_KEY_HASH);
    cbor_read_fixed(&reader, boot_key_hash->key_hash, sizeof boot_key_hash->key_hash);
    enum status status = reader_finish(&reader);
    if (status == STATUS_OK && boot_key_hash->target != TARGET_BL2 &&
        boot_key_hash->target != TARGET_BL3) {
        status = STATUS_INVALID;
    }
    if (status != STATUS_OK) {
        memset(boot_key_hash, 0, sizeof *boot_key_hash);
    }
    return status;
}

enum status permit_parse_object_id(struct bytes arguments, struct bytes *object_id) {
    struct reader reader;
    reader_init(&reader, arguments);
    cbor_expect_map(&reader, OBJECT_ID_ARGUMENTS);
    cbor_expect_uint(&reader, ARGUMENT_OBJECT_ID);
    *object_id = cbor_read_bytes(&reader);
    enum status status = reader_finish(&reader);
    if (status == STATUS_OK && (object_id->size == 0 || object_id->size > PERMIT_OBJECT_ID_MAX)) {
        status = STATUS_INVALID;
    }
    if (status != STATUS_OK) {
        *object_id = bytes_of(NULL, 0);
    }
    return status;
}

enum status permit_parse_no_arguments(struct bytes arguments) {
    struct reader reader;
    reader_init(&reader, arguments);
    cbor_expect_map(&reader, 0);
    return reader_finish(&reader);
}

/* The map up to its arguments, which the caller writes next. */
static void write_head(struct writer *writer, uint64_t command) {
    cbor_write_map(writer, KEYS);
    cbor_write_uint(writer, KEY_COMMAND);
    cbor_write_uint(writer, command);
    cbor_write_uint(writer, KEY_ARGUMENTS);
}

static void write_binding(struct writer *writer, const struct permit *permit) {
    cbor_write_uint(writer, KEY_UID);
    cbor_write_bytes(writer, bytes_of(permit->uid, sizeof permit->uid));
    cbor_write_uint(writer, KEY_AUTH_KEY_HASH);
    cbor_write_bytes(writer, bytes_of(permit->auth_key_hash, sizeof permit->auth_key_hash));
    cbor_write_uint(writer, KEY_NONCE);
    cbor_write_bytes(writer, bytes_of(permit->nonce, sizeof permit->nonce));
}

void permit_write_root_hash(struct writer *writer, const struct permit *permit,
                            const struct permit_root_hash *root_hash) {
    write_head(writer, PERMIT_ROOT_HASH);
    cbor_write_map(writer, ROOT_HASH_ARGUMENTS);
    cbor_write_uint(writer, ARGUMENT_ROOT_HASH);
    cbor_write_bytes(writer, bytes_of(root_hash->root_hash, sizeof root_hash->root_hash));
    cbor_write_uint(writer, ARGUMENT_COMMAND_KEY_HASH);
    cbor_write_bytes(writer,
                     bytes_of(root_hash->command_key_hash, sizeof root_hash->command_key_hash));
    write_binding(writer, permit);
}

void permit_write_boot_key_hash(struct writer *writer, const struct permit *permit,
                                const struct permit_boot_key_hash *boot_key_hash) {
    write_head(writer, PERMIT_BOOT_KEY_HASH);
    cbor_write_map(writer, BOOT_KEY_HASH_ARGUMENTS);
    cbor_write_uint(writer, ARGUMENT_TARGET);
    cbor_write_uint(writer, boot_key_hash->target);
    cbor_write_uint(writer, ARGUMENT_KEY_HASH);
    cbor_write_bytes(writer, bytes_of(boot_key_hash->key_hash, sizeof boot_key_hash->key_hash));
    write_binding(writer, permit);
}

void permit_write_object_id(struct writer *writer, const struct permit *permit,
                            struct bytes object_id) {
    write_head(writer, PERMIT_OBJECT_ID);
    cbor_write_map(writer, OBJECT_ID_ARGUMENTS);
    cbor_write_uint(writer, ARGUMENT_OBJECT_ID);
    cbor_write_bytes(writer, object_id);
    write_binding(writer, permit);
}

void permit_write_no_arguments(struct writer *writer, const struct permit *permit) {
    write_head(writer, permit->command);
    cbor_write_map(writer, 0);
    write_binding(writer, permit);
}
