#include "programmer/testing/fake_server_internal.h"

#include "base/encoding.h"
#include "crypto/crypto.h"
#include "x509/device_csr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct server {
    char unused;
};

struct fake_server fake_server;

void fake_server_reset(struct oem *oem) {
    for (size_t i = 0; i < fake_server.unit_count; i++)
        buffer_free(&fake_server.units[i].certificate);
    fake_boot_free();
    buffer_free(&fake_server.firmware);
    buffer_free(&fake_server.firmware_manifest);
    memset(&fake_server, 0, sizeof fake_server);
    (void)pthread_mutex_init(&fake_server.mutex, NULL);
    fake_server.oem = oem;
    fake_server.now_s = TEST_PKI_NOW;
}

unsigned fake_server_valid_certificates(void) {
    unsigned valid = 0;
    for (size_t i = 0; i < fake_server.unit_count; i++)
        valid += fake_server.units[i].certificate_valid ? 1 : 0;
    return valid;
}

unsigned fake_server_identified(void) {
    unsigned identified = 0;
    for (size_t i = 0; i < fake_server.unit_count; i++)
        identified += fake_unit_has_identity(&fake_server.units[i]) ? 1 : 0;
    return identified;
}

unsigned fake_server_done(void) {
    unsigned done = 0;
    for (size_t i = 0; i < fake_server.unit_count; i++)
        done += fake_server.units[i].state == FAKE_DONE ? 1 : 0;
    return done;
}

bool fake_unit_has_identity(const struct fake_unit *unit) {
    return unit->state == FAKE_IDENTIFIED || unit->state == FAKE_SECURED ||
           unit->state == FAKE_DONE;
}

struct server *server_open(const struct server_options *options, struct error *error) {
    (void)options;
    (void)error;
    return calloc(1, sizeof(struct server));
}

void server_close(struct server *server) {
    free(server);
}

static bool fault_hits(enum fake_fault fault) {
    unsigned span = fake_server.fault_span > 0 ? fake_server.fault_span : 1;
    return fake_server.fault == fault && fake_server.fault_call > 0 &&
           fake_server.calls >= fake_server.fault_call &&
           fake_server.calls < fake_server.fault_call + span;
}

static int offline(struct error *error) {
    return error_set(error, ERROR_OFFLINE, "the server is not available: test");
}

int fake_call_begin(struct error *error) {
    (void)pthread_mutex_lock(&fake_server.mutex);
    fake_server.calls++;
    if (fault_hits(FAKE_AWAY))
        return offline(error);
    if (fault_hits(FAKE_REFUSES))
        return error_set(error, fake_server.refusal, "refused: test");
    return 0;
}

int fake_call_end(int failed, struct error *error) {
    if (failed == 0 && fault_hits(FAKE_ANSWER_LOST))
        failed = offline(error);
    (void)pthread_mutex_unlock(&fake_server.mutex);
    return failed;
}

static int time_write(const uint8_t nonce[32], struct buffer *signed_time, struct error *error) {
    struct package_authority authority = oem_authority(fake_server.oem);
    uint8_t own_nonce[32];
    memcpy(own_nonce, nonce, 32);
    own_nonce[0] ^= fake_server.time_of_other_nonce ? 1 : 0;
    if (fake_server.time_of_other_signer)
        authority.signer = test_key_signer(&fake_server.oem->command_key);
    return signed_time_write(fake_server.now_s, own_nonce, &authority, signed_time, error);
}

int server_time(struct server *server, const uint8_t nonce[32], struct buffer *signed_time,
                struct error *error) {
    (void)server;
    int failed = fake_call_begin(error);
    if (failed == 0)
        failed = time_write(nonce, signed_time, error);
    return fake_call_end(failed, error);
}

static int activate(const struct package *package, struct error *error) {
    if (!fake_server.job_known)
        return error_set(error, ERROR_NOT_FOUND, "there is no such job");
    fake_server.sequence = package->sequence;
    fake_server.count = package->count;
    memcpy(fake_server.token, package->token, sizeof fake_server.token);
    return 0;
}

