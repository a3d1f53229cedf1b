/*
 * VERSION, CAPABILITIES and ALGORITHMS (DSP0274 1.2, 10.3 to 10.5) in our one profile, for both
 * ends: what a requester writes a responder parses and the other way round. Parsers take the whole
 * message; any status but OK means that it breaks the format (INVALID, TRUNCATED) or does not
 * contain what we need (UNSUPPORTED).
 */
#ifndef NUSEC_SPDM_SPDM_NEGOTIATION_H
#define NUSEC_SPDM_SPDM_NEGOTIATION_H

#include "base/bytes.h"
#include "spdm/spdm_messages.h"

/* The smallest DataTransferSize a peer may announce (10.4). */
#define SPDM_TRANSFER_SIZE_MIN 42

struct spdm_capabilities {
    uint8_t crypto_timeout_exponent;
    uint32_t flags;
    uint32_t transfer_size; /* longest message the peer takes: no chunking, so both sizes agree */
};

enum spdm_party { SPDM_PARTY_REQUESTER, SPDM_PARTY_RESPONDER };

/* Version number, code and two parameters: the start of every message. */
void spdm_header_write(struct writer *writer, uint8_t version, uint8_t code, uint8_t param1,
                       uint8_t param2);

void spdm_version_write(struct writer *writer);
/* OK if 1.2 is among the versions. */
MUST_USE enum status spdm_version_parse(struct bytes message);

/* GET_CAPABILITIES or CAPABILITIES, by `code`. */
void spdm_capabilities_write(struct writer *writer, uint8_t code, uint8_t crypto_timeout_exponent,
                             uint32_t flags);
/* `party` sent the message; a requester's flags must be consistent. */
MUST_USE enum status spdm_capabilities_parse(struct bytes message, enum spdm_party party,
                                             struct spdm_capabilities *capabilities);

void spdm_algorithms_write_request(struct writer *writer);
MUST_USE enum status spdm_algorithms_parse_request(struct bytes message);
/* `mutual`: the requester will sign, so ReqBaseAsym is selected too. */
void spdm_algorithms_write_response(struct writer *writer, bool mutual);
MUST_USE enum status spdm_algorithms_parse_response(struct bytes message);

#endif
