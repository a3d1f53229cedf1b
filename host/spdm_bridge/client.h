/*
 * Our requester against any responder: negotiation, chain, challenge, measurements, a session,
 * measurements in it, its end. Each step is reported on `out` as one line.
 */
#ifndef NUSEC_SPDM_BRIDGE_CLIENT_H
#define NUSEC_SPDM_BRIDGE_CLIENT_H

#include "base/bytes.h"
#include "base/error.h"

#include <stdio.h>

/* Sends a message and gets its answer; 0, or -1 and error. `*size` is the answer's. */
typedef int client_carrier(void *context, uint8_t type, struct bytes message, uint8_t *answer_type,
                           uint8_t *answer, size_t capacity, size_t *size, struct error *error);

struct client_identity {
    struct bytes root;  /* certificate (DER) that the responder's chain must begin with */
    struct bytes chain; /* our own certificates (DER, root first); empty: do not authenticate */
    uint8_t private_key[32]; /* of the last certificate in `chain` */
    uint16_t portion;        /* bytes of a certificate chain asked for at once; 0: all */
};

int client_run(client_carrier *carrier, void *context, const struct client_identity *identity,
               FILE *out, struct error *error);

#endif
