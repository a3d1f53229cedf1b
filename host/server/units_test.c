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

static void expect_serial(const struct test_chip *chip, const char *serial) {
    json_t *row = device_row(chip);

    assert_string_equal(json_string_value(json_object_get(row, "serial")), serial);
    json_decref(row);
}

static int reserve_as(const struct test_job *job, struct test_chip *chip, const char *serial) {
    char path[128], uid[33];
    json_t *answer = NULL;
    json_t *request;

    hex_encode_upper(bytes_of(chip->uid, 16), uid);
    snprintf(path, sizeof path, "/v1/jobs/%s/units", job->id);
    request = json_pack("{s:s, s:s, s:s, s:s}", "uid", uid, "token_b64", job->token_b64, "serial",
                        serial, "site", "A1");
    if (http_client_post(programmer.client, path, request, &answer, &error) == 0) {
        snprintf(chip->unit_id, sizeof chip->unit_id, "%s",
                 json_string_value(json_object_get(answer, "unit_id")));
        assert_int_equal(json_read_hex(answer, "nonce_hex", chip->nonce, 32, &error), 0);
    }
    json_decref(request);
    json_decref(answer);
    return http_client_last_status(programmer.client);
}

static void identify(struct test_chip *chip) {
    uint8_t nonce[32];

    assert_int_equal(crypto_random(nonce, sizeof nonce), STATUS_OK);
    assert_int_equal(test_certify(&programmer, chip, &error), 200);
    assert_int_equal(test_permit(&programmer, chip, nonce, &error), 200);
    assert_int_equal(test_status(&programmer, chip, "identified", &error), 200);
}

/* A counter's value as a monitoring system reads it. */
static long long metric(const char *name) {
    struct http_answer answer;
    char wanted[64];

    if (http_client_send(world.admin, "GET", "/metrics", NULL, bytes_of(NULL, 0), &answer,
                         &error) != 0)
        fail_msg("%s", error.message);
    assert_non_null(strstr(answer.content_type, "application/openmetrics-text"));
    assert_string_equal(buffer_text(&answer.body) + answer.body.size - 6, "# EOF\n");
    (void)snprintf(wanted, sizeof wanted, "\nnusec_%s_total ", name);
    const char *found = strstr(buffer_text(&answer.body), wanted);
    long long value = found != NULL ? strtoll(found + strlen(wanted), NULL, 10) : -1;
    if (value < 0)
        fail_msg("no counter %s", name);
    http_answer_clear(&answer);
    return value;
}

/* Every answer may be lost and asked for again; what happened once is counted once. */
static void repeats_are_not_measured(void **state) {
    long long reservations = metric("reservations");
    long long identified = metric("units_identified");
    long long failed = metric("units_failed");
    struct test_chip chips[2];
    struct test_job job;

    (void)state;
    active_job(2, &job);
    test_chip_make(&chips[0]);
    test_chip_make(&chips[1]);
    test_unit(&programmer, &job, &chips[0]);
    assert_int_equal(test_status(&programmer, &chips[0], "identified", &error), 200);
    for (int i = 0; i < 2; i++)
        assert_int_equal(test_reserve(&programmer, &job, &chips[1], 1, &error), 201);
    for (int i = 0; i < 2; i++)
        assert_int_equal(test_status(&programmer, &chips[1], "failed", &error), 200);
    assert_int_equal(metric("reservations"), reservations + 2);
    assert_int_equal(metric("units_identified"), identified + 1);
    assert_int_equal(metric("units_failed"), failed + 1);
    test_chip_free(&chips[0]);
    test_chip_free(&chips[1]);
}

/* The programmer may have forgotten it by the time the unit ends: the reservation carries it. */
static void the_serial_number_of_a_board_stands(void **state) {
    const char *repeated = "SELECT count(*) FROM events WHERE type='unit.serial_repeated'";
    struct test_job job;
    struct test_chip chip, twin;
    char path[128];

    (void)state;
    active_job(2, &job);
    test_chip_make(&chip);
    test_chip_make(&twin);
    assert_int_equal(reserve_as(&job, &chip, "SN 1"), 201);
    assert_int_equal(reserve_as(&job, &chip, "SN 1"), 201);
    expect_refusal(reserve_as(&job, &chip, "SN 2"), 409, ERROR_CONFLICT);
    identify(&chip);
    expect_serial(&chip, "SN 1");
    snprintf(path, sizeof path, "/v1/units/%s/status", chip.unit_id);
    test_expect(programmer.client, "POST", path,
                "{\"state\":\"identified\",\"line\":{\"serial\":\"SN 2\"}}", 409, "conflict");
    expect_serial(&chip, "SN 1");
    assert_int_equal(test_sql_number(&world, repeated), 0);
    assert_int_equal(reserve_as(&job, &twin, "SN 1"), 201);
    identify(&twin);
    expect_serial(&twin, "SN 1");
    assert_int_equal(test_sql_number(&world, repeated), 1);
    test_chip_free(&chip);
    test_chip_free(&twin);
}

