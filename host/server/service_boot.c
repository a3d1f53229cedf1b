/* Secure boot at the line: challenges, released images, permits after the first, unit records, RMA.
 * What a chip says of itself is believed only with its AUTH key's signature under our nonce. */
#include "server/service.h"

#include "attest/attest.h"
#include "base/log.h"
#include "cose/cose_sign1.h"
#include "cose/permit.h"
#include "cose/unit_record.h"
#include "crypto/crypto.h"
#include "spdm/spdm_measurement.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#define CHALLENGE_S 60
/* As the chip encodes it (firmware/hal/hal.h, which no host program includes). */
enum { LIFE_PROVISIONED = 1, LIFE_SECURED = 2 };

int service_prepare_challenge(struct service *service, struct store_challenge *challenge,
                              struct error *error) {
    challenge->now = service_now(service);
    challenge->expires = challenge->now + CHALLENGE_S;
    if (RAND_bytes(challenge->nonce, sizeof challenge->nonce) != 1)
        return error_set(error, ERROR_INTERNAL, "no random numbers");
    return 0;
}

/* Everything the judgement of a chip rests on. */
struct judgement {
    struct store_unit unit;
    struct store_job job;
    struct store_device device;
    struct store_firmware devauth;
    struct store_release bl2;
    struct store_release bl3;
    struct attest attest;
    enum store_step_id step;
};

static int judgement_load(struct store_db *reader, const struct store_answer *answer,
                          struct judgement *judgement, struct error *error) {
    struct store_unit *unit = &judgement->unit;

    judgement->step = answer->step;
    if (store_unit_find(reader, answer->unit_id, unit, error) != 0)
        return -1;
    if (strcmp(unit->programmer_id, answer->programmer_id) != 0)
        return error_set(error, ERROR_DENIED, "the unit belongs to another programmer");
    if (store_job_find(reader, unit->job_id, &judgement->job, error) != 0)
        return -1;
    if (judgement->job.bl2_id[0] == '\0')
        return error_set(error, ERROR_WRONG_STATE, "the job has no firmware");
    if (store_device_find(reader, unit->uid, &judgement->device, error) != 0 ||
        store_firmware_find(reader, judgement->job.devauth_id, &judgement->devauth, error) != 0 ||
        store_release_find(reader, judgement->job.bl2_id, &judgement->bl2, error) != 0 ||
        store_release_find(reader, judgement->job.bl3_id, &judgement->bl3, error) != 0)
        return -1;
    if (memcmp(judgement->device.unit_id, unit->id, UNIT_ID_SIZE) != 0)
        return error_set(error, ERROR_WRONG_STATE, "the unit has no certificate");
    return store_unit_check_certificate(reader, unit, error);
}

static int refuse(struct error *error, const char *what) {
    error_set(error, ERROR_ATTESTATION_REFUSED, "the chip measured %s", what);
    return error_hint(error, "it is not what was ordered: put it aside");
}

static int verify_transcript(struct bytes transcript, const struct store_answer *answer,
                             struct judgement *judgement, struct store_attestation *kept,
                             uint8_t measurements[STORE_MEASUREMENTS_MAX], struct error *error) {
    struct bytes record;
    enum status status =
        spdm_measurement_verify(transcript, judgement->device.auth_key, answer->nonce, &record);

    if (status == STATUS_OK && record.size > STORE_MEASUREMENTS_MAX)
        status = STATUS_INVALID;
    if (status == STATUS_OK)
        status = attest_read(record, &judgement->attest);
    if (status != STATUS_OK) {
        error_set(error, ERROR_ATTESTATION_REFUSED,
                  "the transcript is not this chip's measurements under this challenge: %s",
                  status_name(status));
        return error_hint(error, "ask the chip again with a new challenge");
    }
    memcpy(measurements, record.data, record.size);
    memcpy(kept->uid, judgement->unit.uid, sizeof kept->uid);
    kept->measurements = bytes_of(measurements, record.size);
    return 0;
}

