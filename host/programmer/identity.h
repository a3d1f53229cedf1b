/*
 * Who this programmer is and whom it trusts: `programmer.json` in the state directory, written in
 * one durable step so that no crash leaves half a preparation (docs/formats/programmer_state.md).
 *
 * A fresh programmer has no certificate; after prepare.install it is `installed`, after the
 * AES_NuLink3 agreement it has an epoch and is prepared.
 */
#ifndef NUSEC_PROGRAMMER_IDENTITY_H
#define NUSEC_PROGRAMMER_IDENTITY_H

#include "base/buffer.h"
#include "x509/certificate.h"

#define IDENTITY_TEXT_MAX 64
#define IDENTITY_URL_MAX  255

struct identity {
    char name[IDENTITY_TEXT_MAX + 1];
    char programmer_id[IDENTITY_TEXT_MAX + 1];
    char server_url[IDENTITY_URL_MAX + 1];
    bool installed;
    /* Certificates, DER. */
    struct buffer programmer;
    struct buffer root;
    struct buffer device_ca;
    struct buffer operations_ca;
    struct buffer job_authority;
    uint8_t certificate_sha256[32];
    uint8_t job_authority_sha256[32];
    uint8_t job_authority_key[64];
    uint8_t boot_key[64];  /* ROTPK_SBOOT: X || Y of the key that signs DevAuth and this program */
    uint32_t epoch;        /* of AES_NuLink3; 0: none yet */
    uint64_t import_floor; /* packages of a lower sequence are refused for good */
};

bool identity_is_prepared(const struct identity *identity);

/*
 * Puts certificates given as PEM into `identity`, checks them against each other (programmer and
 * job authority verify through OPERATIONS CA to the root, the DEVICE CA to the root, all at
 * `now_s`) and that the programmer certificate is for `public_key`. On failure the identity is
 * half-filled: give it to identity_free.
 */
struct identity_pems {
    const char *programmer;
    const char *root;
    const char *device_ca;
    const char *operations_ca;
    const char *job_authority;
};
int identity_install(struct identity *identity, const struct identity_pems *pems,
                     const uint8_t public_key[64], uint64_t now_s, struct error *error);

/* Whether the installed certificate is for the AUTHKEY that is here. */
int identity_check_key(const struct identity *identity, const uint8_t public_key[64],
                       struct error *error);

/* No file: a fresh identity. */
int identity_load(struct identity *identity, const char *directory, struct error *error);
int identity_save(const struct identity *identity, const char *directory, struct error *error);

/* The PEM file of the root, for the TLS client; a new string. */
char *identity_root_path(const char *directory);

int identity_copy(struct identity *copy, const struct identity *identity, struct error *error);
void identity_free(struct identity *identity);

#endif