static void what_the_line_tells_is_bounded(void **state) {
    static const char *const wrong[] = {
        "7",
        "{\"site\":\"\"}",
        "{\"serial\":7}",
        "{\"serial\":\"a\\tb\"}",
        "{\"serial\":\"0123456789012345678901234567890123456789012345678901234567890123\"}",
        "{\"steps\":[]}",
        "{\"steps\":{\"Load\":1}}",
        "{\"steps\":{\"sixteen_letters_\":1}}",
        "{\"steps\":{\"load\":-1}}",
        "{\"steps\":{\"load\":1.5}}",
        "{\"steps\":{\"load\":1000000001}}",
    };
    struct test_job job;
    struct test_chip chip;
    char path[128], body[256];

    (void)state;
    active_job(1, &job);
    test_chip_make(&chip);
    assert_int_equal(test_reserve(&programmer, &job, &chip, 1, &error), 201);
    snprintf(path, sizeof path, "/v1/units/%s/status", chip.unit_id);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        snprintf(body, sizeof body, "{\"state\":\"failed\",\"line\":%s}", wrong[i]);
        test_expect(programmer.client, "POST", path, body, 400, "bad_request");
    }
    assert_int_equal(test_count(&world, &job, "reserved"), 1);
    json_decref(test_post(programmer.client, path,
                          json_pack("{s:s, s:{s:s, s:{s:i, s:i}}}", "state", "failed", "line",
                                    "site", "A1", "steps", "attach", 12, "load", 140)));
    assert_int_equal(test_sql_number(&world, "SELECT count(*) FROM units WHERE site='A1' AND"
                                             " steps='{\"attach\":12,\"load\":140}'"),
                     1);
    test_chip_free(&chip);
}

static void a_job_gets_another_end(void **state) {
    struct test_job job;
    struct test_chip chip;
    char path[128], body[64];
    uint64_t now = clock_now_s(&clock_system);

    (void)state;
    active_job(1, &job);
    test_chip_make(&chip);
    snprintf(path, sizeof path, "/v1/jobs/%s/extend", job.id);
    snprintf(body, sizeof body, "{\"expires\":%llu}", (unsigned long long)(now - 1));
    test_expect(world.admin, "POST", path, body, 400, "bad_request");
    json_t *changed =
        test_post(world.admin, path, json_pack("{s:I}", "expires", (json_int_t)now + 7200));
    assert_true(json_is_object(changed));
    json_decref(changed);
    assert_int_equal(test_reserve(&programmer, &job, &chip, 1, &error), 201);
    snprintf(path, sizeof path, "/v1/jobs/%s/close", job.id);
    json_decref(test_post(world.admin, path, json_object()));
    snprintf(path, sizeof path, "/v1/jobs/%s/extend", job.id);
    snprintf(body, sizeof body, "{\"expires\":%llu}", (unsigned long long)now + 9000);
    test_expect(world.admin, "POST", path, body, 409, "job_closed");
    assert_int_equal(
        test_sql_number(&world, "SELECT count(*) FROM events WHERE type='job.extended'"), 1);
    test_chip_free(&chip);
}

/* The first finding's message, or "" if ledger and tables agree. */
static const char *audit_of(const struct test_job *job) {
    static char message[200];
    char path[128];
    json_t *answer, *first;

    snprintf(path, sizeof path, "/v1/jobs/%s/audit", job->id);
    answer = test_get(world.admin, path);
    first = json_array_get(json_object_get(answer, "findings"), 0);
    assert_int_equal(json_is_true(json_object_get(answer, "agrees")), first == NULL);
    assert_true(json_integer_value(json_object_get(answer, "entries")) > 0);
    snprintf(message, sizeof message, "%s",
             first != NULL ? json_string_value(json_object_get(first, "message")) : "");
    json_decref(answer);
    return message;
}

static void a_denial_names_chips(void **state) {
    struct test_job job;
    struct test_chip chip;
    char path[128], body[128], uid[33];

    (void)state;
    active_job(1, &job);
    test_chip_make(&chip);
    hex_encode_upper(bytes_of(chip.uid, 16), uid);
    snprintf(path, sizeof path, "/v1/jobs/%s/deny", job.id);
    snprintf(body, sizeof body, "{\"uids\":[\"%s\"]}", uid);
    test_expect(world.admin, "POST", path, "{}", 400, "bad_request");
    test_expect(world.admin, "POST", path, "{\"uids\":[]}", 400, "bad_request");
    test_expect(world.admin, "POST", path, "{\"uids\":[\"12\"]}", 400, "bad_request");
    test_expect(world.admin, "POST", "/v1/jobs/job-0/deny", body, 404, "unknown_job");
    test_expect(programmer.client, "POST", path, body, 403, "denied");
    /* A reservation made before goes on; a new attempt does not begin. */
    assert_int_equal(test_reserve(&programmer, &job, &chip, 1, &error), 201);
    for (int i = 0; i < 2; i++)
        json_decref(test_post(world.admin, path, json_pack("{s:[s]}", "uids", uid)));
    assert_int_equal(test_reserve(&programmer, &job, &chip, 1, &error), 201);
    assert_int_equal(test_status(&programmer, &chip, "failed", &error), 200);
    expect_refusal(test_reserve(&programmer, &job, &chip, 2, &error), 403, ERROR_UID_DENIED);
    assert_string_equal(audit_of(&job), "");
    test_chip_free(&chip);
}

