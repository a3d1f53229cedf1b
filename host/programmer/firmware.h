/*
 * The DevAuth image of a job: fetched from the server once, kept in firmware/ of the state
 * directory, and verified against ROTPK_SBOOT every time it is taken from there.
 */
#ifndef NUSEC_PROGRAMMER_FIRMWARE_H
#define NUSEC_PROGRAMMER_FIRMWARE_H

#include "base/buffer.h"
#include "programmer/server.h"
#include "programmer/software.h"

struct firmware {
    struct buffer image;
    struct software software;
};

struct firmware_order {
    const char *state_directory;
    const char *id; /* "fw-" and the first 16 hex digits of the SHA-256; safe as a file name */
    const char *chip_family;
    const uint8_t *boot_key; /* 64 bytes */
};

/* ERROR_UNTRUSTED_SOFTWARE if the image is not the OEM's, not for this family or not the one the
 * id names; ERROR_OFFLINE if it is not here and the server is away. */
int firmware_get(struct server *server, const struct firmware_order *order,
                 struct firmware *firmware, struct error *error);
void firmware_free(struct firmware *firmware);

#endif