int server_activate(struct server *server, const struct package *package, struct error *error) {
    (void)server;
    int failed = fake_call_begin(error);
    if (failed == 0)
        failed = activate(package, error);
    return fake_call_end(failed, error);
}

static struct fake_unit *unit_find(const uint8_t uid[16], uint32_t attempt) {
    for (size_t i = 0; i < fake_server.unit_count; i++)
        if (memcmp(fake_server.units[i].uid, uid, 16) == 0 &&
            fake_server.units[i].attempt == attempt)
            return &fake_server.units[i];
    return NULL;
}

static struct fake_unit *unit_latest(const uint8_t uid[16]) {
    for (size_t i = fake_server.unit_count; i > 0; i--)
        if (memcmp(fake_server.units[i - 1].uid, uid, 16) == 0)
            return &fake_server.units[i - 1];
    return NULL;
}

static struct fake_unit *unit_of(const char *unit_id) {
    uint8_t id[16];
    assert_int_equal(hex_decode(unit_id, id, sizeof id), 0);
    for (size_t i = 0; i < fake_server.unit_count; i++)
        if (memcmp(fake_server.units[i].id, id, 16) == 0)
            return &fake_server.units[i];
    return NULL;
}

struct fake_unit *fake_unit_of(const char *unit_id) {
    struct fake_unit *unit = unit_of(unit_id);
    if (unit == NULL)
        fail_msg("the programmer asked for unit %s, which was never reserved", unit_id);
    return unit;
}

int fake_line_take(const struct server_line *line, struct error *error) {
    char *serial = fake_server.serial;
    if (line == NULL)
        return 0;
    if (line->serial != NULL && serial[0] != '\0' && strcmp(line->serial, serial) != 0)
        return error_set(error, ERROR_CONFLICT, "the unit has another serial number");
    if (line->serial != NULL)
        (void)snprintf(serial, sizeof fake_server.serial, "%s", line->serial);
    (void)snprintf(fake_server.site, sizeof fake_server.site, "%s", line->site);
    fake_server.step_count = line->step_count;
    return 0;
}

/* The earlier attempt, if any, must be over, and over without success. */
static int earlier_end(struct fake_unit *earlier, bool *takes_count, struct error *error) {
    *takes_count = true;
    if (earlier == NULL)
        return 0;
    if (earlier->state == FAKE_SCRAPPED)
        return error_set(error, ERROR_UNIT_SCRAPPED, "scrapped");
    if (fake_unit_has_identity(earlier))
        return error_set(error, ERROR_ALREADY_IDENTIFIED, "already identified");
    if (earlier->state == FAKE_RESERVED && earlier->permitted)
        return error_set(error, ERROR_UNIT_OPEN, "still open");
    *takes_count = !earlier->counted;
    earlier->counted = false;
    earlier->state = FAKE_SUPERSEDED;
    earlier->certificate_valid = false;
    return 0;
}

static void unit_id_make(const uint8_t uid[16], uint32_t attempt, uint8_t id[16]) {
    uint8_t input[sizeof OEM_JOB_ID - 1 + 16 + 4] = OEM_JOB_ID;
    uint8_t digest[32];
    memcpy(input + sizeof OEM_JOB_ID - 1, uid, 16);
    for (size_t i = 0; i < 4; i++)
        input[sizeof input - 1 - i] = (uint8_t)(attempt >> 8 * i);
    crypto_sha256(bytes_of(input, sizeof input), digest);
    memcpy(id, digest, 16);
}

static struct fake_unit *unit_add(const uint8_t uid[16], uint32_t attempt, struct error *error) {
    bool takes_count = false;
    struct fake_unit *earlier = unit_latest(uid);
    bool full = fake_server.used >= fake_server.count;
    if (full && (earlier == NULL || !earlier->counted) &&
        !(earlier != NULL && fake_unit_has_identity(earlier))) {
        (void)error_set(error, ERROR_JOB_FULL, "the job is full");
        return NULL;
    }
    if (earlier_end(earlier, &takes_count, error) != 0)
        return NULL;
    fake_server.used += takes_count ? 1 : 0;
    assert_true(fake_server.unit_count < FAKE_UNITS_MAX);
    struct fake_unit *unit = &fake_server.units[fake_server.unit_count++];
    *unit = (struct fake_unit){.attempt = attempt, .state = FAKE_RESERVED, .counted = true};
    memcpy(unit->uid, uid, 16);
    unit_id_make(uid, attempt, unit->id);
    assert_int_equal(crypto_random(unit->nonce, 32), STATUS_OK);
    return unit;
}

