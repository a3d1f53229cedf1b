/* A whole programmer with its keys in a TPM: what its counter means for jobs. */
#include "programmer/programmer.h"

#include "base/json.h"
#include "crypto/crypto.h"
#include "programmer/retention.h"
#include "programmer/testing/fake_server.h"
#include "programmer/testing/oem.h"
#include "tpm/testing/swtpm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LEDGER  "jobs/" OEM_JOB_ID "/ledger"
#define PACKAGE "jobs/" OEM_JOB_ID "/package.json"

struct fixture {
    struct swtpm swtpm;
    char *directory;
    char *oem_directory;
    struct programmer oem_programmer; /* its token is the OEM's as well */
    struct programmer programmer;
    struct oem oem;
};

static struct error error;

static void open_programmer(struct fixture *fixture) {
    oem_open_programmer_with(&fixture->programmer, fixture->directory, fixture->swtpm.tcti);
}

static void reopen(struct fixture *fixture) {
    programmer_close(&fixture->programmer);
    open_programmer(fixture);
}

static int setup(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    swtpm_make(&fixture->swtpm);
    fixture->directory = scratch_make();
    fixture->oem_directory = scratch_make();
    oem_open_programmer(&fixture->oem_programmer, fixture->oem_directory);
    oem_make(&fixture->oem, fixture->oem_directory);
    open_programmer(fixture);
    fake_server_reset(&fixture->oem);
    fake_server.job_known = true;
    oem_prepare(&fixture->oem, &fixture->programmer);
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    programmer_close(&fixture->programmer);
    programmer_close(&fixture->oem_programmer);
    oem_free(&fixture->oem);
    scratch_remove(fixture->directory);
    scratch_remove(fixture->oem_directory);
    swtpm_remove(&fixture->swtpm);
    free(fixture);
    return 0;
}

static int import(struct fixture *fixture, uint64_t sequence) {
    const struct package package =
        oem_package(&fixture->oem, sequence, 4, "NATIVE", "fw-0011223344556677");
    struct buffer sealed = {0};
    oem_seal(&fixture->oem, &package, &sealed);
    json_t *params = json_pack("{s:o}", "package_b64", json_base64(buffer_bytes(&sealed)));
    json_t *result = oem_call(&fixture->programmer, programmer_package_import, params, &error);
    buffer_free(&sealed);
    json_decref(result);
    return result != NULL ? 0 : -1;
}

/* Counts a chip, which the server then refuses, so that nothing is left open. */
static void reserve(struct fixture *fixture, uint8_t number) {
    const uint8_t uid[16] = {number};
    struct job_unit unit;
    struct job *job = programmer_job_use(&fixture->programmer, OEM_JOB_ID, &error);
    assert_non_null(job);
    assert_int_equal(job_journal_reserve(job->journal, uid, &unit, &error), 0);
    assert_int_equal(job_journal_refused(job->journal, &unit, "test", &error), 0);
    programmer_job_release(&fixture->programmer, job);
}

/* "" if there is none. */
static void problem_of(struct fixture *fixture, char text[300]) {
    json_t *status = oem_call(&fixture->programmer, programmer_status, json_object(), &error);
    const char *problem = json_string_value(json_object_get(status, "problem"));
    (void)snprintf(text, 300, "%s", problem != NULL ? problem : "");
    json_decref(status);
}

static size_t jobs_of(struct fixture *fixture) {
    json_t *status = oem_call(&fixture->programmer, programmer_status, json_object(), &error);
    size_t count = json_array_size(json_object_get(status, "jobs"));
    json_decref(status);
    return count;
}

static void expect_well(struct fixture *fixture) {
    char problem[300];
    problem_of(fixture, problem);
    assert_string_equal(problem, "");
}

