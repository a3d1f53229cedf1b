/* produce, as far as it goes without a chip: what is refused before any site is touched. */
#include "programmer/programmer.h"

#include "base/encoding.h"
#include "base/file.h"
#include "base/json.h"
#include "cose/manifest.h"
#include "crypto/crypto.h"
#include "programmer/firmware.h"
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
#include <unistd.h>

#define COUNT 2

struct fixture {
    char *directory;
    struct programmer programmer;
    struct oem oem;
    struct package package;
    struct firmware_order order;
};

static void offer(struct fixture *fixture, const char *family) {
    char id[17];
    uint8_t digest[32];
    buffer_clear(&fake_server.firmware);
    buffer_append_text(&fake_server.firmware, "an image");
    boot_key_manifest(&fixture->oem.boot_key, MANIFEST_KIND_DEVAUTH, family, 1,
                      buffer_bytes(&fake_server.firmware), &fake_server.firmware_manifest);
    crypto_sha256(buffer_bytes(&fake_server.firmware), digest);
    hex_encode(bytes_of(digest, 8), id);
    (void)snprintf(fixture->package.devauth_id, sizeof fixture->package.devauth_id, "fw-%s", id);
}

static void import(struct fixture *fixture) {
    struct error error;
    struct buffer encoded = {0};
    oem_seal(&fixture->oem, &fixture->package, &encoded);
    json_t *result =
        oem_call(&fixture->programmer, programmer_package_import,
                 json_pack("{s:o}", "package_b64", json_base64(buffer_bytes(&encoded))), &error);
    if (result == NULL)
        fail_msg("%s", error.message);
    json_decref(result);
    buffer_free(&encoded);
}

static int setup(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->directory = scratch_make();
    oem_open_programmer(&fixture->programmer, fixture->directory);
    oem_make(&fixture->oem, fixture->directory);
    fake_server_reset(&fixture->oem);
    fake_server.job_known = true;
    oem_prepare(&fixture->oem, &fixture->programmer);
    fixture->package = oem_package(&fixture->oem, 1, COUNT, "NATIVE", "");
    offer(fixture, "NATIVE");
    import(fixture);
    fixture->order = (struct firmware_order){
        .state_directory = fixture->directory,
        .id = fixture->package.devauth_id,
        .chip_family = "NATIVE",
        .boot_key = fixture->oem.boot_key.public_key,
    };
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    programmer_close(&fixture->programmer);
    oem_free(&fixture->oem);
    scratch_remove(fixture->directory);
    free(fixture);
    return 0;
}

static json_t *site(const char *name, const char *debug, const char *uart) {
    return json_pack("{s:s,s:s,s:s}", "name", name, "debug", debug, "uart", uart);
}

static json_t *params_for(json_t *sites) {
    return json_pack("{s:s,s:o}", "job_id", OEM_JOB_ID, "sites", sites);
}

static json_t *one_site(void) {
    return params_for(json_pack("[o]", site("a", "unix:/none/d", "unix:/none/u")));
}

static void expect_refused(struct fixture *fixture, json_t *params, enum error_code code) {
    struct error error;
    assert_null(oem_call(&fixture->programmer, programmer_produce, params, &error));
    if (error.code != code)
        fail_msg("%s instead of %s: %s", error_name(error.code), error_name(code), error.message);
}

static void test_bad_sites(void **state) {
    struct fixture *fixture = *state;
    json_t *many = json_array();
    for (int i = 0; i <= PROGRAMMER_SITES_MAX; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "s%d", i);
        (void)json_array_append_new(many, site(text, text, text));
    }
    json_t *const lists[] = {
        json_array(),
        json_pack("[s]", "a"),
        json_pack("[{s:s}]", "name", "a"),
        json_pack("[oo]", site("a", "d1", "u1"), site("a", "d2", "u2")),
        json_pack("[oo]", site("a", "d1", "u1"), site("b", "d1", "u2")),
        json_pack("[oo]", site("a", "d1", "u1"), site("b", "d2", "u1")),
        json_object(),
        json_string("a"),
        many,
    };
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        expect_refused(fixture, params_for(lists[i]), ERROR_BAD_REQUEST);
    json_t *none = one_site();
    (void)json_object_set_new(none, "units", json_integer(0));
    expect_refused(fixture, none, ERROR_BAD_REQUEST);
    json_t *negative = one_site();
    (void)json_object_set_new(negative, "units", json_integer(-1));
    expect_refused(fixture, negative, ERROR_BAD_REQUEST);
    expect_refused(fixture, json_pack("{s:s}", "job_id", OEM_JOB_ID), ERROR_BAD_REQUEST);
    assert_int_equal(fake_server.unit_count, 0);
}

