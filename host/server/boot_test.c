/* Secure boot at a real server: challenges, images, permits, records, RMA, and everything that is
 * refused. The chip is played here: it signs whatever measurements a case wants. */
#include "server/test_world.h"

#include "attest/attest.h"
#include "base/encoding.h"
#include "base/json.h"
#include "cose/cose_sign1.h"
#include "cose/permit.h"
#include "cose/unit_record.h"
#include "crypto/crypto.h"
#include "devauth/certificate.h"
#include "image/image_verify.h"
#include "spdm/spdm_measurement.h"
#include "spdm/spdm_negotiation.h"
#include "spdm/spdm_signing.h"

#include <openssl/ecdsa.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PAYLOAD 3000
enum { LIFE_PROVISIONED = 1, LIFE_SECURED = 2 };
#define GOOD_FLAGS (DEVAUTH_FLAG_ROOT_HASH | DEVAUTH_FLAG_KEYS | DEVAUTH_FLAG_ISSUED_CHAIN)

static struct test_world world;
static struct test_programmer programmer;
static struct test_programmer stranger;
static char bl2_id[64];
static char bl3_id[64];
static uint8_t bl2_digest[32];
static uint8_t bl3_digest[32];
static uint8_t devauth_hash[32];

/* One unit on its way. */
struct unit {
    struct test_job job;
    struct test_chip chip;
    struct attest attest;
    uint8_t nonce[32];
    uint8_t transcript[UNIT_RECORD_TRANSCRIPT_MAX];
    size_t transcript_size;
};
static struct unit unit;

static void upload(const char *kind, uint8_t fill, char id[64], uint8_t digest[32]) {
    static uint8_t payload[PAYLOAD];
    struct error error;
    json_t *object;

    memset(payload, fill, sizeof payload);
    object = test_upload(world.admin, kind, "1.2.3", 1, bytes_of(payload, sizeof payload));
    snprintf(id, 64, "%s", json_string_value(json_object_get(object, "id")));
    assert_int_equal(json_read_hex(object, "image_digest_hex", digest, 32, &error), 0);
    json_decref(object);
}

static int begin(void **state) {
    uint8_t image[TEST_IMAGE_SIZE];

    (void)state;
    test_world_begin(&world);
    test_programmer_make(&world, "line-1", true, &programmer);
    test_programmer_make(&world, "line-2", true, &stranger);
    upload("bl2", 0x22, bl2_id, bl2_digest);
    upload("bl3", 0x33, bl3_id, bl3_digest);
    crypto_sha256(test_devauth_image(image), devauth_hash);
    return 0;
}

static int end(void **state) {
    (void)state;
    test_programmer_free(&programmer);
    test_programmer_free(&stranger);
    test_world_end(&world);
    return 0;
}

static void make_job(const char *debug) {
    json_t *answer =
        test_post(world.admin, "/v1/jobs",
                  json_pack("{s:s, s:s, s:i, s:I, s:s, s:s, s:s, s:s, s:s}", "product", "lamp",
                            "programmer_id", programmer.id, "count", 5, "expires",
                            (json_int_t)9999999999, "chip_family", "TEST", "devauth_id",
                            world.devauth_id, "bl2_id", bl2_id, "bl3_id", bl3_id, "debug", debug));

    snprintf(unit.job.id, sizeof unit.job.id, "%s",
             json_string_value(json_object_get(answer, "id")));
    json_decref(answer);
    test_job_export(&world, &programmer, &unit.job);
    test_job_activate(&programmer, &unit.job);
}

static void hash(const void *data, size_t size, uint8_t out[32]) {
    crypto_sha256(bytes_of(data, size), out);
}

