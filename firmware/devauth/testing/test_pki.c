#include "devauth/testing/test_pki.h"

#include "base/der.h"
#include "base/der_p256.h"
#include "crypto/crypto.h"
#include "devauth/certificate.h"
#include "devauth/oid.h"
#include "spdm/spdm_chain.h"

#include <stdlib.h>
#include <string.h>

static const uint8_t COMMON_NAME[] = {0x55, 0x04, 0x03};
static const uint8_t CA_CONSTRAINTS[] = {0x30, 0x03, 0x01, 0x01, 0xFF};
static const uint8_t LEAF_CONSTRAINTS[] = {0x30, 0x00};
static const uint8_t CA_USAGE[] = {0x03, 0x02, 0x01, 0x06};
static const uint8_t LEAF_USAGE[] = {0x03, 0x02, 0x07, 0x80};

/* A helper that fails makes every test after it meaningless. */
static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

void test_identity_make_key(struct test_identity *identity) {
    require(crypto_p256_generate(identity->private_key, identity->public_key) == STATUS_OK);
}

void test_identity_name(struct test_identity *identity, const char *common_name) {
    struct writer writer;
    writer_init(&writer, identity->name, sizeof identity->name);
    size_t name = der_begin(&writer, DER_SEQUENCE);
    size_t relative = der_begin(&writer, DER_SET);
    size_t attribute = der_begin(&writer, DER_SEQUENCE);
    der_write(&writer, DER_OID, bytes_of(COMMON_NAME, sizeof COMMON_NAME));
    der_write(&writer, DER_UTF8_STRING, bytes_of(common_name, strlen(common_name)));
    der_end(&writer, attribute);
    der_end(&writer, relative);
    der_end(&writer, name);
    require(writer_check(&writer) == STATUS_OK);
    identity->name_size = writer.size;
}

void test_identity_name_chip(struct test_identity *identity, const uint8_t uid[16]) {
    struct writer writer;
    writer_init(&writer, identity->name, sizeof identity->name);
    certificate_write_subject(&writer, uid);
    require(writer_check(&writer) == STATUS_OK);
    identity->name_size = writer.size;
}

static void write_critical(struct writer *writer, struct bytes oid, struct bytes value) {
    size_t extension = der_begin(writer, DER_SEQUENCE);
    der_write(writer, DER_OID, oid);
    der_write_boolean(writer, true);
    der_write(writer, DER_OCTET_STRING, value);
    der_end(writer, extension);
}

static void write_extensions(struct writer *writer, enum test_kind kind, struct bytes eku) {
    bool is_ca = kind == TEST_CA;
    size_t outer = der_begin(writer, DER_CONTEXT_CONSTRUCTED(3));
    size_t list = der_begin(writer, DER_SEQUENCE);
    write_critical(writer, oid_ext_basic_constraints,
                   is_ca ? bytes_of(CA_CONSTRAINTS, sizeof CA_CONSTRAINTS)
                         : bytes_of(LEAF_CONSTRAINTS, sizeof LEAF_CONSTRAINTS));
    write_critical(writer, oid_ext_key_usage,
                   is_ca ? bytes_of(CA_USAGE, sizeof CA_USAGE)
                         : bytes_of(LEAF_USAGE, sizeof LEAF_USAGE));
    if (eku.size > 0) {
        size_t extension = der_begin(writer, DER_SEQUENCE);
        der_write(writer, DER_OID, oid_ext_extended_key_usage);
        size_t value = der_begin(writer, DER_OCTET_STRING);
        size_t usages = der_begin(writer, DER_SEQUENCE);
        der_write(writer, DER_OID, eku);
        der_end(writer, usages);
        der_end(writer, value);
        der_end(writer, extension);
    }
    der_end(writer, list);
    der_end(writer, outer);
}