static json_t *report_of(const struct test_job *job, const char *query) {
    char path[128];

    snprintf(path, sizeof path, "/v1/jobs/%s/report%s", job->id, query);
    return test_get(world.admin, path);
}

static double real_of(const json_t *object, const char *member) {
    return json_real_value(json_object_get(object, member));
}

/* The rows behind one that was seen; of another job there are none. */
static void the_rows_go_on(const struct test_job *job, const json_t *units) {
    const char *second = json_string_value(json_object_get(json_array_get(units, 1), "unit_id"));
    char path[160];

    snprintf(path, sizeof path, "/v1/jobs/%s/units?after=%s", job->id, second);
    json_t *page = test_get(world.admin, path);
    const json_t *rest = json_object_get(page, "units");
    assert_int_equal(json_array_size(rest), 2);
    assert_true(json_equal(json_array_get(rest, 0), json_array_get(units, 2)));
    assert_true(json_is_null(json_object_get(page, "next")));
    json_decref(page);
    snprintf(path, sizeof path, "/v1/jobs/%s/units?after=00112233445566778899AABBCCDDEEFF",
             job->id);
    test_expect(world.admin, "GET", path, NULL, 404, "not_found");
    snprintf(path, sizeof path, "/v1/jobs/%s/units?after=0011", job->id);
    test_expect(world.admin, "GET", path, NULL, 400, "bad_request");
}

/* One good at once, one at the second attempt, one that failed after its permit, one under way. */
static void the_report_adds_up(void **state) {
    uint8_t nonce[32] = {0x5A};
    struct test_job job;
    struct test_chip chips[4];
    const json_t *numbers, *causes;
    json_t *report;

    (void)state;
    active_job(5, &job);
    for (int i = 0; i < 4; i++)
        test_chip_make(&chips[i]);
    assert_int_equal(reserve_as(&job, &chips[0], "R 1"), 201);
    identify(&chips[0]);
    assert_int_equal(test_reserve(&programmer, &job, &chips[1], 1, &error), 201);
    assert_int_equal(test_status(&programmer, &chips[1], "failed", &error), 200);
    assert_int_equal(test_reserve(&programmer, &job, &chips[1], 2, &error), 201);
    identify(&chips[1]);
    assert_int_equal(test_reserve(&programmer, &job, &chips[2], 1, &error), 201);
    assert_int_equal(test_certify(&programmer, &chips[2], &error), 200);
    assert_int_equal(test_permit(&programmer, &chips[2], nonce, &error), 200);
    assert_int_equal(test_status(&programmer, &chips[2], "failed", &error), 200);
    assert_int_equal(test_reserve(&programmer, &job, &chips[3], 1, &error), 201);
    /* Given up without an end: no failure. */
    assert_int_equal(test_reserve(&programmer, &job, &chips[3], 2, &error), 201);
    report = report_of(&job, "?units=0");
    assert_null(json_object_get(report, "units"));
    assert_true(json_is_true(json_object_get(json_object_get(report, "counts"), "adds_up")));
    numbers = json_object_get(report, "production");
    assert_int_equal(json_integer_value(json_object_get(numbers, "complete")), 2);
    assert_int_equal(json_integer_value(json_object_get(numbers, "last_hour")), 2);
    assert_true(real_of(numbers, "first_pass_yield") > 0.33);
    assert_true(real_of(numbers, "first_pass_yield") < 0.34);
    assert_true(real_of(numbers, "complete_yield") > 0.66);
    causes = json_object_get(numbers, "failures");
    assert_int_equal(json_array_size(causes), 1);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(causes, 0), "count")), 2);
    assert_true(real_of(json_array_get(json_object_get(numbers, "cycle"), 0), "median_s") >= 1.5);
    assert_true(real_of(json_array_get(json_object_get(numbers, "cycle"), 0), "p90_s") < 1.6);
    assert_int_equal(json_array_size(json_object_get(report, "sites")), 1);
    assert_int_equal(json_array_size(json_object_get(report, "programmers")), 1);
    json_decref(report);
    assert_int_equal(test_count(&world, &job, "used"), 4);
    assert_int_equal(test_count(&world, &job, "failed_counted"), 1);
    report = report_of(&job, "");
    assert_int_equal(json_array_size(json_object_get(report, "units")), 4);
    assert_true(json_is_null(json_object_get(report, "next")));
    the_rows_go_on(&job, json_object_get(report, "units"));
    json_decref(report);
    for (int i = 0; i < 4; i++)
        test_chip_free(&chips[i]);
}

