/* Secure boot at a real server: images, permits, records and RMA, and the order they come in. */
#include "server/test_boot.h"

#include "base/encoding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int tell_scrapped(const struct test_chip *chip, struct error *error) {
    return test_status(&boot_programmer, chip, "scrapped", error);
}

static void a_unit_becomes_done(void **state) {
    struct error error;
    char *record;
    json_t *answer;

    (void)state;
    boot_expect_state("identified");
    boot_secure();
    boot_expect_state("secured");
    boot_run_application();
    boot_challenge("record");
    boot_measure();
    record = boot_good_record();
    for (int i = 0; i < 2; i++) { /* repeating is fine */
        answer =
            test_post(boot_programmer.client, boot_path("record"), json_loads(record, 0, NULL));
        assert_string_equal(json_string_value(json_object_get(answer, "state")), "done");
        json_decref(answer);
    }
    free(record);
    boot_expect_state("done");
    assert_int_equal(tell_scrapped(&boot_unit.chip, &error), 409);
    assert_int_equal(error.code, ERROR_WRONG_STATE);
    boot_expect_state("done");
    assert_int_equal(test_count(&boot_world, &boot_unit.job, "done"), 1);
    assert_int_equal(test_count(&boot_world, &boot_unit.job, "remaining"), 4);
}

static void the_device_shows_what_it_measured(void **state) {
    char path[128], uid[33], hex[65];
    json_t *device, *boot;

    (void)state;
    boot_secure();
    boot_run_application();
    hex_encode_upper(bytes_of(boot_unit.chip.uid, 16), uid);
    snprintf(path, sizeof path, "/v1/devices/%s", uid);
    device = test_get(boot_world.admin, path);
    boot = json_object_get(device, "boot");
    assert_string_equal(json_string_value(json_object_get(boot, "stage")), "bootloader");
    assert_string_equal(json_string_value(json_object_get(boot, "life_cycle")), "secured");
    hex_encode(bytes_of(boot_bl2_digest, 32), hex);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(boot, "bl2"), "digest_hex")), hex);
    assert_non_null(json_string_value(json_object_get(device, "rotpk_hex")));
    json_decref(device);
}

static void steps_come_in_order(void **state) {
    (void)state;
    test_expect(boot_programmer.client, "POST", boot_path("challenges"), "{\"step\":\"bl3\"}", 409,
                "wrong_state");
    test_expect(boot_programmer.client, "POST", boot_path("challenges"), "{\"step\":\"record\"}",
                409, "wrong_state");
    test_expect(boot_programmer.client, "POST", boot_path("challenges"), "{\"step\":\"bl1\"}", 400,
                "bad_request");
    boot_permit_refused("lock", 409, "wrong_state");
    boot_permit_refused("rma", 501, "unsupported");
    boot_challenge("bl2");
    boot_measure();
    boot_image_refused("bl3", 409, "replayed");
    boot_secure();
    boot_permit_refused("boot_key_hash_bl2", 409, "wrong_state");
    test_expect(boot_programmer.client, "POST", boot_path("challenges"), "{\"step\":\"bl2\"}", 409,
                "wrong_state");
}

static void a_failed_secured_chip_stays_counted(void **state) {
    struct error error;
    struct test_chip again;

    (void)state;
    boot_secure();
    assert_int_equal(test_status(&boot_programmer, &boot_unit.chip, "failed", &error), 200);
    assert_int_equal(test_count(&boot_world, &boot_unit.job, "remaining"), 4);
    test_chip_make(&again);
    memcpy(again.uid, boot_unit.chip.uid, 16);
    assert_int_equal(test_reserve(&boot_programmer, &boot_unit.job, &again, 2, &error), 409);
    assert_int_equal(error.code, ERROR_UID_UNDER_OTHER_KEY);
    test_chip_free(&again);
}

/* A CM that scraps good units to gain count: a locked one, identified ones, as many as there are.
 * It has then made what was ordered, holds no valid certificate, and gets nothing more. */
