/* scrap and recovery: units that the line gives up, at every point, with and without the server. */
#include "programmer/programmer.h"

#include "base/json.h"
#include "crypto/crypto.h"
#include "programmer/job_file.h"
#include "programmer/recovery.h"
#include "programmer/testing/fake_server.h"
#include "programmer/testing/oem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT 2
#define UID_1 "01000000000000000000000000000000"

struct fixture {
    char *directory;
    struct programmer programmer;
    struct oem oem;
    struct job *job; /* in use */
};

static const uint8_t certificate[32] = {1, 2, 3};
static const uint8_t uid_1[16] = {1};

static void import(struct fixture *fixture, bool with_firmware) {
    static const char *const settings[][2] = {
        {"bl2", "fw-0000000000000002"}, {"bl3", "fw-0000000000000003"}, {"debug", "locked"}};
    struct error error;
    struct buffer encoded = {0};
    struct package package = oem_package(&fixture->oem, 1, COUNT, "NATIVE", "fw-0000000000000001");
    for (size_t i = 0; with_firmware && i < 3; i++) {
        struct package_setting *setting = &package.settings[package.setting_count++];
        (void)snprintf(setting->key, sizeof setting->key, "%s", settings[i][0]);
        (void)snprintf(setting->value, sizeof setting->value, "%s", settings[i][1]);
    }
    oem_seal(&fixture->oem, &package, &encoded);
    json_t *result =
        oem_call(&fixture->programmer, programmer_package_import,
                 json_pack("{s:o}", "package_b64", json_base64(buffer_bytes(&encoded))), &error);
    if (result == NULL)
        fail_msg("%s", error.message);
    json_decref(result);
    buffer_free(&encoded);
    fixture->job = programmer_job_use(&fixture->programmer, OEM_JOB_ID, &error);
    assert_non_null(fixture->job);
}

static int setup_job(void **state, bool with_firmware) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->directory = scratch_make();
    oem_open_programmer(&fixture->programmer, fixture->directory);
    oem_make(&fixture->oem, fixture->directory);
    fake_server_reset(&fixture->oem);
    fake_server.job_known = true;
    oem_prepare(&fixture->oem, &fixture->programmer);
    import(fixture, with_firmware);
    *state = fixture;
    return 0;
}

static int setup(void **state) {
    return setup_job(state, true);
}

static int setup_identity(void **state) {
    return setup_job(state, false);
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    programmer_job_release(&fixture->programmer, fixture->job);
    programmer_close(&fixture->programmer);
    oem_free(&fixture->oem);
    scratch_remove(fixture->directory);
    free(fixture);
    return 0;
}

/* A unit of `uid_1`, which comes as far as `end`, here and at the server. */
static void unit_make(struct fixture *fixture, enum job_unit_state end) {
    struct job_journal *journal = fixture->job->journal;
    struct server_reservation reservation;
    struct error error;
    struct job_unit unit;
    assert_int_equal(job_journal_reserve(journal, uid_1, &unit, &error), 0);
    if (end == JOB_UNIT_RESERVING)
        return;
    assert_int_equal(server_reserve(fixture->programmer.server, &fixture->job->package, uid_1,
                                    unit.attempt, NULL, &reservation, &error),
                     0);
    assert_int_equal(job_journal_reserved(journal, &unit, reservation.unit_id, &error), 0);
    if (end == JOB_UNIT_RESERVED)
        return;
    assert_int_equal(job_journal_issued(journal, &unit, certificate, &error), 0);
    fake_server.units[0].certificate_valid = true;
    if (end == JOB_UNIT_ISSUED)
        return;
    fake_server.units[0].permitted = true;
    assert_int_equal(job_journal_identified(journal, &unit, 1, &error), 0);
    if (end == JOB_UNIT_IDENTIFIED)
        return;
    fake_server.units[0].state = FAKE_SECURED;
    assert_int_equal(job_journal_reported(journal, &unit, &error), 0);
    assert_int_equal(job_journal_secured(journal, &unit, &error), 0);
}

static json_t *params_of(const char *uid, const char *reason) {
    return json_pack("{s:s,s:s,s:s}", "job_id", OEM_JOB_ID, "uid", uid, "reason", reason);
}

static void expect_refused(struct fixture *fixture, json_t *params, enum error_code code) {
    struct error error;
    assert_null(oem_call(&fixture->programmer, programmer_scrap, params, &error));
    if (error.code != code)
        fail_msg("%s instead of %s: %s", error_name(error.code), error_name(code), error.message);
}

