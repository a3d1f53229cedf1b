/*
 * Somebody on the bus of a software TPM: hands on what passes, but puts another key into the public
 * areas that TPM2_ReadPublic gives, beside the name that the TPM says.
 */
#ifndef NUSEC_HOST_TPM_TESTING_INTERPOSER_H
#define NUSEC_HOST_TPM_TESTING_INTERPOSER_H

#include "tpm/testing/swtpm.h"

#include <pthread.h>

struct interposer {
    char tcti[112];        /* for tpm_open */
    uint8_t key[64];       /* X, Y of the key to put in: on the curve */
    unsigned replacements; /* result, once stopped */
    char socket_path[96];
    char control_path[112];
    char tpm_path[96];
    int listener;
    pthread_t thread;
};

/* `key` is filled in by the caller. */
void interposer_start(struct interposer *interposer, const struct swtpm *swtpm);
/* Once nothing is connected to it. */
void interposer_stop(struct interposer *interposer);

#endif
