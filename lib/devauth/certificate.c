#include "devauth/certificate.h"

#include "base/der.h"
#include "base/der_p256.h"
#include "crypto/crypto.h"
#include "devauth/oid.h"

#include <string.h>

#define UID_TEXT_SIZE (2 * CERTIFICATE_UID_SIZE)
#define SERIAL_SIZE   8

/* Contents of keyUsage (digitalSignature only) and of an empty basicConstraints. */
static const uint8_t KEY_USAGE[] = {DER_BIT_STRING, 0x02, 0x07, 0x80};
static const uint8_t NO_CA[] = {DER_SEQUENCE, 0x00};
static const char NOT_BEFORE[] = "200101000000Z";  /* UTCTime until 2049 (4.1.2.5) */
static const char NOT_AFTER[] = "99991231235959Z"; /* RFC 5280, 4.1.2.5: no end known */

static void uid_text(const uint8_t uid[CERTIFICATE_UID_SIZE], uint8_t text[UID_TEXT_SIZE]) {
    static const uint8_t digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < CERTIFICATE_UID_SIZE; i++) {
        text[2 * i] = digits[uid[i] >> 4];
        text[2 * i + 1] = digits[uid[i] & 0x0F];
    }
}

void certificate_write_subject(struct writer *writer, const uint8_t uid[CERTIFICATE_UID_SIZE]) {
    uint8_t text[UID_TEXT_SIZE];
    uid_text(uid, text);
    size_t name = der_begin(writer, DER_SEQUENCE);
    size_t relative = der_begin(writer, DER_SET);
    size_t attribute = der_begin(writer, DER_SEQUENCE);
    der_write(writer, DER_OID, oid_serial_number);
    der_write(writer, DER_PRINTABLE_STRING, bytes_of(text, sizeof text));
    der_end(writer, attribute);
    der_end(writer, relative);
    der_end(writer, name);
}

/* What has been written since `start`. */
static struct bytes written(const struct writer *writer, size_t start) {
    return bytes_slice(writer_bytes(writer), start, writer->size - start);
}

/* Closes a signed object: algorithm and signature over the bytes since `start`. */
static enum status write_signature(struct writer *writer, size_t start,
                                   certificate_sign_function *sign, void *context) {
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    uint8_t signature[CRYPTO_SIGNATURE_SIZE];
    enum status status = writer_check(writer);
    if (status != STATUS_OK) {
        return status;
    }
    crypto_sha256(written(writer, start), digest);
    status = sign(context, digest, signature);
    if (status != STATUS_OK) {
        return status;
    }
    der_write_ecdsa_sha256(writer);
    size_t bits = der_begin(writer, DER_BIT_STRING);
    write_u8(writer, 0);
    der_write_p256_signature(writer, signature);
    der_end(writer, bits);
    return STATUS_OK;
}

static void write_critical(struct writer *writer, struct bytes oid, struct bytes value) {
    size_t extension = der_begin(writer, DER_SEQUENCE);
    der_write(writer, DER_OID, oid);
    der_write_boolean(writer, true);
    der_write(writer, DER_OCTET_STRING, value);
    der_end(writer, extension);
}

static void write_extensions(struct writer *writer) {
    size_t outer = der_begin(writer, DER_CONTEXT_CONSTRUCTED(3));
    size_t list = der_begin(writer, DER_SEQUENCE);
    write_critical(writer, oid_ext_basic_constraints, bytes_of(NO_CA, sizeof NO_CA));
    write_critical(writer, oid_ext_key_usage, bytes_of(KEY_USAGE, sizeof KEY_USAGE));
    size_t extension = der_begin(writer, DER_SEQUENCE);
    der_write(writer, DER_OID, oid_ext_extended_key_usage);
    size_t value = der_begin(writer, DER_OCTET_STRING);
    size_t usages = der_begin(writer, DER_SEQUENCE);
    der_write(writer, DER_OID, oid_eku_device);
    der_write(writer, DER_OID, oid_eku_spdm_responder);
    der_end(writer, usages);
    der_end(writer, value);
    der_end(writer, extension);
    der_end(writer, list);
    der_end(writer, outer);
}

static void write_validity(struct writer *writer) {
    size_t validity = der_begin(writer, DER_SEQUENCE);
    der_write(writer, DER_UTC_TIME, bytes_of(NOT_BEFORE, sizeof NOT_BEFORE - 1));
    der_write(writer, DER_GENERALIZED_TIME, bytes_of(NOT_AFTER, sizeof NOT_AFTER - 1));
    der_end(writer, validity);
}

static void write_serial(struct writer *writer,
                         const uint8_t public_key[CERTIFICATE_PUBLIC_KEY_SIZE]) {
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    crypto_sha256(bytes_of(public_key, CERTIFICATE_PUBLIC_KEY_SIZE), digest);
    digest[0] = (digest[0] & 0x3F) | 0x40; /* positive, and never fewer bytes */
    der_write_unsigned(writer, bytes_of(digest, SERIAL_SIZE));
}

