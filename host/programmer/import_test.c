/* package.import: one good package and every way of not being one. */
#include "programmer/programmer.h"

#include "base/encoding.h"
#include "base/json.h"
#include "crypto/crypto.h"
#include "programmer/retention.h"
#include "programmer/testing/fake_server.h"
#include "programmer/testing/oem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
    char *directory;
    struct programmer programmer;
    struct oem oem;
    struct buffer package;
};

static int setup(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->directory = scratch_make();
    oem_open_programmer(&fixture->programmer, fixture->directory);
    oem_make(&fixture->oem, fixture->directory);
    fake_server_reset(&fixture->oem);
    fake_server.job_known = true;
    oem_prepare(&fixture->oem, &fixture->programmer);
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    programmer_close(&fixture->programmer);
    oem_free(&fixture->oem);
    buffer_free(&fixture->package);
    scratch_remove(fixture->directory);
    free(fixture);
    return 0;
}

static void reopen(struct fixture *fixture) {
    programmer_close(&fixture->programmer);
    oem_open_programmer(&fixture->programmer, fixture->directory);
}

static struct package good(struct fixture *fixture, uint64_t sequence) {
    return oem_package(&fixture->oem, sequence, 4, "NATIVE", "fw-0011223344556677");
}

static json_t *import_bytes(struct fixture *fixture, struct bytes encoded, struct error *error) {
    json_t *params = json_pack("{s:o}", "package_b64", json_base64(encoded));
    return oem_call(&fixture->programmer, programmer_package_import, params, error);
}

static json_t *import(struct fixture *fixture, const struct package *package, struct error *error) {
    oem_seal(&fixture->oem, package, &fixture->package);
    return import_bytes(fixture, buffer_bytes(&fixture->package), error);
}

static void expect_refused(struct fixture *fixture, const struct package *package,
                           enum error_code code) {
    struct error error;
    assert_null(import(fixture, package, &error));
    if (error.code != code)
        fail_msg("%s instead of %s: %s", error_name(error.code), error_name(code), error.message);
}

static void expect_imported(struct fixture *fixture, const struct package *package) {
    struct error error;
    json_t *result = import(fixture, package, &error);
    if (result == NULL)
        fail_msg("%s", error.message);
    json_decref(result);
}

/* -1 when the programmer does not know the job. */
static json_int_t remaining(struct fixture *fixture) {
    struct error error;
    json_int_t value = -1;
    json_t *status = oem_call(&fixture->programmer, programmer_status, json_object(), &error);
    const json_t *jobs = json_object_get(status, "jobs");
    assert_true(json_array_size(jobs) <= 1);
    if (json_array_size(jobs) == 1)
        value = json_integer_value(json_object_get(json_array_get(jobs, 0), "remaining"));
    json_decref(status);
    return value;
}

static void test_import_survives_restart(void **state) {
    struct fixture *fixture = *state;
    struct error error;
    const struct package package = good(fixture, 1);
    json_t *result = import(fixture, &package, &error);
    assert_string_equal(json_string_value(json_object_get(result, "job_id")), OEM_JOB_ID);
    assert_int_equal(json_integer_value(json_object_get(result, "count")), 4);
    assert_int_equal(json_integer_value(json_object_get(result, "remaining")), 4);
    json_decref(result);
    reopen(fixture);
    assert_int_equal(remaining(fixture), 4);
}

static void test_replayed(void **state) {
    struct fixture *fixture = *state;
    struct package package = good(fixture, 5);
    expect_imported(fixture, &package);
    expect_refused(fixture, &package, ERROR_REPLAYED);
    reopen(fixture);
    expect_refused(fixture, &package, ERROR_REPLAYED);
    package.sequence = 4;
    expect_refused(fixture, &package, ERROR_REPLAYED);
    /* an newer export of the same job goes on where the old one was */
    package.sequence = 6;
    package.count = 7;
    expect_imported(fixture, &package);
    assert_int_equal(remaining(fixture), 7);
}

static void test_below_the_floor(void **state) {
    struct fixture *fixture = *state;
    struct package package = good(fixture, 9);
    fixture->programmer.identity.import_floor = 10;
    expect_refused(fixture, &package, ERROR_BELOW_FLOOR);
    package.sequence = 11;
    expect_imported(fixture, &package);
}