/* A boot key's hash as the chip states it: the device's own key, or nothing when `may_be_missing`.
 */
static int check_key(struct store_db *reader, const struct judgement *judgement,
                     enum store_target target, const uint8_t stated[32], bool may_be_missing,
                     struct error *error) {
    static const uint8_t none[32] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                                     0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                                     0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                                     0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
    struct store_boot_key key;
    uint8_t hash[CRYPTO_DIGEST_SIZE];
    int found;

    if (may_be_missing && memcmp(stated, none, sizeof none) == 0)
        return 0;
    found = store_boot_key_find(reader, judgement->unit.uid, target, &key, error);
    if (found < 0)
        return -1;
    crypto_sha256(bytes_of(key.public_key, sizeof key.public_key), hash);
    if (found == 1 && memcmp(hash, stated, sizeof hash) == 0)
        return 0;
    return refuse(error, target == STORE_BL2 ? "another BL2 key" : "another BL3 key");
}

static int check_common(const struct judgement *judgement, uint8_t stage, struct error *error) {
    const struct attest *attest = &judgement->attest;
    const uint8_t needed = DEVAUTH_FLAG_ROOT_HASH | DEVAUTH_FLAG_KEYS | DEVAUTH_FLAG_ISSUED_CHAIN;
    uint8_t enc_hash[CRYPTO_DIGEST_SIZE];

    crypto_sha256(bytes_of(judgement->device.enc_key, 64), enc_hash);
    if (attest->versions.stage != stage)
        return refuse(error, "itself in another stage");
    if ((attest->flags & needed) != needed)
        return refuse(error, "that root, keys or chain are missing");
    if ((attest->flags & DEVAUTH_FLAG_DEBUGGER) != 0)
        return refuse(error, "that a debugger is attached");
    if (memcmp(attest->keys.enc_key_hash, enc_hash, sizeof enc_hash) != 0)
        return refuse(error, "another ENC key than its request named");
    return 0;
}

/* After the lock, unless the job's boards are never locked. */
static int check_lock(const struct judgement *judgement, struct error *error) {
    const struct attest *attest = &judgement->attest;
    bool is_locked = (attest->flags & DEVAUTH_FLAG_DEBUG_LOCKED) != 0;

    if (judgement->job.debug_open)
        return attest->life_cycle == LIFE_PROVISIONED
                   ? 0
                   : refuse(error, "another life cycle than provisioned");
    if (attest->life_cycle != LIFE_SECURED)
        return refuse(error, "another life cycle than secured");
    return is_locked ? 0 : refuse(error, "that debug is open");
}

/* A chip never goes back: one that has counted further would refuse the image at every start. */
static int check_counters(const struct judgement *judgement, struct error *error) {
    const struct devauth_measured_versions *versions = &judgement->attest.versions;

    if (versions->bl2.chip_counter > judgement->bl2.security_counter)
        return refuse(error, "a higher BL2 counter than the release has");
    if (versions->bl3.chip_counter > judgement->bl3.security_counter)
        return refuse(error, "a higher BL3 counter than the release has");
    return 0;
}

static int judge_devauth(struct store_db *reader, const struct judgement *judgement,
                         struct error *error) {
    const struct attest *attest = &judgement->attest;

    if (check_common(judgement, DEVAUTH_STAGE_DEVAUTH, error) != 0 ||
        check_counters(judgement, error) != 0)
        return -1;
    if (memcmp(attest->image, judgement->devauth.sha256, sizeof attest->image) != 0)
        return refuse(error, "another DevAuth than the job's");
    if (attest->life_cycle != LIFE_PROVISIONED)
        return refuse(error, "another life cycle than provisioned");
    return check_key(reader, judgement, STORE_BL2, attest->keys.bl2_key_hash, true, error) != 0
               ? -1
               : check_key(reader, judgement, STORE_BL3, attest->keys.bl3_key_hash, true, error);
}