/* An identified unit whose chip measures what DevAuth should. */
static void identified_unit(const char *debug) {
    memset(&unit, 0, sizeof unit);
    make_job(debug);
    test_chip_make(&unit.chip);
    test_unit(&programmer, &unit.job, &unit.chip);
    unit.attest.life_cycle = LIFE_PROVISIONED;
    unit.attest.flags = GOOD_FLAGS;
    unit.attest.versions.stage = DEVAUTH_STAGE_DEVAUTH;
    memcpy(unit.attest.image, devauth_hash, 32);
    memset(&unit.attest.keys, 0xFF, sizeof unit.attest.keys);
    hash(unit.chip.enc_key, 64, unit.attest.keys.enc_key_hash);
}

static int new_unit(void **state) {
    (void)state;
    identified_unit("locked");
    return 0;
}

static int free_unit(void **state) {
    (void)state;
    test_chip_free(&unit.chip);
    return 0;
}

static char *path_of(const char *what) {
    static char path[128];

    snprintf(path, sizeof path, "/v1/units/%s/%s", unit.chip.unit_id, what);
    return path;
}

static void challenge(const char *step) {
    struct error error;
    json_t *answer =
        test_post(programmer.client, path_of("challenges"), json_pack("{s:s}", "step", step));

    assert_int_equal(json_read_hex(answer, "nonce_hex", unit.nonce, 32, &error), 0);
    assert_int_equal(json_integer_value(json_object_get(answer, "expires_in")), 60);
    json_decref(answer);
}

/* What the chip says under the nonce, signed with its AUTH key. */
static void measure(void) {
    uint8_t record[ATTEST_RECORD_MAX];
    uint8_t digest[32];
    uint8_t signature[64];
    struct writer blocks, writer;
    const uint8_t request[] = {SPDM_VERSION_12, SPDM_GET_MEASUREMENTS, 1, SPDM_MEASUREMENT_ALL};
    const uint8_t response[] = {SPDM_VERSION_12, SPDM_MEASUREMENTS, 0, 0, 7};

    writer_init(&blocks, record, sizeof record);
    attest_write(&blocks, &unit.attest);
    writer_init(&writer, unit.transcript, sizeof unit.transcript);
    spdm_header_write(&writer, SPDM_VERSION_10, SPDM_GET_VERSION, 0, 0);
    spdm_version_write(&writer);
    spdm_capabilities_write(&writer, SPDM_GET_CAPABILITIES, 0, SPDM_CAPS_REQUESTER);
    spdm_capabilities_write(&writer, SPDM_CAPABILITIES, 23, SPDM_CAPS_BASIC);
    spdm_algorithms_write_request(&writer);
    spdm_algorithms_write_response(&writer, false);
    write_bytes(&writer, bytes_of(request, sizeof request));
    write_bytes(&writer, bytes_of(unit.nonce, 32));
    write_u8(&writer, 0);
    write_bytes(&writer, bytes_of(response, sizeof response));
    write_u24le(&writer, (uint32_t)blocks.size);
    write_bytes(&writer, writer_bytes(&blocks));
    write_fill(&writer, 5, 32);
    write_u16le(&writer, 0);
    hash(writer.data, writer.size, digest);
    spdm_signing_digest(SPDM_SIGN_MEASUREMENTS, digest, digest);
    assert_int_equal(crypto_p256_sign(unit.chip.private_key, digest, signature), STATUS_OK);
    write_bytes(&writer, bytes_of(signature, 64));
    assert_int_equal(writer_check(&writer), STATUS_OK);
    unit.transcript_size = writer.size;
}

static char *image_body(const char *target) {
    json_t *body = json_pack("{s:s, s:o, s:o}", "target", target, "nonce_hex",
                             json_hex(bytes_of(unit.nonce, 32)), "transcript_b64",
                             json_base64(bytes_of(unit.transcript, unit.transcript_size)));
    char *text = json_dumps(body, 0);

    json_decref(body);
    return text;
}

/* "" stands for success. */
static json_t *ask_image(const char *target) {
    char *text = image_body(target);
    json_t *answer = test_post(programmer.client, path_of("images"), json_loads(text, 0, NULL));

    free(text);
    return answer;
}

static void image_refused(const char *target, int status, const char *code) {
    char *text = image_body(target);

    test_expect(programmer.client, "POST", path_of("images"), text, status, code);
    free(text);
}

