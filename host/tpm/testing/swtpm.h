/*
 * A software TPM (swtpm) for one test: its state in a directory of its own, a unix socket beside
 * it.
 */
#ifndef NUSEC_HOST_TPM_TESTING_SWTPM_H
#define NUSEC_HOST_TPM_TESTING_SWTPM_H

#include "base/buffer.h"

#include <sys/types.h>

struct swtpm {
    char directory[64]; /* under /tmp; socket paths are short */
    char tcti[96];      /* for tpm_open */
    char pin_file[80];  /* a PIN of 32 digits */
    char keys[80];      /* a directory for key files, not made */
    char makers[80];    /* a folder with the certificate of who certified it */
    pid_t process;
};

/* Another TPM, and started. */
void swtpm_make(struct swtpm *swtpm);
/* The same with an endorsement certificate, by a maker of its own (swtpm_setup). */
void swtpm_make_certified(struct swtpm *swtpm);
/* The maker's certificate, DER, appended. */
void swtpm_maker_certificate(const struct swtpm *swtpm, struct buffer *der);
void swtpm_remove(struct swtpm *swtpm);

/* The same TPM with the power off and on: what was not stored is gone. */
void swtpm_start(struct swtpm *swtpm);
void swtpm_stop(struct swtpm *swtpm);

#endif
