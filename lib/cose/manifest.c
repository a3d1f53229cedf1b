#include "cose/manifest.h"

#include "cose/cbor.h"
#include "cose/cose_sign1.h"

#include <string.h>

enum { KEY_KIND = 1, KEY_FAMILY, KEY_VERSION, KEY_SIZE, KEY_SHA256, KEY_COUNTER, KEYS = 6 };

void manifest_write(struct writer *writer, const struct manifest *manifest) {
    cbor_write_map(writer, KEYS);
    cbor_write_uint(writer, KEY_KIND);
    cbor_write_text_bytes(writer, manifest->kind);
    cbor_write_uint(writer, KEY_FAMILY);
    cbor_write_text_bytes(writer, manifest->family);
    cbor_write_uint(writer, KEY_VERSION);
    cbor_write_text_bytes(writer, manifest->version);
    cbor_write_uint(writer, KEY_SIZE);
    cbor_write_uint(writer, manifest->size);
    cbor_write_uint(writer, KEY_SHA256);
    cbor_write_bytes(writer, bytes_of(manifest->sha256, sizeof manifest->sha256));
    cbor_write_uint(writer, KEY_COUNTER);
    cbor_write_uint(writer, manifest->counter);
}

static struct bytes read_name(struct reader *reader) {
    struct bytes name = cbor_read_text(reader);
    if (name.size == 0 || name.size > MANIFEST_TEXT_MAX) {
        reader->failed = true;
    }
    return name;
}

enum status manifest_parse(struct bytes payload, struct manifest *manifest) {
    struct reader reader;
    reader_init(&reader, payload);
    memset(manifest, 0, sizeof *manifest);
    cbor_expect_map(&reader, KEYS);
    cbor_expect_uint(&reader, KEY_KIND);
    manifest->kind = read_name(&reader);
    cbor_expect_uint(&reader, KEY_FAMILY);
    manifest->family = read_name(&reader);
    cbor_expect_uint(&reader, KEY_VERSION);
    manifest->version = read_name(&reader);
    cbor_expect_uint(&reader, KEY_SIZE);
    manifest->size = cbor_read_uint(&reader);
    cbor_expect_uint(&reader, KEY_SHA256);
    cbor_read_fixed(&reader, manifest->sha256, sizeof manifest->sha256);
    cbor_expect_uint(&reader, KEY_COUNTER);
    manifest->counter = cbor_read_uint(&reader);
    enum status status = reader_finish(&reader);
    if (status != STATUS_OK) {
        memset(manifest, 0, sizeof *manifest);
    }
    return status;
}

enum status manifest_verify(struct bytes encoded, const uint8_t public_key[64],
                            struct manifest *manifest) {
    struct cose_sign1 message;
    memset(manifest, 0, sizeof *manifest);
    enum status status = cose_sign1_parse(encoded, &message);
    if (status == STATUS_OK && message.x5chain_count != 0) {
        status = STATUS_INVALID; /* one encoding: the key is known, no chain belongs here */
    }
    if (status == STATUS_OK) {
        status = cose_sign1_verify(&message, public_key);
    }
    if (status == STATUS_OK) {
        status = manifest_parse(message.payload, manifest);
    }
    return status;
}
