#include "programmer/unit_internal.h"

#include "base/clock.h"
#include "base/encoding.h"
#include "base/log.h"
#include "cose/cose_sign1.h"
#include "cose/unit_record.h"
#include "crypto/crypto.h"
#include "programmer/job_file.h"
#include "programmer/recovery.h"

#include <string.h>

#define CHALLENGE_TRIES 3

bool unit_needs_record(const struct unit *unit) {
    return unit->record.state != JOB_UNIT_DONE;
}

static enum status sign_with_authkey(void *context, const uint8_t digest[CRYPTO_DIGEST_SIZE],
                                     uint8_t signature[CRYPTO_SIGNATURE_SIZE]) {
    struct error error;
    if (key_store_sign(context, digest, signature, &error) == 0)
        return STATUS_OK;
    log_error_event("unit.sign", &error);
    return STATUS_CRYPTO;
}

/* The chip's measurements under the server's nonce: what was asked, of whom, and the answer. */
static int evidence_get(struct unit *unit, uint8_t nonce[32], struct buffer *transcript,
                        struct error *error) {
    uint64_t begin = clock_monotonic_us();
    int failed =
        server_challenge(unit->order->server, unit->record.unit_id, "record", nonce, error);
    unit->server_us += clock_monotonic_us() - begin;
    return failed != 0 ? -1 : chip_measure(&unit->chip, nonce, transcript, error);
}

static int record_sign(struct unit *unit, const uint8_t nonce[32], struct bytes transcript,
                       struct buffer *out, struct error *error) {
    const struct unit_order *order = unit->order;
    uint8_t payload[UNIT_RECORD_PAYLOAD_MAX];
    uint8_t encoded[UNIT_RECORD_MAX];
    struct writer payload_writer;
    struct writer writer;
    struct unit_record record = {
        .job_id = bytes_of(order->job->id, strlen(order->job->id)),
        .transcript = transcript,
        .site = bytes_of(order->site.name, strlen(order->site.name)),
        .milliseconds = unit_milliseconds(unit),
    };
    if (hex_decode(unit->record.unit_id, record.unit_id, sizeof record.unit_id) != 0)
        return error_set(error, ERROR_INTERNAL, "the unit has no id");
    memcpy(record.uid, unit->record.uid, sizeof record.uid);
    memcpy(record.nonce, nonce, sizeof record.nonce);
    writer_init(&payload_writer, payload, sizeof payload);
    writer_init(&writer, encoded, sizeof encoded);
    unit_record_write(&payload_writer, &record);
    if (writer_check(&payload_writer) != STATUS_OK ||
        cose_sign1_write(&writer, NULL, 0, writer_bytes(&payload_writer), sign_with_authkey,
                         (void *)order->key_store) != STATUS_OK)
        return error_set(error, ERROR_INTERNAL, "the unit record could not be signed");
    buffer_append(out, encoded, writer.size);
    return buffer_check(out, error);
}

/* On disk and in the journal before the server hears of it. */
static int record_make(struct unit *unit, struct error *error) {
    struct buffer transcript = {0};
    struct buffer record = {0};
    uint8_t nonce[32];
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    struct job *job = unit->order->job;
    int failed = evidence_get(unit, nonce, &transcript, error);
    if (failed == 0)
        failed = record_sign(unit, nonce, buffer_bytes(&transcript), &record, error);
    if (failed == 0)
        failed =
            job_file_keep(job, unit->record.uid, JOB_FILE_RECORD, buffer_bytes(&record), error);
    crypto_sha256(buffer_bytes(&record), digest);
    if (failed == 0)
        failed = job_journal_recorded(job->journal, &unit->record, digest, unit_milliseconds(unit),
                                      error);
    buffer_free(&transcript);
    buffer_free(&record);
    return failed;
}

static int record_deliver(struct unit *unit, struct error *error) {
    uint64_t begin = clock_monotonic_us();
    const struct server_line line = unit_line(unit);
    int failed = recovery_record(unit->order->job, unit->order->server, &unit->record, &line,
                                 SERVER_PATIENCE_UNIT_MS, error);
    unit->server_us += clock_monotonic_us() - begin;
    return failed;
}

/* One from before may still do. What the server wants to have newer is made anew. */
static bool wants_another(const struct error *error) {
    return error->code == ERROR_CHALLENGE_EXPIRED || error->code == ERROR_NOT_FOUND ||
           error->code == ERROR_ALTERED;
}

int unit_record(struct unit *unit, struct error *error) {
    if (unit->record.state == JOB_UNIT_RECORDED) {
        if (record_deliver(unit, error) == 0)
            return 0;
        if (!wants_another(error))
            return -1;
    }
    if (unit_reach(unit, error) != 0)
        return -1;
    for (int i = 0; i < CHALLENGE_TRIES; i++) {
        if (record_make(unit, error) != 0)
            return -1;
        if (record_deliver(unit, error) == 0)
            return 0;
        if (error->code != ERROR_CHALLENGE_EXPIRED)
            return -1;
    }
    return -1;
}
