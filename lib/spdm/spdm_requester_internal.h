/*
 * What the requester's files share: `build` writes the request of the current step, `take` reads
 * its response and names the next step.
 */
#ifndef NUSEC_SPDM_SPDM_REQUESTER_INTERNAL_H
#define NUSEC_SPDM_SPDM_REQUESTER_INTERNAL_H

#include "spdm/spdm_requester.h"

/* `step` when an operation has nothing more to send. */
#define SPDM_STEP_DONE 0

/* A response whose version and code are right; `reader` is behind its header. */
struct spdm_response {
    struct bytes message;
    struct reader reader;
    uint8_t param1;
    uint8_t param2;
};

typedef enum status spdm_builder(struct spdm_requester *requester, struct writer *message);
typedef enum status spdm_taker(struct spdm_requester *requester, struct spdm_response *response,
                               uint8_t *next_step);

spdm_builder spdm_build_digests;
spdm_builder spdm_build_certificate;
spdm_builder spdm_build_challenge;
spdm_builder spdm_build_measurements;
spdm_taker spdm_take_digests;
spdm_taker spdm_take_certificate;
spdm_taker spdm_take_challenge;
spdm_taker spdm_take_measurements;

spdm_builder spdm_build_key_exchange;
spdm_builder spdm_build_finish;
spdm_builder spdm_build_end_session;
spdm_taker spdm_take_key_exchange;
spdm_taker spdm_take_finish;
spdm_taker spdm_take_end_session;

spdm_builder spdm_build_encapsulated_request;
spdm_builder spdm_build_encapsulated_response;
spdm_taker spdm_take_encapsulated_request;
spdm_taker spdm_take_encapsulated_ack;

spdm_builder spdm_build_csr;
spdm_builder spdm_build_set_certificate;
spdm_builder spdm_build_vendor;
spdm_taker spdm_take_csr;
spdm_taker spdm_take_set_certificate;
spdm_taker spdm_take_vendor;

/* Verifies the device's signature over the digest of `running`, by its leaf key. */
MUST_USE enum status spdm_requester_verify(const struct spdm_requester *requester, int role,
                                           const struct crypto_sha256 *running,
                                           struct bytes signature);

/* Our own CertChain blob in this slot; empty if there is none. */
struct bytes spdm_requester_own_chain(const struct spdm_requester *requester, uint8_t slot);

/* The request in flight, as sent. */
struct bytes spdm_requester_request(const struct spdm_requester *requester);

#endif
