/*
 * Firmware octets as files named by their SHA-256, written durably, never changed.
 */
#ifndef NUSEC_SERVER_BLOBS_H
#define NUSEC_SERVER_BLOBS_H

#include "server/server_data.h"

/* Storing what is there already is fine. */
int blob_put(const struct server_data *data, const uint8_t sha256[32], struct bytes octets,
             struct error *error);
/* Appended. ERROR_NOT_FOUND; ERROR_STORAGE when the file is not what its name says. */
int blob_get(const struct server_data *data, const uint8_t sha256[32], size_t limit,
             struct buffer *octets, struct error *error);

#endif