static int reserve(const struct package *package, const uint8_t uid[16], uint32_t attempt,
                   struct server_reservation *reservation, struct error *error) {
    if (memcmp(package->token, fake_server.token, 32) != 0)
        return error_set(error, ERROR_WRONG_TOKEN, "not the newest token");
    struct fake_unit *unit = unit_find(uid, attempt);
    if (unit != NULL && unit->state != FAKE_RESERVED)
        return error_set(error, ERROR_WRONG_STATE, "that attempt is over");
    if (unit == NULL && (unit = unit_add(uid, attempt, error)) == NULL)
        return -1;
    hex_encode(bytes_of(unit->id, 16), reservation->unit_id);
    memcpy(reservation->nonce, unit->nonce, 32);
    return 0;
}

int server_reserve(struct server *server, const struct package *package, const uint8_t uid[16],
                   uint32_t attempt, const struct server_line *line,
                   struct server_reservation *reservation, struct error *error) {
    (void)server;
    int failed = fake_call_begin(error);
    if (failed == 0)
        failed = fake_line_take(line, error);
    if (failed == 0)
        failed = reserve(package, uid, attempt, reservation, error);
    return fake_call_end(failed, error);
}

static int certify(struct fake_unit *unit, struct bytes csr, struct buffer *leaf,
                   struct error *error) {
    struct device_csr request;
    uint8_t digest[32];
    crypto_sha256(csr, digest);
    if (unit->state != FAKE_RESERVED || device_csr_read(csr, &request, error) != 0)
        return error_set(error, ERROR_WRONG_STATE, "no certificate now");
    if (memcmp(request.uid, unit->uid, 16) != 0 || memcmp(request.nonce, unit->nonce, 32) != 0)
        return error_set(error, ERROR_CSR_NONCE, "another reservation's request");
    if (unit->certificate.size > 0 && memcmp(digest, unit->csr_sha256, 32) != 0)
        return error_set(error, ERROR_UID_UNDER_OTHER_KEY, "a second key");
    if (unit->certificate.size == 0) {
        oem_certify(fake_server.oem, request.uid, request.auth_key, &unit->certificate);
        memcpy(unit->auth_key, request.auth_key, 64);
        memcpy(unit->enc_key, request.enc_key, 64);
        memcpy(unit->csr_sha256, digest, 32);
        unit->certificate_valid = true;
    }
    buffer_append(leaf, unit->certificate.data, unit->certificate.size);
    return 0;
}

int server_certify(struct server *server, const char *unit_id, struct bytes csr,
                   struct buffer *leaf, struct error *error) {
    (void)server;
    int failed = fake_call_begin(error);
    if (failed == 0)
        failed = certify(fake_unit_of(unit_id), csr, leaf, error);
    return fake_call_end(failed, error);
}

static int unit_identified(struct fake_unit *unit, const struct server_outcome *outcome,
                           struct error *error) {
    uint8_t digest[32];
    x509_sha256(buffer_bytes(&unit->certificate), digest);
    if (!unit->permitted || outcome->certificate_sha256 == NULL ||
        memcmp(digest, outcome->certificate_sha256, 32) != 0)
        return error_set(error, ERROR_CERTIFICATE_MISMATCH, "not what was issued");
    unit->state = FAKE_IDENTIFIED;
    return 0;
}

/* A unit that has or may have its identity stays counted, and its certificate is revoked. */
static void unit_failed(struct fake_unit *unit) {
    if (fake_unit_has_identity(unit))
        unit->certificate_valid = false;
    unit->state = FAKE_FAILED;
    if (unit->permitted)
        return;
    unit->certificate_valid = false;
    unit->counted = false;
    fake_server.used--;
}

