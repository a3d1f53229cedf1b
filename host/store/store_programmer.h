/*
 * Programmers, the key each shares with the server, and who may speak to the API.
 *
 * An identity is one client certificate of a programmer or operator, found by its SHA-256; it is
 * looked up on every request, so that revoking it bites at once.
 */
#ifndef NUSEC_STORE_PROGRAMMER_H
#define NUSEC_STORE_PROGRAMMER_H

#include "base/buffer.h"
#include "store/store_job.h"
#include "store/unit_state.h"

#define STORE_ROLE_MAX 31

struct store_identity {
    uint8_t certificate_hash[32];
    char role[STORE_ROLE_MAX + 1]; /* "oem-admin", ..., "programmer" */
    char name[STORE_NAME_MAX + 1]; /* operator name or programmer id */
    bool revoked;
};

/* 1 found, 0 none, -1 error. */
int store_identity_find(struct store_db *db, const uint8_t certificate_hash[32],
                        struct store_identity *identity, struct error *error);
/* ERROR_CONFLICT if a valid identity has the same role and name. */
int store_identity_insert(struct store_db *db, const struct store_identity *identity, uint64_t now,
                          struct error *error);
/* Revokes what has this role and name; ERROR_NOT_FOUND. */
int store_identity_revoke(struct store_db *db, const char *role, const char *name,
                          struct error *error);

struct store_programmer {
    char id[STORE_ID_MAX + 1];
    char name[STORE_NAME_MAX + 1];
    char state[16];
    char assurance[STORE_ID_MAX + 1];
    uint64_t epoch; /* 0: no key agreed yet */
    uint8_t certificate_hash[32];
    uint64_t created;
    uint64_t agreed; /* when the key of this epoch was; 0: none */
};

/* The certificate is kept with it. ERROR_CONFLICT for a name in use. */
int store_programmer_insert(struct store_db *db, const struct store_programmer *programmer,
                            struct bytes certificate, struct error *error);
/* ERROR_NOT_FOUND. */
int store_programmer_find(struct store_db *db, const char *id, struct store_programmer *programmer,
                          struct error *error);
/* Appends the DER certificate. */
int store_programmer_certificate(struct store_db *db, const char *id, struct buffer *der,
                                 struct error *error);
typedef void store_programmer_visitor(void *context, const struct store_programmer *programmer);
int store_programmer_list(struct store_db *db, store_programmer_visitor *visit, void *context,
                          struct error *error);
/* Programmer and identity. */
int store_programmer_revoke(struct store_db *db, const char *id, struct error *error);

/* What one programmer has made, or has begun, under one job: the newest attempt at each chip. */
struct store_programmer_job {
    char job_id[STORE_ID_MAX + 1];
    uint64_t states[UNIT_STATES];
};
typedef void store_programmer_job_visitor(void *context, const struct store_programmer_job *job);
/* Its jobs, those without a unit too. */
int store_programmer_jobs(struct store_db *db, const char *id, store_programmer_job_visitor *visit,
                          void *context, struct error *error);

typedef void store_uid_visitor(void *context, const uint8_t uid[STORE_UID_SIZE]);
/* The chips that have an identity by this programmer, the first `limit` of them. */
int store_programmer_uids(struct store_db *db, const char *id, size_t limit,
                          store_uid_visitor *visit, void *context, struct error *error);

/* The next epoch becomes the programmer's, its state ready. ERROR_CONFLICT unless `epoch` is the
 * current one plus 1. */
int store_agreement_insert(struct store_db *db, const char *programmer_id, uint64_t epoch,
                           struct bytes wrapped_key, uint64_t now, struct error *error);
/* Appends the key of the current epoch, wrapped; ERROR_NOT_PREPARED. */
int store_agreement_find(struct store_db *db, const char *programmer_id, uint64_t epoch,
                         struct buffer *wrapped_key, struct error *error);

#endif
