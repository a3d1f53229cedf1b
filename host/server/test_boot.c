/* test_boot.h: the unit on its way to being done, and the chip that signs what it measures. */
#include "server/test_boot.h"

#include "base/encoding.h"
#include "cose/cose_sign1.h"
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

struct test_world boot_world;
struct test_programmer boot_programmer;
struct test_programmer boot_stranger;
char boot_bl2_id[64];
char boot_bl3_id[64];
uint8_t boot_bl2_digest[32];
uint8_t boot_bl3_digest[32];
static uint8_t devauth_hash[32];

struct boot_unit boot_unit;

static void upload(const char *kind, uint8_t fill, char id[64], uint8_t digest[32]) {
    static uint8_t payload[PAYLOAD];
    struct error error;
    json_t *object;

    memset(payload, fill, sizeof payload);
    object = test_upload(boot_world.admin, kind, "1.2.3", 1, bytes_of(payload, sizeof payload));
    snprintf(id, 64, "%s", json_string_value(json_object_get(object, "id")));
    assert_int_equal(json_read_hex(object, "image_digest_hex", digest, 32, &error), 0);
    json_decref(object);
}

int boot_begin(void **state) {
    uint8_t image[TEST_IMAGE_SIZE];

    (void)state;
    test_world_begin(&boot_world);
    test_programmer_make(&boot_world, "line-1", true, &boot_programmer);
    test_programmer_make(&boot_world, "line-2", true, &boot_stranger);
    upload("bl2", 0x22, boot_bl2_id, boot_bl2_digest);
    upload("bl3", 0x33, boot_bl3_id, boot_bl3_digest);
    crypto_sha256(test_devauth_image(image), devauth_hash);
    return 0;
}

int boot_end(void **state) {
    (void)state;
    test_programmer_free(&boot_programmer);
    test_programmer_free(&boot_stranger);
    test_world_end(&boot_world);
    return 0;
}

static void make_job(const char *debug) {
    json_t *answer = test_post(boot_world.admin, "/v1/jobs",
                               json_pack("{s:s, s:s, s:i, s:I, s:s, s:s, s:s, s:s, s:s}", "product",
                                         "lamp", "programmer_id", boot_programmer.id, "count", 5,
                                         "expires", (json_int_t)9999999999, "chip_family", "TEST",
                                         "devauth_id", boot_world.devauth_id, "bl2_id", boot_bl2_id,
                                         "bl3_id", boot_bl3_id, "debug", debug));

    snprintf(boot_unit.job.id, sizeof boot_unit.job.id, "%s",
             json_string_value(json_object_get(answer, "id")));
    json_decref(answer);
    test_job_export(&boot_world, &boot_programmer, &boot_unit.job);
    test_job_activate(&boot_programmer, &boot_unit.job);
}

void boot_hash(const void *data, size_t size, uint8_t out[32]) {
    crypto_sha256(bytes_of(data, size), out);
}

void boot_measure_devauth(void) {
    memset(&boot_unit.attest, 0, sizeof boot_unit.attest);
    boot_unit.attest.life_cycle = LIFE_PROVISIONED;
    boot_unit.attest.flags = GOOD_FLAGS;
    boot_unit.attest.versions.stage = DEVAUTH_STAGE_DEVAUTH;
    memcpy(boot_unit.attest.image, devauth_hash, 32);
    memset(&boot_unit.attest.keys, 0xFF, sizeof boot_unit.attest.keys);
    boot_hash(boot_unit.chip.enc_key, 64, boot_unit.attest.keys.enc_key_hash);
}

void boot_identified_unit(const char *debug) {
    memset(&boot_unit, 0, sizeof boot_unit);
    make_job(debug);
    test_chip_make(&boot_unit.chip);
    test_unit(&boot_programmer, &boot_unit.job, &boot_unit.chip);
    boot_measure_devauth();
}

int boot_new_unit(void **state) {
    (void)state;
    boot_identified_unit("locked");
    return 0;
}

int boot_free_unit(void **state) {
    (void)state;
    test_chip_free(&boot_unit.chip);
    return 0;
}

char *boot_path(const char *what) {
    static char path[128];

    snprintf(path, sizeof path, "/v1/units/%s/%s", boot_unit.chip.unit_id, what);
    return path;
}

void boot_challenge(const char *step) {
    struct error error;
    json_t *answer = test_post(boot_programmer.client, boot_path("challenges"),
                               json_pack("{s:s}", "step", step));

    assert_int_equal(json_read_hex(answer, "nonce_hex", boot_unit.nonce, 32, &error), 0);
    assert_int_equal(json_integer_value(json_object_get(answer, "expires_in")), 60);
    json_decref(answer);
}

