/* Secure boot at a real server: everything a programmer or a chip may say that is not believed. */
#include "server/test_boot.h"

#include "base/encoding.h"
#include "crypto/crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void a_challenge_is_for_one_answer(void **state) {
    json_t *first;
    json_t *second;

    (void)state;
    boot_challenge("bl2");
    boot_measure();
    first = boot_ask_image("bl2");
    second = boot_ask_image("bl2"); /* the same answer again */
    assert_true(json_equal(first, second));
    json_decref(first);
    json_decref(second);
    boot_measure(); /* another signature: another transcript */
    boot_image_refused("bl2", 409, "replayed");
    memset(boot_unit.nonce, 1, 32);
    boot_measure();
    boot_image_refused("bl2", 409, "replayed");
}

static void a_challenge_is_for_one_unit_and_programmer(void **state) {
    struct boot_unit first;

    (void)state;
    boot_challenge("bl2");
    first = boot_unit;
    test_expect(boot_stranger.client, "POST", boot_path("challenges"), "{\"step\":\"bl2\"}", 403,
                "denied");
    boot_measure();
    char *text = boot_image_body("bl2");
    test_expect(boot_stranger.client, "POST", boot_path("images"), text, 403, "denied");
    free(text);
    boot_identified_unit("locked");
    memcpy(boot_unit.nonce, first.nonce, 32);
    boot_measure();
    boot_image_refused("bl2", 409, "replayed");
    test_chip_free(&first.chip);
}

static void a_challenge_gets_old(void **state) {
    (void)state;
    boot_challenge("bl2");
    /* RETURNING gives the row the helper wants. */
    assert_int_equal(
        test_sql_number(&boot_world, "UPDATE challenges SET expires=1 RETURNING expires"), 1);
    boot_measure();
    boot_image_refused("bl2", 409, "challenge_expired");
}

/* Everything a chip may say that is not what was ordered. */
static void refuse_with(void (*change)(void), const char *step) {
    const struct attest good = boot_unit.attest;

    boot_challenge(step);
    change();
    boot_measure();
    boot_image_refused(step, 403, "attestation_refused");
    boot_unit.attest = good;
}

static void other_stage(void) {
    boot_unit.attest.versions.stage = DEVAUTH_STAGE_APPLICATION;
}
static void other_life(void) {
    boot_unit.attest.life_cycle ^= 3;
}
static void debugger(void) {
    boot_unit.attest.flags |= DEVAUTH_FLAG_DEBUGGER;
}
static void no_chain(void) {
    boot_unit.attest.flags &= (uint8_t)~DEVAUTH_FLAG_ISSUED_CHAIN;
}
static void no_root(void) {
    boot_unit.attest.flags &= (uint8_t)~DEVAUTH_FLAG_ROOT_HASH;
}
static void other_image(void) {
    boot_unit.attest.image[0] ^= 1;
}
static void other_enc(void) {
    boot_unit.attest.keys.enc_key_hash[31] ^= 1;
}
static void other_bl2_key(void) {
    boot_unit.attest.keys.bl2_key_hash[0] ^= 1;
}
static void other_bl3_key(void) {
    boot_unit.attest.keys.bl3_key_hash[0] ^= 1;
}
static void other_bl2(void) {
    boot_unit.attest.bl2[5] ^= 1;
}
static void open_debug(void) {
    boot_unit.attest.flags &= (uint8_t)~DEVAUTH_FLAG_DEBUG_LOCKED;
}

static void nothing_else_gets_bl2(void **state) {
    (void)state;
    refuse_with(other_stage, "bl2");
    refuse_with(other_life, "bl2");
    refuse_with(debugger, "bl2");
    refuse_with(no_chain, "bl2");
    refuse_with(no_root, "bl2");
    refuse_with(other_image, "bl2");
    refuse_with(other_enc, "bl2");
    refuse_with(other_bl2_key, "bl2");
    refuse_with(other_bl3_key, "bl2");
    boot_expect_state("identified");
}

static void nothing_else_gets_bl3(void **state) {
    (void)state;
    boot_secure();
    refuse_with(other_stage, "bl3");
    refuse_with(other_life, "bl3");
    refuse_with(debugger, "bl3");
    refuse_with(no_chain, "bl3");
    refuse_with(other_enc, "bl3");
    refuse_with(other_bl2_key, "bl3");
    refuse_with(other_bl3_key, "bl3");
    refuse_with(other_bl2, "bl3");
    refuse_with(open_debug, "bl3");
    refuse_with(other_image, "bl3");
}

static void another_chip_cannot_speak_for_it(void **state) {
    struct test_chip other;

    (void)state;
    test_chip_make(&other);
    boot_challenge("bl2");
    memcpy(boot_unit.chip.private_key, other.private_key, 32);
    boot_measure();
    boot_image_refused("bl2", 403, "attestation_refused");
    test_chip_free(&other);
}

