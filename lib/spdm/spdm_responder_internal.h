/*
 * What the responder's files share. A handler gets one request whose version, place and
 * capability have been checked, writes the response and returns NONE, or returns the error to be
 * sent instead; whatever it wrote is then thrown away.
 */
#ifndef NUSEC_SPDM_SPDM_RESPONDER_INTERNAL_H
#define NUSEC_SPDM_SPDM_RESPONDER_INTERNAL_H

#include "spdm/spdm_responder.h"

/* What happens once the response has been sealed. */
enum spdm_after {
    SPDM_AFTER_NOTHING,
    SPDM_AFTER_DATA_KEYS,
    SPDM_AFTER_CLOSE,
};

struct spdm_exchange {
    struct spdm_responder *responder;
    struct bytes request;
    struct reader reader; /* behind the four header bytes */
    uint8_t code;
    uint8_t param1;
    uint8_t param2;
    bool inside;             /* came through the session */
    struct writer *response; /* empty when the handler is called */
    enum spdm_after after;
    uint8_t error_data;
    uint32_t wanted_size;      /* with RESPONSE_TOO_LARGE */
    enum status vendor_status; /* with VENDOR */
};

typedef enum spdm_error spdm_handler(struct spdm_exchange *exchange);

spdm_handler spdm_respond_version;
spdm_handler spdm_respond_capabilities;
spdm_handler spdm_respond_algorithms;
spdm_handler spdm_respond_digests;
spdm_handler spdm_respond_certificate;
spdm_handler spdm_respond_challenge;
spdm_handler spdm_respond_measurements;
spdm_handler spdm_respond_key_exchange;
spdm_handler spdm_respond_finish;
spdm_handler spdm_respond_end_session;
spdm_handler spdm_respond_encapsulated_request;
spdm_handler spdm_respond_encapsulated_response;
spdm_handler spdm_respond_csr;
spdm_handler spdm_respond_set_certificate;
spdm_handler spdm_respond_vendor;

/* The blob of a slot the requester named; an empty result for an invalid or empty slot. */
struct bytes spdm_responder_chain(const struct spdm_responder *responder, uint8_t slot);

/* Signs the digest of `running` in `role` and appends the signature to `response` and `running`. */
MUST_USE enum status spdm_responder_sign(struct spdm_exchange *exchange, uint8_t slot, int role,
                                         struct crypto_sha256 *running);

/* MeasurementSummaryHashType 0, 1 or FF; anything else is an invalid request. */
bool spdm_is_summary_type(uint8_t type);
/* Appends MeasurementSummaryHash, if `type` asks for one. */
MUST_USE enum status spdm_responder_summary(struct spdm_exchange *exchange, uint8_t type);

/* Appends random bytes. */
MUST_USE enum status spdm_responder_random(struct writer *response, size_t size);

/* The longest message both sides can carry. */
size_t spdm_responder_message_max(const struct spdm_responder *responder);

/* Whether this requester has to authenticate itself. */
bool spdm_responder_wants_mutual(const struct spdm_responder *responder);

/* An encapsulated flow is under way, so nothing else is answered. */
bool spdm_mutual_is_pending(const struct spdm_mutual *mutual);

#endif