static int judge_boot(struct store_db *reader, const struct judgement *judgement, uint8_t stage,
                      struct error *error) {
    const struct attest *attest = &judgement->attest;
    const struct store_release *running =
        stage == DEVAUTH_STAGE_BOOTLOADER ? &judgement->bl2 : &judgement->bl3;

    if (check_common(judgement, stage, error) != 0 || check_lock(judgement, error) != 0 ||
        check_counters(judgement, error) != 0)
        return -1;
    if (memcmp(attest->image, running->image_digest, sizeof attest->image) != 0)
        return refuse(error, "another image running than the job's");
    if (memcmp(attest->bl2, judgement->bl2.image_digest, sizeof attest->bl2) != 0)
        return refuse(error, "another BL2 than the job's");
    return check_key(reader, judgement, STORE_BL2, attest->keys.bl2_key_hash, false, error) != 0
               ? -1
               : check_key(reader, judgement, STORE_BL3, attest->keys.bl3_key_hash, false, error);
}

static int judge(struct store_db *reader, const struct judgement *judgement, struct error *error) {
    switch (judgement->step) {
    case STORE_STEP_BL2: return judge_devauth(reader, judgement, error);
    case STORE_STEP_BL3: return judge_boot(reader, judgement, DEVAUTH_STAGE_BOOTLOADER, error);
    case STORE_STEP_RECORD: break;
    }
    if (judge_boot(reader, judgement, DEVAUTH_STAGE_APPLICATION, error) != 0)
        return -1;
    return memcmp(judgement->attest.bl3, judgement->bl3.image_digest, 32) == 0
               ? 0
               : refuse(error, "another BL3 than the job's");
}

/* Verifies and judges an answer to an open challenge. One that is refused leaves its mark: it may
 * be a mistake, or somebody's attempt. */
static int check_answer(struct service *service, struct store_db *reader, struct bytes transcript,
                        struct store_attestation *attestation,
                        uint8_t measurements[STORE_MEASUREMENTS_MAX], struct judgement *judgement,
                        struct error *error) {
    struct store_refusal refusal = {.why = error};
    struct error ignored;

    if (verify_transcript(transcript, &attestation->answer, judgement, attestation, measurements,
                          error) == 0 &&
        judge(reader, judgement, error) == 0)
        return 0;
    refusal.attestation = *attestation;
    if (error->code == ERROR_ATTESTATION_REFUSED &&
        store_run(service->store, store_attestation_refuse, &refusal, &ignored) != 0)
        log_error_event("unit.attestation_refused", &ignored); /* refused all the same */
    return -1;
}

static void name_image(const struct judgement *judgement, struct service_image *image) {
    bool is_bl2 = image->write.target == STORE_BL2;

    image->release = is_bl2 ? judgement->bl2 : judgement->bl3;
}

/* What was released for this very answer before. */
static int image_again(struct store_db *reader, struct service_image *image, struct error *error) {
    int found =
        store_image_find(reader, image->write.attestation.answer.nonce, &image->write, error);

    if (found == 0)
        return store_challenge_open(reader, &image->write.attestation.answer, error);
    return found == 1 ? 0 : -1;
}

