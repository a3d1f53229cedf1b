#include "cose/cose_sign1.h"

#include "cose/cbor.h"
#include "crypto/crypto.h"

static void read_x5chain(struct reader *header, struct cose_sign1 *message) {
    /* RFC 9360, 2: one certificate is a byte string, several are an array of two or more. */
    if (cbor_peek(header) == CBOR_BYTES) {
        message->x5chain[0] = cbor_read_bytes(header);
        message->x5chain_count = 1;
        return;
    }
    size_t count = cbor_read_array(header);
    if (count < 2 || count > COSE_CHAIN_MAX) {
        header->failed = true;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        message->x5chain[i] = cbor_read_bytes(header);
    }
    message->x5chain_count = (unsigned)count;
}

static enum status parse_protected(struct cose_sign1 *message) {
    struct reader header;
    struct cbor_map map;
    bool has_algorithm = false;
    reader_init(&header, message->protected_header);
    cbor_read_map(&header, &map);
    while (cbor_map_next(&header, &map)) {
        int64_t label = cbor_read_int(&header);
        if (label == COSE_HEADER_ALG) {
            if (cbor_read_int(&header) != COSE_ALG_ES256) {
                return header.failed ? STATUS_INVALID : STATUS_UNSUPPORTED;
            }
            has_algorithm = true;
        } else if (label == COSE_HEADER_X5CHAIN) {
            read_x5chain(&header, message);
        } else {
            return header.failed ? STATUS_INVALID : STATUS_UNSUPPORTED;
        }
    }
    enum status status = reader_finish(&header);
    if (status != STATUS_OK) {
        return status;
    }
    return has_algorithm ? STATUS_OK : STATUS_INVALID;
}

enum status cose_sign1_parse(struct bytes encoded, struct cose_sign1 *message) {
    static const struct cose_sign1 nothing;
    struct reader reader;
    *message = nothing;
    reader_init(&reader, encoded);
    cbor_expect_tag(&reader, COSE_TAG_SIGN1);
    cbor_expect_array(&reader, 4);
    message->protected_header = cbor_read_bytes(&reader);
    cbor_expect_map(&reader, 0);
    message->payload = cbor_read_bytes(&reader);
    struct bytes signature = cbor_read_bytes(&reader);
    enum status status = reader_finish(&reader);
    if (status == STATUS_OK && signature.size != COSE_SIGNATURE_SIZE) {
        status = STATUS_INVALID;
    }
    message->signature = signature.data;
    if (status == STATUS_OK) {
        status = parse_protected(message);
    }
    if (status != STATUS_OK) {
        *message = nothing;
    }
    return status;
}

static void hash_bytes(struct crypto_sha256 *hash, struct bytes value) {
    uint8_t head[9];
    struct writer writer;
    writer_init(&writer, head, sizeof head);
    cbor_write_bytes_head(&writer, value.size);
    crypto_sha256_update(hash, writer_bytes(&writer));
    crypto_sha256_update(hash, value);
}

void cose_sign1_digest(struct bytes protected_header, struct bytes payload, uint8_t digest[32]) {
    /* Sig_structure (RFC 9052, 4.4): ["Signature1", protected, external_aad, payload]. */
    uint8_t start[12];
    struct writer writer;
    struct crypto_sha256 hash;
    writer_init(&writer, start, sizeof start);
    cbor_write_array(&writer, 4);
    cbor_write_text(&writer, "Signature1");
    crypto_sha256_start(&hash);
    crypto_sha256_update(&hash, writer_bytes(&writer));
    hash_bytes(&hash, protected_header);
    hash_bytes(&hash, bytes_of(NULL, 0));
    hash_bytes(&hash, payload);
    crypto_sha256_finish(&hash, digest);
}

enum status cose_sign1_verify(const struct cose_sign1 *message, const uint8_t public_key[64]) {
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    cose_sign1_digest(message->protected_header, message->payload, digest);
    return crypto_p256_verify(public_key, digest, message->signature);
}

static size_t string_size(size_t size) {
    return cbor_head_size(size) + size;
}

/* Labels and values in front of the certificates: map, 1: -7, then 33 and the array head. */
static size_t protected_size(const struct bytes *x5chain, unsigned count) {
    size_t size = 3;
    if (count > 0) {
        size += count > 1 ? 3 : 2;
    }
    for (unsigned i = 0; i < count; i++) {
        size += string_size(x5chain[i].size);
    }
    return size;
}

static void write_protected(struct writer *writer, const struct bytes *x5chain, unsigned count) {
    cbor_write_map(writer, count > 0 ? 2 : 1);
    cbor_write_uint(writer, COSE_HEADER_ALG);
    cbor_write_int(writer, COSE_ALG_ES256);
    if (count > 0) {
        cbor_write_uint(writer, COSE_HEADER_X5CHAIN);
    }
    if (count > 1) {
        cbor_write_array(writer, count);
    }
    for (unsigned i = 0; i < count; i++) {
        cbor_write_bytes(writer, x5chain[i]);
    }
}

enum status cose_sign1_write(struct writer *writer, const struct bytes *x5chain,
                             unsigned x5chain_count, struct bytes payload, cose_sign_function *sign,
                             void *context) {
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    uint8_t signature[COSE_SIGNATURE_SIZE];
    if (x5chain_count > COSE_CHAIN_MAX) {
        return STATUS_INVALID;
    }
    cbor_write_tag(writer, COSE_TAG_SIGN1);
    cbor_write_array(writer, 4);
    cbor_write_bytes_head(writer, protected_size(x5chain, x5chain_count));
    size_t start = writer->size;
    write_protected(writer, x5chain, x5chain_count);
    struct bytes protected_header = bytes_slice(writer_bytes(writer), start, writer->size - start);
    cbor_write_map(writer, 0);
    cbor_write_bytes(writer, payload);
    enum status status = writer_check(writer);
    if (status != STATUS_OK) {
        return status;
    }
    cose_sign1_digest(protected_header, payload, digest);
    status = sign(context, digest, signature);
    if (status != STATUS_OK) {
        return status;
    }
    cbor_write_bytes(writer, bytes_of(signature, sizeof signature));
    return writer_check(writer);
}

size_t cose_sign1_size_max(const struct bytes *x5chain, unsigned x5chain_count,
                           size_t payload_size) {
    /* tag, array, empty map: one byte each. */
    return 3 + string_size(protected_size(x5chain, x5chain_count)) + string_size(payload_size) +
           string_size(COSE_SIGNATURE_SIZE);
}
