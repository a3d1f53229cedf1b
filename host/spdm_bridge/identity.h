/*
 * Keys and chains from files, for both ends of a test connection.
 */
#ifndef NUSEC_SPDM_BRIDGE_IDENTITY_H
#define NUSEC_SPDM_BRIDGE_IDENTITY_H

#include "base/buffer.h"

/* DER certificates one after another, from a DER or PEM file, in the file's order. */
int identity_read_certificates(const char *path, struct buffer *out, struct error *error);

/* A P-256 private key from a PEM file, as its 32-byte scalar; wipe it. */
int identity_read_key(const char *path, uint8_t private_key[32], struct error *error);

#endif
