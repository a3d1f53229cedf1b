/*
 * The one table of profiles: which extended key usages make a role. Private to host/x509.
 */
#ifndef NUSEC_HOST_X509_PROFILE_H
#define NUSEC_HOST_X509_PROFILE_H

#include "base/bytes.h"
#include "x509/issue.h"

#define X509_PROFILE_USAGES_MAX 3

struct x509_profile_row {
    const char *name; /* for messages */
    enum { X509_KIND_ROOT, X509_KIND_CA, X509_KIND_LEAF } kind;
    size_t usage_count;
    const struct bytes *usages[X509_PROFILE_USAGES_MAX];
};

const struct x509_profile_row *x509_profile_row(enum x509_profile profile);

#endif
