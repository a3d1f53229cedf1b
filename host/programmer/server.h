/*
 * The OEM's server as the programmer sees it: the calls of docs/api/openapi.yaml a programmer may
 * make, over mutual TLS with AUTHKEY.
 *
 * Connections are kept open in a pool, one per thread that talks at a time, so that a site never
 * waits for another site's request. Every request may be repeated, so a call that got no answer,
 * or a 5xx, is tried again with growing pauses until its patience is used up or `stop` is set;
 * then it fails with ERROR_OFFLINE or ERROR_TIMEOUT. What the server refuses is not tried again.
 */
#ifndef NUSEC_PROGRAMMER_SERVER_H
#define NUSEC_PROGRAMMER_SERVER_H

#include "base/buffer.h"
#include "package/package.h"
#include "programmer/identity.h"
#include "programmer/key_store.h"

#include <jansson.h>
#include <stdatomic.h>

#define SERVER_PATIENCE_UNIT_MS   45000 /* in the middle of a unit: a chip is waiting */
#define SERVER_PATIENCE_PROMPT_MS 0     /* one try: a person is waiting */

struct server;

struct server_options {
    const char *directory; /* state directory, holds the root's PEM file */
    const char *url;
    const struct identity *identity;   /* copied */
    const struct key_store *key_store; /* borrowed */
    const atomic_bool *stop;           /* borrowed; ends waiting */
};

struct server *server_open(const struct server_options *options, struct error *error);
void server_close(struct server *server);

/* The message for signed_time_read, asked with this nonce. */
int server_time(struct server *server, const uint8_t nonce[32], struct buffer *signed_time,
                struct error *error);

int server_activate(struct server *server, const struct package *package, struct error *error);

/* One unit's way through the server. */
struct server_reservation {
    char unit_id[33];
    uint8_t nonce[32];
};
int server_reserve(struct server *server, const struct package *package, const uint8_t uid[16],
                   uint32_t attempt, struct server_reservation *reservation, struct error *error);
/* `leaf` gets the device certificate, DER. */
int server_certify(struct server *server, const char *unit_id, struct bytes csr,
                   struct buffer *leaf, struct error *error);
int server_permit_root_hash(struct server *server, const char *unit_id,
                            const uint8_t device_nonce[32], const uint8_t auth_key_hash[32],
                            struct buffer *permit, struct error *error);

struct server_outcome {
    const char *state; /* "identified" or "failed" */
    const char *step;
    const char *reason;
    uint32_t milliseconds;
    const uint8_t *certificate_sha256; /* NULL when failed */
};
int server_report(struct server *server, const char *unit_id, const struct server_outcome *outcome,
                  long patience_ms, struct error *error);

/* Firmware of an open job: manifest and bytes, both appended. */
int server_firmware(struct server *server, const char *firmware_id, struct buffer *manifest,
                    struct buffer *content, struct error *error);

/* The server's copy of a job's ledger. `lines` are base64 entries, an array, borrowed. */
int server_ledger_head(struct server *server, const char *job_id, uint64_t *sequence,
                       uint8_t hash[32], struct error *error);
int server_ledger_append(struct server *server, const char *job_id, uint64_t from_sequence,
                         const json_t *lines, struct error *error);

#endif