static void a_cm_that_scraps_good_units_to_gain_count(void **state) {
    struct error error;
    struct test_chip again, chips[4];
    char sql[200];

    (void)state;
    boot_secure();
    assert_int_equal(tell_scrapped(&boot_unit.chip, &error), 200);
    boot_expect_state("scrapped");
    assert_int_equal(test_count(&boot_world, &boot_unit.job, "remaining"), 4);
    boot_permit_refused("lock", 409, "unit_scrapped");
    test_expect(boot_programmer.client, "POST", boot_path("challenges"), "{\"step\":\"bl3\"}", 409,
                "unit_scrapped");
    for (int i = 0; i < 4; i++) {
        test_chip_make(&chips[i]);
        test_unit(&boot_programmer, &boot_unit.job, &chips[i]);
        assert_int_equal(tell_scrapped(&chips[i], &error), 200);
        assert_int_equal(tell_scrapped(&chips[i], &error), 200);
        assert_int_equal(test_count(&boot_world, &boot_unit.job, "remaining"), 3 - i);
    }
    test_chip_make(&again);
    assert_int_equal(test_reserve(&boot_programmer, &boot_unit.job, &again, 1, &error), 409);
    assert_int_equal(error.code, ERROR_JOB_FULL);
    memcpy(again.uid, boot_unit.chip.uid, 16);
    assert_int_equal(test_reserve(&boot_programmer, &boot_unit.job, &again, 2, &error), 409);
    assert_int_equal(error.code, ERROR_UNIT_SCRAPPED);
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM devices d JOIN certificates c ON c.serial=d.certificate_serial"
             " WHERE d.job_id='%s' AND c.state='valid'",
             boot_unit.job.id);
    assert_int_equal(test_sql_number(&boot_world, sql), 0);
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM events WHERE type='unit.uid_under_other_key' AND job_id='%s'",
             boot_unit.job.id);
    assert_int_equal(test_sql_number(&boot_world, sql), 1);
    test_chip_free(&again);
    for (int i = 0; i < 4; i++)
        test_chip_free(&chips[i]);
}

static void boards_for_the_desk_are_never_locked(void **state) {
    struct permit permit;
    uint8_t encoded[1024];
    json_t *answer;
    char *record;

    (void)state;
    test_chip_free(&boot_unit.chip);
    boot_identified_unit("open");
    boot_release_bl2();
    boot_ask_permit("boot_key_hash_bl2", &permit, encoded);
    boot_ask_permit("boot_key_hash_bl3", &permit, encoded);
    struct permit_boot_key_hash arguments;
    assert_int_equal(permit_parse_boot_key_hash(permit.arguments, &arguments), STATUS_OK);
    memcpy(boot_unit.attest.keys.bl3_key_hash, arguments.key_hash, 32);
    boot_permit_refused("lock", 403, "denied");
    boot_unit.attest.versions.stage = DEVAUTH_STAGE_BOOTLOADER;
    memcpy(boot_unit.attest.image, boot_bl2_digest, 32);
    memcpy(boot_unit.attest.bl2, boot_bl2_digest, 32);
    boot_run_application();
    boot_challenge("record");
    boot_measure();
    record = boot_good_record();
    answer = test_post(boot_programmer.client, boot_path("record"), json_loads(record, 0, NULL));
    json_decref(answer);
    free(record);
    boot_expect_state("done");
}

