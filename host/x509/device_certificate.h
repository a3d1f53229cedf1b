/*
 * Device certificates (IEEE 802.1AR IDevID), written by a DER template: OpenSSL's X.509 objects
 * are four times slower, and this is the hot path. A test compares every byte with OpenSSL's own
 * output for the same fields. Profile: docs/formats/certificates.md.
 *
 *     device_issuer_init(&issuer, ca_der, "Example Ltd", signer, error);       once
 *     x509_serial(now_s, random, serial);
 *     device_certificate_issue(&issuer, &fields, out, sizeof(out), &size, error);   any thread
 */
#ifndef NUSEC_HOST_X509_DEVICE_CERTIFICATE_H
#define NUSEC_HOST_X509_DEVICE_CERTIFICATE_H

#include "base/signer.h"
#include "x509/device_csr.h"

#define DEVICE_CERTIFICATE_MAX 2000
#define X509_SERIAL_SIZE       16
#define X509_NO_EXPIRY         UINT64_MAX /* 99991231235959Z, RFC 5280 4.1.2.5 */

/* The issuing CA; fixed after init and shared by all threads. */
struct device_issuer {
    uint8_t name[512]; /* the CA's subject Name, DER */
    size_t name_size;
    uint8_t key_identifier[20];
    char organization[65];
    struct signer signer;
};

/* Takes name and key identifier from the CA certificate. `organization`: 1 to 64 bytes UTF-8. */
int device_issuer_init(struct device_issuer *issuer, struct bytes ca_certificate,
                       const char *organization, struct signer signer, struct error *error);

struct device_certificate_fields {
    uint8_t uid[DEVICE_UID_SIZE];
    uint8_t auth_key[64];
    uint8_t serial[X509_SERIAL_SIZE];
    uint64_t not_before_s;
    uint64_t not_after_s; /* or X509_NO_EXPIRY */
};

/* DER into `out`; at most DEVICE_CERTIFICATE_MAX bytes. */
int device_certificate_issue(const struct device_issuer *issuer,
                             const struct device_certificate_fields *fields, uint8_t *out,
                             size_t capacity, size_t *size, struct error *error);

/*
 * A serial number whose first 6 bytes grow with time, so that database rows are appended rather
 * than scattered, and whose last 10 bytes are the caller's random ones. Positive, never zero.
 */
void x509_serial(uint64_t now_s, const uint8_t random[10], uint8_t serial[X509_SERIAL_SIZE]);

#endif
