/* chip.show, chip.rma and produce's check and dry_run, as the control socket asks for them. */
#include "programmer/programmer.h"

#include "base/encoding.h"
#include "base/json.h"
#include "crypto/crypto.h"
#include "programmer/testing/fake_line.h"
#include "programmer/testing/fake_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int setup(void **state) {
    const struct fake_line_plan plan = {0};
    *state = fake_line_make(&plan);
    return 0;
}

static int teardown(void **state) {
    fake_line_free(*state);
    return 0;
}

static json_t *site(const struct fake_line *line) {
    return json_pack("{s:s,s:s,s:s}", "name", "left", "debug", fake_chip_debug(&line->chip), "uart",
                     fake_chip_uart(&line->chip));
}

static const char *text(const json_t *object, const char *key) {
    const char *value = json_string_value(json_object_get(object, key));
    assert_non_null(value);
    return value;
}

static json_t *must(struct fake_line *line, control_method_function *method, json_t *params) {
    struct error error;
    json_t *result = oem_call(&line->programmer, method, params, &error);
    if (result == NULL)
        fail_msg("%s: %s", error_name(error.code), error.message);
    return result;
}

static void must_not(struct fake_line *line, control_method_function *method, json_t *params,
                     enum error_code code) {
    struct error error;
    assert_null(oem_call(&line->programmer, method, params, &error));
    if (error.code != code)
        fail_msg("%s instead of %s: %s", error_name(error.code), error_name(code), error.message);
}

static json_t *produce_params(const struct fake_line *line, const char *flag) {
    json_t *params = json_pack("{s:s,s:[o]}", "job_id", OEM_JOB_ID, "sites", site(line));
    if (flag != NULL)
        (void)json_object_set_new(params, flag, json_true());
    return params;
}

static void make_unit(struct fake_line *line) {
    json_t *result = must(line, programmer_produce, produce_params(line, NULL));
    assert_int_equal(json_integer_value(json_object_get(result, "done")), 1);
    assert_int_equal(json_integer_value(json_object_get(result, "failed")), 0);
    json_t *unit = json_array_get(json_object_get(result, "units"), 0);
    assert_string_equal(text(unit, "state"), "done");
    assert_string_equal(text(unit, "step"), "done");
    json_decref(result);
}

static json_t *show(struct fake_line *line) {
    return must(line, programmer_chip_show, json_pack("{s:o}", "site", site(line)));
}

static void test_show_blank(void **state) {
    struct fake_line *line = *state;
    char uid[33];
    hex_encode_upper(bytes_of(line->chip.uid, 16), uid);
    json_t *shown = show(line);
    assert_string_equal(text(shown, "uid"), uid);
    assert_string_equal(text(shown, "stage"), "boot_rom");
    assert_string_equal(text(shown, "life_cycle"), "blank");
    assert_string_equal(text(shown, "chain"), "none");
    assert_string_equal(text(shown, "family"), FAKE_CHIP_FAMILY);
    assert_int_equal(json_array_size(json_object_get(shown, "measurements")), 0);
    assert_int_equal(json_array_size(json_object_get(shown, "flags")), 0);
    assert_true(json_is_null(json_object_get(shown, "certificate_sha256_hex")));
    json_decref(shown);
}

static void test_show_done(void **state) {
    struct fake_line *line = *state;
    uint8_t digest[32];
    struct error error;
    make_unit(line);
    json_t *shown = show(line);
    assert_string_equal(text(shown, "stage"), "application");
    assert_string_equal(text(shown, "life_cycle"), "secured");
    assert_string_equal(text(shown, "chain"), "verified");
    json_t *measured = json_object_get(shown, "measurements");
    assert_int_equal(json_array_size(measured), 7);
    assert_string_equal(text(json_array_get(measured, 4), "name"), "bl3");
    assert_int_equal(json_read_hex(json_array_get(measured, 4), "value_hex", digest, 32, &error),
                     0);
    assert_memory_equal(digest, fake_server.images[1].digest, 32);
    const json_t *boot = json_object_get(shown, "boot");
    assert_string_equal(text(json_object_get(boot, "primary"), "reason"), "accepted");
    assert_string_equal(text(json_object_get(boot, "secondary"), "reason"), "empty");
    json_decref(shown);
    /* nothing was changed */
    assert_int_equal(fake_chip_stage(&line->chip), DEVAUTH_STAGE_APPLICATION);
}

