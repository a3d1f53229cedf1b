/*
 * The rare certificates, with OpenSSL's X.509 objects and a signer of ours: root, the two issuing
 * CAs, and the leaves of the OPERATIONS CA. Profiles: docs/formats/certificates.md.
 */
#ifndef NUSEC_HOST_X509_ISSUE_H
#define NUSEC_HOST_X509_ISSUE_H

#include "base/buffer.h"
#include "base/signer.h"

/* Append-only; what a certificate is for decides its extensions. */
enum certificate_profile {
    CERTIFICATE_ROOT,          /* self-signed */
    CERTIFICATE_DEVICE_CA,     /* path length 0 */
    CERTIFICATE_OPERATIONS_CA, /* path length 0 */
    CERTIFICATE_SERVER,        /* TLS serverAuth, alternative_names */
    CERTIFICATE_PROGRAMMER,    /* programmer, DMTF requester, TLS clientAuth */
    CERTIFICATE_GATEWAY,       /* gateway, DMTF requester, TLS clientAuth */
    CERTIFICATE_OEM_ADMIN,     /* operator roles: the role, TLS clientAuth */
    CERTIFICATE_OEM_OPERATOR,
    CERTIFICATE_CM_OPERATOR,
    CERTIFICATE_AUDITOR,
    CERTIFICATE_JOB_AUTHORITY, /* one role each, nothing else */
    CERTIFICATE_COMMAND_AUTHORITY,
    CERTIFICATE_AUDIT,
    CERTIFICATE_OCSP,
    CERTIFICATE_DEVICE, /* issued by device_certificate.h only; named here for role checks */
    CERTIFICATE_PROFILE_COUNT
};

struct certificate_request {
    enum certificate_profile profile;
    const char *common_name;  /* 1 to 64 bytes */
    const char *organization; /* 1 to 64 bytes */
    uint8_t public_key[64];
    uint8_t serial[16]; /* certificate_serial() of device_certificate.h */
    uint64_t not_before_s;
    uint64_t not_after_s; /* or CERTIFICATE_NO_EXPIRY */
    /* CERTIFICATE_SERVER only: "IP:127.0.0.1" or "DNS:name", NULL-terminated list. */
    const char *const *alternative_names;
};

/*
 * Appends the DER certificate to `out`. `issuer_certificate` is the DER of the issuing CA, empty
 * for the root. `signer` is the issuer's key. ERROR_BAD_REQUEST for a name out of bounds.
 */
int certificate_issue(const struct certificate_request *request, struct bytes issuer_certificate,
                      struct signer signer, struct buffer *out, struct error *error);

#endif