static void scrap(struct fixture *fixture, bool reported, bool counted) {
    struct error error;
    json_t *result =
        oem_call(&fixture->programmer, programmer_scrap, params_of(UID_1, "bent pin"), &error);
    if (result == NULL)
        fail_msg("%s", error.message);
    assert_string_equal(json_string_value(json_object_get(result, "state")), "scrapped");
    assert_string_equal(json_string_value(json_object_get(result, "uid")), UID_1);
    assert_int_equal(json_is_true(json_object_get(result, "reported")), reported);
    assert_int_equal(json_is_true(json_object_get(result, "counted")), counted);
    assert_int_equal(json_integer_value(json_object_get(result, "remaining")),
                     counted ? COUNT - 1 : COUNT);
    json_decref(result);
}

static struct job_unit unit_now(const struct fixture *fixture) {
    struct job_unit unit;
    assert_true(job_journal_unit(fixture->job->journal, 0, &unit));
    return unit;
}

/* Here and there, and never made again. */
static void expect_scrapped(struct fixture *fixture, bool counted) {
    struct job_numbers numbers;
    struct error error;
    struct job_unit unit = unit_now(fixture);
    assert_int_equal(unit.state, JOB_UNIT_SCRAPPED);
    assert_true(unit.reported);
    job_journal_numbers(fixture->job->journal, &numbers);
    assert_int_equal(numbers.scrapped, 1);
    assert_int_equal(numbers.unreported, 0);
    assert_int_equal(job_unfinished(fixture->job, &numbers), 0);
    assert_int_equal(numbers.remaining, counted ? COUNT - 1 : COUNT);
    assert_int_equal(fake_server.used, counted ? 1 : 0);
    assert_int_equal(fake_server_valid_certificates(), 0);
    assert_int_equal(job_journal_reserve(fixture->job->journal, uid_1, &unit, &error), -1);
    assert_int_equal(error.code, ERROR_UNIT_SCRAPPED);
}

static void recover(struct fixture *fixture) {
    struct error error;
    fake_server.fault = FAKE_NO_FAULT;
    if (recovery_run(fixture->job, fixture->programmer.server, &error) != 0)
        fail_msg("%s", error.message);
}

static void reopen(struct fixture *fixture) {
    struct error error;
    programmer_job_release(&fixture->programmer, fixture->job);
    programmer_close(&fixture->programmer);
    oem_open_programmer(&fixture->programmer, fixture->directory);
    fixture->job = programmer_job_use(&fixture->programmer, OEM_JOB_ID, &error);
    assert_non_null(fixture->job);
}

static void fault_from_now(enum fake_fault fault, unsigned span) {
    fake_server.fault = fault;
    fake_server.fault_call = fake_server.calls + 1;
    fake_server.fault_span = span;
}

static void scrap_at(struct fixture *fixture, enum job_unit_state state, bool counted) {
    unit_make(fixture, state);
    scrap(fixture, true, counted);
    scrap(fixture, true, counted);
    expect_scrapped(fixture, counted);
    assert_int_equal(fake_server.units[0].state, FAKE_SCRAPPED);
    reopen(fixture);
    expect_scrapped(fixture, counted);
}

static void test_reserved(void **state) {
    scrap_at(*state, JOB_UNIT_RESERVED, false);
}

static void test_issued(void **state) {
    scrap_at(*state, JOB_UNIT_ISSUED, false);
}

static void test_identified(void **state) {
    scrap_at(*state, JOB_UNIT_IDENTIFIED, true);
}

static void test_secured(void **state) {
    scrap_at(*state, JOB_UNIT_SECURED, true);
}

/* The server has it, and its answer was lost. */
static void test_reservation_without_answer(void **state) {
    struct fixture *fixture = *state;
    struct server_reservation reservation;
    struct error error;
    unit_make(fixture, JOB_UNIT_RESERVING);
    assert_int_equal(server_reserve(fixture->programmer.server, &fixture->job->package, uid_1, 1,
                                    NULL, &reservation, &error),
                     0);
    scrap(fixture, true, false);
    expect_scrapped(fixture, false);
    assert_int_equal(fake_server.units[0].state, FAKE_SCRAPPED);
}

static void test_reservation_never_heard_of(void **state) {
    struct fixture *fixture = *state;
    unit_make(fixture, JOB_UNIT_RESERVING);
    scrap(fixture, true, false);
    expect_scrapped(fixture, false);
    assert_int_equal(fake_server.unit_count, 0);
}

/* Only that there is no such unit ends it: anything else leaves the count taken, and it is told
 * again. */
