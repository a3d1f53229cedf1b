/* The rules of units over the real API: counting, retries, keys, nonces, permits, ledgers. */
#include "server/test_world.h"

#include "base/clock.h"
#include "base/encoding.h"
#include "base/json.h"
#include "base/ledger.h"
#include "crypto/crypto.h"
#include "x509/device_csr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct test_world world;
static struct test_programmer programmer;
static struct test_programmer other_programmer;
static struct error error;

static int begin(void **state) {
    (void)state;
    test_world_begin(&world);
    test_programmer_make(&world, "line-1", true, &programmer);
    test_programmer_make(&world, "line-2", true, &other_programmer);
    return 0;
}

static int end(void **state) {
    (void)state;
    test_programmer_free(&programmer);
    test_programmer_free(&other_programmer);
    test_world_end(&world);
    return 0;
}

static void active_job(unsigned count, struct test_job *job) {
    test_job_make(&world, &programmer, count, NULL, job);
    test_job_export(&world, &programmer, job);
    test_job_activate(&programmer, job);
}

static void expect_refusal(int status, int wanted_status, enum error_code code) {
    if (status != wanted_status || error.code != code)
        fail_msg("%d %s instead of %d %s: %s", status, error_name(error.code), wanted_status,
                 error_name(code), error.message);
}

static json_t *device_row(const struct test_chip *chip) {
    char path[128], uid[33];

    hex_encode_upper(bytes_of(chip->uid, 16), uid);
    snprintf(path, sizeof path, "/v1/devices/%s", uid);
    return test_get(world.admin, path);
}

static void expect_certificate_state(const struct test_chip *chip, const char *state) {
    json_t *row = device_row(chip);

    assert_string_equal(json_string_value(json_object_get(row, "certificate_state")), state);
    json_decref(row);
}

static void a_unit_becomes_identified(void **state) {
    struct test_job job;
    struct test_chip chip;
    json_t *row;

    (void)state;
    active_job(2, &job);
    test_chip_make(&chip);
    test_unit(&programmer, &job, &chip);
    row = device_row(&chip);
    assert_string_equal(json_string_value(json_object_get(row, "unit_state")), "identified");
    assert_string_equal(json_string_value(json_object_get(row, "certificate_state")), "valid");
    assert_string_equal(json_string_value(json_object_get(row, "certificate_sha256_hex")),
                        chip.certificate_hash_hex);
    assert_true(json_is_null(json_object_get(row, "pk_bl3_hex")));
    json_decref(row);
    assert_int_equal(test_count(&world, &job, "identified"), 1);
    assert_int_equal(test_count(&world, &job, "remaining"), 1);
    /* Repeating the last report is fine, a new attempt is not. */
    assert_int_equal(test_status(&programmer, &chip, "identified", &error), 200);
    expect_refusal(test_status(&programmer, &chip, "failed", &error), 409, ERROR_WRONG_STATE);
    expect_refusal(test_reserve(&programmer, &job, &chip, 1, &error), 409,
                   ERROR_ALREADY_IDENTIFIED);
    expect_refusal(test_reserve(&programmer, &job, &chip, 2, &error), 409,
                   ERROR_ALREADY_IDENTIFIED);
    test_chip_free(&chip);
}

static void the_job_stops_at_its_count(void **state) {
    struct test_job job;
    struct test_chip chips[4];

    (void)state;
    active_job(3, &job);
    for (int i = 0; i < 4; i++)
        test_chip_make(&chips[i]);
    for (int i = 0; i < 3; i++)
        assert_int_equal(test_reserve(&programmer, &job, &chips[i], 1, &error), 201);
    /* The same reservation again is the same unit. */
    assert_int_equal(test_reserve(&programmer, &job, &chips[0], 1, &error), 201);
    expect_refusal(test_reserve(&programmer, &job, &chips[3], 1, &error), 409, ERROR_JOB_FULL);
    assert_int_equal(test_count(&world, &job, "remaining"), 0);
    /* One that fails before anything irreversible gives its count back, once. */
    assert_int_equal(test_status(&programmer, &chips[1], "failed", &error), 200);
    assert_int_equal(test_status(&programmer, &chips[1], "failed", &error), 200);
    assert_int_equal(test_count(&world, &job, "remaining"), 1);
    assert_int_equal(test_reserve(&programmer, &job, &chips[3], 1, &error), 201);
    expect_refusal(test_reserve(&programmer, &job, &chips[1], 2, &error), 409, ERROR_JOB_FULL);
    for (int i = 0; i < 4; i++)
        test_chip_free(&chips[i]);
}