/* Long after its end a job is forgotten, and its package stays refused. */
static void test_forgotten_job(void **state) {
    struct fixture *fixture = *state;
    struct error error;
    struct package package = good(fixture, 9);
    struct job *job;
    expect_imported(fixture, &package);
    job = programmer_job_use(&fixture->programmer, OEM_JOB_ID, &error);
    assert_false(retention_is_over(job, TEST_PKI_NOW));
    assert_false(retention_is_over(job, package.expiry_s + RETENTION_S - 1));
    assert_true(retention_is_over(job, package.expiry_s + RETENTION_S));
    struct job_unit unit;
    const uint8_t uid[16] = {1};
    assert_int_equal(job_journal_reserve(job->journal, uid, &unit, &error), 0);
    assert_false(retention_is_over(job, package.expiry_s + RETENTION_S));
    assert_int_equal(job_journal_refused(job->journal, &unit, "test", &error), 0);
    programmer_job_release(&fixture->programmer, job);
    job->package.expiry_s = TEST_PKI_NOW - RETENTION_S - 1;
    retention_apply(&fixture->programmer);
    assert_int_equal(remaining(fixture), -1);
    reopen(fixture);
    assert_int_equal(remaining(fixture), -1);
    expect_refused(fixture, &package, ERROR_BELOW_FLOOR);
    package.sequence = 10;
    expect_imported(fixture, &package);
    assert_int_equal(remaining(fixture), 4);
}

static uint64_t far_future(void *context) {
    (void)context;
    return TEST_PKI_NOW + 100 * RETENTION_S;
}

/* What the local clock says alone, or nobody, ends no job. */
static void test_clock_ahead(void **state) {
    static const struct clock ahead = {.now_s = far_future};
    struct fixture *fixture = *state;
    const struct package package = good(fixture, 3);
    expect_imported(fixture, &package);
    fixture->programmer.clock = &ahead;
    retention_apply(&fixture->programmer);
    assert_int_equal(remaining(fixture), 4);
    /* Over indeed, but the server is away: later. */
    struct error error;
    struct job *job = programmer_job_use(&fixture->programmer, OEM_JOB_ID, &error);
    job->package.expiry_s = TEST_PKI_NOW - RETENTION_S - 1;
    programmer_job_release(&fixture->programmer, job);
    fake_server.fault = FAKE_AWAY;
    fake_server.fault_call = fake_server.calls + 1;
    retention_apply(&fixture->programmer);
    assert_int_equal(remaining(fixture), 4);
    retention_apply(&fixture->programmer);
    assert_int_equal(remaining(fixture), -1);
    fixture->programmer.clock = &oem_clock;
}

