/*
 * The rare certificates: root, the two issuing CAs, and the leaves of the OPERATIONS CA, by the
 * same writer as device certificates. Profiles: docs/formats/certificates.md.
 */
#ifndef NUSEC_HOST_X509_ISSUE_H
#define NUSEC_HOST_X509_ISSUE_H

#include "base/buffer.h"
#include "base/signer.h"

/* Append-only; what a certificate is for decides its extensions. */
enum x509_profile {
    X509_PROFILE_ROOT,          /* self-signed */
    X509_PROFILE_DEVICE_CA,     /* path length 0 */
    X509_PROFILE_OPERATIONS_CA, /* path length 0 */
    X509_PROFILE_SERVER,        /* TLS serverAuth, alternative_names */
    X509_PROFILE_PROGRAMMER,    /* programmer, DMTF requester, TLS clientAuth */
    X509_PROFILE_GATEWAY,       /* gateway, DMTF requester, TLS clientAuth */
    X509_PROFILE_OEM_ADMIN,     /* operator roles: the role, TLS clientAuth */
    X509_PROFILE_OEM_OPERATOR,
    X509_PROFILE_CM_OPERATOR,
    X509_PROFILE_AUDITOR,
    X509_PROFILE_JOB_AUTHORITY, /* one role each, nothing else */
    X509_PROFILE_COMMAND_AUTHORITY,
    X509_PROFILE_AUDIT,
    X509_PROFILE_OCSP,
    X509_PROFILE_DEVICE, /* issued by device_certificate.h only; named here for role checks */
    X509_PROFILE_COUNT
};

struct x509_request {
    enum x509_profile profile;
    const char *common_name;  /* 1 to 64 bytes */
    const char *organization; /* 1 to 64 bytes */
    uint8_t public_key[64];
    uint8_t serial[16]; /* x509_serial() of device_certificate.h */
    uint64_t not_before_s;
    uint64_t not_after_s; /* or X509_NO_EXPIRY */
    /* X509_PROFILE_SERVER only: "IP:127.0.0.1" or "DNS:name", NULL-terminated list. */
    const char *const *alternative_names;
};

/*
 * Appends the DER certificate to `out`. `issuer_certificate` is the DER of the issuing CA, empty
 * for the root. `signer` is the issuer's key. ERROR_BAD_REQUEST for a name out of bounds.
 */
int x509_issue(const struct x509_request *request, struct bytes issuer_certificate,
               struct signer signer, struct buffer *out, struct error *error);

#endif