static json_t *permit_request(const char *command) {
    uint8_t nonce[32];
    uint8_t key_hash[32];

    assert_int_equal(crypto_random(nonce, sizeof nonce), STATUS_OK);
    hash(unit.chip.auth_key, 64, key_hash);
    return json_pack("{s:s, s:o, s:o}", "command", command, "device_nonce_hex",
                     json_hex(bytes_of(nonce, 32)), "auth_key_hash_hex",
                     json_hex(bytes_of(key_hash, 32)));
}

static void ask_permit(const char *command, struct permit *permit, uint8_t encoded[1024]) {
    json_t *answer = test_post(programmer.client, path_of("permits"), permit_request(command));
    struct cose_sign1 message;
    struct error error;
    size_t size = 0;

    assert_int_equal(json_read_base64(answer, "permit_b64", encoded, 1024, &size, &error), 0);
    json_decref(answer);
    assert_int_equal(cose_sign1_parse(bytes_of(encoded, size), &message), STATUS_OK);
    assert_int_equal(message.x5chain_count, 1);
    assert_int_equal(permit_parse(message.payload, permit), STATUS_OK);
    assert_memory_equal(permit->uid, unit.chip.uid, 16);
}

static void permit_refused(const char *command, int status, const char *code) {
    json_t *request = permit_request(command);
    char *text = json_dumps(request, 0);

    test_expect(programmer.client, "POST", path_of("permits"), text, status, code);
    free(text);
    json_decref(request);
}

static void expect_state(const char *state) {
    char path[128], uid[33];
    json_t *device;

    hex_encode_upper(bytes_of(unit.chip.uid, 16), uid);
    snprintf(path, sizeof path, "/v1/devices/%s", uid);
    device = test_get(world.admin, path);
    assert_string_equal(json_string_value(json_object_get(device, "unit_state")), state);
    json_decref(device);
}

/* Releases BL2 and checks that the image is complete and this device's. */
static void release_bl2(void) {
    uint8_t tlvs[512], key_hash[32];
    struct http_answer content;
    struct error error = {0};
    struct image_policy policy = {.counter_maximum = 63, .header_size = 0x400};
    struct image_report report;
    uint8_t slot[88 * 1024];
    size_t size = 0;
    char path[96];

    challenge("bl2");
    measure();
    json_t *answer = ask_image("bl2");
    assert_int_equal(json_read_base64(answer, "tlvs_b64", tlvs, sizeof tlvs, &size, &error), 0);
    assert_int_equal(json_read_hex(answer, "key_hash_hex", key_hash, 32, &error), 0);
    json_decref(answer);
    snprintf(path, sizeof path, "/v1/firmware/%s/content", bl2_id);
    assert_int_equal(
        http_client_send(programmer.client, "GET", path, NULL, bytes_of(NULL, 0), &content, &error),
        0);
    memset(slot, 0xFF, sizeof slot);
    memcpy(slot, content.body.data, content.body.size);
    memcpy(slot + content.body.size, tlvs, size);
    http_answer_clear(&content);
    memcpy(policy.key_hash, key_hash, 32);
    const struct bytes memory = bytes_of(slot, sizeof slot);
    const struct image_source source = image_source_of(&memory);
    assert_int_equal(image_verify(&source, &policy, &report), STATUS_OK);
    assert_memory_equal(report.digest, bl2_digest, 32);
    assert_int_equal(report.header.version.minor, 2);
    memcpy(unit.attest.keys.bl2_key_hash, key_hash, 32);
}