static void test_unknown_job(void **state) {
    struct fixture *fixture = *state;
    json_t *params = one_site();
    (void)json_object_set_new(params, "job_id", json_string("job-2"));
    expect_refused(fixture, params, ERROR_UNKNOWN_JOB);
}

static void test_not_prepared(void **state) {
    struct fixture *fixture = *state;
    fixture->programmer.identity.epoch = 0;
    expect_refused(fixture, one_site(), ERROR_NOT_PREPARED);
}

static void test_site_at_work(void **state) {
    struct fixture *fixture = *state;
    fixture->programmer.busy_sites[3] = strdup("unix:/none/d");
    expect_refused(fixture, one_site(), ERROR_BUSY);
    free(fixture->programmer.busy_sites[3]);
    fixture->programmer.busy_sites[3] = NULL;
    for (int i = 0; i < PROGRAMMER_SITES_MAX; i++)
        assert_null(fixture->programmer.busy_sites[i]);
}

static void job_make_units(struct fixture *fixture, unsigned number) {
    struct error error;
    struct job_unit unit;
    struct job *job = programmer_job_use(&fixture->programmer, OEM_JOB_ID, &error);
    for (unsigned i = 0; i < number; i++) {
        const uint8_t uid[16] = {(uint8_t)i};
        const uint8_t certificate[32] = {(uint8_t)i};
        assert_int_equal(job_journal_reserve(job->journal, uid, &unit, &error), 0);
        assert_int_equal(job_journal_reserved(job->journal, &unit, "unit", &error), 0);
        assert_int_equal(job_journal_issued(job->journal, &unit, certificate, &error), 0);
        assert_int_equal(job_journal_identified(job->journal, &unit, 1, &error), 0);
        assert_int_equal(job_journal_reported(job->journal, &unit, &error), 0);
    }
    programmer_job_release(&fixture->programmer, job);
}

static void test_full_job(void **state) {
    struct fixture *fixture = *state;
    job_make_units(fixture, COUNT);
    expect_refused(fixture, one_site(), ERROR_JOB_FULL);
}

static const char *job_state_of(struct fixture *fixture, char *text, size_t size) {
    struct error error;
    json_t *status = oem_call(&fixture->programmer, programmer_status, json_object(), &error);
    const json_t *job = json_array_get(json_object_get(status, "jobs"), 0);
    (void)snprintf(text, size, "%s", json_string_value(json_object_get(job, "state")));
    json_decref(status);
    return text;
}

static void reopen(struct fixture *fixture) {
    programmer_close(&fixture->programmer);
    oem_open_programmer(&fixture->programmer, fixture->directory);
}

/* The server knows entries that are not here. */
static void ledger_synchronise(struct fixture *fixture) {
    struct error error;
    struct job *job = programmer_job_use(&fixture->programmer, OEM_JOB_ID, &error);
    assert_int_equal(job_sync(job, fixture->programmer.server, &error), 0);
    programmer_job_release(&fixture->programmer, job);
}

/* The server has less than it has acknowledged, which only this side can know. */
static void test_server_set_back(void **state) {
    struct fixture *fixture = *state;
    char text[32];
    job_make_units(fixture, 1);
    ledger_synchronise(fixture);
    assert_true(fake_server.ledger.sequence > 1);
    reopen(fixture);
    memset(&fake_server.ledger, 0, sizeof fake_server.ledger);
    expect_refused(fixture, one_site(), ERROR_SERVER_ROLLED_BACK);
    assert_string_equal(job_state_of(fixture, text, sizeof text), "stopped");
    reopen(fixture);
    expect_refused(fixture, one_site(), ERROR_SERVER_ROLLED_BACK);
}