/* What the chip says under the nonce, signed with its AUTH key. */
void boot_measure(void) {
    uint8_t record[ATTEST_RECORD_MAX];
    uint8_t digest[32];
    uint8_t signature[64];
    struct writer blocks, writer;
    const uint8_t request[] = {SPDM_VERSION_12, SPDM_GET_MEASUREMENTS, 1, SPDM_MEASUREMENT_ALL};
    const uint8_t response[] = {SPDM_VERSION_12, SPDM_MEASUREMENTS, 0, 0, 7};

    writer_init(&blocks, record, sizeof record);
    attest_write(&blocks, &boot_unit.attest);
    writer_init(&writer, boot_unit.transcript, sizeof boot_unit.transcript);
    spdm_header_write(&writer, SPDM_VERSION_10, SPDM_GET_VERSION, 0, 0);
    spdm_version_write(&writer);
    spdm_capabilities_write(&writer, SPDM_GET_CAPABILITIES, 0, SPDM_CAPS_REQUESTER);
    spdm_capabilities_write(&writer, SPDM_CAPABILITIES, 23, SPDM_CAPS_BASIC);
    spdm_algorithms_write_request(&writer);
    spdm_algorithms_write_response(&writer, false);
    write_bytes(&writer, bytes_of(request, sizeof request));
    write_bytes(&writer, bytes_of(boot_unit.nonce, 32));
    write_u8(&writer, 0);
    write_bytes(&writer, bytes_of(response, sizeof response));
    write_u24le(&writer, (uint32_t)blocks.size);
    write_bytes(&writer, writer_bytes(&blocks));
    write_fill(&writer, 5, 32);
    write_u16le(&writer, 0);
    boot_hash(writer.data, writer.size, digest);
    spdm_signing_digest(SPDM_SIGN_MEASUREMENTS, digest, digest);
    assert_int_equal(crypto_p256_sign(boot_unit.chip.private_key, digest, signature), STATUS_OK);
    write_bytes(&writer, bytes_of(signature, 64));
    assert_int_equal(writer_check(&writer), STATUS_OK);
    boot_unit.transcript_size = writer.size;
}

char *boot_image_body(const char *target) {
    json_t *body = json_pack(
        "{s:s, s:o, s:o}", "target", target, "nonce_hex", json_hex(bytes_of(boot_unit.nonce, 32)),
        "transcript_b64", json_base64(bytes_of(boot_unit.transcript, boot_unit.transcript_size)));
    char *text = json_dumps(body, 0);

    json_decref(body);
    return text;
}

json_t *boot_ask_image(const char *target) {
    char *text = boot_image_body(target);
    json_t *answer =
        test_post(boot_programmer.client, boot_path("images"), json_loads(text, 0, NULL));

    free(text);
    return answer;
}

void boot_image_refused(const char *target, int status, const char *code) {
    char *text = boot_image_body(target);

    test_expect(boot_programmer.client, "POST", boot_path("images"), text, status, code);
    free(text);
}

json_t *boot_permit_request(const char *command) {
    uint8_t nonce[32];
    uint8_t key_hash[32];

    assert_int_equal(crypto_random(nonce, sizeof nonce), STATUS_OK);
    boot_hash(boot_unit.chip.auth_key, 64, key_hash);
    return json_pack("{s:s, s:o, s:o}", "command", command, "device_nonce_hex",
                     json_hex(bytes_of(nonce, 32)), "auth_key_hash_hex",
                     json_hex(bytes_of(key_hash, 32)));
}

void boot_read_permit(const json_t *answer, struct permit *permit, uint8_t encoded[1024]) {
    struct cose_sign1 message;
    struct error error;
    size_t size = 0;

    assert_int_equal(json_read_base64(answer, "permit_b64", encoded, 1024, &size, &error), 0);
    assert_int_equal(cose_sign1_parse(bytes_of(encoded, size), &message), STATUS_OK);
    assert_int_equal(message.x5chain_count, 1);
    assert_int_equal(permit_parse(message.payload, permit), STATUS_OK);
}

void boot_ask_permit(const char *command, struct permit *permit, uint8_t encoded[1024]) {
    json_t *answer =
        test_post(boot_programmer.client, boot_path("permits"), boot_permit_request(command));

    boot_read_permit(answer, permit, encoded);
    json_decref(answer);
    assert_memory_equal(permit->uid, boot_unit.chip.uid, 16);
}

void boot_permit_refused(const char *command, int status, const char *code) {
    json_t *request = boot_permit_request(command);
    char *text = json_dumps(request, 0);

    test_expect(boot_programmer.client, "POST", boot_path("permits"), text, status, code);
    free(text);
    json_decref(request);
}

