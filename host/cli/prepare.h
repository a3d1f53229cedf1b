/* Preparing a programmer in the OEM's trusted room, before it goes to the factory. */
#ifndef NUSEC_CLI_PREPARE_H
#define NUSEC_CLI_PREPARE_H

#include "base/error.h"

#include <jansson.h>

struct prepare {
    const char *name;             /* how the OEM calls it */
    const char *software;         /* path of the programmer's own executable */
    const char *software_version; /* recorded in its manifest */
    const char *assurance;        /* to enrol it with; NULL: what its key store says it is */
};

/*
 * Brings the programmer of --programmer and the server of --profile together: certificate, trust
 * anchors, AES_NuLink3, signed manifest of its software. The two never talk to each other here and
 * this tool sees no secret: what passes through it is signed or wrapped. Progress goes to stderr.
 * Returns {programmer_id, certificate_sha256_hex, epoch, assurance, software_id}, a new reference.
 */
json_t *prepare_programmer(const struct prepare *prepare, struct error *error);

/* Agrees the AES_NuLink3 of the next epoch with a prepared programmer. Returns {programmer_id,
 * epoch}, a new reference. */
json_t *prepare_rotate(struct error *error);

#endif