/* Through the lock; the chip then measures what the bootloader should. */
static void secure(void) {
    struct permit permit;
    struct permit_boot_key_hash arguments;
    uint8_t encoded[1024];

    release_bl2();
    ask_permit("boot_key_hash_bl2", &permit, encoded);
    assert_int_equal(permit_parse_boot_key_hash(permit.arguments, &arguments), STATUS_OK);
    assert_int_equal(arguments.target, 1);
    assert_memory_equal(arguments.key_hash, unit.attest.keys.bl2_key_hash, 32);
    ask_permit("boot_key_hash_bl3", &permit, encoded);
    assert_int_equal(permit_parse_boot_key_hash(permit.arguments, &arguments), STATUS_OK);
    assert_int_equal(arguments.target, 2);
    memcpy(unit.attest.keys.bl3_key_hash, arguments.key_hash, 32);
    ask_permit("lock", &permit, encoded);
    assert_int_equal(permit_parse_no_arguments(permit.arguments), STATUS_OK);
    unit.attest.life_cycle = LIFE_SECURED;
    unit.attest.flags |= DEVAUTH_FLAG_DEBUG_LOCKED;
    unit.attest.versions.stage = DEVAUTH_STAGE_BOOTLOADER;
    memcpy(unit.attest.image, bl2_digest, 32);
    memcpy(unit.attest.bl2, bl2_digest, 32);
}

static void run_application(void) {
    challenge("bl3");
    measure();
    json_decref(ask_image("bl3"));
    unit.attest.versions.stage = DEVAUTH_STAGE_APPLICATION;
    memcpy(unit.attest.image, bl3_digest, 32);
    memcpy(unit.attest.bl3, bl3_digest, 32);
}

static enum status sign_record(void *context, const uint8_t digest[32], uint8_t signature[64]) {
    EVP_PKEY_CTX *signing = EVP_PKEY_CTX_new(context, NULL);
    uint8_t der[80];
    const uint8_t *input = der;
    size_t size = sizeof der;

    assert_int_equal(EVP_PKEY_sign_init(signing), 1);
    assert_int_equal(EVP_PKEY_sign(signing, der, &size, digest, 32), 1);
    EVP_PKEY_CTX_free(signing);
    ECDSA_SIG *parsed = d2i_ECDSA_SIG(NULL, &input, (long)size);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(parsed), signature, 32), 32);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(parsed), signature + 32, 32), 32);
    ECDSA_SIG_free(parsed);
    return STATUS_OK;
}

static char *record_body(EVP_PKEY *key, const uint8_t unit_id[16]) {
    static uint8_t payload[UNIT_RECORD_PAYLOAD_MAX], encoded[UNIT_RECORD_MAX];
    struct unit_record record = {
        .job_id = bytes_of(unit.job.id, strlen(unit.job.id)),
        .transcript = bytes_of(unit.transcript, unit.transcript_size),
        .site = bytes_of("left", 4),
        .milliseconds = 1234,
    };
    struct writer inner, outer;

    memcpy(record.unit_id, unit_id, 16);
    memcpy(record.uid, unit.chip.uid, 16);
    memcpy(record.nonce, unit.nonce, 32);
    writer_init(&inner, payload, sizeof payload);
    unit_record_write(&inner, &record);
    writer_init(&outer, encoded, sizeof encoded);
    assert_int_equal(cose_sign1_write(&outer, NULL, 0, writer_bytes(&inner), sign_record, key),
                     STATUS_OK);
    json_t *body = json_pack("{s:o}", "record_b64", json_base64(writer_bytes(&outer)));
    char *text = json_dumps(body, 0);
    json_decref(body);
    return text;
}

static char *good_record(void) {
    uint8_t unit_id[16];

    assert_int_equal(hex_decode(unit.chip.unit_id, unit_id, 16), 0);
    return record_body(programmer.key, unit_id);
}

static void a_unit_becomes_done(void **state) {
    char *record;
    json_t *answer;

    (void)state;
    expect_state("identified");
    secure();
    expect_state("secured");
    run_application();
    challenge("record");
    measure();
    record = good_record();
    for (int i = 0; i < 2; i++) { /* repeating is fine */
        answer = test_post(programmer.client, path_of("record"), json_loads(record, 0, NULL));
        assert_string_equal(json_string_value(json_object_get(answer, "state")), "done");
        json_decref(answer);
    }
    free(record);
    expect_state("done");
    assert_int_equal(test_count(&world, &unit.job, "done"), 1);
    assert_int_equal(test_count(&world, &unit.job, "remaining"), 4);
}

