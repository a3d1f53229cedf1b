#include "base/der_p256.h"

#include <string.h>

static const uint8_t OID_EC_PUBLIC_KEY[] = {0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01};
static const uint8_t OID_PRIME256V1[] = {0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07};
static const uint8_t OID_ECDSA_SHA256[] = {0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02};

#define UNCOMPRESSED 0x04 /* SEC 1, 2.3.3 */

static void fail_unless_finished(struct reader *reader, const struct reader *inner) {
    if (reader_finish(inner) != STATUS_OK) {
        reader->failed = true;
    }
}

void der_read_p256_public_key(struct reader *reader, uint8_t public_key[DER_P256_PUBLIC_KEY_SIZE]) {
    struct reader info;
    struct reader algorithm;
    struct reader point;
    der_enter(reader, DER_SEQUENCE, &info);
    der_enter(&info, DER_SEQUENCE, &algorithm);
    der_expect_oid(&algorithm, bytes_of(OID_EC_PUBLIC_KEY, sizeof OID_EC_PUBLIC_KEY));
    der_expect_oid(&algorithm, bytes_of(OID_PRIME256V1, sizeof OID_PRIME256V1));
    fail_unless_finished(&info, &algorithm);
    reader_init(&point, der_read_bit_string(&info));
    if (read_u8(&point) != UNCOMPRESSED) {
        point.failed = true;
    }
    read_copy(&point, public_key, DER_P256_PUBLIC_KEY_SIZE);
    fail_unless_finished(&info, &point);
    fail_unless_finished(reader, &info);
    if (reader->failed) {
        memset(public_key, 0, DER_P256_PUBLIC_KEY_SIZE);
    }
}

void der_write_p256_public_key(struct writer *writer,
                               const uint8_t public_key[DER_P256_PUBLIC_KEY_SIZE]) {
    size_t info = der_begin(writer, DER_SEQUENCE);
    size_t algorithm = der_begin(writer, DER_SEQUENCE);
    der_write(writer, DER_OID, bytes_of(OID_EC_PUBLIC_KEY, sizeof OID_EC_PUBLIC_KEY));
    der_write(writer, DER_OID, bytes_of(OID_PRIME256V1, sizeof OID_PRIME256V1));
    der_end(writer, algorithm);
    size_t point = der_begin(writer, DER_BIT_STRING);
    write_u8(writer, 0);
    write_u8(writer, UNCOMPRESSED);
    write_bytes(writer, bytes_of(public_key, DER_P256_PUBLIC_KEY_SIZE));
    der_end(writer, point);
    der_end(writer, info);
}

void der_expect_ecdsa_sha256(struct reader *reader) {
    struct reader algorithm;
    der_enter(reader, DER_SEQUENCE, &algorithm);
    der_expect_oid(&algorithm, bytes_of(OID_ECDSA_SHA256, sizeof OID_ECDSA_SHA256));
    fail_unless_finished(reader, &algorithm);
}

void der_write_ecdsa_sha256(struct writer *writer) {
    size_t algorithm = der_begin(writer, DER_SEQUENCE);
    der_write(writer, DER_OID, bytes_of(OID_ECDSA_SHA256, sizeof OID_ECDSA_SHA256));
    der_end(writer, algorithm);
}

void der_read_p256_signature(struct reader *reader, uint8_t signature[DER_P256_SIGNATURE_SIZE]) {
    struct reader pair;
    der_enter(reader, DER_SEQUENCE, &pair);
    der_read_unsigned(&pair, signature, DER_P256_SIGNATURE_SIZE / 2);
    der_read_unsigned(&pair, signature + DER_P256_SIGNATURE_SIZE / 2, DER_P256_SIGNATURE_SIZE / 2);
    fail_unless_finished(reader, &pair);
    if (reader->failed) {
        memset(signature, 0, DER_P256_SIGNATURE_SIZE);
    }
}

void der_write_p256_signature(struct writer *writer,
                              const uint8_t signature[DER_P256_SIGNATURE_SIZE]) {
    size_t pair = der_begin(writer, DER_SEQUENCE);
    der_write_unsigned(writer, bytes_of(signature, DER_P256_SIGNATURE_SIZE / 2));
    der_write_unsigned(
        writer, bytes_of(signature + DER_P256_SIGNATURE_SIZE / 2, DER_P256_SIGNATURE_SIZE / 2));
    der_end(writer, pair);
}
