/* The part of the fake server that knows firmware: challenges, images, permits, records. */
#include "programmer/testing/fake_server_internal.h"

#include "attest/attest.h"
#include "cose/cose_sign1.h"
#include "cose/permit.h"
#include "cose/unit_record.h"
#include "crypto/crypto.h"
#include "spdm/spdm_measurement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BL2 0
#define BL3 1

static void image_make(struct fake_image *image, const char *id, const struct image_plan *plan,
                       struct bytes payload) {
    size_t capacity = payload.size + 4096;
    uint8_t *space = malloc(capacity);
    struct writer writer;
    assert_non_null(space);
    assert_int_equal(crypto_random(image->content_key, sizeof image->content_key), STATUS_OK);
    (void)snprintf(image->id, sizeof image->id, "%s", id);
    image->plan = *plan;
    writer_init(&writer, space, capacity);
    assert_int_equal(image_write_body(&writer, plan, payload,
                                      bytes_of(image->content_key, plan->content_key_size),
                                      image->digest),
                     STATUS_OK);
    buffer_clear(&image->body);
    buffer_append(&image->body, space, writer.size);
    free(space);
}

void fake_boot_free(void) {
    buffer_free(&fake_server.images[BL2].body);
    buffer_free(&fake_server.images[BL3].body);
    buffer_free(&fake_server.last_record);
}

void fake_server_take_images(struct bytes bl2, struct bytes bl3) {
    const struct image_plan bl2_plan = {
        .version = {1, 0, 0, 0}, .security_counter = 1, .header_size = 0x400};
    const struct image_plan bl3_plan = {.version = {2, 1, 0, 7},
                                        .security_counter = 3,
                                        .header_size = 0x400,
                                        .content_key_size = 32};
    image_make(&fake_server.images[BL2], "fw-00000000000000b2", &bl2_plan, bl2);
    image_make(&fake_server.images[BL3], "fw-00000000000000b3", &bl3_plan, bl3);
}

void fake_server_make_images(size_t bl2_size, size_t bl3_size) {
    uint8_t *random = malloc(bl2_size + bl3_size);
    assert_non_null(random);
    assert_int_equal(crypto_random(random, bl2_size + bl3_size), STATUS_OK);
    fake_server_take_images(bytes_of(random, bl2_size), bytes_of(random + bl2_size, bl3_size));
    free(random);
}

static int challenge(struct fake_unit *unit, const char *step, uint8_t nonce[32],
                     struct error *error) {
    if (!fake_unit_has_identity(unit) || unit->state == FAKE_DONE)
        return error_set(error, ERROR_WRONG_STATE, "no challenge in this state");
    assert_int_equal(crypto_random(unit->challenge, 32), STATUS_OK);
    (void)snprintf(unit->challenge_step, sizeof unit->challenge_step, "%s", step);
    memcpy(nonce, unit->challenge, 32);
    return 0;
}

int server_challenge(struct server *server, const char *unit_id, const char *step,
                     uint8_t nonce[32], struct error *error) {
    (void)server;
    int failed = fake_call_begin(error);
    if (failed == 0)
        failed = challenge(fake_unit_of(unit_id), step, nonce, error);
    return fake_call_end(failed, error);
}

/* Single use, bound to the step; the same question may be asked again. */
static int nonce_use(struct fake_unit *unit, const char *step, const uint8_t nonce[32],
                     struct error *error) {
    if (memcmp(nonce, unit->answered, 32) == 0)
        return 0;
    if (strcmp(unit->challenge_step, step) != 0 || memcmp(nonce, unit->challenge, 32) != 0)
        return error_set(error, ERROR_CHALLENGE_EXPIRED, "not the outstanding nonce");
    unit->challenge_step[0] = '\0';
    if (fake_server.expires > 0) {
        fake_server.expires--;
        return error_set(error, ERROR_CHALLENGE_EXPIRED, "too late: test");
    }
    memcpy(unit->answered, nonce, 32);
    return 0;
}

static int refuse(struct error *error, const char *why) {
    return error_set(error, ERROR_ATTESTATION_REFUSED, "%s", why);
}

static int measured_read(const struct fake_unit *unit, const uint8_t nonce[32],
                         struct bytes transcript, struct attest *measured, struct error *error) {
    struct bytes record = {0};
    if (spdm_measurement_verify(transcript, unit->auth_key, nonce, &record) != STATUS_OK)
        return refuse(error, "the measurements are not signed by the chip under the nonce");
    return attest_read(record, measured) == STATUS_OK ? 0 : refuse(error, "not our measurements");
}