/* Another OEM's chip, or a program that plays one. */
static void test_show_untrusted(void **state) {
    struct fake_line *line = *state;
    make_unit(line);
    line->chip.blob[line->chip.blob_size - 3] ^= 1; /* its certificate's signature */
    json_t *shown = show(line);
    assert_string_equal(text(shown, "chain"), "untrusted");
    assert_int_equal(json_array_size(json_object_get(shown, "measurements")), 0);
    json_decref(shown);
}

static void test_show_nobody(void **state) {
    struct fake_line *line = *state;
    json_t *nowhere = json_pack("{s:{s:s,s:s,s:s}}", "site", "name", "x", "debug", "unix:/none/d",
                                "uart", "unix:/none/u");
    must_not(line, programmer_chip_show, nowhere, ERROR_OFFLINE);
    must_not(line, programmer_chip_show, json_object(), ERROR_BAD_REQUEST);
    must_not(line, programmer_chip_show, json_pack("{s:s}", "site", "x"), ERROR_BAD_REQUEST);
}

static json_t *rma_params(struct fake_line *line) {
    char uid[33];
    hex_encode_upper(bytes_of(line->chip.uid, 16), uid);
    return json_pack("{s:o,s:s}", "site", site(line), "uid", uid);
}

static void test_rma(void **state) {
    struct fake_line *line = *state;
    make_unit(line);
    must_not(line, programmer_chip_rma, rma_params(line), ERROR_DENIED);
    assert_int_equal(fake_chip_life(&line->chip), 2);
    fake_server.rma_authorised = true;
    json_t *result = must(line, programmer_chip_rma, rma_params(line));
    assert_string_equal(text(result, "state"), "rma");
    json_decref(result);
    assert_int_equal(fake_chip_life(&line->chip), 5);
    assert_false(line->chip.has_keys);
    assert_int_equal(line->chip.slots[1].size, 0);
    /* again: it is already */
    json_decref(must(line, programmer_chip_rma, rma_params(line)));
    json_t *shown = show(line);
    assert_string_equal(text(shown, "life_cycle"), "rma");
    json_decref(shown);
}

static void test_rma_answer_lost(void **state) {
    struct fake_line *line = *state;
    make_unit(line);
    fake_server.rma_authorised = true;
    line->chip.loses_rma_answer = true;
    json_decref(must(line, programmer_chip_rma, rma_params(line)));
    assert_int_equal(fake_chip_life(&line->chip), 5);
}

static void test_rma_of_another_chip(void **state) {
    struct fake_line *line = *state;
    make_unit(line);
    fake_server.rma_authorised = true;
    json_t *params = rma_params(line);
    (void)json_object_set_new(params, "uid", json_string("00112233445566778899AABBCCDDEEFF"));
    must_not(line, programmer_chip_rma, params, ERROR_DEVICE_REFUSED);
    json_t *bad = rma_params(line);
    (void)json_object_set_new(bad, "uid", json_string("0011"));
    must_not(line, programmer_chip_rma, bad, ERROR_BAD_REQUEST);
    assert_int_equal(fake_chip_life(&line->chip), 2);
}

static void test_rma_of_a_blank_chip(void **state) {
    struct fake_line *line = *state;
    fake_server.rma_authorised = true;
    must_not(line, programmer_chip_rma, rma_params(line), ERROR_DEVICE_REFUSED);
    assert_int_equal(fake_chip_life(&line->chip), 0);
}