static void expect_rolled_back(struct fixture *fixture) {
    char problem[300];
    problem_of(fixture, problem);
    assert_non_null(strstr(problem, "ledger_rolled_back: "));
    assert_int_equal(import(fixture, 90), -1);
    assert_int_equal(error.code, ERROR_LEDGER_ROLLED_BACK);
    json_t *params = json_pack("{s:s, s:[]}", "job_id", OEM_JOB_ID, "sites");
    assert_null(oem_call(&fixture->programmer, programmer_produce, params, &error));
    assert_int_equal(error.code, ERROR_LEDGER_ROLLED_BACK);
    params = json_pack("{s:s, s:s, s:s}", "job_id", OEM_JOB_ID, "uid",
                       "01000000000000000000000000000000", "reason", "bent");
    assert_null(oem_call(&fixture->programmer, programmer_scrap, params, &error));
    assert_int_equal(error.code, ERROR_LEDGER_ROLLED_BACK);
}

static void an_older_ledger_makes_nothing(void **state) {
    struct fixture *fixture = *state;
    struct buffer ledger = {0};
    assert_int_equal(import(fixture, 1), 0);
    reserve(fixture, 1);
    scratch_read(fixture->directory, LEDGER, &ledger);
    reserve(fixture, 2);
    reopen(fixture);
    expect_well(fixture);
    programmer_close(&fixture->programmer);
    scratch_write(fixture->directory, LEDGER, buffer_bytes(&ledger));
    open_programmer(fixture);
    expect_rolled_back(fixture);
    buffer_free(&ledger);
}

/* Damage to the package takes the job away, but not what was counted under it. */
static void a_job_that_does_not_open_is_counted(void **state) {
    struct fixture *fixture = *state;
    assert_int_equal(import(fixture, 1), 0);
    reserve(fixture, 1);
    programmer_close(&fixture->programmer);
    scratch_write(fixture->directory, PACKAGE, bytes_of("{}", 2));
    open_programmer(fixture);
    expect_well(fixture);
    programmer_close(&fixture->programmer);
    scratch_write(fixture->directory, LEDGER, bytes_of("?\n", 2));
    open_programmer(fixture);
    expect_rolled_back(fixture);
}

static void a_job_without_its_package_is_missed(void **state) {
    struct fixture *fixture = *state;
    char path[256];
    assert_int_equal(import(fixture, 1), 0);
    reserve(fixture, 1);
    programmer_close(&fixture->programmer);
    (void)snprintf(path, sizeof path, "%s/" PACKAGE, fixture->directory);
    assert_int_equal(unlink(path), 0);
    open_programmer(fixture);
    expect_rolled_back(fixture);
}

static void job_end(struct fixture *fixture) {
    struct job *job = programmer_job_use(&fixture->programmer, OEM_JOB_ID, &error);
    assert_non_null(job);
    job->package.expiry_s = TEST_PKI_NOW - RETENTION_S - 1;
    programmer_job_release(&fixture->programmer, job);
}

static void a_forgotten_job_is_not_missed(void **state) {
    struct fixture *fixture = *state;
    assert_int_equal(import(fixture, 1), 0);
    reserve(fixture, 1);
    reserve(fixture, 2);
    job_end(fixture);
    retention_apply(&fixture->programmer);
    assert_int_equal(jobs_of(fixture), 0);
    reopen(fixture);
    expect_well(fixture);
    assert_int_equal(import(fixture, 5), 0); /* the same job, ordered again */
    reserve(fixture, 3);
    reopen(fixture);
    expect_well(fixture);
    assert_int_equal(jobs_of(fixture), 1);
}

/* The counter knew that the job would go, the power went first. */
static void forgetting_that_was_cut_off_is_finished(void **state) {
    struct fixture *fixture = *state;
    assert_int_equal(import(fixture, 1), 0);
    reserve(fixture, 1);
    assert_int_equal(counter_forget(fixture->programmer.counter, OEM_JOB_ID, 1, &error), 0);
    reopen(fixture);
    expect_well(fixture);
    assert_int_equal(jobs_of(fixture), 0);
    assert_int_equal(import(fixture, 5), 0);
    reopen(fixture);
    assert_int_equal(jobs_of(fixture), 1); /* and is not finished twice */
}