static void key_hash(const struct fake_unit *unit, size_t index, uint8_t hash[32]) {
    crypto_sha256(bytes_of(unit->boot_keys[index].public_key, 64), hash);
}

static bool keys_are_ordered(const struct fake_unit *unit, const struct attest *measured) {
    uint8_t bl2[32];
    uint8_t bl3[32];
    uint8_t enc[32];
    key_hash(unit, BL2, bl2);
    key_hash(unit, BL3, bl3);
    crypto_sha256(bytes_of(unit->enc_key, 64), enc);
    return memcmp(measured->keys.bl2_key_hash, bl2, 32) == 0 &&
           memcmp(measured->keys.bl3_key_hash, bl3, 32) == 0 &&
           memcmp(measured->keys.enc_key_hash, enc, 32) == 0;
}

static bool is_locked_as_ordered(const struct attest *measured) {
    if (fake_server.leaves_debug_open)
        return measured->life_cycle == 1;
    return measured->life_cycle == 2 && (measured->flags & DEVAUTH_FLAG_DEBUG_LOCKED) != 0;
}

static int attest_judge(const struct fake_unit *unit, const char *step,
                        const struct attest *measured, struct error *error) {
    if (strcmp(step, "bl2") == 0)
        return measured->versions.stage == DEVAUTH_STAGE_DEVAUTH && measured->life_cycle == 1
                   ? 0
                   : refuse(error, "not a provisioned chip in DevAuth");
    if (!is_locked_as_ordered(measured))
        return refuse(error, "the chip is not locked as ordered");
    if (!keys_are_ordered(unit, measured))
        return refuse(error, "the chip's keys are not the ordered ones");
    if (memcmp(measured->bl2, fake_server.images[BL2].digest, 32) != 0)
        return refuse(error, "another BL2 than ordered");
    if (strcmp(step, "record") == 0 &&
        (measured->versions.stage != DEVAUTH_STAGE_APPLICATION ||
         memcmp(measured->bl3, fake_server.images[BL3].digest, 32) != 0))
        return refuse(error, "another BL3 than ordered");
    return 0;
}

static enum status boot_sign(void *context, const uint8_t digest[32], uint8_t signature[64]) {
    const struct test_key *key = context;
    return crypto_p256_sign(key->private_key, digest, signature);
}

static void tlvs_write(struct fake_unit *unit, size_t index, struct buffer *out) {
    const struct fake_image *image = &fake_server.images[index];
    uint8_t space[SERVER_TLVS_MAX];
    uint8_t wrapped[IMAGE_WRAPPED_KEY_MAX];
    struct writer writer;
    struct writer wrapped_writer;
    struct test_key stranger;
    struct test_key *key = &unit->boot_keys[index];
    test_key_make(&stranger);
    if (fake_server.serves_other_tlvs)
        key = &stranger;
    struct image_signer signer = {.form = IMAGE_KEY_FULL, .sign = boot_sign, .context = key};
    memcpy(signer.public_key, key->public_key, 64);
    writer_init(&writer, space, sizeof space);
    writer_init(&wrapped_writer, wrapped, sizeof wrapped);
    if (image->plan.content_key_size != 0)
        assert_int_equal(image_wrap_content_key(bytes_of(image->content_key, 32), unit->enc_key,
                                                &wrapped_writer),
                         STATUS_OK);
    assert_int_equal(
        image_write_tlvs(&writer, image->digest, &signer, writer_bytes(&wrapped_writer)),
        STATUS_OK);
    buffer_append(out, space, writer.size);
}

static void keys_make(struct fake_unit *unit) {
    static const uint8_t none[64];
    if (memcmp(unit->boot_keys[0].public_key, none, sizeof none) != 0)
        return;
    test_key_make(&unit->boot_keys[0]);
    test_key_make(&unit->boot_keys[1]);
}

static int image_give(struct fake_unit *unit, const char *target, const uint8_t nonce[32],
                      struct bytes transcript, struct server_image *image, struct error *error) {
    struct attest measured = {0};
    size_t index = strcmp(target, "bl2") == 0 ? BL2 : BL3;
    const struct fake_image *firmware = &fake_server.images[index];
    if (!fake_unit_has_identity(unit) || unit->state == FAKE_DONE)
        return error_set(error, ERROR_WRONG_STATE, "no image in this state");
    if (nonce_use(unit, target, nonce, error) != 0 ||
        measured_read(unit, nonce, transcript, &measured, error) != 0 ||
        attest_judge(unit, target, &measured, error) != 0)
        return -1;
    keys_make(unit);
    *image = (struct server_image){.body_size = (uint32_t)firmware->body.size};
    (void)snprintf(image->firmware_id, sizeof image->firmware_id, "%s", firmware->id);
    crypto_sha256(buffer_bytes(&firmware->body), image->body_sha256);
    memcpy(image->digest, firmware->digest, 32);
    key_hash(unit, index, image->key_hash);
    tlvs_write(unit, index, &image->tlvs);
    return 0;
}