static json_t *check(struct fake_line *line) {
    return must(line, programmer_produce, produce_params(line, "check"));
}

static bool is_ok(const json_t *object) {
    assert_true(json_is_boolean(json_object_get(object, "ok")));
    return json_is_true(json_object_get(object, "ok"));
}

static void expect_site(const json_t *result, const char *debug, const char *uart,
                        const char *power) {
    const json_t *found = json_array_get(json_object_get(result, "sites"), 0);
    assert_string_equal(text(json_object_get(found, "debug"), "state"), debug);
    assert_string_equal(text(json_object_get(found, "uart"), "state"), uart);
    assert_string_equal(text(found, "power"), power);
}

static void test_check(void **state) {
    struct fake_line *line = *state;
    json_t *result = check(line);
    assert_true(is_ok(result));
    expect_site(result, "open", "answers", "on");
    assert_int_equal(json_integer_value(json_object_get(result, "remaining")), FAKE_LINE_COUNT);
    json_decref(result);
    assert_int_equal(fake_server.used, 0);
    assert_int_equal(fake_chip_stage(&line->chip), DEVAUTH_STAGE_BOOT_ROM);
    /* a finished chip: locked, and fine */
    make_unit(line);
    result = check(line);
    assert_true(is_ok(result));
    expect_site(result, "refused", "answers", "on");
    json_decref(result);
}

static void test_check_finds_what_is_missing(void **state) {
    struct fake_line *line = *state;
    fake_chip_close_debug(&line->chip);
    json_t *result = check(line);
    assert_false(is_ok(result));
    expect_site(result, "absent", "answers", "on");
    assert_true(is_ok(json_object_get(result, "server")));
    json_decref(result);
    fake_server.fault = FAKE_AWAY;
    fake_server.fault_call = fake_server.calls + 1;
    fake_server.fault_span = 100;
    result = check(line);
    assert_false(is_ok(json_object_get(result, "server")));
    assert_true(is_ok(json_object_get(result, "firmware"))); /* it is here */
    assert_string_equal(text(json_object_get(result, "server"), "code"), "offline");
    json_decref(result);
}

static void test_check_of_a_silent_site(void **state) {
    struct fake_line *line = *state;
    line->chip.debug_is_silent = true;
    line->chip.is_dead = true;
    json_t *result = check(line);
    assert_false(is_ok(result));
    expect_site(result, "silent", "silent", "unknown");
    json_decref(result);
}

static void test_dry_run(void **state) {
    struct fake_line *line = *state;
    json_t *result = must(line, programmer_produce, produce_params(line, "dry_run"));
    json_t *unit = json_array_get(json_object_get(result, "units"), 0);
    assert_string_equal(text(unit, "state"), "planned");
    assert_string_equal(text(unit, "step"), "reserve");
    assert_non_null(strstr(text(unit, "message"), "would be made"));
    assert_int_equal(json_integer_value(json_object_get(result, "remaining")), FAKE_LINE_COUNT);
    assert_int_equal(json_integer_value(json_object_get(result, "failed")), 0);
    json_decref(result);
    assert_int_equal(fake_server.used, 0);
    json_t *bad = produce_params(line, NULL);
    (void)json_object_set_new(bad, "dry_run", json_string("yes"));
    must_not(line, programmer_produce, bad, ERROR_BAD_REQUEST);
}

int main(int argc, char **argv) {
    if (argc > 1) /* one case, by name */
        cmocka_set_test_filter(argv[1]);
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_show_blank),
        CASE(test_show_done),
        CASE(test_show_untrusted),
        CASE(test_show_nobody),
        CASE(test_rma),
        CASE(test_rma_answer_lost),
        CASE(test_rma_of_another_chip),
        CASE(test_rma_of_a_blank_chip),
        CASE(test_check),
        CASE(test_check_finds_what_is_missing),
        CASE(test_check_of_a_silent_site),
        CASE(test_dry_run),
    };
    return crypto_init(NULL, NULL) == STATUS_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
