/*
 * One chip in RAM, DevAuth running on it, and a programmer's SPDM requester at the other end of a
 * link that carries real frames. A step of the identity flow is one call; each returns what the
 * programmer gets to know.
 */
#ifndef NUSEC_DEVAUTH_TESTING_BENCH_H
#define NUSEC_DEVAUTH_TESTING_BENCH_H

#include "cose/permit.h"
#include "devauth/devauth_device.h"
#include "devauth/testing/ram_chip.h"
#include "devauth/testing/test_pki.h"
#include "hal/device_link.h"
#include "spdm/spdm_requester.h"

struct bench {
    /* Lets the chip take what is on its line. NULL: DevAuth below, which is polled. */
    void (*turn)(struct bench *bench);
    bool expects_issued_chain; /* whatever DevAuth below would answer with */
    /* chip */
    struct devauth_device device;
    struct device_link link;
    uint8_t key_hash[32]; /* as the mailbox says */
    /* programmer */
    struct test_pki pki;
    struct test_identity device_identity;
    uint8_t programmer_chain[2048];
    size_t programmer_chain_size;
    uint8_t issued_chain[2048];
    size_t issued_chain_size;
    struct spdm_requester requester;
    struct mctp_endpoint endpoint;
    struct mctp_serial_deframer deframer;
    uint8_t receive_buffer[1 + SPDM_RECORD_MAX];
    struct devauth_public_keys keys;
    /* how the next permit differs from a good one */
    struct permit permit;
    struct permit_root_hash permit_arguments;
};

enum bench_session { BENCH_READ_ONLY, BENCH_PRIVILEGED };

/* A new chip, a new OEM, nothing started. */
void bench_make(struct bench *bench);

/* Starts DevAuth with the bench's root and programmer certificate. */
enum status bench_boot(struct bench *bench);
enum status bench_boot_with(struct bench *bench, struct bytes root, struct bytes requester);

/* Runs the requester's operation to its end; OK if DONE, else why not: the vendor status of a
 * refusal if there is one, PEER_ERROR for other ERRORs. */
enum status bench_run(struct bench *bench);

/* Connect only: no session. */
enum status bench_connect(struct bench *bench, enum bench_session session);

/* The same by hand, for a stage that runs its own loop: plug in, start, then put and take while
 * the operation is running, and ask for its result. */
void bench_plug_in(struct bench *bench);
enum status bench_start_connect(struct bench *bench, enum bench_session session);
bool bench_is_running(const struct bench *bench);
void bench_put(struct bench *bench);
void bench_take(struct bench *bench);
/* Messages beside SPDM: `put` under the tag of the one before if `again` says so; false if none
 * came. */
enum bench_tag { BENCH_TAG_NEW, BENCH_TAG_AGAIN };
void bench_put_message(struct bench *bench, uint8_t type, struct bytes message, enum bench_tag tag);
bool bench_take_message(struct bench *bench, struct mctp_message *message);
void bench_turn(struct bench *bench);
enum status bench_result(const struct bench *bench);

/* CHALLENGE on slot 0, and signed measurements of everything with this nonce. */
enum status bench_challenge(struct bench *bench);
enum status bench_measurements(struct bench *bench, const uint8_t nonce[32], struct bytes *record);

/* Connect, read slot 0, open a session. The chain must be ephemeral with the mailbox's key hash, or
 * the issued one if the chip has it. */
enum status bench_open(struct bench *bench, enum bench_session session);

/* A vendor command; `answer` may be NULL. */
enum status bench_vendor(struct bench *bench, struct bytes payload, struct bytes *answer);
enum status bench_command(struct bench *bench, enum devauth_command command, struct bytes *answer);
enum status bench_info(struct bench *bench, struct devauth_device_info *info);

/* Steps of the flow. */
enum status bench_generate_keys(struct bench *bench);
enum status bench_get_csr(struct bench *bench, const uint8_t nonce[32], struct bytes *csr);
void bench_issue(struct bench *bench);
enum status bench_set_certificate(struct bench *bench);
/* Fills `permit` and `permit_arguments` with what a good permit says, with a fresh nonce. */
enum status bench_prepare_permit(struct bench *bench);
/* Signs and sends them. */
enum status bench_send_permit(struct bench *bench);
size_t bench_encode_permit(struct bench *bench, const struct test_identity *authority, uint8_t *out,
                           size_t capacity);

/* Up to and including keys, CSR, certificate, in a session on the ephemeral chain. */
enum status bench_certify(struct bench *bench);
/* All of it: boot, certify, new session, root hash. */
enum status bench_provision(struct bench *bench);

#endif