static void the_device_shows_what_it_measured(void **state) {
    char path[128], uid[33], hex[65];
    json_t *device, *boot;

    (void)state;
    secure();
    run_application();
    hex_encode_upper(bytes_of(unit.chip.uid, 16), uid);
    snprintf(path, sizeof path, "/v1/devices/%s", uid);
    device = test_get(world.admin, path);
    boot = json_object_get(device, "boot");
    assert_string_equal(json_string_value(json_object_get(boot, "stage")), "bootloader");
    assert_string_equal(json_string_value(json_object_get(boot, "life_cycle")), "secured");
    hex_encode(bytes_of(bl2_digest, 32), hex);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(boot, "bl2"), "digest_hex")), hex);
    assert_non_null(json_string_value(json_object_get(device, "rotpk_hex")));
    json_decref(device);
}

static void a_challenge_is_for_one_answer(void **state) {
    json_t *first;
    json_t *second;

    (void)state;
    challenge("bl2");
    measure();
    first = ask_image("bl2");
    second = ask_image("bl2"); /* the same answer again */
    assert_true(json_equal(first, second));
    json_decref(first);
    json_decref(second);
    measure(); /* another signature: another transcript */
    image_refused("bl2", 409, "replayed");
    memset(unit.nonce, 1, 32);
    measure();
    image_refused("bl2", 409, "replayed");
}

static void a_challenge_is_for_one_unit_and_programmer(void **state) {
    struct unit first;

    (void)state;
    challenge("bl2");
    first = unit;
    test_expect(stranger.client, "POST", path_of("challenges"), "{\"step\":\"bl2\"}", 403,
                "denied");
    measure();
    char *text = image_body("bl2");
    test_expect(stranger.client, "POST", path_of("images"), text, 403, "denied");
    free(text);
    identified_unit("locked");
    memcpy(unit.nonce, first.nonce, 32);
    measure();
    image_refused("bl2", 409, "replayed");
    test_chip_free(&first.chip);
}

static void a_challenge_gets_old(void **state) {
    (void)state;
    challenge("bl2");
    /* RETURNING gives the row the helper wants. */
    assert_int_equal(test_sql_number(&world, "UPDATE challenges SET expires=1 RETURNING expires"),
                     1);
    measure();
    image_refused("bl2", 409, "challenge_expired");
}

static void steps_come_in_order(void **state) {
    (void)state;
    test_expect(programmer.client, "POST", path_of("challenges"), "{\"step\":\"bl3\"}", 409,
                "wrong_state");
    test_expect(programmer.client, "POST", path_of("challenges"), "{\"step\":\"record\"}", 409,
                "wrong_state");
    test_expect(programmer.client, "POST", path_of("challenges"), "{\"step\":\"bl1\"}", 400,
                "bad_request");
    permit_refused("lock", 409, "wrong_state");
    permit_refused("rma", 501, "unsupported");
    challenge("bl2");
    measure();
    image_refused("bl3", 409, "replayed");
    secure();
    permit_refused("boot_key_hash_bl2", 409, "wrong_state");
    test_expect(programmer.client, "POST", path_of("challenges"), "{\"step\":\"bl2\"}", 409,
                "wrong_state");
}

/* Everything a chip may say that is not what was ordered. */
static void refuse_with(void (*change)(void), const char *step) {
    const struct attest good = unit.attest;

    challenge(step);
    change();
    measure();
    image_refused(step, 403, "attestation_refused");
    unit.attest = good;
}