static void altered_transcripts(void **state) {
    (void)state;
    for (size_t i = 0; i < 40; i++) {
        boot_challenge("bl2");
        boot_measure();
        boot_unit.transcript[i * boot_unit.transcript_size / 40] ^= 1;
        boot_image_refused("bl2", 403, "attestation_refused");
    }
    boot_challenge("bl2");
    boot_measure();
    boot_unit.transcript_size--;
    boot_image_refused("bl2", 403, "attestation_refused");
}

static void revoke(void) {
    char path[128], uid[33];

    hex_encode_upper(bytes_of(boot_unit.chip.uid, 16), uid);
    snprintf(path, sizeof path, "/v1/devices/%s/revoke", uid);
    json_decref(test_post(boot_world.admin, path, json_pack("{s:s}", "reason", "lost")));
}

static void a_revoked_device_gets_nothing(void **state) {
    (void)state;
    boot_challenge("bl2");
    boot_measure();
    revoke();
    boot_image_refused("bl2", 403, "revoked");
    test_expect(boot_programmer.client, "POST", boot_path("challenges"), "{\"step\":\"bl2\"}", 403,
                "revoked");
    boot_permit_refused("boot_key_hash_bl2", 403, "revoked");
}

static void a_revoked_device_is_not_recorded(void **state) {
    char *record;

    (void)state;
    boot_secure();
    boot_run_application();
    boot_challenge("record");
    boot_measure();
    record = boot_good_record();
    revoke();
    test_expect(boot_programmer.client, "POST", boot_path("record"), record, 403, "revoked");
    free(record);
    boot_expect_state("secured");
}

static void records_of_others(void **state) {
    static const uint8_t other_unit[16] = {1};
    uint8_t unit_id[16];
    char *record;

    (void)state;
    assert_int_equal(hex_decode(boot_unit.chip.unit_id, unit_id, 16), 0);
    boot_secure();
    boot_run_application();
    boot_challenge("record");
    boot_measure();
    record = boot_record_body(boot_stranger.key, unit_id);
    test_expect(boot_programmer.client, "POST", boot_path("record"), record, 400, "altered");
    free(record);
    record = boot_record_body(boot_programmer.key, other_unit);
    test_expect(boot_programmer.client, "POST", boot_path("record"), record, 400, "bad_request");
    free(record);
    boot_unit.attest.bl3[0] ^= 1;
    boot_measure();
    record = boot_good_record();
    test_expect(boot_programmer.client, "POST", boot_path("record"), record, 403,
                "attestation_refused");
    free(record);
    test_expect(boot_programmer.client, "POST", boot_path("record"), "{\"record_b64\":\"AAAA\"}",
                400, "altered");
    boot_expect_state("secured");
}

static void higher_counters(void **state) {
    const struct attest devauth = boot_unit.attest;

    (void)state;
    boot_challenge("bl2");
    boot_unit.attest.versions.bl2.chip_counter = 2; /* the release has 1 */
    boot_measure();
    boot_image_refused("bl2", 403, "attestation_refused");
    boot_unit.attest = devauth;
    boot_secure();
    boot_challenge("bl3");
    boot_unit.attest.versions.bl3.chip_counter = 2;
    boot_measure();
    boot_image_refused("bl3", 403, "attestation_refused");
    boot_unit.attest.versions.bl3.chip_counter = 1;
    boot_challenge("bl3");
    boot_measure();
    json_decref(boot_ask_image("bl3"));
}

static int64_t refusals(void) {
    return test_sql_number(&boot_world,
                           "SELECT count(*) FROM events WHERE type='unit.attestation_refused'");
}

/* Somebody should look at it: the event says what was wrong, the device shows what it says it is.
 */
static void a_refusal_is_remembered(void **state) {
    char path[128], uid[33];
    int64_t before = refusals();
    json_t *device, *flags;

    (void)state;
    hex_encode_upper(bytes_of(boot_unit.chip.uid, 16), uid);
    snprintf(path, sizeof path, "/v1/devices/%s", uid);
    boot_challenge("bl2");
    boot_unit.attest.flags |= DEVAUTH_FLAG_DEBUGGER;
    boot_measure();
    boot_image_refused("bl2", 403, "attestation_refused");
    assert_int_equal(refusals(), before + 1);
    device = test_get(boot_world.admin, path);
    flags = json_object_get(json_object_get(device, "boot"), "flags");
    assert_string_equal(json_string_value(json_array_get(flags, 0)), "debugger");
    json_decref(device);
    /* The challenge is used up, for this answer and for any other. */
    boot_image_refused("bl2", 409, "replayed");
    boot_unit.attest.flags &= (uint8_t)~DEVAUTH_FLAG_DEBUGGER;
    boot_measure();
    boot_image_refused("bl2", 409, "replayed");
    assert_int_equal(refusals(), before + 1);
    /* What the chip did not sign is not taken for its word. */
    boot_challenge("bl2");
    boot_unit.attest.flags = 0;
    boot_measure();
    boot_unit.transcript[boot_unit.transcript_size - 1] ^= 1;
    boot_image_refused("bl2", 403, "attestation_refused");
    assert_int_equal(refusals(), before + 2);
    device = test_get(boot_world.admin, path);
    flags = json_object_get(json_object_get(device, "boot"), "flags");
    assert_string_equal(json_string_value(json_array_get(flags, 0)), "debugger");
    json_decref(device);
}

