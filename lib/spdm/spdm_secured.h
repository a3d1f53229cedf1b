/*
 * Secured messages (DSP0277) over MCTP (DSP0276): one direction of one session as a channel with
 * key, IV and counter.
 *
 *     session id 4 | low half of counter 2 | length 2 | ciphertext | tag 16
 *     plaintext: length 2 | 05 | SPDM message | random padding
 *
 * The counter is never taken from the wire: a record that is not the next one does not open, so
 * replayed, reordered or missing records fail like altered ones.
 */
#ifndef NUSEC_SPDM_SPDM_SECURED_H
#define NUSEC_SPDM_SPDM_SECURED_H

#include "crypto/crypto.h"
#include "spdm/spdm_messages.h"

struct spdm_channel {
    uint8_t key[CRYPTO_GCM_KEY_SIZE];
    uint8_t iv[CRYPTO_GCM_IV_SIZE];
    uint64_t sequence; /* of the next record */
};

/* Where a message has to be written in a record's buffer, to be sealed in place. */
#define SPDM_SECURED_OFFSET (SPDM_RECORD_HEADER_SIZE + SPDM_RECORD_INNER_SIZE)

/*
 * Seals in place: `record` holds `message_size` bytes at SPDM_SECURED_OFFSET, and behind them
 * `padding_size` bytes (at most SPDM_RECORD_PADDING_MAX) that the peer will ignore. On OK
 * `*record_size` bytes of `record` are the record. NO_SPACE if `capacity` is too small; CRYPTO.
 */
MUST_USE enum status spdm_secured_seal(struct spdm_channel *channel, uint32_t session_id,
                                       uint8_t *record, size_t capacity, size_t message_size,
                                       size_t padding_size, size_t *record_size);

/* The session id a record names; 0 (never a valid id here) if it is too short. */
uint32_t spdm_secured_session(struct bytes record);

/*
 * Opens in place: on OK `message` points into `record`. INVALID or TRUNCATED for a malformed
 * record, BAD_SIGNATURE if it is not the channel's next one. The caller checks the session id.
 */
MUST_USE enum status spdm_secured_open(struct spdm_channel *channel, uint8_t *record, size_t size,
                                       struct bytes *message);

#endif