static void test_reservation_refused(void **state) {
    struct fixture *fixture = *state;
    unit_make(fixture, JOB_UNIT_RESERVING);
    fault_from_now(FAKE_REFUSES, 1);
    fake_server.refusal = ERROR_DENIED;
    scrap(fixture, false, true);
    recover(fixture);
    expect_scrapped(fixture, false);
}

/* The server's answer to the reservation was lost, and meanwhile the job is not what it was. */
static void repeat_refused(struct fixture *fixture, bool known, bool report_lost) {
    struct server_reservation reservation;
    struct job_numbers numbers;
    struct error error;
    unit_make(fixture, JOB_UNIT_RESERVING);
    if (known)
        assert_int_equal(server_reserve(fixture->programmer.server, &fixture->job->package, uid_1,
                                        1, NULL, &reservation, &error),
                         0);
    fake_server.token[0] ^= 1;
    if (report_lost) {
        fake_server.fault = FAKE_ANSWER_LOST;
        fake_server.fault_call = fake_server.calls + 2;
        fake_server.fault_span = 1;
        assert_int_equal(recovery_run(fixture->job, fixture->programmer.server, &error), -1);
        job_journal_numbers(fixture->job->journal, &numbers);
        assert_int_equal(numbers.remaining, COUNT - 1); /* until the server has said */
    }
    recover(fixture);
    job_journal_numbers(fixture->job->journal, &numbers);
    assert_int_equal(numbers.remaining, COUNT);
    assert_int_equal(numbers.open + numbers.unreported, 0);
    assert_int_equal(fake_server.used, 0);
    assert_int_equal(unit_now(fixture).state, known ? JOB_UNIT_FAILED : JOB_UNIT_REFUSED);
    if (known)
        assert_int_equal(fake_server.units[0].state, FAKE_FAILED);
}

static void test_repeat_refused(void **state) {
    repeat_refused(*state, true, false);
}

static void test_repeat_refused_and_lost(void **state) {
    repeat_refused(*state, true, true);
}

static void test_never_heard_of_and_refused(void **state) {
    repeat_refused(*state, false, false);
}

static void test_failed_before(void **state) {
    struct fixture *fixture = *state;
    struct error error;
    unit_make(fixture, JOB_UNIT_ISSUED);
    struct job_unit unit = unit_now(fixture);
    assert_int_equal(job_journal_failed(fixture->job->journal, &unit, "install", "x", 1, &error),
                     0);
    recover(fixture);
    assert_int_equal(fake_server.used, 0);
    scrap(fixture, true, false);
    expect_scrapped(fixture, false);
}

/* It holds without network, and is told when there is one: once, however often it is said. */
static void told_later(struct fixture *fixture, enum fake_fault fault) {
    struct job_numbers numbers;
    struct error error;
    struct job_unit unit;
    unit_make(fixture, JOB_UNIT_RESERVED);
    fault_from_now(fault, 100);
    scrap(fixture, false, true);
    job_journal_numbers(fixture->job->journal, &numbers);
    assert_int_equal(numbers.unreported, 1);
    assert_int_equal(numbers.open, 0);
    assert_int_equal(job_journal_reserve(fixture->job->journal, uid_1, &unit, &error), -1);
    assert_int_equal(error.code, ERROR_UNIT_SCRAPPED);
    reopen(fixture);
    recover(fixture);
    expect_scrapped(fixture, false);
    assert_int_equal(fake_server.units[0].state, FAKE_SCRAPPED);
}

static void test_server_away(void **state) {
    told_later(*state, FAKE_AWAY);
}

static void test_answer_lost(void **state) {
    told_later(*state, FAKE_ANSWER_LOST);
}