int server_image(struct server *server, const char *unit_id, const char *target,
                 const uint8_t nonce[32], struct bytes transcript, struct server_image *image,
                 struct error *error) {
    (void)server;
    *image = (struct server_image){0};
    int failed = fake_call_begin(error);
    if (failed == 0)
        failed = image_give(fake_unit_of(unit_id), target, nonce, transcript, image, error);
    failed = fake_call_end(failed, error);
    if (failed != 0)
        buffer_free(&image->tlvs);
    return failed;
}

static int body_give(const char *firmware_id, struct buffer *body, struct error *error) {
    for (size_t i = 0; i < 2; i++)
        if (strcmp(fake_server.images[i].id, firmware_id) == 0) {
            buffer_append(body, fake_server.images[i].body.data, fake_server.images[i].body.size);
            if (fake_server.serves_other_body)
                body->data[body->size / 2] ^= 1;
            return 0;
        }
    return error_set(error, ERROR_NOT_FOUND, "no such firmware");
}

int server_image_body(struct server *server, const char *firmware_id, struct buffer *body,
                      struct error *error) {
    (void)server;
    int failed = fake_call_begin(error);
    if (failed == 0)
        failed = body_give(firmware_id, body, error);
    return fake_call_end(failed, error);
}

static void boot_permit_write(struct fake_unit *unit, const char *command,
                              const struct permit *permit, struct buffer *out) {
    uint8_t space[PERMIT_PAYLOAD_MAX];
    struct writer writer;
    struct permit own = *permit;
    writer_init(&writer, space, sizeof space);
    if (strcmp(command, "lock") == 0 || strcmp(command, "rma") == 0) {
        own.command = strcmp(command, "lock") == 0 ? PERMIT_LOCK : PERMIT_RMA;
        permit_write_no_arguments(&writer, &own);
    } else {
        struct permit_boot_key_hash hash = {.target = 1};
        size_t index = strcmp(command, "boot_key_hash_bl2") == 0 ? BL2 : BL3;
        hash.target = index + 1;
        key_hash(unit, index, hash.key_hash);
        unit->key_permitted[index] = true;
        permit_write_boot_key_hash(&writer, permit, &hash);
    }
    assert_int_equal(writer_check(&writer), STATUS_OK);
    oem_sign_permit(fake_server.oem, writer_bytes(&writer), out);
}

static struct permit permit_for(const struct fake_unit *unit, const uint8_t nonce[32],
                                const uint8_t auth_key_hash[32]) {
    struct permit permit = {0};
    memcpy(permit.uid, unit->uid, 16);
    memcpy(permit.auth_key_hash, auth_key_hash, 32);
    memcpy(permit.nonce, nonce, 32);
    return permit;
}

static int boot_permit(struct fake_unit *unit, const char *command, const struct permit *permit,
                       struct buffer *out, struct error *error) {
    bool is_lock = strcmp(command, "lock") == 0;
    if (unit->state != FAKE_IDENTIFIED && unit->state != FAKE_SECURED)
        return error_set(error, ERROR_WRONG_STATE, "no such permit now");
    if (is_lock && (!unit->key_permitted[BL2] || !unit->key_permitted[BL3]))
        return error_set(error, ERROR_WRONG_STATE, "no lock before both keys");
    assert_false(is_lock && fake_server.leaves_debug_open);
    keys_make(unit);
    boot_permit_write(unit, command, permit, out);
    if (is_lock)
        unit->state = FAKE_SECURED;
    return 0;
}