static void other_stage(void) {
    unit.attest.versions.stage = DEVAUTH_STAGE_APPLICATION;
}
static void other_life(void) {
    unit.attest.life_cycle ^= 3;
}
static void debugger(void) {
    unit.attest.flags |= DEVAUTH_FLAG_DEBUGGER;
}
static void no_chain(void) {
    unit.attest.flags &= (uint8_t)~DEVAUTH_FLAG_ISSUED_CHAIN;
}
static void no_root(void) {
    unit.attest.flags &= (uint8_t)~DEVAUTH_FLAG_ROOT_HASH;
}
static void other_image(void) {
    unit.attest.image[0] ^= 1;
}
static void other_enc(void) {
    unit.attest.keys.enc_key_hash[31] ^= 1;
}
static void other_bl2_key(void) {
    unit.attest.keys.bl2_key_hash[0] ^= 1;
}
static void other_bl3_key(void) {
    unit.attest.keys.bl3_key_hash[0] ^= 1;
}
static void other_bl2(void) {
    unit.attest.bl2[5] ^= 1;
}
static void open_debug(void) {
    unit.attest.flags &= (uint8_t)~DEVAUTH_FLAG_DEBUG_LOCKED;
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
    expect_state("identified");
}

static void nothing_else_gets_bl3(void **state) {
    (void)state;
    secure();
    refuse_with(other_stage, "bl3");
    refuse_with(other_life, "bl3");
    refuse_with(debugger, "bl3");
    refuse_with(no_chain, "bl3");
    refuse_with(other_enc, "bl3");
    refuse_with(other_bl2_key, "bl3");
    refuse_with(other_bl3_key, "bl3");
    refuse_with(other_bl2, "bl3");
    refuse_with(open_debug, "bl3");
}

static void another_chip_cannot_speak_for_it(void **state) {
    struct test_chip other;

    (void)state;
    test_chip_make(&other);
    challenge("bl2");
    memcpy(unit.chip.private_key, other.private_key, 32);
    measure();
    image_refused("bl2", 403, "attestation_refused");
    test_chip_free(&other);
}

static void altered_transcripts(void **state) {
    (void)state;
    for (size_t i = 0; i < 40; i++) {
        challenge("bl2");
        measure();
        unit.transcript[i * unit.transcript_size / 40] ^= 1;
        image_refused("bl2", 403, "attestation_refused");
    }
    challenge("bl2");
    measure();
    unit.transcript_size--;
    image_refused("bl2", 403, "attestation_refused");
}

static void revoke(void) {
    char path[128], uid[33];

    hex_encode_upper(bytes_of(unit.chip.uid, 16), uid);
    snprintf(path, sizeof path, "/v1/devices/%s/revoke", uid);
    json_decref(test_post(world.admin, path, json_pack("{s:s}", "reason", "lost")));
}

static void a_revoked_device_gets_nothing(void **state) {
    (void)state;
    challenge("bl2");
    measure();
    revoke();
    image_refused("bl2", 403, "revoked");
    test_expect(programmer.client, "POST", path_of("challenges"), "{\"step\":\"bl2\"}", 403,
                "revoked");
    permit_refused("boot_key_hash_bl2", 403, "revoked");
}

static void a_revoked_device_is_not_recorded(void **state) {
    char *record;

    (void)state;
    secure();
    run_application();
    challenge("record");
    measure();
    record = good_record();
    revoke();
    test_expect(programmer.client, "POST", path_of("record"), record, 403, "revoked");
    free(record);
    expect_state("secured");
}

static void records_of_others(void **state) {
    static const uint8_t other_unit[16] = {1};
    uint8_t unit_id[16];
    char *record;

    (void)state;
    assert_int_equal(hex_decode(unit.chip.unit_id, unit_id, 16), 0);
    secure();
    run_application();
    challenge("record");
    measure();
    record = record_body(stranger.key, unit_id);
    test_expect(programmer.client, "POST", path_of("record"), record, 400, "altered");
    free(record);
    record = record_body(programmer.key, other_unit);
    test_expect(programmer.client, "POST", path_of("record"), record, 400, "bad_request");
    free(record);
    unit.attest.bl3[0] ^= 1;
    measure();
    record = good_record();
    test_expect(programmer.client, "POST", path_of("record"), record, 403, "attestation_refused");
    free(record);
    test_expect(programmer.client, "POST", path_of("record"), "{\"record_b64\":\"AAAA\"}", 400,
                "altered");
    expect_state("secured");
}