/* Its end costs what its failure would have. */
static void unit_scrapped(struct fake_unit *unit) {
    if (unit->state != FAKE_FAILED)
        unit_failed(unit);
    unit->certificate_valid = false;
    unit->state = FAKE_SCRAPPED;
}

static int report(struct fake_unit *unit, const struct server_outcome *outcome,
                  struct error *error) {
    bool identified = strcmp(outcome->state, "identified") == 0;
    bool scrapped = strcmp(outcome->state, "scrapped") == 0;
    if (unit->state == FAKE_SCRAPPED)
        return identified ? error_set(error, ERROR_UNIT_SCRAPPED, "scrapped") : 0;
    if (scrapped && unit->state != FAKE_DONE) {
        assert_memory_equal(outcome->scrapped_uid, unit->uid, 16);
        unit_scrapped(unit);
        return 0;
    }
    if (unit->state == FAKE_FAILED && !identified)
        return 0;
    if (fake_unit_has_identity(unit) && identified)
        return 0;
    if (unit->state != FAKE_RESERVED && !(fake_unit_has_identity(unit) && !identified))
        return error_set(error, ERROR_WRONG_STATE, "the unit is over");
    if (identified)
        return unit_identified(unit, outcome, error);
    assert_string_equal(outcome->state, "failed");
    unit_failed(unit);
    return 0;
}

int server_report(struct server *server, const char *unit_id, const struct server_outcome *outcome,
                  long patience_ms, bool *is_counted, struct error *error) {
    (void)server;
    (void)patience_ms;
    int failed = fake_call_begin(error);
    if (failed == 0)
        failed = fake_line_take(outcome->line, error);
    struct fake_unit *unit = unit_of(unit_id);
    if (failed == 0 && unit == NULL)
        failed = error_set(error, ERROR_NOT_FOUND, "there is no such unit");
    if (failed == 0)
        failed = report(unit, outcome, error);
    if (failed == 0)
        *is_counted = unit->counted;
    return fake_call_end(failed, error);
}

int server_firmware(struct server *server, const char *firmware_id, struct buffer *manifest,
                    struct buffer *content, struct error *error) {
    (void)server;
    (void)firmware_id;
    int failed = fake_call_begin(error);
    if (failed == 0) {
        buffer_append(manifest, fake_server.firmware_manifest.data,
                      fake_server.firmware_manifest.size);
        buffer_append(content, fake_server.firmware.data, fake_server.firmware.size);
    }
    return fake_call_end(failed, error);
}

int server_ledger_agree(struct server *server, const char *job_id, const struct ledger_head *head,
                        const struct ledger_head *acknowledged, struct ledger_head *theirs,
                        struct error *error) {
    (void)server;
    (void)job_id;
    int failed = fake_call_begin(error);
    if (failed == 0 && acknowledged->sequence > fake_server.ledger.sequence)
        failed = error_set(error, ERROR_SERVER_ROLLED_BACK, "acknowledged more");
    if (failed == 0 && head->sequence < fake_server.ledger.sequence)
        failed = error_set(error, ERROR_PROGRAMMER_ROLLED_BACK, "have more");
    if (failed == 0)
        *theirs = fake_server.ledger;
    return fake_call_end(failed, error);
}

static int ledger_take(uint64_t from_sequence, const json_t *lines, struct error *error) {
    struct ledger_entry entry;
    uint8_t encoded[LEDGER_ENTRY_MAX];
    size_t size = 0;
    if (from_sequence != fake_server.ledger.sequence + 1)
        return error_set(error, ERROR_CONFLICT, "a gap");
    for (size_t i = 0; i < json_array_size(lines); i++) {
        const char *line = json_string_value(json_array_get(lines, i));
        assert_int_equal(base64_decode(line, encoded, sizeof encoded, &size), 0);
        if (ledger_extend(&fake_server.ledger, bytes_of(encoded, size), &entry, error) != 0)
            return -1;
    }
    return 0;
}

int server_ledger_append(struct server *server, const char *job_id, uint64_t from_sequence,
                         const json_t *lines, struct error *error) {
    (void)server;
    (void)job_id;
    int failed = fake_call_begin(error);
    if (failed == 0)
        failed = ledger_take(from_sequence, lines, error);
    return fake_call_end(failed, error);
}
