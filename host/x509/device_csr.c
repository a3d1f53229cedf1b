#include "x509/device_csr.h"

#include "base/der.h"
#include "base/der_p256.h"
#include "base/encoding.h"
#include "devauth/certificate.h"
#include "devauth/oid.h"
#include "x509/certificate.h"
#include "x509/p256.h"

#include <string.h>

static void leave(struct reader *outer, const struct reader *inner) {
    if (reader_finish(inner) != STATUS_OK)
        outer->failed = true;
}

/*
 * The subject must be the one encoding of its UID: find the UID text, then write the Name again
 * and compare, so that no second form of a name gets through.
 */
static void read_subject(struct reader *info, uint8_t uid[DEVICE_UID_SIZE]) {
    struct bytes subject = der_read_element(info, DER_SEQUENCE);
    char text[2 * DEVICE_UID_SIZE + 1] = "";
    uint8_t expected[64];
    struct writer writer;
    if (subject.size < sizeof(text)) {
        info->failed = true;
        memset(uid, 0, DEVICE_UID_SIZE);
        return;
    }
    struct bytes tail = bytes_slice(subject, subject.size - (sizeof(text) - 1), sizeof(text) - 1);
    memcpy(text, tail.data, tail.size);
    if (hex_decode(text, uid, DEVICE_UID_SIZE) != 0)
        info->failed = true;
    writer_init(&writer, expected, sizeof(expected));
    certificate_write_subject(&writer, uid);
    if (writer_check(&writer) != STATUS_OK || !bytes_equal(subject, writer_bytes(&writer)))
        info->failed = true;
}

/* Attribute ::= SEQUENCE { type, SET { OCTET STRING } }, one value. */
static void read_attribute(struct reader *attributes, struct bytes oid, uint8_t *out, size_t size) {
    struct reader attribute;
    struct reader values;
    struct reader value;
    der_enter(attributes, DER_SEQUENCE, &attribute);
    der_expect_oid(&attribute, oid);
    der_enter(&attribute, DER_SET, &values);
    der_enter(&values, DER_OCTET_STRING, &value);
    read_copy(&value, out, size);
    leave(&values, &value);
    leave(&attribute, &values);
    leave(attributes, &attribute);
}

/* CertificationRequestInfo (RFC 2986, 4.1); the attributes in DER SET OF order, each once. */
static void read_info(struct reader *request, struct device_csr *csr) {
    struct reader info;
    struct reader attributes;
    der_enter(request, DER_SEQUENCE, &info);
    if (der_read_u32(&info) != 0)
        info.failed = true;
    read_subject(&info, csr->uid);
    der_read_p256_public_key(&info, csr->auth_key);
    der_enter(&info, DER_CONTEXT_CONSTRUCTED(0), &attributes);
    read_attribute(&attributes, oid_attribute_reservation_nonce, csr->nonce, sizeof(csr->nonce));
    read_attribute(&attributes, oid_attribute_enc_public_key, csr->enc_key, sizeof(csr->enc_key));
    read_attribute(&attributes, oid_attribute_tls_public_key, csr->tls_key, sizeof(csr->tls_key));
    leave(&info, &attributes);
    leave(request, &info);
}

static void read_signature(struct reader *request, uint8_t signature[64]) {
    struct reader bits;
    der_expect_ecdsa_sha256(request);
    reader_init(&bits, der_read_bit_string(request));
    der_read_p256_signature(&bits, signature);
    leave(request, &bits);
}

/* The signed bytes are read twice: once whole, for the signature, once inside. */
static int parse(struct bytes der, struct device_csr *csr, struct bytes *signed_bytes,
                 uint8_t signature[64]) {
    struct reader outer;
    struct reader request;
    struct reader ahead;
    reader_init(&outer, der);
    der_enter(&outer, DER_SEQUENCE, &request);
    ahead = request;
    *signed_bytes = der_read_element(&ahead, DER_SEQUENCE);
    read_info(&request, csr);
    read_signature(&request, signature);
    leave(&outer, &request);
    return reader_finish(&outer) == STATUS_OK ? 0 : -1;
}

/* ENC and TLS keys are only stored now, but images will be encrypted to one of them: a point off
 * the curve, or the AUTH key in a second role, is refused at the door. */
static bool are_keys_sound(const struct device_csr *csr) {
    if (!x509_p256_is_on_curve(csr->enc_key) || !x509_p256_is_on_curve(csr->tls_key))
        return false;
    return memcmp(csr->auth_key, csr->enc_key, 64) != 0 &&
           memcmp(csr->auth_key, csr->tls_key, 64) != 0 &&
           memcmp(csr->enc_key, csr->tls_key, 64) != 0;
}

static int refuse(struct device_csr *csr, struct error *error, enum error_code code,
                  const char *message) {
    memset(csr, 0, sizeof(*csr));
    return error_set(error, code, "%s", message);
}

int device_csr_read(struct bytes der, struct device_csr *csr, struct error *error) {
    struct bytes signed_bytes;
    uint8_t signature[64];
    uint8_t digest[32];
    memset(csr, 0, sizeof(*csr));
    if (der.size > DEVICE_CSR_MAX)
        return refuse(csr, error, ERROR_BAD_CSR, "the certificate request is too long");
    if (parse(der, csr, &signed_bytes, signature) != 0)
        return refuse(csr, error, ERROR_BAD_CSR,
                      "the certificate request is not of the device profile");
    x509_sha256(signed_bytes, digest);
    if (!x509_p256_verify(csr->auth_key, digest, signature))
        return refuse(csr, error, ERROR_BAD_CSR_SIGNATURE,
                      "the certificate request is not signed by its own key");
    if (!are_keys_sound(csr))
        return refuse(csr, error, ERROR_BAD_CSR,
                      "a key of the certificate request is not on the curve or used twice");
    return 0;
}