static void hold_job(const char *what) {
    char path[128];

    snprintf(path, sizeof path, "/v1/jobs/%s/%s", boot_unit.job.id, what);
    json_decref(test_post(boot_world.admin, path, json_object()));
}

static void a_paused_job_releases_nothing(void **state) {
    (void)state;
    boot_challenge("bl2");
    boot_measure();
    hold_job("pause");
    boot_image_refused("bl2", 409, "job_paused");
    boot_permit_refused("boot_key_hash_bl2", 409, "job_paused");
    test_expect(boot_programmer.client, "POST", boot_path("challenges"), "{\"step\":\"bl2\"}", 409,
                "job_paused");
    hold_job("resume");
    json_decref(boot_ask_image("bl2")); /* the challenge was not used up */
}

static void old_measurements_under_a_new_challenge(void **state) {
    (void)state;
    boot_challenge("bl2");
    boot_measure();
    boot_challenge("bl2");
    boot_image_refused("bl2", 403, "attestation_refused");
}

/* What got the chip its image is no proof of what runs later. */
static void a_record_needs_a_challenge_of_its_own(void **state) {
    char *record;

    (void)state;
    boot_secure();
    boot_run_application();
    record = boot_good_record(); /* nonce and transcript of the bl3 step */
    test_expect(boot_programmer.client, "POST", boot_path("record"), record, 409, "replayed");
    free(record);
    boot_challenge("record");
    boot_unit.attest.versions.stage = DEVAUTH_STAGE_BOOTLOADER;
    boot_measure();
    record = boot_good_record();
    test_expect(boot_programmer.client, "POST", boot_path("record"), record, 403,
                "attestation_refused");
    test_expect(boot_programmer.client, "POST", boot_path("record"), record, 409, "replayed");
    free(record);
    boot_unit.attest.versions.stage = DEVAUTH_STAGE_APPLICATION;
    boot_challenge("record");
    boot_measure();
    record = boot_good_record();
    assert_int_equal(test_sql_number(&boot_world,
                                     "UPDATE challenges SET expires=1 WHERE transcript_hash IS NULL"
                                     " RETURNING expires"),
                     1);
    test_expect(boot_programmer.client, "POST", boot_path("record"), record, 409,
                "challenge_expired");
    free(record);
    boot_expect_state("secured");
}

static void a_unit_has_one_record(void **state) {
    char *record;

    (void)state;
    boot_secure();
    boot_run_application();
    boot_challenge("record");
    boot_measure();
    record = boot_good_record();
    json_decref(
        test_post(boot_programmer.client, boot_path("record"), json_loads(record, 0, NULL)));
    test_expect(boot_stranger.client, "POST", boot_path("record"), record, 400, "altered");
    free(record);
    record = boot_good_record(); /* signed again: another record */
    test_expect(boot_programmer.client, "POST", boot_path("record"), record, 409, "conflict");
    free(record);
    test_expect(boot_programmer.client, "POST", boot_path("challenges"), "{\"step\":\"record\"}",
                409, "wrong_state");
    boot_permit_refused("lock", 409, "wrong_state");
    boot_expect_state("done");
}

static void records_of_another_job(void **state) {
    const struct test_job job = boot_unit.job;
    char *record;

    (void)state;
    boot_secure();
    boot_run_application();
    boot_challenge("record");
    boot_measure();
    snprintf(boot_unit.job.id, sizeof boot_unit.job.id, "job-00000000");
    record = boot_good_record();
    boot_unit.job = job;
    test_expect(boot_programmer.client, "POST", boot_path("record"), record, 400, "bad_request");
    free(record);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, boot_new_unit, boot_free_unit)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_challenge_is_for_one_answer),
        TEST(a_challenge_is_for_one_unit_and_programmer),
        TEST(a_challenge_gets_old),
        TEST(nothing_else_gets_bl2),
        TEST(nothing_else_gets_bl3),
        TEST(higher_counters),
        TEST(a_refusal_is_remembered),
        TEST(a_paused_job_releases_nothing),
        TEST(old_measurements_under_a_new_challenge),
        TEST(another_chip_cannot_speak_for_it),
        TEST(altered_transcripts),
        TEST(a_revoked_device_gets_nothing),
        TEST(a_revoked_device_is_not_recorded),
        TEST(records_of_others),
        TEST(records_of_another_job),
        TEST(a_record_needs_a_challenge_of_its_own),
        TEST(a_unit_has_one_record),
    };
    return cmocka_run_group_tests(tests, boot_begin, boot_end);
}
