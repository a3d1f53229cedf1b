/*
 * Measurement blocks (DSP0274 1.2, 10.11.1) and signed measurement transcripts (L1/L2).
 *
 * A device writes its blocks with spdm_measurement_write; who reads them goes through the record
 * with spdm_measurement_next. A third party, such as a server that chose the nonce, verifies a
 * device's statement with spdm_measurement_verify from the transcript alone.
 */
#ifndef NUSEC_SPDM_SPDM_MEASUREMENT_H
#define NUSEC_SPDM_SPDM_MEASUREMENT_H

#include "crypto/crypto.h"
#include "spdm/spdm_messages.h"

struct spdm_measurement {
    uint8_t index;
    uint8_t type; /* spdm_measurement_type, or-ed with SPDM_MEASUREMENT_RAW */
    struct bytes value;
};

/* Writes one block in DMTF form. */
void spdm_measurement_write(struct writer *blocks, uint8_t index, uint8_t type, struct bytes value);

/* Reads the next block of a record; the reader's failure sticks if it is malformed. */
void spdm_measurement_next(struct reader *record, struct spdm_measurement *measurement);

/* OK if the record is `count` blocks, each well formed, and nothing else. */
MUST_USE enum status spdm_measurement_check(struct bytes record, uint8_t count);

/*
 * Verifies VCA || GET_MEASUREMENTS || MEASUREMENTS with signature: exactly our algorithms were
 * negotiated, one request asked for all measurements, signed with the key of slot 0, with `nonce`,
 * the record is as many blocks as it says, and the signature is by `public_key`. On OK `record`
 * (borrowed) is the measurement record. INVALID or TRUNCATED for a malformed transcript,
 * UNSUPPORTED for other algorithms, REPLAYED for another nonce, BAD_SIGNATURE.
 */
MUST_USE enum status spdm_measurement_verify(struct bytes transcript,
                                             const uint8_t public_key[CRYPTO_PUBLIC_KEY_SIZE],
                                             const uint8_t nonce[SPDM_NONCE_SIZE],
                                             struct bytes *record);

#endif
