#include "x509/writer.h"

#include "base/der_p256.h"
#include "devauth/oid.h"
#include "x509/certificate.h"
#include "x509/device_certificate.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define OID(name, ...)                                                                             \
    static const uint8_t name##_value[] = {__VA_ARGS__};                                           \
    static const struct bytes name = {.data = name##_value, .size = sizeof(name##_value)}

OID(oid_common_name, 0x55, 0x04, 0x03);
OID(oid_organization, 0x55, 0x04, 0x0A);
OID(oid_ext_subject_key_identifier, 0x55, 0x1D, 0x0E);
OID(oid_ext_authority_key_identifier, 0x55, 0x1D, 0x23);

void x509_key_identifier(const uint8_t public_key[64],
                         uint8_t identifier[X509_KEY_IDENTIFIER_SIZE]) {
    uint8_t point[65] = {0x04};
    uint8_t digest[32];
    memcpy(point + 1, public_key, 64);
    x509_sha256(bytes_of(point, sizeof(point)), digest);
    memcpy(identifier, digest, X509_KEY_IDENTIFIER_SIZE);
}

static void write_attribute(struct writer *writer, struct bytes oid, uint8_t tag,
                            const char *value) {
    if (value == NULL)
        return;
    size_t relative = der_begin(writer, DER_SET);
    size_t attribute = der_begin(writer, DER_SEQUENCE);
    der_write(writer, DER_OID, oid);
    der_write(writer, tag, bytes_of(value, strlen(value)));
    der_end(writer, attribute);
    der_end(writer, relative);
}

void x509_write_name(struct writer *writer, const struct x509_name *name) {
    size_t sequence = der_begin(writer, DER_SEQUENCE);
    write_attribute(writer, oid_organization, DER_UTF8_STRING, name->organization);
    write_attribute(writer, oid_common_name, DER_UTF8_STRING, name->common_name);
    write_attribute(writer, oid_serial_number, DER_PRINTABLE_STRING, name->serial_number);
    der_end(writer, sequence);
}

#define FIRST_SECOND_OF_2050 2524608000u
#define LAST_SECOND_OF_9999  253402300799u

static void write_time(struct writer *writer, uint64_t unix_s) {
    char text[32];
    struct tm parts = {0};
    time_t seconds = unix_s > LAST_SECOND_OF_9999 ? (time_t)LAST_SECOND_OF_9999 : (time_t)unix_s;
    bool is_utc_time = unix_s < FIRST_SECOND_OF_2050;
    gmtime_r(&seconds, &parts);
    size_t size =
        strftime(text, sizeof(text), is_utc_time ? "%y%m%d%H%M%SZ" : "%Y%m%d%H%M%SZ", &parts);
    der_write(writer, is_utc_time ? DER_UTC_TIME : DER_GENERALIZED_TIME, bytes_of(text, size));
}

void x509_write_validity(struct writer *writer, uint64_t not_before_s, uint64_t not_after_s) {
    size_t validity = der_begin(writer, DER_SEQUENCE);
    write_time(writer, not_before_s);
    write_time(writer, not_after_s); /* X509_NO_EXPIRY is the last second that can be written */
    der_end(writer, validity);
}

struct x509_extension x509_begin_extension(struct writer *writer, struct bytes oid,
                                           enum x509_critical critical) {
    struct x509_extension extension;
    extension.sequence = der_begin(writer, DER_SEQUENCE);
    der_write(writer, DER_OID, oid);
    if (critical == X509_CRITICAL)
        der_write_boolean(writer, true);
    extension.value = der_begin(writer, DER_OCTET_STRING);
    return extension;
}

void x509_end_extension(struct writer *writer, struct x509_extension extension) {
    der_end(writer, extension.value);
    der_end(writer, extension.sequence);
}

void x509_write_leaf_constraints(struct writer *writer) {
    struct x509_extension extension =
        x509_begin_extension(writer, oid_ext_basic_constraints, X509_CRITICAL);
    der_end(writer, der_begin(writer, DER_SEQUENCE)); /* cA defaults to false */
    x509_end_extension(writer, extension);
}

void x509_write_ca_constraints(struct writer *writer, int path_length) {
    struct x509_extension extension =
        x509_begin_extension(writer, oid_ext_basic_constraints, X509_CRITICAL);
    size_t sequence = der_begin(writer, DER_SEQUENCE);
    der_write_boolean(writer, true);
    if (path_length >= 0)
        der_write_u32(writer, (uint32_t)path_length);
    der_end(writer, sequence);
    x509_end_extension(writer, extension);
}

static void write_key_usage(struct writer *writer, uint8_t unused_bits, uint8_t bits) {
    struct x509_extension extension =
        x509_begin_extension(writer, oid_ext_key_usage, X509_CRITICAL);
    uint8_t value[] = {unused_bits, bits};
    der_write(writer, DER_BIT_STRING, bytes_of(value, sizeof(value)));
    x509_end_extension(writer, extension);
}

void x509_write_leaf_key_usage(struct writer *writer) {
    write_key_usage(writer, 7, 0x80); /* bit 0 */
}

void x509_write_ca_key_usage(struct writer *writer) {
    write_key_usage(writer, 1, 0x06); /* bits 5 and 6 */
}

void x509_write_extended_key_usage(struct writer *writer, const struct bytes *oids, size_t count) {
    struct x509_extension extension =
        x509_begin_extension(writer, oid_ext_extended_key_usage, X509_NOT_CRITICAL);
    size_t sequence = der_begin(writer, DER_SEQUENCE);
    for (size_t i = 0; i < count; i++)
        der_write(writer, DER_OID, oids[i]);
    der_end(writer, sequence);
    x509_end_extension(writer, extension);
}

void x509_write_subject_key_identifier(struct writer *writer,
                                       const uint8_t identifier[X509_KEY_IDENTIFIER_SIZE]) {
    struct x509_extension extension =
        x509_begin_extension(writer, oid_ext_subject_key_identifier, X509_NOT_CRITICAL);
    der_write(writer, DER_OCTET_STRING, bytes_of(identifier, X509_KEY_IDENTIFIER_SIZE));
    x509_end_extension(writer, extension);
}

void x509_write_authority_key_identifier(struct writer *writer,
                                         const uint8_t identifier[X509_KEY_IDENTIFIER_SIZE]) {
    struct x509_extension extension =
        x509_begin_extension(writer, oid_ext_authority_key_identifier, X509_NOT_CRITICAL);
    size_t sequence = der_begin(writer, DER_SEQUENCE);
    der_write(writer, DER_CONTEXT(0), bytes_of(identifier, X509_KEY_IDENTIFIER_SIZE));
    der_end(writer, sequence);
    x509_end_extension(writer, extension);
}

int x509_write_signature(struct writer *writer, size_t start, struct signer signer,
                         struct error *error) {
    uint8_t digest[32];
    uint8_t signature[64];
    if (writer_check(writer) != STATUS_OK)
        return error_set(error, ERROR_INTERNAL, "the certificate does not fit its buffer");
    x509_sha256(bytes_slice(writer_bytes(writer), start, writer->size - start), digest);
    if (signer.sign(signer.context, digest, signature, error) != 0)
        return -1;
    der_write_ecdsa_sha256(writer);
    size_t bits = der_begin(writer, DER_BIT_STRING);
    write_u8(writer, 0);
    der_write_p256_signature(writer, signature);
    der_end(writer, bits);
    return 0;
}