int service_prepare_image(struct service *service, struct store_db *reader,
                          struct service_image *image, struct error *error) {
    struct store_answer *answer = &image->write.attestation.answer;
    struct judgement judgement = {.step = answer->step};
    struct store_boot_key key;
    int open;

    answer->now = service_now(service);
    answer->step = image->write.target == STORE_BL2 ? STORE_STEP_BL2 : STORE_STEP_BL3;
    crypto_sha256(buffer_bytes(&image->transcript), answer->transcript_hash);
    if (judgement_load(reader, answer, &judgement, error) != 0)
        return -1;
    open = store_challenge_check(reader, answer, error);
    if (open < 0)
        return -1;
    if (open == 1 &&
        check_answer(service, reader, buffer_bytes(&image->transcript), &image->write.attestation,
                     image->measurements, &judgement, error) != 0)
        return -1;
    if (open == 0 && image_again(reader, image, error) != 0)
        return -1;
    name_image(&judgement, image);
    if (service_boot_key(service, reader, judgement.unit.uid, image->write.target, &key, error) !=
        0)
        return -1;
    crypto_sha256(bytes_of(key.public_key, sizeof key.public_key), image->key_hash);
    if (open == 0)
        return 1;
    return service_image_tlvs(service, &image->release, &key, judgement.device.enc_key,
                              &image->write, error);
}

/* Permits after ROOT_HASH: the payload by command, then the authority's certificate alone. */
static void write_statement(struct writer *payload, struct permit *content,
                            const struct service_permit *permit) {
    struct permit_boot_key_hash key_hash = {.target = permit->write.command >> 8};

    content->command = permit->write.command & 0xFF;
    switch (content->command) {
    case PERMIT_BOOT_KEY_HASH:
        memcpy(key_hash.key_hash, permit->boot_key_hash, sizeof key_hash.key_hash);
        permit_write_boot_key_hash(payload, content, &key_hash);
        break;
    case PERMIT_OBJECT_ID:
        permit_write_object_id(payload, content,
                               bytes_of(permit->object_id, permit->object_id_size));
        break;
    default: permit_write_no_arguments(payload, content); break;
    }
}

int service_sign_later_permit(struct service *service, const uint8_t uid[STORE_UID_SIZE],
                              struct service_permit *permit, struct error *error) {
    const struct authority *authority = &service->authority;
    const struct bytes leaf = buffer_bytes(&authority->command_authority);
    struct permit content = {.command = 0};
    uint8_t payload[PERMIT_PAYLOAD_MAX];
    struct writer inner, outer;
    enum status status;
    uint8_t *room;

    memcpy(content.uid, uid, sizeof content.uid);
    memcpy(content.auth_key_hash, permit->write.auth_key_hash, sizeof content.auth_key_hash);
    memcpy(content.nonce, permit->write.device_nonce, sizeof content.nonce);
    writer_init(&inner, payload, sizeof payload);
    write_statement(&inner, &content, permit);
    room = buffer_reserve(&permit->encoded, PERMIT_MAX);
    if (writer_check(&inner) != STATUS_OK || room == NULL)
        return error_set(error, ERROR_INTERNAL, "cannot write the permit");
    writer_init(&outer, room, PERMIT_MAX);
    status = cose_sign1_write(&outer, &leaf, 1, writer_bytes(&inner), server_authority_cose_sign,
                              authority->command_key);
    if (status == STATUS_CRYPTO) {
        error_set(error, ERROR_HSM_UNAVAILABLE, "the token does not sign");
        return error_hint(error, "nothing was changed; repeat when the token is back");
    }
    if (status != STATUS_OK)
        return error_set(error, ERROR_INTERNAL, "cannot write the permit: %s", status_name(status));
    permit->encoded.size = outer.size;
    permit->write.permit = buffer_bytes(&permit->encoded);
    return 0;
}

int service_find_boot_key_hash(struct service *service, struct store_db *reader,
                               const struct store_unit *unit, struct service_permit *permit,
                               struct error *error) {
    struct store_boot_key key;
    enum store_target target = (enum store_target)(permit->write.command >> 8);

    if ((permit->write.command & 0xFF) != PERMIT_BOOT_KEY_HASH)
        return 0;
    if (service_boot_key(service, reader, unit->uid, target, &key, error) != 0)
        return -1;
    crypto_sha256(bytes_of(key.public_key, sizeof key.public_key), permit->boot_key_hash);
    return 0;
}

