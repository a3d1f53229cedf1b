#include "cose/permit.h"

#include "cose/cbor.h"

#include <string.h>

enum { KEY_COMMAND = 1, KEY_ARGUMENTS, KEY_UID, KEY_AUTH_KEY_HASH, KEY_NONCE, KEYS = KEY_NONCE };
enum { ARGUMENT_ROOT_HASH = 1, ARGUMENT_COMMAND_KEY_HASH, ROOT_HASH_ARGUMENTS = 2 };

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

void permit_write_root_hash(struct writer *writer, const struct permit *permit,
                            const struct permit_root_hash *root_hash) {
    cbor_write_map(writer, KEYS);
    cbor_write_uint(writer, KEY_COMMAND);
    cbor_write_uint(writer, PERMIT_ROOT_HASH);
    cbor_write_uint(writer, KEY_ARGUMENTS);
    cbor_write_map(writer, ROOT_HASH_ARGUMENTS);
    cbor_write_uint(writer, ARGUMENT_ROOT_HASH);
    cbor_write_bytes(writer, bytes_of(root_hash->root_hash, sizeof root_hash->root_hash));
    cbor_write_uint(writer, ARGUMENT_COMMAND_KEY_HASH);
    cbor_write_bytes(writer,
                     bytes_of(root_hash->command_key_hash, sizeof root_hash->command_key_hash));
    cbor_write_uint(writer, KEY_UID);
    cbor_write_bytes(writer, bytes_of(permit->uid, sizeof permit->uid));
    cbor_write_uint(writer, KEY_AUTH_KEY_HASH);
    cbor_write_bytes(writer, bytes_of(permit->auth_key_hash, sizeof permit->auth_key_hash));
    cbor_write_uint(writer, KEY_NONCE);
    cbor_write_bytes(writer, bytes_of(permit->nonce, sizeof permit->nonce));
}