enum status certificate_write_self_signed(struct writer *writer,
                                          const uint8_t uid[CERTIFICATE_UID_SIZE],
                                          const uint8_t public_key[CERTIFICATE_PUBLIC_KEY_SIZE],
                                          certificate_sign_function *sign, void *context) {
    size_t certificate = der_begin(writer, DER_SEQUENCE);
    size_t start = writer->size;
    size_t tbs = der_begin(writer, DER_SEQUENCE);
    size_t version = der_begin(writer, DER_CONTEXT_CONSTRUCTED(0));
    der_write_u32(writer, 2);
    der_end(writer, version);
    write_serial(writer, public_key);
    der_write_ecdsa_sha256(writer);
    certificate_write_subject(writer, uid); /* issuer */
    write_validity(writer);
    certificate_write_subject(writer, uid);
    der_write_p256_public_key(writer, public_key);
    write_extensions(writer);
    der_end(writer, tbs);
    enum status status = write_signature(writer, start, sign, context);
    if (status != STATUS_OK) {
        return status;
    }
    der_end(writer, certificate);
    return writer_check(writer);
}

static void write_attribute(struct writer *writer, struct bytes oid, struct bytes value) {
    size_t attribute = der_begin(writer, DER_SEQUENCE);
    der_write(writer, DER_OID, oid);
    size_t values = der_begin(writer, DER_SET);
    der_write(writer, DER_OCTET_STRING, value);
    der_end(writer, values);
    der_end(writer, attribute);
}

/* Version, subject, key: the start of every CertificationRequestInfo (RFC 2986, 4.1). */
static void write_request_start(struct writer *writer, const uint8_t *uid,
                                const uint8_t *auth_key) {
    der_write_u32(writer, 0);
    certificate_write_subject(writer, uid);
    der_write_p256_public_key(writer, auth_key);
}

enum status certificate_write_csr(struct writer *writer, const struct certificate_request *request,
                                  certificate_sign_function *sign, void *context) {
    size_t csr = der_begin(writer, DER_SEQUENCE);
    size_t start = writer->size;
    size_t info = der_begin(writer, DER_SEQUENCE);
    write_request_start(writer, request->uid, request->auth_key);
    size_t attributes = der_begin(writer, DER_CONTEXT_CONSTRUCTED(0));
    /* X.690, 11.6: a SET OF is sorted by encoding, and the nonce's is the shorter one. */
    write_attribute(writer, oid_attribute_reservation_nonce,
                    bytes_of(request->nonce, CERTIFICATE_NONCE_SIZE));
    write_attribute(writer, oid_attribute_enc_public_key,
                    bytes_of(request->enc_key, CERTIFICATE_PUBLIC_KEY_SIZE));
    write_attribute(writer, oid_attribute_tls_public_key,
                    bytes_of(request->tls_key, CERTIFICATE_PUBLIC_KEY_SIZE));
    der_end(writer, attributes);
    der_end(writer, info);
    enum status status = write_signature(writer, start, sign, context);
    if (status != STATUS_OK) {
        return status;
    }
    der_end(writer, csr);
    return writer_check(writer);
}

void certificate_write_requester_info(struct writer *writer,
                                      const uint8_t uid[CERTIFICATE_UID_SIZE],
                                      const uint8_t auth_key[CERTIFICATE_PUBLIC_KEY_SIZE],
                                      const uint8_t nonce[CERTIFICATE_NONCE_SIZE]) {
    size_t info = der_begin(writer, DER_SEQUENCE);
    write_request_start(writer, uid, auth_key);
    size_t attributes = der_begin(writer, DER_CONTEXT_CONSTRUCTED(0));
    write_attribute(writer, oid_attribute_reservation_nonce,
                    bytes_of(nonce, CERTIFICATE_NONCE_SIZE));
    der_end(writer, attributes);
    der_end(writer, info);
}

/* Fails the outer reader unless the inner one came to its end. */
static void leave(struct reader *outer, const struct reader *inner) {
    if (reader_finish(inner) != STATUS_OK) {
        outer->failed = true;
    }
}

static void read_nonce_attribute(struct reader *info, uint8_t nonce[CERTIFICATE_NONCE_SIZE]) {
    struct reader attributes;
    struct reader attribute;
    struct reader values;
    struct reader value;
    der_enter(info, DER_CONTEXT_CONSTRUCTED(0), &attributes);
    der_enter(&attributes, DER_SEQUENCE, &attribute);
    der_expect_oid(&attribute, oid_attribute_reservation_nonce);
    der_enter(&attribute, DER_SET, &values);
    der_enter(&values, DER_OCTET_STRING, &value);
    read_copy(&value, nonce, CERTIFICATE_NONCE_SIZE);
    leave(&values, &value);
    leave(&attribute, &values);
    leave(&attributes, &attribute);
    leave(info, &attributes);
}