/* Without having agreed on where the ledgers stand, nothing is made. */
static void test_agreement_comes_first(void **state) {
    struct fixture *fixture = *state;
    struct error error;
    char path[160];
    (void)snprintf(path, sizeof path, "%s/jobs/" OEM_JOB_ID "/acknowledged.json",
                   fixture->directory);
    assert_int_equal(file_write_durable(path, bytes_of("{", 1), 0600, &error), 0);
    expect_refused(fixture, one_site(), ERROR_BAD_REQUEST);
    assert_int_equal(unlink(path), 0);
    fake_server.fault = FAKE_REFUSES;
    fake_server.refusal = ERROR_STORAGE;
    fake_server.fault_call = fake_server.calls + 1;
    expect_refused(fixture, one_site(), ERROR_STORAGE);
    assert_int_equal(fake_server.used, 0);
}

/* Every run of the daemon writes something of its own, and nothing under a job that is over. */
static void test_each_run_leaves_its_mark(void **state) {
    struct fixture *fixture = *state;
    ledger_synchronise(fixture);
    uint64_t before = fake_server.ledger.sequence;
    ledger_synchronise(fixture);
    assert_int_equal(fake_server.ledger.sequence, before);
    reopen(fixture);
    ledger_synchronise(fixture);
    assert_int_equal(fake_server.ledger.sequence, before + 1);
    job_make_units(fixture, COUNT);
    ledger_synchronise(fixture);
    before = fake_server.ledger.sequence;
    reopen(fixture);
    ledger_synchronise(fixture);
    assert_int_equal(fake_server.ledger.sequence, before);
}

static void test_ledger_set_back(void **state) {
    struct fixture *fixture = *state;
    char text[32];
    char path[160];
    job_make_units(fixture, 1);
    ledger_synchronise(fixture);
    assert_true(fake_server.ledger.sequence > 1);
    programmer_close(&fixture->programmer);
    (void)snprintf(path, sizeof path, "%s/jobs/" OEM_JOB_ID "/ledger", fixture->directory);
    assert_int_equal(unlink(path), 0);
    oem_open_programmer(&fixture->programmer, fixture->directory);
    expect_refused(fixture, one_site(), ERROR_PROGRAMMER_ROLLED_BACK);
    assert_string_equal(job_state_of(fixture, text, sizeof text), "stopped");
    /* for good, also when nobody asks the server again */
    reopen(fixture);
    memset(&fake_server.ledger, 0, sizeof fake_server.ledger);
    expect_refused(fixture, one_site(), ERROR_PROGRAMMER_ROLLED_BACK);
    assert_string_equal(job_state_of(fixture, text, sizeof text), "stopped");
}

static void test_server_has_another_entry(void **state) {
    struct fixture *fixture = *state;
    fake_server.ledger.sequence = 1;
    fake_server.ledger.hash[0] ^= 1;
    expect_refused(fixture, one_site(), ERROR_LEDGER_DIVERGED);
}

/* An answer to an earlier batch was lost: the server is ahead, and that is no divergence. */
static void test_lost_ledger_answer(void **state) {
    struct fixture *fixture = *state;
    struct error error;
    struct job *job = programmer_job_use(&fixture->programmer, OEM_JOB_ID, &error);
    fake_server.fault = FAKE_ANSWER_LOST;
    fake_server.fault_call = fake_server.calls + 2;
    assert_int_equal(job_sync(job, fixture->programmer.server, &error), -1);
    assert_int_equal(error.code, ERROR_OFFLINE);
    assert_int_equal(fake_server.ledger.sequence, 2); /* the import, and this run */
    assert_int_equal(job_sync(job, fixture->programmer.server, &error), 0);
    assert_int_equal(job_check(job, &error), 0);
    programmer_job_release(&fixture->programmer, job);
}

