/*
 * Reading and checking certificates and programmer requests: all OpenSSL, no hot path.
 */
#ifndef NUSEC_HOST_X509_CERTIFICATE_H
#define NUSEC_HOST_X509_CERTIFICATE_H

#include "x509/issue.h"

#define X509_DER_MAX 4096

/* What our programs ask of a certificate. */
struct x509_info {
    uint8_t sha256[32];
    uint8_t public_key[64];
    char common_name[65];    /* empty if absent */
    char organization[65];   /* empty if absent */
    char serial_hex[41];     /* upper case */
    char subject_serial[65]; /* the serialNumber attribute: the UID of a device; may be empty */
    uint64_t not_before_s;
    uint64_t not_after_s;
    enum x509_profile profile; /* from its EKUs; X509_PROFILE_COUNT if none fits */
};

/* One DER certificate, nothing behind it, P-256 key. ERROR_BAD_CERTIFICATE. */
int x509_read(struct bytes der, struct x509_info *info, struct error *error);

void x509_sha256(struct bytes der, uint8_t digest[32]);

/*
 * RFC 5280 path validation with OpenSSL, strict, at `now_s`, and the role: the leaf's EKUs must be
 * exactly those of `profile`. The caller passes the intermediate CA that issues this role (DEVICE
 * or OPERATIONS), from its own configuration and not from the peer: that is the other half of a
 * role. ERROR_BAD_CERTIFICATE, ERROR_EXPIRED (also: not yet valid), ERROR_DENIED (another role).
 */
int x509_verify_chain(struct bytes root, struct bytes intermediate, struct bytes leaf,
                      enum x509_profile profile, uint64_t now_s, struct error *error);

/* PEM <-> DER. Each appends to `out`. Exactly one block; ERROR_BAD_CERTIFICATE / ERROR_BAD_CSR. */
int x509_certificate_to_pem(struct bytes der, struct buffer *out, struct error *error);
int x509_certificate_from_pem(struct bytes pem, struct buffer *out, struct error *error);
int x509_csr_to_pem(struct bytes der, struct buffer *out, struct error *error);

/* A programmer's or operator's PKCS#10, PEM, made with `signer`, whose public key is given. */
int x509_csr_create(const char *common_name, const uint8_t public_key[64], struct signer signer,
                    struct buffer *pem, struct error *error);

/*
 * Reads such a request and verifies its proof of possession. P-256 only. Only the key and the
 * common name are taken from it: everything else is for the issuer to say.
 */
int x509_csr_read(struct bytes pem, uint8_t public_key[64], char common_name[65],
                  struct error *error);

#endif