/* Failing must not be a way to collect valid certificates beyond the count. */
static void a_failed_units_certificate_is_revoked(void **state) {
    struct test_job job;
    struct test_chip chip;

    (void)state;
    active_job(1, &job);
    test_chip_make(&chip);
    assert_int_equal(test_reserve(&programmer, &job, &chip, 1, &error), 201);
    assert_int_equal(test_certify(&programmer, &chip, &error), 200);
    expect_certificate_state(&chip, "valid");
    assert_int_equal(test_status(&programmer, &chip, "failed", &error), 200);
    expect_certificate_state(&chip, "revoked");
    assert_int_equal(test_count(&world, &job, "remaining"), 1);
    expect_refusal(test_certify(&programmer, &chip, &error), 409, ERROR_WRONG_STATE);
    test_chip_free(&chip);
}

static void a_retry_supersedes_and_counts_once(void **state) {
    struct test_job job;
    struct test_chip chip, again;
    uint8_t nonce[32] = {9};

    (void)state;
    active_job(1, &job);
    test_chip_make(&chip);
    test_chip_make(&again);
    memcpy(again.uid, chip.uid, sizeof again.uid);
    assert_int_equal(test_reserve(&programmer, &job, &chip, 1, &error), 201);
    expect_refusal(test_reserve(&programmer, &job, &again, 2, &error), 409, ERROR_UNIT_OPEN);
    assert_int_equal(test_certify(&programmer, &chip, &error), 200);
    assert_int_equal(crypto_random(nonce, sizeof nonce), STATUS_OK);
    assert_int_equal(test_permit(&programmer, &chip, nonce, &error), 200);
    /* The permit may have been executed: the count stays used. */
    assert_int_equal(test_status(&programmer, &chip, "failed", &error), 200);
    assert_int_equal(test_count(&world, &job, "remaining"), 0);
    expect_certificate_state(&chip, "valid");
    expect_refusal(test_reserve(&programmer, &job, &again, 1, &error), 409, ERROR_WRONG_STATE);
    /* The retry takes the count over and ends the old certificate. */
    test_chip_make(&again);
    memcpy(again.uid, chip.uid, sizeof again.uid);
    assert_int_equal(test_reserve(&programmer, &job, &again, 2, &error), 201);
    assert_int_equal(test_count(&world, &job, "remaining"), 0);
    assert_int_equal(test_sql_number(&world, "SELECT count(*) FROM certificates WHERE "
                                             "state='superseded'"),
                     1);
    /* One that fails before a permit of its own does not undo the permit before. */
    assert_int_equal(test_certify(&programmer, &again, &error), 200);
    assert_int_equal(test_status(&programmer, &again, "failed", &error), 200);
    expect_certificate_state(&again, "revoked");
    assert_int_equal(test_count(&world, &job, "remaining"), 0);
    test_chip_free(&again);
    test_chip_make(&again);
    memcpy(again.uid, chip.uid, sizeof again.uid);
    assert_int_equal(test_reserve(&programmer, &job, &again, 3, &error), 201);
    assert_int_equal(test_count(&world, &job, "remaining"), 0);
    assert_int_equal(test_certify(&programmer, &again, &error), 200);
    nonce[0]++;
    assert_int_equal(test_permit(&programmer, &again, nonce, &error), 200);
    assert_int_equal(test_status(&programmer, &again, "identified", &error), 200);
    expect_certificate_state(&again, "valid");
    assert_int_equal(test_count(&world, &job, "identified"), 1);
    assert_int_equal(test_count(&world, &job, "failed"), 0);
    test_chip_free(&chip);
    test_chip_free(&again);
}

static void the_uid_list_is_honoured(void **state) {
    struct test_job job;
    struct test_chip listed, stranger;
    char uid[33];

    (void)state;
    test_chip_make(&listed);
    test_chip_make(&stranger);
    hex_encode_upper(bytes_of(listed.uid, 16), uid);
    test_job_make(&world, &programmer, 2, json_pack("[s]", uid), &job);
    test_job_export(&world, &programmer, &job);
    test_job_activate(&programmer, &job);
    expect_refusal(test_reserve(&programmer, &job, &stranger, 1, &error), 403,
                   ERROR_UID_NOT_LISTED);
    assert_int_equal(test_reserve(&programmer, &job, &listed, 1, &error), 201);
    test_chip_free(&listed);
    test_chip_free(&stranger);
}