/* Whatever a crash in import or in forgetting leaves behind is no job. */
static void test_leftovers(void **state) {
    struct fixture *fixture = *state;
    const struct package package = good(fixture, 1);
    expect_imported(fixture, &package);
    char path[160];
    (void)snprintf(path, sizeof path, "%s/jobs/" OEM_JOB_ID "/package.json", fixture->directory);
    assert_int_equal(unlink(path), 0);
    reopen(fixture);
    assert_int_equal(remaining(fixture), -1);
    (void)snprintf(path, sizeof path, "%s/jobs/" OEM_JOB_ID, fixture->directory);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void test_wrong_programmer(void **state) {
    struct fixture *fixture = *state;
    struct package package = good(fixture, 1);
    package.programmer_certificate_sha256[3] ^= 1;
    expect_refused(fixture, &package, ERROR_WRONG_PROGRAMMER);
    package = good(fixture, 1);
    (void)snprintf(package.programmer_id, sizeof package.programmer_id, "prog-2");
    expect_refused(fixture, &package, ERROR_WRONG_PROGRAMMER);
}

static void test_old_epoch(void **state) {
    struct fixture *fixture = *state;
    struct error error;
    const struct package package = good(fixture, 1);
    struct buffer old = {0};
    oem_seal(&fixture->oem, &package, &old);
    json_t *agreed = oem_call(&fixture->programmer, programmer_prepare_agree_finish,
                              oem_agreement_answer(&fixture->oem, &fixture->programmer, 2), &error);
    assert_non_null(agreed);
    json_decref(agreed);
    assert_null(import_bytes(fixture, buffer_bytes(&old), &error));
    assert_int_equal(error.code, ERROR_WRONG_EPOCH);
    const struct package fresh = good(fixture, 2);
    expect_imported(fixture, &fresh);
    buffer_free(&old);
}

/* A job imported under an epoch goes on after the key was rotated. */
static void test_rotation_keeps_jobs(void **state) {
    struct fixture *fixture = *state;
    struct error error;
    const struct package package = good(fixture, 1);
    expect_imported(fixture, &package);
    json_decref(oem_call(&fixture->programmer, programmer_prepare_agree_finish,
                         oem_agreement_answer(&fixture->oem, &fixture->programmer, 2), &error));
    reopen(fixture);
    assert_int_equal(remaining(fixture), 4);
    struct job *job = programmer_job_use(&fixture->programmer, OEM_JOB_ID, &error);
    assert_non_null(job);
    assert_int_equal(job_check(job, &error), 0);
    programmer_job_release(&fixture->programmer, job);
}

static void test_altered_anywhere(void **state) {
    struct fixture *fixture = *state;
    struct error error;
    const struct package package = good(fixture, 1);
    oem_seal(&fixture->oem, &package, &fixture->package);
    for (size_t i = 0; i < fixture->package.size; i++) {
        fixture->package.data[i] ^= 0x01;
        assert_null(import_bytes(fixture, buffer_bytes(&fixture->package), &error));
        if (error.code != ERROR_ALTERED && error.code != ERROR_BAD_PACKAGE &&
            error.code != ERROR_WRONG_PROGRAMMER && error.code != ERROR_WRONG_EPOCH)
            fail_msg("byte %zu: %s: %s", i, error_name(error.code), error.message);
        fixture->package.data[i] ^= 0x01;
    }
    assert_int_equal(remaining(fixture), -1);
}

static void test_truncated_and_garbage(void **state) {
    struct fixture *fixture = *state;
    struct error error;
    const struct package package = good(fixture, 1);
    oem_seal(&fixture->oem, &package, &fixture->package);
    for (size_t size = 0; size < fixture->package.size; size += 7)
        assert_null(import_bytes(fixture, bytes_of(fixture->package.data, size), &error));
    buffer_append(&fixture->package, "x", 1);
    assert_null(import_bytes(fixture, buffer_bytes(&fixture->package), &error));
    assert_null(oem_call(&fixture->programmer, programmer_package_import,
                         json_pack("{s:s}", "package_b64", "?"), &error));
    assert_int_equal(error.code, ERROR_BAD_REQUEST);
    assert_null(oem_call(&fixture->programmer, programmer_package_import, json_object(), &error));
}

static void test_signed_by_another_role(void **state) {
    struct fixture *fixture = *state;
    const struct package package = good(fixture, 1);
    struct oem *oem = &fixture->oem;
    struct buffer certificate = oem->job_authority;
    struct test_key key = oem->job_authority_key;
    oem->job_authority = oem->command_authority;
    oem->job_authority_key = oem->command_key;
    expect_refused(fixture, &package, ERROR_UNTRUSTED_SIGNER);
    oem->job_authority = certificate;
    oem->job_authority_key = key;
    expect_imported(fixture, &package);
}

static void test_expired(void **state) {
    struct fixture *fixture = *state;
    struct package package = good(fixture, 1);
    /* by the server's time, whatever the local clock says */
    fake_server.now_s = package.expiry_s + 1;
    expect_refused(fixture, &package, ERROR_EXPIRED);
    fake_server.now_s = TEST_PKI_NOW;
    package.expiry_s = TEST_PKI_NOW - 1;
    expect_refused(fixture, &package, ERROR_EXPIRED);
}

static void test_count_zero(void **state) {
    struct fixture *fixture = *state;
    struct package package = good(fixture, 1);
    package.count = 0;
    expect_refused(fixture, &package, ERROR_COUNT_ZERO);
}

static void test_offline(void **state) {
    struct fixture *fixture = *state;
    const struct package package = good(fixture, 1);
    fake_server.fault = FAKE_AWAY;
    for (unsigned call = 1; call <= 2; call++) {
        fake_server.fault_call = fake_server.calls + call;
        expect_refused(fixture, &package, ERROR_OFFLINE);
        assert_int_equal(remaining(fixture), -1);
    }
    /* activated, but the answer was lost: the same package is taken up again */
    fake_server.fault = FAKE_ANSWER_LOST;
    fake_server.fault_call = fake_server.calls + 2;
    expect_refused(fixture, &package, ERROR_OFFLINE);
    expect_imported(fixture, &package);
}

static void test_unknown_job(void **state) {
    struct fixture *fixture = *state;
    const struct package package = good(fixture, 1);
    fake_server.job_known = false;
    expect_refused(fixture, &package, ERROR_UNKNOWN_JOB);
    assert_int_equal(remaining(fixture), -1);
    fake_server.job_known = true;
    expect_imported(fixture, &package);
}

static void test_refused_by_the_server(void **state) {
    struct fixture *fixture = *state;
    const struct package package = good(fixture, 1);
    fake_server.fault = FAKE_REFUSES;
    fake_server.refusal = ERROR_WRONG_TOKEN;
    fake_server.fault_call = fake_server.calls + 2;
    expect_refused(fixture, &package, ERROR_WRONG_TOKEN);
    assert_int_equal(remaining(fixture), -1);
}

/* Time that is old, or not the job authority's, is no time. */
static void test_false_time(void **state) {
    struct fixture *fixture = *state;
    const struct package package = good(fixture, 1);
    fake_server.time_of_other_nonce = true;
    expect_refused(fixture, &package, ERROR_REPLAYED);
    fake_server.time_of_other_nonce = false;
    fake_server.time_of_other_signer = true;
    expect_refused(fixture, &package, ERROR_ALTERED);
    fake_server.time_of_other_signer = false;
    expect_imported(fixture, &package);
}

/* Ids become file names and URLs. */
static void test_odd_ids(void **state) {
    struct fixture *fixture = *state;
    static const char *const ids[] = {"../job", "job/1", ".", "job 1", "job%2f", "\xc3\xb6"};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        struct package package = good(fixture, 1);
        (void)snprintf(package.job_id, sizeof package.job_id, "%s", ids[i]);
        expect_refused(fixture, &package, ERROR_BAD_PACKAGE);
        package = good(fixture, 1);
        (void)snprintf(package.devauth_id, sizeof package.devauth_id, "%s", ids[i]);
        expect_refused(fixture, &package, ERROR_BAD_PACKAGE);
    }
    assert_int_equal(remaining(fixture), -1);
}

