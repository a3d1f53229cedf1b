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
#include "base/ledger.h"
#include "package/package.h"
#include "programmer/identity.h"
#include "programmer/key_store.h"

#include <jansson.h>
#include <stdatomic.h>

#define SERVER_PATIENCE_UNIT_MS   45000 /* in the middle of a unit: a chip is waiting */
#define SERVER_PATIENCE_PROMPT_MS 0     /* one try: a person is waiting */

/* Of the TLVs of one chip: hash, key, signature, wrapped content key. */
#define SERVER_TLVS_MAX 1024

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

/* Where and how long a unit was made. Texts may be NULL or "": not known. */
struct server_step {
    const char *name;
    uint32_t milliseconds;
};
struct server_line {
    const char *site;
    const char *serial;
    const struct server_step *steps;
    size_t step_count;
};

/* One unit's way through the server. */
struct server_reservation {
    char unit_id[33];
    uint8_t nonce[32];
};
/* `line`, of which the steps are not sent, may be NULL. ERROR_CONFLICT: the unit stands there,
 * under another serial number. */
int server_reserve(struct server *server, const struct package *package, const uint8_t uid[16],
                   uint32_t attempt, const struct server_line *line,
                   struct server_reservation *reservation, struct error *error);
/* `leaf` gets the device certificate, DER. */
int server_certify(struct server *server, const char *unit_id, struct bytes csr,
                   struct buffer *leaf, struct error *error);
/* `command` as in POST /v1/units/{id}/permits: "root_hash", "boot_key_hash_bl2", "lock" ... */
int server_permit(struct server *server, const char *unit_id, const char *command,
                  const uint8_t device_nonce[32], const uint8_t auth_key_hash[32],
                  struct buffer *permit, struct error *error);
/* For any device whose RMA was authorised; asked while a person waits. */
int server_permit_rma(struct server *server, const uint8_t uid[16], const uint8_t device_nonce[32],
                      const uint8_t auth_key_hash[32], struct buffer *permit, struct error *error);

/* A nonce for `step` ("bl2", "bl3", "record"), good for one answer within a minute. */
int server_challenge(struct server *server, const char *unit_id, const char *step,
                     uint8_t nonce[32], struct error *error);

/* What is sent to one chip: a body that all chips of the job share, and the TLVs for this one. */
struct server_image {
    char firmware_id[33];
    uint32_t body_size;
    uint8_t body_sha256[32];
    uint8_t digest[32];   /* MCUboot hash of the image */
    uint8_t key_hash[32]; /* of the key that signed it */
    struct buffer tlvs;   /* buffer_free it */
};
/* `target` is "bl2" or "bl3"; the chip's measurements under the nonce of the challenge are the
 * price. ERROR_CHALLENGE_EXPIRED, ERROR_ATTESTATION_REFUSED. */
int server_image(struct server *server, const char *unit_id, const char *target,
                 const uint8_t nonce[32], struct bytes transcript, struct server_image *image,
                 struct error *error);
/* The body, appended; not verified here. */
int server_image_body(struct server *server, const char *firmware_id, struct buffer *body,
                      struct error *error);

/* The signed unit record; the server takes repeats. ERROR_CHALLENGE_EXPIRED,
 * ERROR_ATTESTATION_REFUSED. */
int server_record(struct server *server, const char *unit_id, struct bytes record,
                  const struct server_line *line, long patience_ms, struct error *error);

struct server_outcome {
    const char *state; /* "identified", "failed" or "scrapped" */
    const char *step;
    const char *reason;
    uint32_t milliseconds;
    const uint8_t *certificate_sha256; /* of identified, else NULL */
    const uint8_t *scrapped_uid;       /* of scrapped, else NULL: signed with the reason */
    const struct server_line *line;    /* NULL: not known any more */
};
/* `is_counted`: the unit holds one of the job's count at the server. */
int server_report(struct server *server, const char *unit_id, const struct server_outcome *outcome,
                  long patience_ms, bool *is_counted, struct error *error);

/* Firmware of an open job: manifest and bytes, both appended. */
int server_firmware(struct server *server, const char *firmware_id, struct buffer *manifest,
                    struct buffer *content, struct error *error);

/* Says where the own ledger ends and what was acknowledged of it, and hears what the server has.
 * ERROR_PROGRAMMER_ROLLED_BACK, ERROR_SERVER_ROLLED_BACK, ERROR_LEDGER_DIVERGED: the server has
 * stopped the job. */
int server_ledger_agree(struct server *server, const char *job_id, const struct ledger_head *head,
                        const struct ledger_head *acknowledged, struct ledger_head *theirs,
                        struct error *error);
/* `lines` are base64 entries, an array, borrowed. */
int server_ledger_append(struct server *server, const char *job_id, uint64_t from_sequence,
                         const json_t *lines, struct error *error);

#endif