static void test_refusals(void **state) {
    struct fixture *fixture = *state;
    char long_reason[66] = {0};
    struct error error;
    struct job_unit unit;
    memset(long_reason, 'x', sizeof long_reason - 1);
    expect_refused(fixture, params_of(UID_1, "bent"), ERROR_NOT_FOUND);
    unit_make(fixture, JOB_UNIT_RESERVED);
    expect_refused(fixture, params_of("02000000000000000000000000000000", "x"), ERROR_NOT_FOUND);
    expect_refused(fixture, params_of("01", "bent"), ERROR_BAD_REQUEST);
    expect_refused(fixture, params_of(UID_1, ""), ERROR_BAD_REQUEST);
    expect_refused(fixture, params_of(UID_1, long_reason), ERROR_BAD_REQUEST);
    expect_refused(fixture, params_of(UID_1, "two\nlines"), ERROR_BAD_REQUEST);
    expect_refused(fixture, json_pack("{s:s,s:s}", "job_id", OEM_JOB_ID, "uid", UID_1),
                   ERROR_BAD_REQUEST);
    json_t *other = params_of(UID_1, "bent");
    (void)json_object_set_new(other, "job_id", json_string("job-2"));
    expect_refused(fixture, other, ERROR_UNKNOWN_JOB);
    assert_int_equal(job_journal_take(fixture->job->journal, uid_1, &unit, &error), 0);
    expect_refused(fixture, params_of(UID_1, "bent"), ERROR_BUSY);
    job_journal_give(fixture->job->journal, uid_1);
    uint32_t epoch = fixture->programmer.identity.epoch;
    fixture->programmer.identity.epoch = 0;
    expect_refused(fixture, params_of(UID_1, "bent"), ERROR_NOT_PREPARED);
    fixture->programmer.identity.epoch = epoch;
    assert_int_equal(unit_now(fixture).state, JOB_UNIT_RESERVED);
}

static void test_complete_without_firmware(void **state) {
    struct fixture *fixture = *state;
    unit_make(fixture, JOB_UNIT_IDENTIFIED);
    expect_refused(fixture, params_of(UID_1, "bent"), ERROR_WRONG_STATE);
    assert_int_equal(unit_now(fixture).state, JOB_UNIT_IDENTIFIED);
}

/* A record that may have arrived: only the server can say whether the unit is done. */
static void test_recorded(void **state) {
    struct fixture *fixture = *state;
    struct bytes record = bytes_of("record", 6);
    uint8_t digest[32];
    struct error error;
    unit_make(fixture, JOB_UNIT_SECURED);
    struct job_unit unit = unit_now(fixture);
    crypto_sha256(record, digest);
    assert_int_equal(job_file_keep(fixture->job, uid_1, JOB_FILE_RECORD, record, &error), 0);
    assert_int_equal(job_journal_recorded(fixture->job->journal, &unit, digest, 1, &error), 0);
    fault_from_now(FAKE_AWAY, 100);
    expect_refused(fixture, params_of(UID_1, "bent"), ERROR_OFFLINE);
    assert_int_equal(unit_now(fixture).state, JOB_UNIT_RECORDED);
    /* too old: the chip would have to come back */
    fault_from_now(FAKE_REFUSES, 1);
    fake_server.refusal = ERROR_CHALLENGE_EXPIRED;
    scrap(fixture, true, true);
    expect_scrapped(fixture, true);
    struct buffer kept = {0};
    assert_int_equal(job_file_read(fixture->job, uid_1, JOB_FILE_RECORD, &kept, &error), -1);
    assert_int_equal(error.code, ERROR_NOT_FOUND);
}

static void test_done(void **state) {
    struct fixture *fixture = *state;
    struct error error;
    unit_make(fixture, JOB_UNIT_SECURED);
    struct job_unit unit = unit_now(fixture);
    assert_int_equal(job_journal_recorded(fixture->job->journal, &unit, certificate, 1, &error), 0);
    assert_int_equal(job_journal_done(fixture->job->journal, &unit, &error), 0);
    expect_refused(fixture, params_of(UID_1, "bent"), ERROR_WRONG_STATE);
    assert_int_equal(unit_now(fixture).state, JOB_UNIT_DONE);
}

/* What the OEM has scrapped is scrapped here as soon as the server says so. */
static void test_scrapped_by_the_oem(void **state) {
    struct fixture *fixture = *state;
    unit_make(fixture, JOB_UNIT_IDENTIFIED); /* not told yet */
    fake_server.units[0].state = FAKE_SCRAPPED;
    fake_server.units[0].certificate_valid = false;
    recover(fixture);
    expect_scrapped(fixture, true);
    assert_string_equal(unit_now(fixture).reason, "scrapped by the OEM");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_reserved),
        TEST(test_issued),
        TEST(test_identified),
        TEST(test_secured),
        TEST(test_reservation_without_answer),
        TEST(test_reservation_never_heard_of),
        TEST(test_reservation_refused),
        TEST(test_repeat_refused),
        TEST(test_repeat_refused_and_lost),
        TEST(test_never_heard_of_and_refused),
        TEST(test_failed_before),
        TEST(test_server_away),
        TEST(test_answer_lost),
        TEST(test_refusals),
        cmocka_unit_test_setup_teardown(test_complete_without_firmware, setup_identity, teardown),
        TEST(test_recorded),
        TEST(test_done),
        TEST(test_scrapped_by_the_oem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