static void decide(const struct test_job *job, const char *what) {
    char path[128];

    snprintf(path, sizeof path, "/v1/jobs/%s/%s", job->id, what);
    json_decref(test_post(world.admin, path, json_pack("{s:s}", "reason", "audit")));
}

static void expect_job_state(const struct test_job *job, const char *state) {
    char path[128];
    json_t *row;

    snprintf(path, sizeof path, "/v1/jobs/%s", job->id);
    row = test_get(world.admin, path);
    assert_string_equal(json_string_value(json_object_get(row, "state")), state);
    json_decref(row);
}

static char *scrap_path(const struct test_job *job, const struct test_chip *chip) {
    static char path[160];
    char uid[33];

    hex_encode_upper(bytes_of(chip->uid, 16), uid);
    snprintf(path, sizeof path, "/v1/jobs/%s/units/%s/scrap", job->id, uid);
    return path;
}

static void scrap(const struct test_job *job, const struct test_chip *chip, bool counted) {
    json_t *answer = test_post(world.admin, scrap_path(job, chip),
                               json_pack("{s:s}", "reason", "board is bent"));

    assert_string_equal(json_string_value(json_object_get(answer, "state")), "scrapped");
    assert_int_equal(json_is_true(json_object_get(answer, "counted")), counted);
    json_decref(answer);
}

static void expect_scrapped(const struct test_job *job, struct test_chip *chip) {
    uint8_t nonce[32] = {0xA7};

    for (unsigned attempt = 1; attempt <= 3; attempt++)
        expect_refusal(test_reserve(&programmer, job, chip, attempt, &error), 409,
                       ERROR_UNIT_SCRAPPED);
    expect_refusal(test_certify(&programmer, chip, &error), 409, ERROR_UNIT_SCRAPPED);
    expect_refusal(test_permit(&programmer, chip, nonce, &error), 409, ERROR_UNIT_SCRAPPED);
    expect_refusal(test_status(&programmer, chip, "identified", &error), 409, ERROR_UNIT_SCRAPPED);
    /* What the line says of a unit the OEM has scrapped is heard, and changes nothing. */
    assert_int_equal(test_status(&programmer, chip, "failed", &error), 200);
    assert_int_equal(test_status(&programmer, chip, "scrapped", &error), 200);
}

/* Scrapped at each point: the count comes back where a failure would have given it back. */
static void a_scrapped_unit_costs_what_its_failure_would(void **state) {
    uint8_t nonce[32] = {0xA1};
    struct test_job job;
    struct test_chip chips[4];
    json_t *report;

    (void)state;
    active_job(4, &job);
    for (int i = 0; i < 4; i++) {
        test_chip_make(&chips[i]);
        assert_int_equal(test_reserve(&programmer, &job, &chips[i], 1, &error), 201);
    }
    for (int i = 1; i < 4; i++)
        assert_int_equal(test_certify(&programmer, &chips[i], &error), 200);
    assert_int_equal(test_permit(&programmer, &chips[2], nonce, &error), 200);
    nonce[0]++;
    assert_int_equal(test_permit(&programmer, &chips[3], nonce, &error), 200);
    assert_int_equal(test_status(&programmer, &chips[3], "failed", &error), 200);
    assert_int_equal(test_count(&world, &job, "remaining"), 0);
    for (int i = 0; i < 4; i++) {
        scrap(&job, &chips[i], i >= 2);
        scrap(&job, &chips[i], i >= 2);
        expect_scrapped(&job, &chips[i]);
        if (i >= 1)
            expect_certificate_state(&chips[i], "revoked");
    }
    assert_int_equal(test_count(&world, &job, "remaining"), 2);
    assert_int_equal(test_count(&world, &job, "scrapped"), 4);
    assert_int_equal(test_count(&world, &job, "scrapped_counted"), 2);
    report = report_of(&job, "");
    assert_true(json_is_true(json_object_get(json_object_get(report, "counts"), "adds_up")));
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(report, "production"), "scrapped")), 4);
    assert_string_equal(json_string_value(json_object_get(
                            json_array_get(json_object_get(report, "units"), 0), "reason")),
                        "board is bent");
    json_decref(report);
    assert_string_equal(audit_of(&job), "");
    assert_int_equal(test_sql_number(&world, "SELECT count(*) FROM events WHERE"
                                             " type='unit.scrapped' AND actor NOT LIKE 'prog%'"),
                     4);
    for (int i = 0; i < 4; i++)
        test_chip_free(&chips[i]);
}