static void rma_needs_to_be_authorised(void **state) {
    char path[128], uid[33];
    json_t *request;
    json_t *answer;
    char *text;

    (void)state;
    boot_secure();
    hex_encode_upper(bytes_of(boot_unit.chip.uid, 16), uid);
    snprintf(path, sizeof path, "/v1/devices/%s/permits", uid);
    request = boot_permit_request("rma");
    text = json_dumps(request, 0);
    test_expect(boot_programmer.client, "POST", path, text, 403, "denied");
    snprintf(path, sizeof path, "/v1/devices/%s/rma", uid);
    test_expect(boot_programmer.client, "POST", path, "{\"reason\":\"x\"}", 403, "denied");
    json_decref(test_post(boot_world.admin, path, json_pack("{s:s}", "reason", "returned")));
    json_decref(test_post(boot_world.admin, path, json_pack("{s:s}", "reason", "again")));
    snprintf(path, sizeof path, "/v1/devices/%s/permits", uid);
    answer = test_post(boot_programmer.client, path, json_incref(request));
    assert_non_null(json_string_value(json_object_get(answer, "permit_b64")));
    json_decref(answer);
    test_expect(boot_programmer.client, "POST", path, text, 409, "replayed");
    json_decref(request);
    free(text);
    test_expect(boot_programmer.client, "POST", boot_path("challenges"), "{\"step\":\"bl3\"}", 403,
                "revoked");
}

static const char *device_path(const char *what) {
    static char path[128];
    char uid[33];

    hex_encode_upper(bytes_of(boot_unit.chip.uid, 16), uid);
    snprintf(path, sizeof path, "/v1/devices/%s%s", uid, what);
    return path;
}

/* Events of a type with this detail about the unit's chip. */
static int64_t events(const char *type, const char *detail) {
    char sql[256], uid[33];

    hex_encode_upper(bytes_of(boot_unit.chip.uid, 16), uid);
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM events WHERE subject='%s' AND type='%s'"
             " AND coalesce(detail,'')='%s'",
             uid, type, detail);
    return test_sql_number(&boot_world, sql);
}

static void every_step_leaves_an_event(void **state) {
    (void)state;
    boot_secure();
    boot_run_application();
    assert_int_equal(events("unit.permit", ""), 1);
    assert_int_equal(events("unit.image", boot_bl2_id), 1);
    assert_int_equal(events("unit.image", boot_bl3_id), 1);
    assert_int_equal(events("unit.boot_key", "BL2"), 1);
    assert_int_equal(events("unit.boot_key", "BL3"), 1);
    assert_int_equal(events("unit.secured", ""), 1);
    assert_int_equal(events("unit.done", ""), 0);
}

static void a_reserved_unit_gets_nothing(void **state) {
    struct error error;

    (void)state;
    test_chip_free(&boot_unit.chip);
    test_chip_make(&boot_unit.chip);
    assert_int_equal(test_reserve(&boot_programmer, &boot_unit.job, &boot_unit.chip, 1, &error),
                     201);
    for (int i = 0; i < 2; i++) { /* without a certificate, and with one */
        test_expect(boot_programmer.client, "POST", boot_path("challenges"), "{\"step\":\"bl2\"}",
                    409, "wrong_state");
        boot_permit_refused("boot_key_hash_bl2", 409, "wrong_state");
        boot_permit_refused("lock", 409, "wrong_state");
        if (i == 0)
            assert_int_equal(test_certify(&boot_programmer, &boot_unit.chip, &error), 200);
    }
}

static void a_job_without_firmware_has_no_boot_keys(void **state) {
    int64_t keys;

    (void)state;
    test_chip_free(&boot_unit.chip);
    test_job_make(&boot_world, &boot_programmer, 1, NULL, &boot_unit.job);
    test_job_export(&boot_world, &boot_programmer, &boot_unit.job);
    test_job_activate(&boot_programmer, &boot_unit.job);
    test_chip_make(&boot_unit.chip);
    test_unit(&boot_programmer, &boot_unit.job, &boot_unit.chip);
    keys = test_sql_number(&boot_world, "SELECT count(*) FROM boot_keys");
    test_expect(boot_programmer.client, "POST", boot_path("challenges"), "{\"step\":\"bl2\"}", 409,
                "wrong_state");
    boot_permit_refused("boot_key_hash_bl2", 409, "wrong_state");
    boot_permit_refused("lock", 409, "wrong_state");
    assert_int_equal(test_sql_number(&boot_world, "SELECT count(*) FROM boot_keys"), keys);
    boot_expect_state("identified");
}

