/* prepare.*: what a programmer lets be installed, and the AES_NuLink3 agreement under attack. */
#include "programmer/programmer.h"

#include "base/encoding.h"
#include "base/json.h"
#include "cose/manifest.h"
#include "crypto/crypto.h"
#include "programmer/launch.h"
#include "programmer/testing/fake_server.h"
#include "programmer/testing/oem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

struct fixture {
    char *directory;
    struct programmer programmer;
    struct oem oem;
};

static int setup(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->directory = scratch_make();
    oem_open_programmer(&fixture->programmer, fixture->directory);
    oem_make(&fixture->oem, fixture->directory);
    fake_server_reset(&fixture->oem);
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

static void reopen(struct fixture *fixture) {
    programmer_close(&fixture->programmer);
    oem_open_programmer(&fixture->programmer, fixture->directory);
}

static void expect_refused(struct fixture *fixture, control_method_function *method, json_t *params,
                           enum error_code code) {
    struct error error;
    json_t *result = oem_call(&fixture->programmer, method, params, &error);
    assert_null(result);
    if (error.code != code)
        fail_msg("%s instead of %s: %s", error_name(error.code), error_name(code), error.message);
}

static json_t *expect_accepted(struct fixture *fixture, control_method_function *method,
                               json_t *params) {
    struct error error = {0};
    json_t *result = oem_call(&fixture->programmer, method, params, &error);
    if (result == NULL)
        fail_msg("%s", error.message);
    return result;
}

static bool is_prepared(struct fixture *fixture) {
    json_t *status = expect_accepted(fixture, programmer_status, json_object());
    bool prepared = json_is_true(json_object_get(status, "prepared"));
    json_decref(status);
    return prepared;
}

static void set_pem(json_t *params, const char *key, struct buffer *der) {
    struct error error;
    struct buffer pem = {0};
    assert_int_equal(x509_certificate_to_pem(buffer_bytes(der), &pem, &error), 0);
    (void)json_object_set_new(params, key, json_string(buffer_text(&pem)));
    buffer_free(&pem);
}

static void test_whole_preparation_survives(void **state) {
    struct fixture *fixture = *state;
    assert_false(is_prepared(fixture));
    oem_prepare(&fixture->oem, &fixture->programmer);
    assert_true(is_prepared(fixture));
    reopen(fixture);
    assert_true(is_prepared(fixture));
    json_t *status = expect_accepted(fixture, programmer_status, json_object());
    assert_string_equal(json_string_value(json_object_get(status, "programmer_id")),
                        OEM_PROGRAMMER_ID);
    assert_string_equal(json_string_value(json_object_get(status, "assurance")), "software");
    assert_int_equal(json_integer_value(json_object_get(status, "epoch")), 1);
    json_decref(status);
}

static void test_names(void **state) {
    struct fixture *fixture = *state;
    static const char *const names[] = {"", "a b", "line\n", "\x7f", "\xc3\xa4"};
    char long_name[80];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        expect_refused(fixture, programmer_prepare_csr, json_pack("{s:s}", "name", names[i]),
                       ERROR_BAD_REQUEST);
    expect_refused(fixture, programmer_prepare_csr, json_pack("{s:s}", "name", long_name),
                   ERROR_BAD_REQUEST);
    expect_refused(fixture, programmer_prepare_csr, json_object(), ERROR_BAD_REQUEST);
}

static void test_certificate_for_another_key(void **state) {
    struct fixture *fixture = *state;
    struct test_key other;
    struct buffer certificate = {0};
    json_t *params = oem_install_params(&fixture->oem, &fixture->programmer);
    test_key_make(&other);
    test_pki_leaf(&fixture->oem.pki, X509_PROFILE_PROGRAMMER, other.public_key, &certificate);
    set_pem(params, "certificate_pem", &certificate);
    expect_refused(fixture, programmer_prepare_install, params, ERROR_BAD_CERTIFICATE);
    buffer_free(&certificate);
}

/* A certificate of our own OPERATIONS CA, for our own key, but for another role. */
static void test_wrong_roles(void **state) {
    struct fixture *fixture = *state;
    struct buffer certificate = {0};
    json_t *params = oem_install_params(&fixture->oem, &fixture->programmer);
    test_pki_leaf(&fixture->oem.pki, X509_PROFILE_GATEWAY, fixture->programmer.key_store.public_key,
                  &certificate);
    set_pem(params, "certificate_pem", &certificate);
    expect_refused(fixture, programmer_prepare_install, params, ERROR_DENIED);
    params = oem_install_params(&fixture->oem, &fixture->programmer);
    set_pem(params, "job_authority_pem", &fixture->oem.command_authority);
    expect_refused(fixture, programmer_prepare_install, params, ERROR_DENIED);
    buffer_free(&certificate);
}

static void test_foreign_anchors(void **state) {
    struct fixture *fixture = *state;
    struct test_pki foreign;
    static const char *const keys[] = {"root_pem", "operations_ca_pem", "device_ca_pem"};
    test_pki_make(&foreign);
    struct buffer *const certificates[] = {&foreign.root, &foreign.operations_ca,
                                           &foreign.device_ca};
    for (size_t i = 0; i < 3; i++) {
        json_t *params = oem_install_params(&fixture->oem, &fixture->programmer);
        set_pem(params, keys[i], certificates[i]);
        expect_refused(fixture, programmer_prepare_install, params, ERROR_BAD_CERTIFICATE);
    }
    /* a leaf is no DEVICE CA */
    json_t *params = oem_install_params(&fixture->oem, &fixture->programmer);
    set_pem(params, "device_ca_pem", &fixture->oem.job_authority);
    expect_refused(fixture, programmer_prepare_install, params, ERROR_BAD_CERTIFICATE);
    assert_false(is_prepared(fixture));
    test_pki_free(&foreign);
}

static void test_missing_and_broken_members(void **state) {
    struct fixture *fixture = *state;
    json_t *params = oem_install_params(&fixture->oem, &fixture->programmer);
    const char *key;
    json_t *value;
    json_object_foreach(params, key, value) {
        json_t *less = json_copy(params);
        (void)json_object_del(less, key);
        expect_refused(fixture, programmer_prepare_install, less, ERROR_BAD_REQUEST);
    }
    json_t *broken = json_copy(params);
    (void)json_object_set_new(broken, "root_pem", json_string("no certificate"));
    expect_refused(fixture, programmer_prepare_install, broken, ERROR_BAD_CERTIFICATE);
    broken = json_copy(params);
    (void)json_object_set_new(broken, "rotpk_sboot_hex", json_string("00"));
    expect_refused(fixture, programmer_prepare_install, broken, ERROR_BAD_REQUEST);
    json_decref(params);
    reopen(fixture);
    assert_false(is_prepared(fixture));
}

static void test_agreement_out_of_order(void **state) {
    struct fixture *fixture = *state;
    expect_refused(fixture, programmer_prepare_agree_begin, json_object(), ERROR_NOT_PREPARED);
    expect_refused(fixture, programmer_prepare_agree_finish, json_object(), ERROR_BAD_REQUEST);
    oem_prepare(&fixture->oem, &fixture->programmer);
    /* used up */
    expect_refused(fixture, programmer_prepare_agree_finish, json_object(), ERROR_BAD_REQUEST);
}

static void spoil_base64(json_t *params, const char *key, size_t place) {
    struct error error;
    uint8_t bytes[128];
    size_t size = 0;
    assert_int_equal(json_read_base64(params, key, bytes, sizeof bytes, &size, &error), 0);
    bytes[place < size ? place : size - 1] ^= 1;
    (void)json_object_set_new(params, key, json_base64(bytes_of(bytes, size)));
}

static void test_altered_agreement(void **state) {
    struct fixture *fixture = *state;
    oem_prepare(&fixture->oem, &fixture->programmer);
    static const char *const keys[] = {"point_b64", "signature_b64", "wrapped_key_b64"};
    for (size_t i = 0; i < 3; i++) {
        json_t *answer = oem_agreement_answer(&fixture->oem, &fixture->programmer, 2);
        spoil_base64(answer, keys[i], 20);
        expect_refused(fixture, programmer_prepare_agree_finish, answer, ERROR_ALTERED);
    }
    json_t *answer = oem_agreement_answer(&fixture->oem, &fixture->programmer, 2);
    (void)json_object_set_new(answer, "epoch", json_integer(3));
    expect_refused(fixture, programmer_prepare_agree_finish, answer, ERROR_ALTERED);
    answer = oem_agreement_answer(&fixture->oem, &fixture->programmer, 2);
    (void)json_object_set_new(answer, "point_b64", json_string("AAAA"));
    expect_refused(fixture, programmer_prepare_agree_finish, answer, ERROR_BAD_REQUEST);
    assert_int_equal(fixture->programmer.identity.epoch, 1);
    json_decref(expect_accepted(fixture, programmer_prepare_agree_finish,
                                oem_agreement_answer(&fixture->oem, &fixture->programmer, 2)));
    assert_int_equal(fixture->programmer.identity.epoch, 2);
}

/* An answer belongs to one offer: recorded and played again it is worth nothing. */
static void test_replayed_agreement(void **state) {
    struct fixture *fixture = *state;
    oem_prepare(&fixture->oem, &fixture->programmer);
    json_t *answer = oem_agreement_answer(&fixture->oem, &fixture->programmer, 2);
    json_decref(oem_agreement_answer(&fixture->oem, &fixture->programmer, 2));
    expect_refused(fixture, programmer_prepare_agree_finish, answer, ERROR_ALTERED);
    answer = oem_agreement_answer(&fixture->oem, &fixture->programmer, 1);
    expect_refused(fixture, programmer_prepare_agree_finish, answer, ERROR_REPLAYED);
}

/* Signed by somebody with a certificate of ours, but not by the installed job authority. */
static void test_agreement_of_another_signer(void **state) {
    struct fixture *fixture = *state;
    oem_prepare(&fixture->oem, &fixture->programmer);
    struct test_key good = fixture->oem.job_authority_key;
    fixture->oem.job_authority_key = fixture->oem.command_key;
    json_t *answer = oem_agreement_answer(&fixture->oem, &fixture->programmer, 2);
    fixture->oem.job_authority_key = good;
    expect_refused(fixture, programmer_prepare_agree_finish, answer, ERROR_ALTERED);
}

static void test_new_certificate_needs_new_agreement(void **state) {
    struct fixture *fixture = *state;
    oem_prepare(&fixture->oem, &fixture->programmer);
    json_decref(expect_accepted(fixture, programmer_prepare_install,
                                oem_install_params(&fixture->oem, &fixture->programmer)));
    assert_false(is_prepared(fixture));
    reopen(fixture);
    assert_false(is_prepared(fixture));
}

static json_t *manifest_params(const struct boot_key *key, const char *kind, uint64_t counter) {
    struct buffer manifest = {0};
    boot_key_manifest(key, kind, "linux", counter, bytes_of("program", 7), &manifest);
    json_t *params = json_pack("{s:o}", "manifest_b64", json_base64(buffer_bytes(&manifest)));
    buffer_free(&manifest);
    return params;
}

static void test_software_manifest(void **state) {
    struct fixture *fixture = *state;
    const struct boot_key *key = &fixture->oem.boot_key;
    struct boot_key other;
    boot_key_make(&other);
    expect_refused(fixture, programmer_prepare_software,
                   manifest_params(key, MANIFEST_KIND_PROGRAMMER, 1), ERROR_NOT_PREPARED);
    oem_prepare(&fixture->oem, &fixture->programmer);
    expect_refused(fixture, programmer_prepare_software,
                   manifest_params(&other, MANIFEST_KIND_PROGRAMMER, 1), ERROR_UNTRUSTED_SOFTWARE);
    expect_refused(fixture, programmer_prepare_software,
                   manifest_params(key, MANIFEST_KIND_DEVAUTH, 1), ERROR_UNTRUSTED_SOFTWARE);
    json_decref(expect_accepted(fixture, programmer_prepare_software,
                                manifest_params(key, MANIFEST_KIND_PROGRAMMER, 4)));
    scratch_write(fixture->directory, LAUNCH_FLOOR_FILE, bytes_of("4\n", 2));
    expect_refused(fixture, programmer_prepare_software,
                   manifest_params(key, MANIFEST_KIND_PROGRAMMER, 3), ERROR_UNTRUSTED_SOFTWARE);
    expect_refused(fixture, programmer_prepare_software, json_object(), ERROR_BAD_REQUEST);
    json_t *status = expect_accepted(fixture, programmer_status, json_object());
    assert_string_equal(json_string_value(json_object_get(status, "software_version")), "1.0");
    json_decref(status);
}

/* While something is produced or imported nothing under its feet may change. */
static void test_busy(void **state) {
    struct fixture *fixture = *state;
    oem_prepare(&fixture->oem, &fixture->programmer);
    (void)pthread_rwlock_rdlock(&fixture->programmer.lock);
    expect_refused(fixture, programmer_prepare_csr, json_pack("{s:s}", "name", "x"), ERROR_BUSY);
    expect_refused(fixture, programmer_prepare_install, json_object(), ERROR_BUSY);
    expect_refused(fixture, programmer_prepare_agree_begin, json_object(), ERROR_BUSY);
    assert_true(is_prepared(fixture));
    (void)pthread_rwlock_unlock(&fixture->programmer.lock);
}

static void test_one_daemon_per_directory(void **state) {
    struct fixture *fixture = *state;
    struct programmer second;
    struct error error;
    const struct programmer_options options = {
        .state_directory = fixture->directory,
        .clock = &oem_clock,
    };
    assert_int_equal(programmer_open(&second, &options, &error), -1);
    assert_int_equal(error.code, ERROR_BUSY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole_preparation_survives, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_certificate_for_another_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_roles, setup, teardown),
        cmocka_unit_test_setup_teardown(test_foreign_anchors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing_and_broken_members, setup, teardown),
        cmocka_unit_test_setup_teardown(test_agreement_out_of_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_altered_agreement, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replayed_agreement, setup, teardown),
        cmocka_unit_test_setup_teardown(test_agreement_of_another_signer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_new_certificate_needs_new_agreement, setup, teardown),
        cmocka_unit_test_setup_teardown(test_software_manifest, setup, teardown),
        cmocka_unit_test_setup_teardown(test_busy, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_daemon_per_directory, setup, teardown),
    };
    return crypto_init(NULL, NULL) == STATUS_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