/* An attempt after a permit gives nothing back, and neither does scrapping it. */
static void a_scrapped_retry_does_not_undo_a_permit(void **state) {
    uint8_t nonce[32] = {0xB1};
    char sql[200];
    struct test_job job, other;
    struct test_chip chip, again;

    (void)state;
    active_job(1, &job);
    test_chip_make(&chip);
    test_chip_make(&again);
    memcpy(again.uid, chip.uid, sizeof again.uid);
    assert_int_equal(test_reserve(&programmer, &job, &chip, 1, &error), 201);
    assert_int_equal(test_certify(&programmer, &chip, &error), 200);
    assert_int_equal(test_permit(&programmer, &chip, nonce, &error), 200);
    assert_int_equal(test_status(&programmer, &chip, "failed", &error), 200);
    assert_int_equal(test_reserve(&programmer, &job, &again, 2, &error), 201);
    assert_int_equal(test_certify(&programmer, &again, &error), 200);
    assert_int_equal(test_status(&programmer, &again, "scrapped", &error), 200);
    expect_certificate_state(&again, "revoked");
    assert_int_equal(test_count(&world, &job, "remaining"), 0);
    expect_refusal(test_reserve(&programmer, &job, &again, 3, &error), 409, ERROR_UNIT_SCRAPPED);
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM ledger_server WHERE job_id='%s'"
             " AND instr(entry, CAST('signature' AS BLOB)) > 0",
             job.id);
    assert_int_equal(test_sql_number(&world, sql), 1);
    /* What counts under one job has no second life under another. */
    active_job(1, &other);
    expect_refusal(test_reserve(&programmer, &other, &again, 1, &error), 409,
                   ERROR_UID_UNDER_OTHER_KEY);
    test_chip_free(&chip);
    test_chip_free(&again);
}

static void what_is_complete_is_not_scrapped(void **state) {
    char path[160];
    struct test_job job;
    struct test_chip made, stranger, open;

    (void)state;
    active_job(2, &job);
    test_chip_make(&made);
    test_chip_make(&stranger);
    test_chip_make(&open);
    test_unit(&programmer, &job, &made);
    expect_refusal(test_status(&programmer, &made, "scrapped", &error), 409, ERROR_WRONG_STATE);
    test_expect(world.admin, "POST", scrap_path(&job, &made), "{\"reason\":\"x\"}", 409,
                "wrong_state");
    expect_certificate_state(&made, "valid");
    test_expect(world.admin, "POST", scrap_path(&job, &stranger), "{\"reason\":\"x\"}", 404,
                "not_found");
    assert_int_equal(test_reserve(&programmer, &job, &open, 1, &error), 201);
    test_expect(world.admin, "POST", scrap_path(&job, &open), "{}", 400, "bad_request");
    test_expect(world.admin, "POST", scrap_path(&job, &open), "{\"reason\":\"\"}", 400,
                "bad_request");
    test_expect(programmer.client, "POST", scrap_path(&job, &open), "{\"reason\":\"x\"}", 403,
                "denied");
    snprintf(path, sizeof path, "/v1/units/%s/status", open.unit_id);
    test_expect(programmer.client, "POST", path, "{\"state\":\"scrapped\"}", 400, "bad_request");
    test_expect(programmer.client, "POST", path, "{\"state\":\"scrapped\",\"reason\":\"x\"}", 400,
                "bad_request");
    expect_refusal(test_status(&other_programmer, &open, "scrapped", &error), 403, ERROR_DENIED);
    /* Signed for another chip. */
    memcpy(made.unit_id, open.unit_id, sizeof made.unit_id);
    expect_refusal(test_status(&programmer, &made, "scrapped", &error), 400, ERROR_ALTERED);
    test_expect(world.admin, "POST", "/v1/jobs/job-none/units/00/scrap", "{\"reason\":\"x\"}", 400,
                "bad_request");
    assert_int_equal(test_count(&world, &job, "reserved"), 1);
    test_chip_free(&made);
    test_chip_free(&stranger);
    test_chip_free(&open);
}

static void a_paused_job_gives_nothing(void **state) {
    struct test_job job;
    struct test_chip chip, second;
    uint8_t nonce[32];
    char path[128], body[128];

    (void)state;
    assert_int_equal(crypto_random(nonce, sizeof nonce), STATUS_OK);
    active_job(3, &job);
    test_chip_make(&chip);
    test_chip_make(&second);
    assert_int_equal(test_reserve(&programmer, &job, &chip, 1, &error), 201);
    decide(&job, "pause");
    decide(&job, "pause");
    expect_job_state(&job, "paused");
    expect_refusal(test_reserve(&programmer, &job, &second, 1, &error), 409, ERROR_JOB_PAUSED);
    /* A lost answer is asked for again. */
    assert_int_equal(test_reserve(&programmer, &job, &chip, 1, &error), 201);
    snprintf(path, sizeof path, "/v1/jobs/%s/export", job.id);
    test_expect(world.admin, "POST", path, "{}", 409, "job_paused");
    snprintf(path, sizeof path, "/v1/jobs/%s/activate", job.id);
    snprintf(body, sizeof body, "{\"token_b64\": \"%s\", \"sequence\": %llu}", job.token_b64,
             (unsigned long long)job.sequence);
    test_expect(programmer.client, "POST", path, body, 409, "job_paused");
    expect_refusal(test_certify(&programmer, &chip, &error), 409, ERROR_JOB_PAUSED);
    decide(&job, "resume");
    expect_job_state(&job, "active");
    assert_int_equal(test_certify(&programmer, &chip, &error), 200);
    decide(&job, "pause");
    expect_refusal(test_permit(&programmer, &chip, nonce, &error), 409, ERROR_JOB_PAUSED);
    decide(&job, "resume");
    assert_int_equal(test_permit(&programmer, &chip, nonce, &error), 200);
    decide(&job, "pause");
    /* How a unit ended is a fact, whatever the OEM wants now. */
    assert_int_equal(test_status(&programmer, &chip, "identified", &error), 200);
    assert_int_equal(test_count(&world, &job, "remaining"), 2);
    assert_int_equal(test_count(&world, &job, "recalled"), 0);
    test_chip_free(&chip);
    test_chip_free(&second);
}

