#include "cose/unit_record.h"

#include "cose/cbor.h"
#include "cose/cose_sign1.h"

#include <string.h>

enum {
    KEY_UNIT_ID = 1,
    KEY_UID,
    KEY_JOB_ID,
    KEY_NONCE,
    KEY_TRANSCRIPT,
    KEY_SITE,
    KEY_MILLISECONDS,
    KEYS = KEY_MILLISECONDS
};

static bool is_text(struct bytes text) {
    return text.size >= 1 && text.size <= UNIT_RECORD_TEXT_MAX;
}

static bool is_in_bounds(const struct unit_record *record) {
    return is_text(record->job_id) && is_text(record->site) && record->transcript.size >= 1 &&
           record->transcript.size <= UNIT_RECORD_TRANSCRIPT_MAX;
}

void unit_record_write(struct writer *writer, const struct unit_record *record) {
    if (!is_in_bounds(record)) {
        writer->failed = true;
        return;
    }
    cbor_write_map(writer, KEYS);
    cbor_write_uint(writer, KEY_UNIT_ID);
    cbor_write_bytes(writer, bytes_of(record->unit_id, sizeof record->unit_id));
    cbor_write_uint(writer, KEY_UID);
    cbor_write_bytes(writer, bytes_of(record->uid, sizeof record->uid));
    cbor_write_uint(writer, KEY_JOB_ID);
    cbor_write_text_bytes(writer, record->job_id);
    cbor_write_uint(writer, KEY_NONCE);
    cbor_write_bytes(writer, bytes_of(record->nonce, sizeof record->nonce));
    cbor_write_uint(writer, KEY_TRANSCRIPT);
    cbor_write_bytes(writer, record->transcript);
    cbor_write_uint(writer, KEY_SITE);
    cbor_write_text_bytes(writer, record->site);
    cbor_write_uint(writer, KEY_MILLISECONDS);
    cbor_write_uint(writer, record->milliseconds);
}

enum status unit_record_parse(struct bytes payload, struct unit_record *record) {
    struct reader reader;
    memset(record, 0, sizeof *record);
    reader_init(&reader, payload);
    cbor_expect_map(&reader, KEYS);
    cbor_expect_uint(&reader, KEY_UNIT_ID);
    cbor_read_fixed(&reader, record->unit_id, sizeof record->unit_id);
    cbor_expect_uint(&reader, KEY_UID);
    cbor_read_fixed(&reader, record->uid, sizeof record->uid);
    cbor_expect_uint(&reader, KEY_JOB_ID);
    record->job_id = cbor_read_text(&reader);
    cbor_expect_uint(&reader, KEY_NONCE);
    cbor_read_fixed(&reader, record->nonce, sizeof record->nonce);
    cbor_expect_uint(&reader, KEY_TRANSCRIPT);
    record->transcript = cbor_read_bytes(&reader);
    cbor_expect_uint(&reader, KEY_SITE);
    record->site = cbor_read_text(&reader);
    cbor_expect_uint(&reader, KEY_MILLISECONDS);
    record->milliseconds = cbor_read_uint(&reader);
    enum status status = reader_finish(&reader);
    if (status == STATUS_OK && !is_in_bounds(record)) {
        status = STATUS_INVALID;
    }
    if (status != STATUS_OK) {
        memset(record, 0, sizeof *record);
    }
    return status;
}

enum status unit_record_verify(struct bytes encoded, const uint8_t public_key[64],
                               struct unit_record *record) {
    struct cose_sign1 message;
    memset(record, 0, sizeof *record);
    enum status status = cose_sign1_parse(encoded, &message);
    if (status == STATUS_OK && message.x5chain_count != 0) {
        status = STATUS_INVALID; /* one encoding: the key is known, no chain belongs here */
    }
    if (status == STATUS_OK) {
        status = cose_sign1_verify(&message, public_key);
    }
    if (status == STATUS_OK) {
        status = unit_record_parse(message.payload, record);
    }
    return status;
}