static void permits_come_in_order(void **state) {
    struct permit permit;
    uint8_t encoded[1024];

    (void)state;
    boot_permit_refused("boot_key_hash_bl2", 409, "wrong_state");
    boot_permit_refused("boot_key_hash_bl3", 409, "wrong_state");
    boot_release_bl2();
    boot_permit_refused("boot_key_hash_bl3", 409, "wrong_state");
    boot_permit_refused("lock", 409, "wrong_state");
    boot_ask_permit("boot_key_hash_bl2", &permit, encoded);
    boot_permit_refused("lock", 409, "wrong_state");
    boot_ask_permit("boot_key_hash_bl3", &permit, encoded);
    boot_expect_state("identified");
    boot_ask_permit("lock", &permit, encoded);
    boot_expect_state("secured");
}

/* An attempt that failed between BL2's key and the lock: what is in OTP needs no second permit. */
static void a_new_attempt_goes_on_where_the_chip_is(void **state) {
    struct permit permit;
    struct error error;
    uint8_t encoded[1024];
    uint8_t nonce[32] = {1};

    (void)state;
    boot_release_bl2();
    boot_ask_permit("boot_key_hash_bl2", &permit, encoded);
    assert_int_equal(test_status(&boot_programmer, &boot_unit.chip, "failed", &error), 200);
    assert_int_equal(test_reserve(&boot_programmer, &boot_unit.job, &boot_unit.chip, 2, &error),
                     201);
    assert_int_equal(test_certify(&boot_programmer, &boot_unit.chip, &error), 200);
    assert_int_equal(test_permit(&boot_programmer, &boot_unit.chip, nonce, &error), 200);
    assert_int_equal(test_status(&boot_programmer, &boot_unit.chip, "identified", &error), 200);
    boot_ask_permit("boot_key_hash_bl3", &permit, encoded);
    boot_ask_permit("lock", &permit, encoded);
    boot_expect_state("secured");
    assert_int_equal(test_count(&boot_world, &boot_unit.job, "remaining"), 4);
}

static char *permit_of(json_t *request) {
    json_t *answer = test_post(boot_programmer.client, boot_path("permits"), json_incref(request));
    char *text = strdup(json_string_value(json_object_get(answer, "permit_b64")));

    json_decref(answer);
    return text;
}

static void refuse_request(json_t *request, const char *path, int status, const char *code) {
    char *text = json_dumps(request, 0);

    test_expect(boot_programmer.client, "POST", path, text, status, code);
    free(text);
}

static void a_permit_is_repeated_and_its_nonce_used_up(void **state) {
    char *first, *second;
    json_t *request;

    (void)state;
    boot_release_bl2();
    request = boot_permit_request("boot_key_hash_bl2");
    first = permit_of(request);
    second = permit_of(request);
    assert_string_equal(first, second);
    free(first);
    free(second);
    json_object_set_new(request, "command", json_string("boot_key_hash_bl3"));
    refuse_request(request, boot_path("permits"), 409, "replayed");
    json_object_set_new(request, "auth_key_hash_hex", json_hex(bytes_of(boot_bl2_digest, 32)));
    refuse_request(request, boot_path("permits"), 409, "uid_under_other_key");
    json_decref(request);
}

