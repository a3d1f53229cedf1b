/*
 * The signed map of a package (docs/formats/package.md). Private to host/package.
 */
#ifndef NUSEC_HOST_PACKAGE_PAYLOAD_H
#define NUSEC_HOST_PACKAGE_PAYLOAD_H

#include "package/package.h"

/* Appends the encoding; ERROR_BAD_REQUEST for fields out of bounds. */
int payload_write(const struct package *package, struct buffer *out, struct error *error);

/* ERROR_BAD_PACKAGE if the bytes are no such map. `package` is then empty. */
int payload_read(struct bytes encoded, struct package *package, struct error *error);

#endif