static void a_closed_job_is_closed_for_good(void **state) {
    struct test_job job;
    struct test_chip chip, failing, second;
    uint8_t nonce[32];
    char path[128];

    (void)state;
    assert_int_equal(crypto_random(nonce, sizeof nonce), STATUS_OK);
    active_job(4, &job);
    test_chip_make(&chip);
    test_chip_make(&failing);
    test_chip_make(&second);
    assert_int_equal(test_reserve(&programmer, &job, &chip, 1, &error), 201);
    assert_int_equal(test_reserve(&programmer, &job, &failing, 1, &error), 201);
    decide(&job, "close");
    decide(&job, "close");
    expect_job_state(&job, "closed");
    assert_int_equal(test_count(&world, &job, "remaining"), 0);
    assert_int_equal(test_count(&world, &job, "recalled"), 2);
    expect_refusal(test_reserve(&programmer, &job, &second, 1, &error), 409, ERROR_JOB_CLOSED);
    assert_int_equal(test_reserve(&programmer, &job, &chip, 1, &error), 201);
    /* What is under way comes to its end; what fails is recalled, too. */
    assert_int_equal(test_certify(&programmer, &chip, &error), 200);
    assert_int_equal(test_permit(&programmer, &chip, nonce, &error), 200);
    assert_int_equal(test_status(&programmer, &chip, "identified", &error), 200);
    assert_int_equal(test_status(&programmer, &failing, "failed", &error), 200);
    assert_int_equal(test_count(&world, &job, "recalled"), 3);
    expect_refusal(test_reserve(&programmer, &job, &failing, 2, &error), 409, ERROR_JOB_CLOSED);
    snprintf(path, sizeof path, "/v1/jobs/%s/resume", job.id);
    test_expect(world.admin, "POST", path, "{}", 409, "job_closed");
    snprintf(path, sizeof path, "/v1/jobs/%s/pause", job.id);
    test_expect(world.admin, "POST", path, "{}", 409, "job_closed");
    snprintf(path, sizeof path, "/v1/jobs/%s/export", job.id);
    test_expect(world.admin, "POST", path, "{}", 409, "job_closed");
    snprintf(path, sizeof path, "/v1/jobs/%s/close", job.id);
    test_expect(programmer.client, "POST", path, "{}", 403, "denied");
    test_expect(world.admin, "POST", path, "{\"reason\": 5}", 400, "bad_request");
    test_expect(world.admin, "POST", "/v1/jobs/job-none/close", "{}", 404, "unknown_job");
    test_chip_free(&chip);
    test_chip_free(&failing);
    test_chip_free(&second);
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

/* The programmer never heard of its first attempt, or has lost it. */
static void an_open_attempt_without_permit_is_superseded(void **state) {
    struct test_job job;
    struct test_chip chip, again;

    (void)state;
    active_job(1, &job);
    test_chip_make(&chip);
    test_chip_make(&again);
    memcpy(again.uid, chip.uid, sizeof again.uid);
    assert_int_equal(test_reserve(&programmer, &job, &chip, 1, &error), 201);
    assert_int_equal(test_certify(&programmer, &chip, &error), 200);
    assert_int_equal(test_reserve(&programmer, &job, &again, 2, &error), 201);
    assert_int_equal(test_count(&world, &job, "remaining"), 0);
    expect_certificate_state(&chip, "superseded");
    expect_refusal(test_reserve(&programmer, &job, &chip, 1, &error), 409, ERROR_WRONG_STATE);
    expect_refusal(test_certify(&programmer, &chip, &error), 409, ERROR_WRONG_STATE);
    assert_int_equal(test_certify(&programmer, &again, &error), 200);
    expect_certificate_state(&again, "valid");
    test_chip_free(&chip);
    test_chip_free(&again);
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
    assert_int_equal(test_certify(&programmer, &chip, &error), 200);
    assert_int_equal(crypto_random(nonce, sizeof nonce), STATUS_OK);
    assert_int_equal(test_permit(&programmer, &chip, nonce, &error), 200);
    expect_refusal(test_reserve(&programmer, &job, &again, 2, &error), 409, ERROR_UNIT_OPEN);
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

/* `code`: of the refusal, NULL if both sides agree. */
static void expect_agreement(struct test_programmer *who, const struct test_job *job,
                             const struct ledger_head *head, const struct ledger_head *acknowledged,
                             const char *code) {
    char path[128];
    json_t *claim = json_pack("{s:I, s:o, s:I, s:o}", "head_sequence", (json_int_t)head->sequence,
                              "head_hash_hex", json_hex(bytes_of(head->hash, 32)),
                              "acknowledged_sequence", (json_int_t)acknowledged->sequence,
                              "acknowledged_hash_hex", json_hex(bytes_of(acknowledged->hash, 32)));
    char *text = json_dumps(claim, 0);

    snprintf(path, sizeof path, "/v1/jobs/%s/ledger/agree", job->id);
    if (code == NULL)
        json_decref(test_post(who->client, path, json_incref(claim)));
    else
        test_expect(who->client, "POST", path, text, strcmp(code, "denied") == 0 ? 403 : 409, code);
    free(text);
    json_decref(claim);
}

static void expect_stopped(const struct test_job *job, const char *event) {
    char path[128], query[160];
    json_t *answer;

    snprintf(path, sizeof path, "/v1/jobs/%s", job->id);
    answer = test_get(world.admin, path);
    assert_string_equal(json_string_value(json_object_get(answer, "state")), "stopped");
    json_decref(answer);
    snprintf(query, sizeof query, "SELECT count(*) FROM events WHERE job_id='%s' AND type='%s'",
             job->id, event);
    assert_int_equal(test_sql_number(&world, query), 1);
}

/* A job whose ledger has three entries here; `heads` are those after 1, 2, 3 and a fourth that was
 * not sent. */
static void job_with_ledger(struct test_job *job, struct ledger_head heads[4]) {
    struct ledger_head head = {0};
    char path[128];

    active_job(2, job);
    snprintf(path, sizeof path, "/v1/jobs/%s/ledger", job->id);
    for (int i = 0; i < 4; i++) {
        json_t *body = ledger_body(&head, 1, 1000);
        heads[i] = head;
        if (i < 3)
            json_decref(test_post(programmer.client, path, body));
        else
            json_decref(body);
    }
}

static void a_side_that_was_set_back_is_named(void **state) {
    const struct ledger_head none = {0};
    struct ledger_head heads[4], other;
    struct test_job job;

    (void)state;
    /* What is fine: all sent, not all sent yet, not all acknowledged yet. */
    job_with_ledger(&job, heads);
    expect_agreement(&programmer, &job, &heads[2], &heads[2], NULL);
    expect_agreement(&programmer, &job, &heads[3], &heads[1], NULL);
    expect_agreement(&programmer, &job, &heads[3], &none, NULL);
    /* The programmer ends before what is here. */
    expect_agreement(&programmer, &job, &heads[1], &heads[1], "programmer_rolled_back");
    expect_stopped(&job, "job.programmer_rolled_back");
    expect_agreement(&programmer, &job, &heads[1], &heads[1], "programmer_rolled_back");
    expect_stopped(&job, "job.programmer_rolled_back");
    job_with_ledger(&job, heads);
    expect_agreement(&programmer, &job, &none, &none, "programmer_rolled_back");
    /* This side acknowledged what it does not have. */
    job_with_ledger(&job, heads);
    expect_agreement(&programmer, &job, &heads[3], &heads[3], "server_rolled_back");
    expect_stopped(&job, "job.server_rolled_back");
    /* Two went on from copies of one ledger. */
    job_with_ledger(&job, heads);
    other = heads[2];
    other.hash[0] ^= 1;
    expect_agreement(&programmer, &job, &other, &heads[1], "ledger_diverged");
    expect_stopped(&job, "job.ledger_diverged");
    job_with_ledger(&job, heads);
    expect_agreement(&programmer, &job, &heads[3], &other, "ledger_diverged");
}

static void the_programmers_ledger_must_extend_its_chain(void **state) {
    struct test_job job;
    struct test_chip chip, certified;
    uint8_t nonce[32];
    struct ledger_head head = {0}, fork;
    char path[128], report_path[128];
    json_t *first, *gap, *forked, *answer;
    char *text;

    (void)state;
    active_job(2, &job);
    test_chip_make(&chip);
    snprintf(path, sizeof path, "/v1/jobs/%s/ledger", job.id);
    first = ledger_body(&head, 3, 1000);
    fork = head;
    json_decref(test_post(programmer.client, path, json_incref(first)));
    json_decref(test_post(programmer.client, path, first)); /* the same again is fine */
    expect_agreement(&programmer, &job, &head, &head, NULL);
    expect_agreement(&other_programmer, &job, &head, &head, "denied");
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

/* `edit` changes the rows of this job: what the audit then says, and that `undo` contents it. */
static void expect_audit(const struct test_job *job, const char *edit, const char *undo,
                         const char *finding) {
    char sql[256];

    snprintf(sql, sizeof sql, edit, job->id);
    test_sql_change(&world, sql);
    if (strstr(audit_of(job), finding) == NULL)
        fail_msg("after %s: \"%s\"", sql, audit_of(job));
    snprintf(sql, sizeof sql, undo, job->id);
    test_sql_change(&world, sql);
    assert_string_equal(audit_of(job), "");
}

static void an_edited_row_is_found(void **state) {
    struct test_job job;
    struct test_chip made, failed, open, again;

    (void)state;
    active_job(5, &job);
    test_chip_make(&made);
    test_chip_make(&failed);
    test_chip_make(&open);
    test_chip_make(&again);
    test_unit(&programmer, &job, &made);
    assert_int_equal(test_reserve(&programmer, &job, &failed, 1, &error), 201);
    assert_int_equal(test_status(&programmer, &failed, "failed", &error), 200);
    memcpy(again.uid, failed.uid, sizeof again.uid);
    assert_int_equal(test_reserve(&programmer, &job, &again, 2, &error), 201);
    assert_int_equal(test_reserve(&programmer, &job, &open, 1, &error), 201);
    assert_int_equal(test_certify(&programmer, &open, &error), 200);
    assert_string_equal(audit_of(&job), "");
    /* More to be made than was ordered, a chip that was never made, a certificate exchanged. */
    expect_audit(&job, "UPDATE jobs SET used=used-1 WHERE id='%s'",
                 "UPDATE jobs SET used=used+1 WHERE id='%s'", "3 units are counted");
    expect_audit(&job, "UPDATE units SET state=2 WHERE job_id='%s' AND state=1 AND attempt=2",
                 "UPDATE units SET state=1 WHERE job_id='%s' AND state=2 AND attempt=2",
                 "the table says identified, the ledger reserved");
    expect_audit(&job,
                 "UPDATE units SET certificate_hash=zeroblob(32) WHERE job_id='%s' AND state=2",
                 "UPDATE units SET certificate_hash=(SELECT hash FROM certificates WHERE"
                 " serial=certificate_serial) WHERE job_id='%s' AND state=2",
                 "another certificate");
    expect_audit(&job, "UPDATE units SET job_id='gone' WHERE job_id='%s' AND attempt=2",
                 "UPDATE units SET job_id='%s' WHERE job_id='gone'", "the table has not");
    expect_audit(&job, "UPDATE jobs SET ledger_sequence=ledger_sequence-1 WHERE id='%s'",
                 "UPDATE jobs SET ledger_sequence=ledger_sequence+1 WHERE id='%s'",
                 "the ledger ends at");
    /* More ordered than was, and a decision taken back. */
    expect_audit(&job, "UPDATE jobs SET count=count+1 WHERE id='%s'",
                 "UPDATE jobs SET count=count-1 WHERE id='%s'", "5 were ordered");
    expect_audit(&job, "UPDATE jobs SET hold='closed' WHERE id='%s'",
                 "UPDATE jobs SET hold='none' WHERE id='%s'", "another decision");
    /* The ledger itself, whose rows the database does not let change. */
    test_sql_change(&world, "DROP TRIGGER ledger_server_no_update");
    expect_audit(&job, "UPDATE ledger_server SET sequence=1000 WHERE job_id='%s' AND sequence=3",
                 "UPDATE ledger_server SET sequence=3 WHERE job_id='%s' AND sequence=1000",
                 "the chain of entries is broken");
    test_chip_free(&made);
    test_chip_free(&failed);
    test_chip_free(&open);
    test_chip_free(&again);
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
        cmocka_unit_test(repeats_are_not_measured),
        cmocka_unit_test(the_serial_number_of_a_board_stands),
        cmocka_unit_test(the_report_adds_up),
        cmocka_unit_test(a_job_gets_another_end),
        cmocka_unit_test(what_the_line_tells_is_bounded),
        cmocka_unit_test(a_paused_job_gives_nothing),
        cmocka_unit_test(a_closed_job_is_closed_for_good),
        cmocka_unit_test(the_job_stops_at_its_count),
        cmocka_unit_test(a_failed_units_certificate_is_revoked),
        cmocka_unit_test(a_retry_supersedes_and_counts_once),
        cmocka_unit_test(an_open_attempt_without_permit_is_superseded),
        cmocka_unit_test(the_uid_list_is_honoured),
        cmocka_unit_test(tokens_and_packages),
        cmocka_unit_test(bad_requests_get_no_certificate),
        cmocka_unit_test(a_key_under_a_second_uid_is_flagged),
        cmocka_unit_test(a_second_key_for_the_uid_is_flagged),
        cmocka_unit_test(the_same_request_gets_the_same_certificate),
        cmocka_unit_test(permits_need_a_certificate_and_a_fresh_nonce),
        cmocka_unit_test(revoking_a_device),
        cmocka_unit_test(the_programmers_ledger_must_extend_its_chain),
        cmocka_unit_test(a_side_that_was_set_back_is_named),
        cmocka_unit_test(an_edited_row_is_found),
        cmocka_unit_test(a_denial_names_chips),
        cmocka_unit_test(a_scrapped_unit_costs_what_its_failure_would),
        cmocka_unit_test(a_scrapped_retry_does_not_undo_a_permit),
        cmocka_unit_test(what_is_complete_is_not_scrapped),
        cmocka_unit_test(a_cm_operator_sees_its_own_jobs_only),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