/* The record names the unit it is posted for, and carries this chip's word under this challenge. */
static int check_record(struct service *service, struct store_db *reader,
                        struct service_record *record, const struct unit_record *stated,
                        struct judgement *judgement, struct error *error) {
    struct store_answer *answer = &record->write.attestation.answer;

    memcpy(answer->nonce, stated->nonce, sizeof answer->nonce);
    crypto_sha256(stated->transcript, answer->transcript_hash);
    if (judgement_load(reader, answer, judgement, error) != 0)
        return -1;
    if (memcmp(stated->unit_id, judgement->unit.id, UNIT_ID_SIZE) != 0 ||
        memcmp(stated->uid, judgement->unit.uid, STORE_UID_SIZE) != 0 ||
        !bytes_equal(stated->job_id, bytes_of(judgement->job.id, strlen(judgement->job.id))))
        return error_set(error, ERROR_BAD_REQUEST, "the record is of another unit");
    return store_challenge_open(reader, answer, error) != 0
               ? -1
               : check_answer(service, reader, stated->transcript, &record->write.attestation,
                              record->measurements, judgement, error);
}

int service_programmer_key(struct store_db *reader, const char *programmer_id, uint8_t key[64],
                           struct error *error) {
    struct store_programmer programmer;
    struct buffer certificate = {0};
    struct x509_info info;
    int result = store_programmer_find(reader, programmer_id, &programmer, error);

    if (result == 0)
        result = store_programmer_certificate(reader, programmer_id, &certificate, error);
    if (result == 0)
        result = x509_read(buffer_bytes(&certificate), &info, error);
    if (result == 0)
        memcpy(key, info.public_key, 64);
    buffer_free(&certificate);
    return result;
}

int service_prepare_record(struct service *service, struct store_db *reader,
                           struct service_record *record, struct error *error) {
    struct store_answer *answer = &record->write.attestation.answer;
    struct judgement judgement = {.step = STORE_STEP_RECORD};
    struct unit_record stated;
    uint8_t key[64];
    int known;

    answer->now = service_now(service);
    answer->step = STORE_STEP_RECORD;
    record->write.record = buffer_bytes(&record->encoded);
    known = store_record_is_known(reader, answer->unit_id, record->write.record, error);
    if (known < 0 || service_programmer_key(reader, answer->programmer_id, key, error) != 0)
        return -1;
    if (unit_record_verify(record->write.record, key, &stated) != STATUS_OK) {
        error_set(error, ERROR_ALTERED, "the record is not signed by this programmer's key");
        return error_hint(error, "it was altered, or is no unit record");
    }
    record->write.milliseconds = stated.milliseconds;
    snprintf(record->site, sizeof record->site, "%.*s", (int)stated.site.size,
             (const char *)stated.site.data);
    record->write.site = record->site;
    if (record->write.line.site[0] == '\0') /* the signed one */
        snprintf(record->write.line.site, sizeof record->write.line.site, "%.*s",
                 UNIT_LINE_TEXT_MAX, record->site);
    /* A record that was accepted is answered as before; the write function decides. */
    return known == 1 ? 0 : check_record(service, reader, record, &stated, &judgement, error);
}

int service_prepare_rma(struct service *service, struct store_db *reader, struct service_rma *rma,
                        struct error *error) {
    struct service_permit permit = {.write = {.command = PERMIT_RMA}};

    rma->write.now = service_now(service);
    if (store_rma_check(reader, &rma->write, error) != 0)
        return -1;
    memcpy(permit.write.device_nonce, rma->write.device_nonce, 32);
    memcpy(permit.write.auth_key_hash, rma->write.auth_key_hash, 32);
    if (service_sign_later_permit(service, rma->write.uid, &permit, error) != 0) {
        buffer_free(&permit.encoded);
        return -1;
    }
    rma->encoded = permit.encoded;
    rma->write.permit = buffer_bytes(&rma->encoded);
    return 0;
}