static void test_edited_ledger(void **state) {
    struct fixture *fixture = *state;
    struct buffer ledger = {0};
    char text[32];
    programmer_close(&fixture->programmer);
    scratch_read(fixture->directory, "jobs/" OEM_JOB_ID "/ledger", &ledger);
    ledger.data[40] ^= 1;
    scratch_write(fixture->directory, "jobs/" OEM_JOB_ID "/ledger", buffer_bytes(&ledger));
    oem_open_programmer(&fixture->programmer, fixture->directory);
    expect_refused(fixture, one_site(), ERROR_LEDGER_DIVERGED);
    assert_string_equal(job_state_of(fixture, text, sizeof text), "damaged");
    buffer_free(&ledger);
}

static int get(struct fixture *fixture, struct error *error) {
    struct firmware firmware;
    int failed = firmware_get(fixture->programmer.server, &fixture->order, &firmware, error);
    if (failed == 0)
        firmware_free(&firmware);
    return failed;
}

static void expect_firmware(struct fixture *fixture, enum error_code code) {
    struct error error;
    assert_int_equal(get(fixture, &error), -1);
    assert_string_equal(error_name(error.code), error_name(code));
}

static void test_firmware_of_others(void **state) {
    struct fixture *fixture = *state;
    struct boot_key good = fixture->oem.boot_key;
    fake_server.firmware.data[0] ^= 1;
    expect_firmware(fixture, ERROR_UNTRUSTED_SOFTWARE);
    fake_server.firmware.data[0] ^= 1;
    fixture->order.chip_family = "OTHER";
    expect_firmware(fixture, ERROR_UNTRUSTED_SOFTWARE);
    fixture->order.chip_family = "NATIVE";
    fixture->order.id = "fw-0000000000000000";
    expect_firmware(fixture, ERROR_UNTRUSTED_SOFTWARE);
    fixture->order.id = fixture->package.devauth_id;
    boot_key_make(&fixture->oem.boot_key);
    offer(fixture, "NATIVE");
    fixture->order.boot_key = good.public_key;
    expect_firmware(fixture, ERROR_UNTRUSTED_SOFTWARE);
    fixture->oem.boot_key = good;
    boot_key_manifest(&good, MANIFEST_KIND_PROGRAMMER, "NATIVE", 1,
                      buffer_bytes(&fake_server.firmware), &fake_server.firmware_manifest);
    expect_firmware(fixture, ERROR_UNTRUSTED_SOFTWARE);
    expect_refused(fixture, one_site(), ERROR_UNTRUSTED_SOFTWARE);
}

/* A copy is used without the server, but only as long as it is the OEM's. */
static void test_firmware_cache(void **state) {
    struct fixture *fixture = *state;
    struct error error;
    char name[96];
    fake_server.fault = FAKE_AWAY;
    fake_server.fault_call = fake_server.calls + 1;
    expect_firmware(fixture, ERROR_OFFLINE);
    fake_server.fault = FAKE_NO_FAULT;
    assert_int_equal(get(fixture, &error), 0);
    unsigned calls = fake_server.calls;
    assert_int_equal(get(fixture, &error), 0);
    assert_int_equal(fake_server.calls, calls);
    (void)snprintf(name, sizeof name, "firmware/%s.bin", fixture->package.devauth_id);
    scratch_write(fixture->directory, name, bytes_of("another", 7));
    fake_server.fault = FAKE_AWAY;
    fake_server.fault_call = fake_server.calls + 1;
    expect_firmware(fixture, ERROR_OFFLINE);
    fake_server.fault = FAKE_NO_FAULT;
    assert_int_equal(get(fixture, &error), 0);
    assert_true(fake_server.calls > calls);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bad_sites, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_job, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_prepared, setup, teardown),
        cmocka_unit_test_setup_teardown(test_site_at_work, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_job, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ledger_set_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_server_set_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_agreement_comes_first, setup, teardown),
        cmocka_unit_test_setup_teardown(test_each_run_leaves_its_mark, setup, teardown),
        cmocka_unit_test_setup_teardown(test_server_has_another_entry, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lost_ledger_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_edited_ledger, setup, teardown),
        cmocka_unit_test_setup_teardown(test_firmware_of_others, setup, teardown),
        cmocka_unit_test_setup_teardown(test_firmware_cache, setup, teardown),
    };
    return crypto_init(NULL, NULL) == STATUS_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
