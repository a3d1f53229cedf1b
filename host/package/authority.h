/*
 * COSE_Sign1 by the job authority, x5chain [job authority, OPERATIONS CA]: the inner layer of a
 * package, and signed time. Private to host/package.
 */
#ifndef NUSEC_HOST_PACKAGE_AUTHORITY_H
#define NUSEC_HOST_PACKAGE_AUTHORITY_H

#include "package/package.h"

/* Appends the signed message to `out`. */
int authority_sign(const struct package_authority *authority, struct bytes payload,
                   struct buffer *out, struct error *error);

/* A signed message whose signature is checked and whose signer is not yet trusted. */
struct authority_message {
    struct bytes payload; /* borrowed from the encoded message, like the certificate */
    struct bytes certificate;
};

/*
 * ERROR_ALTERED if the bytes are no such message or the signature does not match,
 * ERROR_UNTRUSTED_SIGNER if the x5chain does not have our OPERATIONS CA.
 */
int authority_open(struct bytes encoded, struct bytes operations_ca,
                   struct authority_message *message, struct error *error);

/* ERROR_UNTRUSTED_SIGNER unless the certificate is a job authority's of our root at `now_s`. */
int authority_trust(const struct authority_message *message, struct bytes root,
                    struct bytes operations_ca, uint64_t now_s, struct error *error);

#endif