static void tokens_and_packages(void **state) {
    struct test_job job, older;
    struct test_chip chip;
    char path[128], body[256];

    (void)state;
    test_chip_make(&chip);
    test_job_make(&world, &programmer, 2, NULL, &job);
    snprintf(job.token_b64, sizeof job.token_b64, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    expect_refusal(test_reserve(&programmer, &job, &chip, 1, &error), 403, ERROR_WRONG_TOKEN);
    test_job_export(&world, &programmer, &job);
    older = job;
    expect_refusal(test_reserve(&programmer, &job, &chip, 1, &error), 409, ERROR_JOB_CLOSED);
    test_job_activate(&programmer, &job);
    assert_int_equal(test_reserve(&programmer, &job, &chip, 1, &error), 201);
    /* A new export ends the older package. */
    test_job_export(&world, &programmer, &job);
    assert_true(job.sequence > older.sequence);
    expect_refusal(test_reserve(&programmer, &older, &chip, 1, &error), 403, ERROR_WRONG_TOKEN);
    snprintf(path, sizeof path, "/v1/jobs/%s/activate", job.id);
    snprintf(body, sizeof body, "{\"token_b64\":\"%s\",\"sequence\":%llu}", older.token_b64,
             (unsigned long long)older.sequence);
    test_expect(programmer.client, "POST", path, body, 403, "wrong_token");
    test_job_activate(&programmer, &job);
    assert_int_equal(test_reserve(&programmer, &job, &chip, 1, &error), 201);
    /* The token alone is not enough: it must be the job's programmer. */
    expect_refusal(test_reserve(&other_programmer, &job, &chip, 2, &error), 403, ERROR_DENIED);
    expect_refusal(test_certify(&other_programmer, &chip, &error), 403, ERROR_DENIED);
    expect_refusal(test_status(&other_programmer, &chip, "failed", &error), 403, ERROR_DENIED);
    test_chip_free(&chip);
}

static void post_csr(const struct test_chip *chip, const uint8_t *der, size_t size, int status,
                     const char *code) {
    char path[128];
    struct buffer body = {0};
    char *text = base64_encode(bytes_of(der, size));

    snprintf(path, sizeof path, "/v1/units/%s/certificate", chip->unit_id);
    buffer_print(&body, "{\"csr_b64\":\"%s\"}", text);
    test_expect(programmer.client, "POST", path, buffer_text(&body), status, code);
    buffer_free(&body);
    free(text);
}

static size_t csr_der(const struct test_chip *chip, uint8_t der[1024]) {
    char *text = test_chip_csr(chip);
    size_t size = 0;

    assert_int_equal(base64_decode(text, der, 1024, &size), 0);
    free(text);
    return size;
}

static void bad_requests_get_no_certificate(void **state) {
    struct test_job job;
    struct test_chip chip, forged;
    uint8_t der[1024], changed[1025];
    int64_t before = test_sql_number(&world, "SELECT count(*) FROM certificates");
    size_t size;

    (void)state;
    active_job(1, &job);
    test_chip_make(&chip);
    assert_int_equal(test_reserve(&programmer, &job, &chip, 1, &error), 201);
    size = csr_der(&chip, der);
    for (size_t i = 0; i < size; i += 7) { /* a changed octet anywhere */
        memcpy(changed, der, size);
        changed[i] ^= 0x01;
        post_csr(&chip, changed, size, 400,
                 device_csr_read(bytes_of(changed, size), &(struct device_csr){0}, &error) == 0
                     ? "never"
                     : error_name(error.code));
    }
    memcpy(changed, der, size);
    changed[size] = 0;
    post_csr(&chip, changed, size + 1, 400, "bad_csr");
    post_csr(&chip, der, size - 1, 400, "bad_csr");
    forged = chip;
    forged.uid[0] ^= 1;
    size = csr_der(&forged, der);
    post_csr(&chip, der, size, 400, "csr_subject");
    forged = chip;
    forged.nonce[0] ^= 1;
    size = csr_der(&forged, der);
    post_csr(&chip, der, size, 409, "csr_nonce");
    forged = chip;
    memcpy(forged.enc_key, forged.auth_key, sizeof forged.enc_key);
    size = csr_der(&forged, der);
    post_csr(&chip, der, size, 400, "bad_csr");
    assert_int_equal(test_sql_number(&world, "SELECT count(*) FROM certificates"), before);
    assert_int_equal(test_certify(&programmer, &chip, &error), 200);
    test_chip_free(&chip);
}

static void a_key_under_a_second_uid_is_flagged(void **state) {
    struct test_job job;
    struct test_chip chip, copy;

    (void)state;
    active_job(2, &job);
    test_chip_make(&chip);
    test_chip_make(&copy);
    memcpy(copy.private_key, chip.private_key, sizeof copy.private_key);
    memcpy(copy.auth_key, chip.auth_key, sizeof copy.auth_key);
    assert_int_equal(test_reserve(&programmer, &job, &chip, 1, &error), 201);
    assert_int_equal(test_certify(&programmer, &chip, &error), 200);
    assert_int_equal(test_reserve(&programmer, &job, &copy, 1, &error), 201);
    expect_refusal(test_certify(&programmer, &copy, &error), 409, ERROR_KEY_UNDER_OTHER_UID);
    assert_int_equal(
        test_sql_number(&world,
                        "SELECT count(*) FROM events WHERE type='unit.key_under_other_uid'"),
        1);
    expect_certificate_state(&chip, "valid");
    test_chip_free(&copy);
    test_chip_free(&chip);
}

static void a_second_key_for_the_uid_is_flagged(void **state) {
    struct test_job job, second_job;
    struct test_chip chip, clone;
    struct test_chip kept;
    int64_t flagged = test_sql_number(
        &world, "SELECT count(*) FROM events WHERE type='unit.uid_under_other_key'");

    (void)state;
    active_job(2, &job);
    test_chip_make(&chip);
    assert_int_equal(test_reserve(&programmer, &job, &chip, 1, &error), 201);
    assert_int_equal(test_certify(&programmer, &chip, &error), 200);
    kept = chip;
    /* The same request gets the same certificate, another key none. ECDSA signatures differ from
     * one time to the next, so the same request means the same octets. */
    test_chip_make(&clone);
    memcpy(clone.uid, chip.uid, sizeof clone.uid);
    memcpy(clone.nonce, chip.nonce, sizeof clone.nonce);
    memcpy(clone.unit_id, chip.unit_id, sizeof clone.unit_id);
    expect_refusal(test_certify(&programmer, &clone, &error), 409, ERROR_UID_UNDER_OTHER_KEY);
    /* Nor under another job. */
    active_job(2, &second_job);
    expect_refusal(test_reserve(&programmer, &second_job, &clone, 1, &error), 409,
                   ERROR_UID_UNDER_OTHER_KEY);
    assert_int_equal(
        test_sql_number(&world,
                        "SELECT count(*) FROM events WHERE type='unit.uid_under_other_key'"),
        flagged + 2);
    assert_int_equal(test_count(&world, &second_job, "remaining"), 2);
    expect_certificate_state(&kept, "valid");
    test_chip_free(&chip);
    test_chip_free(&clone);
}

static void the_same_request_gets_the_same_certificate(void **state) {
    struct test_job job;
    struct test_chip chip;
    char path[128];
    char *csr;
    json_t *first, *second;

    (void)state;
    active_job(1, &job);
    test_chip_make(&chip);
    assert_int_equal(test_reserve(&programmer, &job, &chip, 1, &error), 201);
    csr = test_chip_csr(&chip);
    snprintf(path, sizeof path, "/v1/units/%s/certificate", chip.unit_id);
    first = test_post(programmer.client, path, json_pack("{s:s}", "csr_b64", csr));
    second = test_post(programmer.client, path, json_pack("{s:s}", "csr_b64", csr));
    assert_true(json_equal(first, second));
    assert_int_equal(json_array_size(json_object_get(first, "chain_b64")), 3);
    json_decref(first);
    json_decref(second);
    free(csr);
    test_chip_free(&chip);
}

static void permits_need_a_certificate_and_a_fresh_nonce(void **state) {
    struct test_job job;
    struct test_chip chip, second, wrong;
    uint8_t nonce[32], later[32];

    (void)state;
    active_job(2, &job);
    test_chip_make(&chip);
    test_chip_make(&second);
    assert_int_equal(crypto_random(nonce, sizeof nonce), STATUS_OK);
    assert_int_equal(crypto_random(later, sizeof later), STATUS_OK);
    assert_int_equal(test_reserve(&programmer, &job, &chip, 1, &error), 201);
    expect_refusal(test_permit(&programmer, &chip, nonce, &error), 409, ERROR_WRONG_STATE);
    assert_int_equal(test_certify(&programmer, &chip, &error), 200);
    expect_refusal(test_status(&programmer, &chip, "identified", &error), 409, ERROR_WRONG_STATE);
    wrong = chip;
    wrong.auth_key[0] ^= 1;
    expect_refusal(test_permit(&programmer, &wrong, nonce, &error), 409, ERROR_UID_UNDER_OTHER_KEY);
    assert_int_equal(test_permit(&programmer, &chip, nonce, &error), 200);
    assert_int_equal(test_permit(&programmer, &chip, nonce, &error), 200); /* answer lost */
    assert_int_equal(test_permit(&programmer, &chip, later, &error), 200); /* chip was reset */
    assert_int_equal(test_reserve(&programmer, &job, &second, 1, &error), 201);
    assert_int_equal(test_certify(&programmer, &second, &error), 200);
    expect_refusal(test_permit(&programmer, &second, nonce, &error), 409, ERROR_REPLAYED);
    snprintf(wrong.certificate_hash_hex, sizeof wrong.certificate_hash_hex, "%s",
             second.certificate_hash_hex);
    expect_refusal(test_status(&programmer, &wrong, "identified", &error), 409,
                   ERROR_CERTIFICATE_MISMATCH);
    assert_int_equal(test_status(&programmer, &chip, "identified", &error), 200);
    test_chip_free(&chip);
    test_chip_free(&second);
}

static void revoking_a_device(void **state) {
    struct test_job job;
    struct test_chip chip;
    char path[128], uid[33];
    uint8_t nonce[32];

    (void)state;
    active_job(1, &job);
    test_chip_make(&chip);
    assert_int_equal(test_reserve(&programmer, &job, &chip, 1, &error), 201);
    assert_int_equal(test_certify(&programmer, &chip, &error), 200);
    assert_int_equal(crypto_random(nonce, sizeof nonce), STATUS_OK);
    assert_int_equal(test_permit(&programmer, &chip, nonce, &error), 200);
    hex_encode_upper(bytes_of(chip.uid, 16), uid);
    snprintf(path, sizeof path, "/v1/devices/%s/revoke", uid);
    json_decref(test_post(world.admin, path, json_pack("{s:s}", "reason", "stolen")));
    expect_certificate_state(&chip, "revoked");
    json_decref(test_post(world.admin, path, json_pack("{s:s}", "reason", "again")));
    /* At once: neither the permit given before nor a new one. */
    expect_refusal(test_permit(&programmer, &chip, nonce, &error), 403, ERROR_REVOKED);
    nonce[0]++;
    expect_refusal(test_permit(&programmer, &chip, nonce, &error), 403, ERROR_REVOKED);
    /* What comes after does not cover it up. */
    assert_int_equal(test_status(&programmer, &chip, "failed", &error), 200);
    assert_int_equal(test_reserve(&programmer, &job, &chip, 2, &error), 201);
    expect_certificate_state(&chip, "revoked");
    assert_int_equal(
        test_sql_number(&world, "SELECT count(*) FROM certificates WHERE reason='stolen'"), 1);
    test_chip_free(&chip);
}

static json_t *ledger_body(struct ledger_head *head, unsigned count, uint64_t time) {
    json_t *entries = json_array();
    json_t *body = json_pack("{s:I, s:o}", "from_sequence", (json_int_t)head->sequence + 1,
                             "entries_b64", entries);

    for (unsigned i = 0; i < count; i++) {
        const struct ledger_member member = {.key = "n", .kind = LEDGER_NUMBER, .number = i};
        struct buffer entry = {0};

        assert_int_equal(ledger_append(head, time, "unit", &member, 1, &entry, &error), 0);
        json_array_append_new(entries, json_base64(buffer_bytes(&entry)));
        buffer_free(&entry);
    }
    return body;
}

static void the_programmers_ledger_must_extend_its_chain(void **state) {
    struct test_job job;
    struct test_chip chip, certified;
    uint8_t nonce[32];
    struct ledger_head head = {0}, fork;
    char path[128], head_path[128], report_path[128];
    json_t *first, *gap, *forked, *answer;
    char *text;

    (void)state;
    active_job(2, &job);
    test_chip_make(&chip);
    snprintf(path, sizeof path, "/v1/jobs/%s/ledger", job.id);
    snprintf(head_path, sizeof head_path, "/v1/jobs/%s/ledger/head", job.id);
    first = ledger_body(&head, 3, 1000);
    fork = head;
    json_decref(test_post(programmer.client, path, json_incref(first)));
    json_decref(test_post(programmer.client, path, first)); /* the same again is fine */
    answer = test_get(programmer.client, head_path);
    assert_int_equal(json_integer_value(json_object_get(answer, "head_sequence")), 3);
    json_decref(answer);
    test_expect(other_programmer.client, "GET", head_path, NULL, 403, "denied");
    /* A gap proves nothing: send from the head. */
    gap = ledger_body(&head, 1, 1001);
    json_object_set_new(gap, "from_sequence", json_integer(9));
    text = json_dumps(gap, 0);
    test_expect(programmer.client, "POST", path, text, 409, "conflict");
    free(text);
    json_decref(gap);
    assert_int_equal(test_reserve(&programmer, &job, &chip, 1, &error), 201);
    test_chip_make(&certified);
    assert_int_equal(test_reserve(&programmer, &job, &certified, 1, &error), 201);
    assert_int_equal(test_certify(&programmer, &certified, &error), 200);
    /* Another history: the job stops, at once and for good. */
    fork.sequence = 2;
    memset(fork.hash, 7, sizeof fork.hash);
    forked = ledger_body(&fork, 1, 2000);
    text = json_dumps(forked, 0);
    test_expect(programmer.client, "POST", path, text, 409, "ledger_diverged");
    free(text);
    json_decref(forked);
    snprintf(report_path, sizeof report_path, "/v1/jobs/%s", job.id);
    answer = test_get(world.admin, report_path);
    assert_string_equal(json_string_value(json_object_get(answer, "state")), "stopped");
    json_decref(answer);
    expect_refusal(test_certify(&programmer, &chip, &error), 409, ERROR_JOB_CLOSED);
    assert_int_equal(crypto_random(nonce, sizeof nonce), STATUS_OK);
    expect_refusal(test_permit(&programmer, &certified, nonce, &error), 409, ERROR_JOB_CLOSED);
    test_chip_free(&certified);
    test_chip_make(&chip);
    expect_refusal(test_reserve(&programmer, &job, &chip, 1, &error), 409, ERROR_JOB_CLOSED);
    test_chip_free(&chip);
}

static void a_cm_operator_sees_its_own_jobs_only(void **state) {
    struct http_client *carl = test_operator(&world, "carl", "cm-operator");
    struct test_job foreign;
    char path[128];
    json_t *jobs, *own;

    (void)state;
    test_job_make(&world, &programmer, 1, NULL, &foreign);
    own = test_post(world.admin, "/v1/jobs",
                    json_pack("{s:s, s:s, s:i, s:I, s:s, s:s, s:s}", "product", "p",
                              "programmer_id", programmer.id, "count", 1, "expires",
                              (json_int_t)clock_now_s(&clock_system) + 60, "chip_family", "TEST",
                              "devauth_id", world.devauth_id, "cm_operator", "carl"));
    jobs = test_get(carl, "/v1/jobs");
    assert_int_equal(json_array_size(json_object_get(jobs, "jobs")), 1);
    json_decref(jobs);
    json_decref(own);
    snprintf(path, sizeof path, "/v1/jobs/%s/report", foreign.id);
    test_expect(carl, "GET", path, NULL, 403, "denied");
    jobs = test_get(carl, "/v1/devices");
    assert_int_equal(json_array_size(json_object_get(jobs, "devices")), 0);
    json_decref(jobs);
    http_client_free(carl);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_unit_becomes_identified),
        cmocka_unit_test(the_job_stops_at_its_count),
        cmocka_unit_test(a_failed_units_certificate_is_revoked),
        cmocka_unit_test(a_retry_supersedes_and_counts_once),
        cmocka_unit_test(the_uid_list_is_honoured),
        cmocka_unit_test(tokens_and_packages),
        cmocka_unit_test(bad_requests_get_no_certificate),
        cmocka_unit_test(a_key_under_a_second_uid_is_flagged),
        cmocka_unit_test(a_second_key_for_the_uid_is_flagged),
        cmocka_unit_test(the_same_request_gets_the_same_certificate),
        cmocka_unit_test(permits_need_a_certificate_and_a_fresh_nonce),
        cmocka_unit_test(revoking_a_device),
        cmocka_unit_test(the_programmers_ledger_must_extend_its_chain),
        cmocka_unit_test(a_cm_operator_sees_its_own_jobs_only),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
