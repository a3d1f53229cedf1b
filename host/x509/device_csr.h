/*
 * The strict reader of a device's PKCS#10 request (RFC 2986, docs/formats/certificates.md).
 *
 * Exactly one encoding is accepted: version 0, subject serialNumber = UID (32 upper-case hex
 * digits), a P-256 key, the three attributes encPublicKey, tlsPublicKey, reservationNonce in DER
 * SET OF order, ecdsa-with-SHA256, no byte more. The signature is verified: that is the proof
 * that the chip has the AUTH key and stands behind ENC key, TLS key and nonce.
 */
#ifndef NUSEC_HOST_X509_DEVICE_CSR_H
#define NUSEC_HOST_X509_DEVICE_CSR_H

#include "base/bytes.h"
#include "base/error.h"

#define DEVICE_CSR_MAX  1024
#define DEVICE_UID_SIZE 16

struct device_csr {
    uint8_t uid[DEVICE_UID_SIZE];
    uint8_t auth_key[64];
    uint8_t enc_key[64];
    uint8_t tls_key[64];
    uint8_t nonce[32];
};

/*
 * ERROR_BAD_CSR (format, curve, points not on the curve, keys not distinct) or
 * ERROR_BAD_CSR_SIGNATURE. Whether UID and nonce are the reserved ones is for the caller.
 */
int device_csr_read(struct bytes der, struct device_csr *csr, struct error *error);

#endif