static void write_validity(struct writer *writer) {
    size_t validity = der_begin(writer, DER_SEQUENCE);
    der_write(writer, DER_UTC_TIME, bytes_of("260101000000Z", 13));
    der_write(writer, DER_GENERALIZED_TIME, bytes_of("99991231235959Z", 15));
    der_end(writer, validity);
}

void test_identity_certify(struct test_identity *identity, const struct test_identity *issuer,
                           enum test_kind kind, struct bytes eku) {
    struct writer writer;
    uint8_t digest[32];
    uint8_t signature[64];
    writer_init(&writer, identity->certificate, sizeof identity->certificate);
    size_t certificate = der_begin(&writer, DER_SEQUENCE);
    size_t start = writer.size;
    size_t tbs = der_begin(&writer, DER_SEQUENCE);
    size_t version = der_begin(&writer, DER_CONTEXT_CONSTRUCTED(0));
    der_write_u32(&writer, 2);
    der_end(&writer, version);
    der_write_unsigned(&writer, bytes_of(identity->public_key, 16));
    der_write_ecdsa_sha256(&writer);
    write_bytes(&writer, bytes_of(issuer->name, issuer->name_size));
    write_validity(&writer);
    write_bytes(&writer, bytes_of(identity->name, identity->name_size));
    der_write_p256_public_key(&writer, identity->public_key);
    write_extensions(&writer, kind, eku);
    der_end(&writer, tbs);
    crypto_sha256(bytes_slice(writer_bytes(&writer), start, writer.size - start), digest);
    require(crypto_p256_sign(issuer->private_key, digest, signature) == STATUS_OK);
    der_write_ecdsa_sha256(&writer);
    size_t bits = der_begin(&writer, DER_BIT_STRING);
    write_u8(&writer, 0);
    der_write_p256_signature(&writer, signature);
    der_end(&writer, bits);
    der_end(&writer, certificate);
    require(writer_check(&writer) == STATUS_OK);
    identity->certificate_size = writer.size;
}

struct bytes test_identity_certificate(const struct test_identity *identity) {
    return bytes_of(identity->certificate, identity->certificate_size);
}

static void make(struct test_identity *identity, const char *name,
                 const struct test_identity *issuer, enum test_kind kind, struct bytes eku) {
    test_identity_make_key(identity);
    test_identity_name(identity, name);
    test_identity_certify(identity, issuer, kind, eku);
}

void test_pki_make(struct test_pki *pki) {
    const struct bytes none = bytes_of(NULL, 0);
    make(&pki->root, "Test root", &pki->root, TEST_CA, none);
    make(&pki->device_ca, "Test DEVICE CA", &pki->root, TEST_CA, none);
    make(&pki->operations_ca, "Test OPERATIONS CA", &pki->root, TEST_CA, none);
    make(&pki->programmer, "Test programmer", &pki->operations_ca, TEST_LEAF, oid_eku_programmer);
    make(&pki->command_authority, "Test command authority", &pki->operations_ca, TEST_LEAF,
         oid_eku_command_authority);
}

size_t test_chain(uint8_t *blob, size_t capacity, const struct test_identity *root,
                  const struct test_identity *ca, struct bytes leaf) {
    uint8_t certificates[2048];
    struct writer row;
    struct writer writer;
    writer_init(&row, certificates, sizeof certificates);
    write_bytes(&row, test_identity_certificate(root));
    write_bytes(&row, test_identity_certificate(ca));
    write_bytes(&row, leaf);
    require(writer_check(&row) == STATUS_OK);
    writer_init(&writer, blob, capacity);
    require(spdm_chain_write(writer_bytes(&row), &writer) == STATUS_OK);
    return writer.size;
}

void test_pki_issue_device(const struct test_pki *pki, const uint8_t uid[16],
                           const uint8_t auth_key[64], struct test_identity *device) {
    memcpy(device->public_key, auth_key, 64);
    test_identity_name_chip(device, uid);
    test_identity_certify(device, &pki->device_ca, TEST_LEAF, oid_eku_device);
}