static void an_object_id_is_permitted_and_shown(void **state) {
    static const char *const refused[] = {"", "abc", "zz"};
    char too_long[2 * 65 + 1];
    json_t *request = boot_permit_request("object_id"), *device;
    char *first, *second;

    (void)state;
    refuse_request(request, boot_path("permits"), 400, "bad_request");
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        json_object_set_new(request, "object_id_hex", json_string(refused[i]));
        refuse_request(request, boot_path("permits"), 400, "bad_request");
    }
    memset(too_long, '0', sizeof too_long - 1);
    too_long[sizeof too_long - 1] = '\0';
    json_object_set_new(request, "object_id_hex", json_string(too_long));
    refuse_request(request, boot_path("permits"), 400, "bad_request");
    json_object_set_new(request, "object_id_hex", json_string("0102ff"));
    first = permit_of(request);
    second = permit_of(request);
    assert_string_equal(first, second);
    free(first);
    free(second);
    json_object_set_new(request, "object_id_hex", json_string("0102fe"));
    refuse_request(request, boot_path("permits"), 409, "replayed");
    json_decref(request);
    device = test_get(boot_world.admin, device_path(""));
    assert_string_equal(json_string_value(json_object_get(device, "object_id_hex")), "0102ff");
    json_decref(device);
}

static void a_stopped_job_gets_nothing(void **state) {
    char sql[160];
    char *record;

    (void)state;
    boot_secure();
    boot_run_application();
    boot_challenge("record");
    boot_measure();
    record = boot_good_record();
    snprintf(sql, sizeof sql, "UPDATE jobs SET state='stopped' WHERE id='%s' RETURNING 1",
             boot_unit.job.id);
    assert_int_equal(test_sql_number(&boot_world, sql), 1);
    test_expect(boot_programmer.client, "POST", boot_path("record"), record, 409, "job_closed");
    test_expect(boot_programmer.client, "POST", boot_path("challenges"), "{\"step\":\"record\"}",
                409, "job_closed");
    boot_permit_refused("lock", 409, "job_closed");
    boot_expect_state("secured");
    free(record);
}

static void an_rma_permit_is_for_one_chip(void **state) {
    json_t *request = boot_permit_request("rma"), *device;

    (void)state;
    json_decref(
        test_post(boot_world.admin, device_path("/rma"), json_pack("{s:s}", "reason", "returned")));
    test_expect(boot_world.admin, "POST", "/v1/devices/000102030405060708090A0B0C0D0E0F/rma",
                "{\"reason\":\"x\"}", 404, "not_found");
    test_expect(boot_world.admin, "POST", device_path("/rma"), "{}", 400, "bad_request");
    json_object_set_new(request, "command", json_string("lock"));
    refuse_request(request, device_path("/permits"), 501, "unsupported");
    json_object_set_new(request, "command", json_string("rma"));
    json_object_set_new(request, "auth_key_hash_hex", json_hex(bytes_of(boot_bl2_digest, 32)));
    refuse_request(request, device_path("/permits"), 409, "uid_under_other_key");
    json_decref(request);
    json_decref(test_post(boot_world.admin, device_path("/permits"), boot_permit_request("rma")));
    device = test_get(boot_world.admin, device_path(""));
    assert_string_equal(json_string_value(json_object_get(device, "rma")), "permitted");
    assert_string_equal(json_string_value(json_object_get(device, "certificate_state")), "revoked");
    json_decref(device);
    assert_int_equal(events("device.rma_authorised", "returned"), 1);
    assert_int_equal(events("device.rma_permitted", ""), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, boot_new_unit, boot_free_unit)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_unit_becomes_done),
        TEST(the_device_shows_what_it_measured),
        TEST(every_step_leaves_an_event),
        TEST(a_reserved_unit_gets_nothing),
        TEST(a_job_without_firmware_has_no_boot_keys),
        TEST(steps_come_in_order),
        TEST(permits_come_in_order),
        TEST(a_new_attempt_goes_on_where_the_chip_is),
        TEST(a_permit_is_repeated_and_its_nonce_used_up),
        TEST(an_object_id_is_permitted_and_shown),
        TEST(a_stopped_job_gets_nothing),
        TEST(a_failed_secured_chip_stays_counted),
        TEST(a_cm_that_scraps_good_units_to_gain_count),
        TEST(boards_for_the_desk_are_never_locked),
        TEST(rma_needs_to_be_authorised),
        TEST(an_rma_permit_is_for_one_chip),
    };
    return cmocka_run_group_tests(tests, boot_begin, boot_end);
}