/* A ledger that cannot be removed: taken for gone, it would be counted twice from then on. */
static void a_ledger_that_stays_is_not_forgotten(void **state) {
    struct fixture *fixture = *state;
    char ledger[256];
    char kept[256];
    char problem[300];
    assert_int_equal(import(fixture, 1), 0);
    reserve(fixture, 1);
    job_end(fixture);
    (void)snprintf(ledger, sizeof ledger, "%s/" LEDGER, fixture->directory);
    (void)snprintf(kept, sizeof kept, "%s/kept", fixture->directory);
    assert_int_equal(rename(ledger, kept), 0);
    assert_int_equal(mkdir(ledger, 0700), 0); /* unlink refuses it, whoever asks */
    retention_apply(&fixture->programmer);
    problem_of(fixture, problem);
    assert_non_null(strstr(problem, "still there"));
    programmer_close(&fixture->programmer);
    assert_int_equal(rmdir(ledger), 0);
    assert_int_equal(rename(kept, ledger), 0);
    open_programmer(fixture); /* which can remove it */
    expect_well(fixture);
    assert_int_equal(jobs_of(fixture), 0);
    assert_int_not_equal(access(ledger, F_OK), 0);
}

/* While something does not agree, nothing is tidied away. */
static void what_is_rolled_back_is_kept(void **state) {
    struct fixture *fixture = *state;
    struct buffer ledger = {0};
    assert_int_equal(import(fixture, 1), 0);
    scratch_read(fixture->directory, LEDGER, &ledger);
    reserve(fixture, 1);
    programmer_close(&fixture->programmer);
    scratch_write(fixture->directory, LEDGER, buffer_bytes(&ledger));
    open_programmer(fixture);
    job_end(fixture);
    retention_apply(&fixture->programmer);
    assert_int_equal(jobs_of(fixture), 1);
    buffer_free(&ledger);
}

static void a_token_beside_a_tpm_is_refused(void **state) {
    struct fixture *fixture = *state;
    struct key_store store;
    const struct key_store_options options = {.directory = fixture->directory,
                                              .tpm = fixture->swtpm.tcti,
                                              .module_path = HSM_DEFAULT_MODULE,
                                              .pin_file = fixture->swtpm.pin_file};
    assert_int_equal(key_store_open(&store, &options, &error), -1);
    assert_int_equal(error.code, ERROR_USAGE);
}

/* A software key store proves nothing. */
static void a_token_gives_no_proof(void **state) {
    struct fixture *fixture = *state;
    assert_null(
        oem_call(&fixture->oem_programmer, programmer_prepare_tpm_begin, json_object(), &error));
    assert_int_equal(error.code, ERROR_UNSUPPORTED);
    assert_null(oem_call(&fixture->programmer, programmer_prepare_tpm_prove,
                         json_pack("{s:s, s:s}", "credential_b64", "", "encrypted_secret_b64", ""),
                         &error));
    assert_int_equal(error.code, ERROR_BAD_REQUEST); /* none was begun */
}

#define WITH_TPM(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_TPM(an_older_ledger_makes_nothing),
        WITH_TPM(a_job_that_does_not_open_is_counted),
        WITH_TPM(a_job_without_its_package_is_missed),
        WITH_TPM(a_forgotten_job_is_not_missed),
        WITH_TPM(forgetting_that_was_cut_off_is_finished),
        WITH_TPM(a_ledger_that_stays_is_not_forgotten),
        WITH_TPM(what_is_rolled_back_is_kept),
        WITH_TPM(a_token_beside_a_tpm_is_refused),
        WITH_TPM(a_token_gives_no_proof),
    };
    if (crypto_init(NULL, NULL) != STATUS_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