static void a_failed_secured_chip_stays_counted(void **state) {
    struct error error;
    struct test_chip again;

    (void)state;
    secure();
    assert_int_equal(test_status(&programmer, &unit.chip, "failed", &error), 200);
    assert_int_equal(test_count(&world, &unit.job, "remaining"), 4);
    test_chip_make(&again);
    memcpy(again.uid, unit.chip.uid, 16);
    assert_int_equal(test_reserve(&programmer, &unit.job, &again, 2, &error), 409);
    assert_int_equal(error.code, ERROR_UID_UNDER_OTHER_KEY);
    test_chip_free(&again);
}

static void boards_for_the_desk_are_never_locked(void **state) {
    struct permit permit;
    uint8_t encoded[1024];
    json_t *answer;
    char *record;

    (void)state;
    test_chip_free(&unit.chip);
    identified_unit("open");
    release_bl2();
    ask_permit("boot_key_hash_bl2", &permit, encoded);
    ask_permit("boot_key_hash_bl3", &permit, encoded);
    struct permit_boot_key_hash arguments;
    assert_int_equal(permit_parse_boot_key_hash(permit.arguments, &arguments), STATUS_OK);
    memcpy(unit.attest.keys.bl3_key_hash, arguments.key_hash, 32);
    permit_refused("lock", 403, "denied");
    unit.attest.versions.stage = DEVAUTH_STAGE_BOOTLOADER;
    memcpy(unit.attest.bl2, bl2_digest, 32);
    run_application();
    challenge("record");
    measure();
    record = good_record();
    answer = test_post(programmer.client, path_of("record"), json_loads(record, 0, NULL));
    json_decref(answer);
    free(record);
    expect_state("done");
}

static void rma_needs_to_be_authorised(void **state) {
    char path[128], uid[33];
    json_t *request;
    json_t *answer;
    char *text;

    (void)state;
    secure();
    hex_encode_upper(bytes_of(unit.chip.uid, 16), uid);
    snprintf(path, sizeof path, "/v1/devices/%s/permits", uid);
    request = permit_request("rma");
    text = json_dumps(request, 0);
    test_expect(programmer.client, "POST", path, text, 403, "denied");
    snprintf(path, sizeof path, "/v1/devices/%s/rma", uid);
    test_expect(programmer.client, "POST", path, "{\"reason\":\"x\"}", 403, "denied");
    json_decref(test_post(world.admin, path, json_pack("{s:s}", "reason", "returned")));
    json_decref(test_post(world.admin, path, json_pack("{s:s}", "reason", "again")));
    snprintf(path, sizeof path, "/v1/devices/%s/permits", uid);
    answer = test_post(programmer.client, path, json_incref(request));
    assert_non_null(json_string_value(json_object_get(answer, "permit_b64")));
    json_decref(answer);
    test_expect(programmer.client, "POST", path, text, 409, "replayed");
    json_decref(request);
    free(text);
    test_expect(programmer.client, "POST", path_of("challenges"), "{\"step\":\"bl3\"}", 403,
                "revoked");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, new_unit, free_unit)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_unit_becomes_done),
        TEST(the_device_shows_what_it_measured),
        TEST(a_challenge_is_for_one_answer),
        TEST(a_challenge_is_for_one_unit_and_programmer),
        TEST(a_challenge_gets_old),
        TEST(steps_come_in_order),
        TEST(nothing_else_gets_bl2),
        TEST(nothing_else_gets_bl3),
        TEST(another_chip_cannot_speak_for_it),
        TEST(altered_transcripts),
        TEST(a_revoked_device_gets_nothing),
        TEST(a_revoked_device_is_not_recorded),
        TEST(records_of_others),
        TEST(a_failed_secured_chip_stays_counted),
        TEST(boards_for_the_desk_are_never_locked),
        TEST(rma_needs_to_be_authorised),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