static void test_not_prepared(void **state) {
    struct fixture *fixture = *state;
    const struct package package = good(fixture, 1);
    fixture->programmer.identity.epoch = 0;
    expect_refused(fixture, &package, ERROR_NOT_PREPARED);
}

static void test_busy_job(void **state) {
    struct fixture *fixture = *state;
    struct error error;
    struct package package = good(fixture, 1);
    expect_imported(fixture, &package);
    struct job *job = programmer_job_use(&fixture->programmer, OEM_JOB_ID, &error);
    package.sequence = 2;
    expect_refused(fixture, &package, ERROR_BUSY);
    programmer_job_release(&fixture->programmer, job);
    expect_imported(fixture, &package);
}

/* A stored package somebody changed is not used, and says so. */
static void test_changed_on_disk(void **state) {
    struct fixture *fixture = *state;
    struct buffer record = {0};
    struct error error;
    const struct package package = good(fixture, 1);
    expect_imported(fixture, &package);
    scratch_read(fixture->directory, "jobs/" OEM_JOB_ID "/package.json", &record);
    char *text = strstr((char *)record.data, "package_b64");
    assert_non_null(text);
    text[200] = text[200] == 'A' ? 'B' : 'A';
    scratch_write(fixture->directory, "jobs/" OEM_JOB_ID "/package.json", buffer_bytes(&record));
    reopen(fixture);
    struct job *job = programmer_job_use(&fixture->programmer, OEM_JOB_ID, &error);
    assert_non_null(job);
    assert_int_equal(job_check(job, &error), -1);
    programmer_job_release(&fixture->programmer, job);
    json_t *report = oem_call(&fixture->programmer, programmer_report,
                              json_pack("{s:s}", "job_id", OEM_JOB_ID), &error);
    assert_null(report);
    buffer_free(&record);
}

