/*
 * Software signed with the NL3 boot key (SECURE_BOOT_PRI_NL3): the DevAuth image a chip gets and
 * the programmer's own binary. Both come with a manifest (docs/formats/manifest.md) and are
 * verified against ROTPK_SBOOT, which the OEM installed in a trusted room.
 */
#ifndef NUSEC_PROGRAMMER_SOFTWARE_H
#define NUSEC_PROGRAMMER_SOFTWARE_H

#include "base/bytes.h"
#include "base/error.h"

#include <stdint.h>

#define SOFTWARE_VERSION_MAX 64
/* What the server takes for one file. */
#define SOFTWARE_SIZE_MAX ((size_t)8 << 20)

struct software {
    char version[SOFTWARE_VERSION_MAX + 1];
    char family[SOFTWARE_VERSION_MAX + 1];
    uint64_t size;
    uint8_t sha256[32];
    uint64_t counter;
};

/* Verifies signature and kind; ERROR_UNTRUSTED_SOFTWARE. */
int software_read_manifest(struct bytes manifest, const uint8_t boot_key[64], const char *kind,
                           struct software *software, struct error *error);

/* Is `file` what the manifest describes? ERROR_UNTRUSTED_SOFTWARE if not. */
int software_check_file(const struct software *software, struct bytes file, struct error *error);

#endif
