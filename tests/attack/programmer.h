/*
 * The programmer's side of the identity flow for the attacks of this folder: the real SPDM
 * requester, MCTP and request reader, with a certificate authority in memory in place of a server.
 * It decides as a careful programmer must; what it takes for granted is what the attacks aim at.
 *
 *     programmer_init(&programmer, &pki, &wire);
 *     programmer_provision(&programmer, uid, mailbox_key_hash)
 *
 * The bytes go through a wire: the chip in memory or the socket of a virtual board, with or
 * without a man in the middle.
 */
#ifndef NUSEC_ATTACK_PROGRAMMER_H
#define NUSEC_ATTACK_PROGRAMMER_H

#include "devauth/devauth.h"
#include "devauth/testing/test_pki.h"
#include "mctp/mctp.h"
#include "mctp/mctp_serial.h"
#include "spdm/spdm_requester.h"

struct wire {
    void *context;
    void (*send)(void *context, struct bytes bytes);
    /* Some bytes that came; 0 when nothing more comes in the time a programmer would wait. */
    size_t (*receive)(void *context, uint8_t *out, size_t capacity);
};

/* In the order of the flow. */
enum programmer_step {
    STEP_CONNECT,
    STEP_SESSION,
    STEP_KEYS,
    STEP_CSR,
    STEP_INSTALL,
    STEP_VERIFY,
    STEP_ROOT_HASH,
    STEP_CONFIRM,
    STEP_DONE,
};
const char *programmer_step_name(enum programmer_step step);

/* The authority's row of one unit. */
struct issued {
    bool exists;
    uint8_t uid[16];
    uint8_t auth_key[64];
};

struct programmer {
    const struct test_pki *pki; /* borrowed, as is the wire */
    const struct wire *wire;
    struct spdm_requester requester;
    struct mctp_endpoint endpoint;
    struct mctp_serial_deframer deframer;
    uint8_t reassembly[1 + SPDM_RECORD_MAX];
    uint8_t own_chain[2048];
    size_t own_chain_size;
    /* the unit */
    uint8_t uid[16];
    uint8_t key_hash[32]; /* of the key slot 0 must show */
    struct devauth_public_keys keys;
    struct test_identity device;
    uint8_t issued_chain[2048];
    size_t issued_chain_size;
    struct issued issued;      /* the latest certificate given out */
    enum programmer_step step; /* reached, or failed at */
    /* NULL, or called when a step has been done. */
    void (*on_step)(void *context, enum programmer_step done);
    void *on_step_context;
};

void programmer_init(struct programmer *programmer, const struct test_pki *pki,
                     const struct wire *wire);

/*
 * The whole flow with a chip that has no root hash yet. `key_hash` is what the mailbox said. OK, or
 * why `step` failed: the chip's status if it gave one.
 */
enum status programmer_provision(struct programmer *programmer, const uint8_t uid[16],
                                 const uint8_t key_hash[32]);

/* For a chip that may have it all already: a session on the certificate issued last, and the right
 * root hash in OTP. */
enum status programmer_confirm(struct programmer *programmer);

#endif
