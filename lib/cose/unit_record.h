/*
 * Unit records: what a programmer states, and a chip proves, at the end of a unit.
 * docs/formats/unit_record.md. A COSE_Sign1 without x5chain, by the programmer's AUTHKEY, over
 *
 *     {1: unit id, 2: UID, 3: job id, 4: nonce, 5: transcript, 6: site, 7: milliseconds}
 *
 * The transcript is the chip's signed measurements under the server's nonce
 * (spdm/spdm_measurement.h), so that the record carries two signatures, the chip's and the
 * programmer's. The server verifies both.
 */
#ifndef NUSEC_COSE_UNIT_RECORD_H
#define NUSEC_COSE_UNIT_RECORD_H

#include "base/bytes.h"

#define UNIT_RECORD_ID_SIZE        16
#define UNIT_RECORD_UID_SIZE       16
#define UNIT_RECORD_NONCE_SIZE     32
#define UNIT_RECORD_TEXT_MAX       64   /* job id and site, 1..64 bytes */
#define UNIT_RECORD_TRANSCRIPT_MAX 5120 /* negotiation, request, one message, signature */
#define UNIT_RECORD_PAYLOAD_MAX    (UNIT_RECORD_TRANSCRIPT_MAX + 256)
#define UNIT_RECORD_MAX            (UNIT_RECORD_PAYLOAD_MAX + 96) /* signed */

/* Runs are borrowed, text is not NUL-terminated. */
struct unit_record {
    uint8_t unit_id[UNIT_RECORD_ID_SIZE];
    uint8_t uid[UNIT_RECORD_UID_SIZE];
    struct bytes job_id;
    uint8_t nonce[UNIT_RECORD_NONCE_SIZE];
    struct bytes transcript;
    struct bytes site;
    uint64_t milliseconds; /* from the first step to the last */
};

/* The payload. The writer fails if a field is out of bounds. Texts must be UTF-8. */
void unit_record_write(struct writer *writer, const struct unit_record *record);
/* INVALID or TRUNCATED; `record` is then zeroed. */
MUST_USE enum status unit_record_parse(struct bytes payload, struct unit_record *record);

/* The signed object: signature by `public_key` (X || Y) first, then the payload. INVALID for one
 * with an x5chain. The transcript inside is not looked at: spdm_measurement_verify does. */
MUST_USE enum status unit_record_verify(struct bytes encoded, const uint8_t public_key[64],
                                        struct unit_record *record);

#endif