static bool is_subject_of(struct bytes subject, const uint8_t uid[CERTIFICATE_UID_SIZE]) {
    uint8_t own[64];
    struct writer writer;
    writer_init(&writer, own, sizeof own);
    certificate_write_subject(&writer, uid);
    return bytes_equal(subject, writer_bytes(&writer));
}

enum status certificate_read_requester_info(struct bytes info,
                                            const uint8_t uid[CERTIFICATE_UID_SIZE],
                                            const uint8_t auth_key[CERTIFICATE_PUBLIC_KEY_SIZE],
                                            uint8_t nonce[CERTIFICATE_NONCE_SIZE]) {
    struct reader outer;
    struct reader reader;
    uint8_t key[CERTIFICATE_PUBLIC_KEY_SIZE];
    reader_init(&outer, info);
    der_enter(&outer, DER_SEQUENCE, &reader);
    if (der_read_u32(&reader) != 0) {
        reader.failed = true;
    }
    struct bytes subject = der_read_element(&reader, DER_SEQUENCE);
    der_read_p256_public_key(&reader, key);
    read_nonce_attribute(&reader, nonce);
    leave(&outer, &reader);
    enum status status = reader_finish(&outer);
    if (status == STATUS_OK &&
        (!is_subject_of(subject, uid) || memcmp(key, auth_key, sizeof key) != 0)) {
        status = STATUS_MISMATCH;
    }
    if (status != STATUS_OK) {
        memset(nonce, 0, CERTIFICATE_NONCE_SIZE);
    }
    return status;
}

enum status certificate_read_names(struct bytes certificate, struct bytes *subject,
                                   uint8_t public_key[CERTIFICATE_PUBLIC_KEY_SIZE]) {
    struct reader outer;
    struct reader signed_object;
    struct reader tbs;
    struct reader version;
    reader_init(&outer, certificate);
    der_enter(&outer, DER_SEQUENCE, &signed_object);
    der_enter(&signed_object, DER_SEQUENCE, &tbs);
    der_enter(&tbs, DER_CONTEXT_CONSTRUCTED(0), &version);
    if (der_read_u32(&version) != 2) {
        version.failed = true;
    }
    leave(&tbs, &version);
    (void)der_read(&tbs, DER_INTEGER);
    der_expect_ecdsa_sha256(&tbs);
    (void)der_read(&tbs, DER_SEQUENCE); /* issuer */
    (void)der_read(&tbs, DER_SEQUENCE); /* validity */
    *subject = der_read_element(&tbs, DER_SEQUENCE);
    der_read_p256_public_key(&tbs, public_key);
    (void)read_rest(&tbs);
    leave(&signed_object, &tbs);
    (void)read_rest(&signed_object);
    leave(&outer, &signed_object);
    enum status status = reader_finish(&outer);
    if (status != STATUS_OK) {
        *subject = bytes_of(NULL, 0);
        memset(public_key, 0, CERTIFICATE_PUBLIC_KEY_SIZE);
    }
    return status;
}

/* One attribute of a name: counts serial numbers, and those equal to `text`. */
static void count_serial_number(struct reader *name, struct bytes text, unsigned *found,
                                unsigned *equal) {
    struct reader relative;
    struct reader attribute;
    uint8_t tag = 0;
    der_enter(name, DER_SET, &relative);
    der_enter(&relative, DER_SEQUENCE, &attribute);
    struct bytes type = der_read(&attribute, DER_OID);
    struct bytes value = der_read_any(&attribute, &tag);
    leave(&relative, &attribute);
    leave(name, &relative);
    if (bytes_equal(type, oid_serial_number)) {
        *found += 1;
        *equal += tag == DER_PRINTABLE_STRING && bytes_equal(value, text) ? 1 : 0;
    }
}

enum status certificate_check_subject(struct bytes certificate,
                                      const uint8_t uid[CERTIFICATE_UID_SIZE]) {
    uint8_t key[CERTIFICATE_PUBLIC_KEY_SIZE];
    uint8_t text[UID_TEXT_SIZE];
    struct bytes subject;
    struct reader outer;
    struct reader name;
    unsigned found = 0;
    unsigned equal = 0;
    enum status status = certificate_read_names(certificate, &subject, key);
    if (status != STATUS_OK) {
        return status;
    }
    uid_text(uid, text);
    reader_init(&outer, subject);
    der_enter(&outer, DER_SEQUENCE, &name);
    while (reader_remaining(&name) > 0 && !name.failed) {
        count_serial_number(&name, bytes_of(text, sizeof text), &found, &equal);
    }
    leave(&outer, &name);
    status = reader_finish(&outer);
    if (status != STATUS_OK) {
        return status;
    }
    return found == 1 && equal == 1 ? STATUS_OK : STATUS_MISMATCH;
}