void boot_expect_state(const char *state) {
    char path[128], uid[33];
    json_t *device;

    hex_encode_upper(bytes_of(boot_unit.chip.uid, 16), uid);
    snprintf(path, sizeof path, "/v1/devices/%s", uid);
    device = test_get(boot_world.admin, path);
    assert_string_equal(json_string_value(json_object_get(device, "unit_state")), state);
    json_decref(device);
}

/* Releases BL2 and checks that the image is complete and this device's. */
void boot_release_bl2(void) {
    uint8_t tlvs[512], key_hash[32];
    struct http_answer content;
    struct error error = {0};
    struct image_policy policy = {.counter_maximum = 63, .header_size = 0x400};
    struct image_report report;
    uint8_t slot[88 * 1024];
    size_t size = 0;
    char path[96];

    boot_challenge("bl2");
    boot_measure();
    json_t *answer = boot_ask_image("bl2");
    assert_int_equal(json_read_base64(answer, "tlvs_b64", tlvs, sizeof tlvs, &size, &error), 0);
    assert_int_equal(json_read_hex(answer, "key_hash_hex", key_hash, 32, &error), 0);
    json_decref(answer);
    snprintf(path, sizeof path, "/v1/firmware/%s/content", boot_bl2_id);
    assert_int_equal(http_client_send(boot_programmer.client, "GET", path, NULL, bytes_of(NULL, 0),
                                      &content, &error),
                     0);
    memset(slot, 0xFF, sizeof slot);
    memcpy(slot, content.body.data, content.body.size);
    memcpy(slot + content.body.size, tlvs, size);
    http_answer_clear(&content);
    memcpy(policy.key_hash, key_hash, 32);
    const struct bytes memory = bytes_of(slot, sizeof slot);
    const struct image_source source = image_source_of(&memory);
    assert_int_equal(image_verify(&source, &policy, &report), STATUS_OK);
    assert_memory_equal(report.digest, boot_bl2_digest, 32);
    assert_int_equal(report.header.version.minor, 2);
    memcpy(boot_unit.attest.keys.bl2_key_hash, key_hash, 32);
}

/* Through the lock; the chip then measures what the bootloader should. */
void boot_secure(void) {
    struct permit permit;
    struct permit_boot_key_hash arguments;
    uint8_t encoded[1024];

    boot_release_bl2();
    boot_ask_permit("boot_key_hash_bl2", &permit, encoded);
    assert_int_equal(permit_parse_boot_key_hash(permit.arguments, &arguments), STATUS_OK);
    assert_int_equal(arguments.target, 1);
    assert_memory_equal(arguments.key_hash, boot_unit.attest.keys.bl2_key_hash, 32);
    boot_ask_permit("boot_key_hash_bl3", &permit, encoded);
    assert_int_equal(permit_parse_boot_key_hash(permit.arguments, &arguments), STATUS_OK);
    assert_int_equal(arguments.target, 2);
    memcpy(boot_unit.attest.keys.bl3_key_hash, arguments.key_hash, 32);
    boot_ask_permit("lock", &permit, encoded);
    assert_int_equal(permit_parse_no_arguments(permit.arguments), STATUS_OK);
    boot_unit.attest.life_cycle = LIFE_SECURED;
    boot_unit.attest.flags |= DEVAUTH_FLAG_DEBUG_LOCKED;
    boot_unit.attest.versions.stage = DEVAUTH_STAGE_BOOTLOADER;
    memcpy(boot_unit.attest.image, boot_bl2_digest, 32);
    memcpy(boot_unit.attest.bl2, boot_bl2_digest, 32);
}

void boot_run_application(void) {
    boot_challenge("bl3");
    boot_measure();
    json_decref(boot_ask_image("bl3"));
    boot_unit.attest.versions.stage = DEVAUTH_STAGE_APPLICATION;
    memcpy(boot_unit.attest.image, boot_bl3_digest, 32);
    memcpy(boot_unit.attest.bl3, boot_bl3_digest, 32);
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

char *boot_record_body(EVP_PKEY *key, const uint8_t unit_id[16]) {
    static uint8_t payload[UNIT_RECORD_PAYLOAD_MAX], encoded[UNIT_RECORD_MAX];
    struct unit_record record = {
        .job_id = bytes_of(boot_unit.job.id, strlen(boot_unit.job.id)),
        .transcript = bytes_of(boot_unit.transcript, boot_unit.transcript_size),
        .site = bytes_of("left", 4),
        .milliseconds = 1234,
    };
    struct writer inner, outer;

    memcpy(record.unit_id, unit_id, 16);
    memcpy(record.uid, boot_unit.chip.uid, 16);
    memcpy(record.nonce, boot_unit.nonce, 32);
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

char *boot_good_record(void) {
    uint8_t unit_id[16];

    assert_int_equal(hex_decode(boot_unit.chip.unit_id, unit_id, 16), 0);
    return boot_record_body(boot_programmer.key, unit_id);
}