static int permit_issue(struct fake_unit *unit, const char *command, const uint8_t nonce[32],
                        const uint8_t auth_key_hash[32], struct buffer *out, struct error *error) {
    uint8_t expected[32];
    crypto_sha256(bytes_of(unit->auth_key, 64), expected);
    if (unit->certificate.size == 0 || memcmp(expected, auth_key_hash, 32) != 0)
        return error_set(error, ERROR_WRONG_STATE, "no permit now");
    if (strcmp(command, "root_hash") != 0) {
        const struct permit permit = permit_for(unit, nonce, auth_key_hash);
        return boot_permit(unit, command, &permit, out, error);
    }
    if (unit->state != FAKE_RESERVED)
        return error_set(error, ERROR_WRONG_STATE, "no permit now");
    unit->permitted = true;
    oem_permit(fake_server.oem, unit->uid, auth_key_hash, nonce, out);
    return 0;
}

int server_permit(struct server *server, const char *unit_id, const char *command,
                  const uint8_t device_nonce[32], const uint8_t auth_key_hash[32],
                  struct buffer *permit, struct error *error) {
    (void)server;
    int failed = fake_call_begin(error);
    if (failed == 0)
        failed = permit_issue(fake_unit_of(unit_id), command, device_nonce, auth_key_hash, permit,
                              error);
    return fake_call_end(failed, error);
}

static int rma_issue(const uint8_t uid[16], const uint8_t nonce[32],
                     const uint8_t auth_key_hash[32], struct buffer *out, struct error *error) {
    for (size_t i = 0; i < fake_server.unit_count && fake_server.rma_authorised; i++)
        if (memcmp(fake_server.units[i].uid, uid, 16) == 0) {
            struct fake_unit *unit = &fake_server.units[i];
            const struct permit permit = permit_for(unit, nonce, auth_key_hash);
            boot_permit_write(unit, "rma", &permit, out);
            return 0;
        }
    return error_set(error, ERROR_DENIED, "no RMA was authorised for this device");
}

int server_permit_rma(struct server *server, const uint8_t uid[16], const uint8_t device_nonce[32],
                      const uint8_t auth_key_hash[32], struct buffer *permit, struct error *error) {
    (void)server;
    int failed = fake_call_begin(error);
    if (failed == 0)
        failed = rma_issue(uid, device_nonce, auth_key_hash, permit, error);
    return fake_call_end(failed, error);
}

static int record_open(const struct fake_unit *unit, struct bytes encoded,
                       struct unit_record *record, struct error *error) {
    struct cose_sign1 message;
    struct x509_info programmer;
    assert_int_equal(x509_read(buffer_bytes(&fake_server.oem->programmer), &programmer, error), 0);
    if (cose_sign1_parse(encoded, &message) != STATUS_OK ||
        cose_sign1_verify(&message, programmer.public_key) != STATUS_OK ||
        unit_record_parse(message.payload, record) != STATUS_OK)
        return error_set(error, ERROR_ALTERED, "not a record of this programmer");
    if (memcmp(record->unit_id, unit->id, 16) != 0 || memcmp(record->uid, unit->uid, 16) != 0 ||
        !bytes_equal(record->job_id, bytes_of(OEM_JOB_ID, strlen(OEM_JOB_ID))))
        return error_set(error, ERROR_BAD_REQUEST, "a record of another unit");
    return 0;
}

static int record_take(struct fake_unit *unit, struct bytes encoded, struct error *error) {
    struct unit_record record = {0};
    struct attest measured = {0};
    uint8_t digest[32];
    crypto_sha256(encoded, digest);
    if (unit->state == FAKE_DONE)
        return memcmp(digest, unit->record_sha256, 32) == 0
                   ? 0
                   : error_set(error, ERROR_WRONG_STATE, "has another record");
    if (unit->state != (fake_server.leaves_debug_open ? FAKE_IDENTIFIED : FAKE_SECURED))
        return error_set(error, ERROR_WRONG_STATE, "no record in this state");
    if (record_open(unit, encoded, &record, error) != 0 ||
        nonce_use(unit, "record", record.nonce, error) != 0 ||
        measured_read(unit, record.nonce, record.transcript, &measured, error) != 0 ||
        attest_judge(unit, "record", &measured, error) != 0)
        return -1;
    memcpy(unit->record_sha256, digest, 32);
    buffer_clear(&fake_server.last_record);
    buffer_append(&fake_server.last_record, encoded.data, encoded.size);
    unit->state = FAKE_DONE;
    return 0;
}

int server_record(struct server *server, const char *unit_id, struct bytes record,
                  const struct server_line *line, long patience_ms, struct error *error) {
    (void)server;
    (void)patience_ms;
    int failed = fake_call_begin(error);
    if (failed == 0)
        failed = fake_line_take(line, error);
    if (failed == 0)
        failed = record_take(fake_unit_of(unit_id), record, error);
    return fake_call_end(failed, error);
}
