/*
 * PEM blocks (RFC 7468). Private to host/x509.
 */
#ifndef NUSEC_HOST_X509_PEM_H
#define NUSEC_HOST_X509_PEM_H

#include "base/buffer.h"

int x509_pem_write(const char *name, struct bytes der, struct buffer *out, struct error *error);

/* Exactly one block of that name; text before it is skipped, as RFC 7468 allows, none behind it.
 * Failures have `code`. */
int x509_pem_read(const char *name, struct bytes pem, struct buffer *out, enum error_code code,
                  struct error *error);

#endif
