/*
 * A programmer and a job for the load test, made over the real API: the programmer's TLS key is a
 * PEM file (so that the load client can use it), its AES_NuLink3 lives in a SoftHSM token as usual.
 */
#ifndef NUSEC_TESTS_BENCH_LOAD_JOB_H
#define NUSEC_TESTS_BENCH_LOAD_JOB_H

#include "base/buffer.h"

struct load_job {
    char job_id[65];
    char token_base64[65];
    char certificate_path[256]; /* the programmer's, PEM, for load_target */
    char key_path[256];
};

struct load_files {
    const char *work;  /* an existing private directory, for the programmer's files */
    const char *image; /* a DevAuth image */
};

/* `profile` is an admin profile directory (client.pem, client.key, ca.pem). The job allows `count`
 * units. */
int load_job_create(const char *url, const char *profile, const struct load_files *files,
                    uint32_t count, struct load_job *job, struct error *error);

#endif