static bool file_holds(const char *path, const char *needle, size_t size) {
    FILE *file = fopen(path, "rb");
    static char contents[1 << 20];
    assert_non_null(file);
    size_t length = fread(contents, 1, sizeof contents, file);
    (void)fclose(file);
    return memmem(contents, length, needle, size) != NULL;
}

/* The token is in the state directory only as the key store protects it. */
static void test_token_is_not_on_disk(void **state) {
    struct fixture *fixture = *state;
    const struct package package = good(fixture, 1);
    char hex[65];
    expect_imported(fixture, &package);
    hex_encode(bytes_of(package.token, 32), hex);
    char *base64 = base64_encode(bytes_of(package.token, 30));
    char *const paths[] = {fixture->directory, NULL};
    FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    unsigned files = 0;
    for (const FTSENT *entry; (entry = fts_read(tree)) != NULL;) {
        if (entry->fts_info != FTS_F)
            continue;
        files++;
        assert_false(file_holds(entry->fts_accpath, (const char *)package.token, 32));
        assert_false(file_holds(entry->fts_accpath, hex, 64));
        assert_false(file_holds(entry->fts_accpath, base64, strlen(base64)));
        assert_int_equal(entry->fts_statp->st_mode & 077, 0);
    }
    (void)fts_close(tree);
    assert_true(files > 5);
    free(base64);
}

static void test_inspect(void **state) {
    struct fixture *fixture = *state;
    struct error error;
    struct package package = good(fixture, 3);
    oem_seal(&fixture->oem, &package, &fixture->package);
    json_t *answer = oem_call(
        &fixture->programmer, programmer_package_inspect,
        json_pack("{s:o}", "package_b64", json_base64(buffer_bytes(&fixture->package))), &error);
    assert_true(json_is_true(json_object_get(answer, "programmer_match")));
    assert_true(json_is_true(json_object_get(answer, "opens")));
    assert_int_equal(json_integer_value(json_object_get(answer, "count")), 4);
    char *text = json_dumps(answer, 0);
    assert_null(strstr(text, "token"));
    free(text);
    json_decref(answer);
    package.programmer_certificate_sha256[0] ^= 1;
    oem_seal(&fixture->oem, &package, &fixture->package);
    answer = oem_call(
        &fixture->programmer, programmer_package_inspect,
        json_pack("{s:o}", "package_b64", json_base64(buffer_bytes(&fixture->package))), &error);
    assert_true(json_is_false(json_object_get(answer, "programmer_match")));
    assert_true(json_is_false(json_object_get(answer, "opens")));
    assert_string_equal(json_string_value(json_object_get(answer, "code")), "wrong_programmer");
    assert_null(json_object_get(answer, "count"));
    json_decref(answer);
    assert_int_equal(remaining(fixture), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_import_survives_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replayed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_below_the_floor, setup, teardown),
        cmocka_unit_test_setup_teardown(test_forgotten_job, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clock_ahead, setup, teardown),
        cmocka_unit_test_setup_teardown(test_leftovers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_programmer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_old_epoch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rotation_keeps_jobs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_altered_anywhere, setup, teardown),
        cmocka_unit_test_setup_teardown(test_truncated_and_garbage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_signed_by_another_role, setup, teardown),
        cmocka_unit_test_setup_teardown(test_expired, setup, teardown),
        cmocka_unit_test_setup_teardown(test_count_zero, setup, teardown),
        cmocka_unit_test_setup_teardown(test_offline, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_job, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_by_the_server, setup, teardown),
        cmocka_unit_test_setup_teardown(test_false_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_odd_ids, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_prepared, setup, teardown),
        cmocka_unit_test_setup_teardown(test_busy_job, setup, teardown),
        cmocka_unit_test_setup_teardown(test_changed_on_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_token_is_not_on_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_inspect, setup, teardown),
    };
    return crypto_init(NULL, NULL) == STATUS_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
