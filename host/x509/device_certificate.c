#include "x509/device_certificate.h"

#include "base/der_p256.h"
#include "base/encoding.h"
#include "devauth/oid.h"
#include "x509/writer.h"

#include <assert.h>
#include <string.h>

static const uint8_t subject_alternative_name_value[] = {0x55, 0x1D, 0x11};
/* id-on-hardwareModuleName 1.3.6.1.5.5.7.8.4 */
static const uint8_t hardware_module_name_value[] = {0x2B, 0x06, 0x01, 0x05,
                                                     0x05, 0x07, 0x08, 0x04};

static_assert(sizeof(((struct device_issuer *)0)->key_identifier) == X509_KEY_IDENTIFIER_SIZE,
              "one key identifier size");

int device_issuer_init(struct device_issuer *issuer, struct bytes ca_certificate,
                       const char *organization, struct signer signer, struct error *error) {
    struct x509_issuer read;
    size_t length = strlen(organization);
    memset(issuer, 0, sizeof(*issuer));
    if (length == 0 || length >= sizeof(issuer->organization))
        return error_set(error, ERROR_BAD_REQUEST, "an organization has 1 to 64 bytes");
    if (x509_issuer_read(ca_certificate, &read, error) != 0)
        return -1;
    memcpy(issuer->name, read.name, read.name_size);
    issuer->name_size = read.name_size;
    memcpy(issuer->key_identifier, read.key_identifier, sizeof(issuer->key_identifier));
    memcpy(issuer->organization, organization, length);
    issuer->signer = signer;
    return 0;
}

/* hardwareModuleName (RFC 4108, 5), as IEEE 802.1AR-2018, 8.10.4 asks for. */
static void write_hardware_module(struct writer *writer, const uint8_t uid[DEVICE_UID_SIZE]) {
    struct x509_extension extension = x509_begin_extension(
        writer, bytes_of(subject_alternative_name_value, sizeof(subject_alternative_name_value)),
        X509_NOT_CRITICAL);
    size_t names = der_begin(writer, DER_SEQUENCE);
    size_t other = der_begin(writer, DER_CONTEXT_CONSTRUCTED(0));
    der_write(writer, DER_OID,
              bytes_of(hardware_module_name_value, sizeof(hardware_module_name_value)));
    size_t value = der_begin(writer, DER_CONTEXT_CONSTRUCTED(0));
    size_t module = der_begin(writer, DER_SEQUENCE);
    der_write(writer, DER_OID, oid_hardware_type);
    der_write(writer, DER_OCTET_STRING, bytes_of(uid, DEVICE_UID_SIZE));
    der_end(writer, module);
    der_end(writer, value);
    der_end(writer, other);
    der_end(writer, names);
    x509_end_extension(writer, extension);
}

static void write_extensions(struct writer *writer, const struct device_issuer *issuer,
                             const struct device_certificate_fields *fields) {
    const struct bytes usages[] = {oid_eku_device, oid_eku_spdm_responder};
    uint8_t identifier[X509_KEY_IDENTIFIER_SIZE];
    x509_key_identifier(fields->auth_key, identifier);
    size_t outer = der_begin(writer, DER_CONTEXT_CONSTRUCTED(3));
    size_t list = der_begin(writer, DER_SEQUENCE);
    x509_write_leaf_constraints(writer);
    x509_write_leaf_key_usage(writer);
    x509_write_extended_key_usage(writer, usages, 2);
    write_hardware_module(writer, fields->uid);
    x509_write_subject_key_identifier(writer, identifier);
    x509_write_authority_key_identifier(writer, issuer->key_identifier);
    der_end(writer, list);
    der_end(writer, outer);
}

static void write_tbs(struct writer *writer, const struct device_issuer *issuer,
                      const struct device_certificate_fields *fields) {
    char uid[2 * DEVICE_UID_SIZE + 1];
    hex_encode_upper(bytes_of(fields->uid, DEVICE_UID_SIZE), uid);
    const struct x509_name subject = {.organization = issuer->organization, .serial_number = uid};
    size_t tbs = der_begin(writer, DER_SEQUENCE);
    size_t version = der_begin(writer, DER_CONTEXT_CONSTRUCTED(0));
    der_write_u32(writer, 2); /* v3 */
    der_end(writer, version);
    der_write_unsigned(writer, bytes_of(fields->serial, X509_SERIAL_SIZE));
    der_write_ecdsa_sha256(writer);
    write_bytes(writer, bytes_of(issuer->name, issuer->name_size));
    x509_write_validity(writer, fields->not_before_s, fields->not_after_s);
    x509_write_name(writer, &subject);
    der_write_p256_public_key(writer, fields->auth_key);
    write_extensions(writer, issuer, fields);
    der_end(writer, tbs);
}

int device_certificate_issue(const struct device_issuer *issuer,
                             const struct device_certificate_fields *fields, uint8_t *out,
                             size_t capacity, size_t *size, struct error *error) {
    struct writer writer;
    *size = 0;
    writer_init(&writer, out,
                capacity < DEVICE_CERTIFICATE_MAX ? capacity : DEVICE_CERTIFICATE_MAX);
    size_t certificate = der_begin(&writer, DER_SEQUENCE);
    size_t start = writer.size;
    write_tbs(&writer, issuer, fields);
    if (x509_write_signature(&writer, start, issuer->signer, error) != 0)
        return -1;
    der_end(&writer, certificate);
    if (writer_check(&writer) != STATUS_OK)
        return error_set(error, ERROR_INTERNAL, "the device certificate does not fit");
    *size = writer.size;
    return 0;
}

void x509_serial(uint64_t now_s, const uint8_t random[10], uint8_t serial[X509_SERIAL_SIZE]) {
    struct writer writer;
    writer_init(&writer, serial, X509_SERIAL_SIZE);
    write_u8(&writer, 0x01); /* positive, and always sixteen bytes */
    write_u8(&writer, (uint8_t)(now_s >> 32));
    write_u32be(&writer, (uint32_t)now_s);
    write_bytes(&writer, bytes_of(random, 10));
}
