/* What the fake chip answers to vendor commands, by stage. */
#include "programmer/testing/fake_chip.h"

#include "attest/attest.h"
#include "cose/cose_sign1.h"
#include "cose/permit.h"
#include "crypto/crypto.h"
#include "devauth/certificate.h"
#include "image/image_encrypt.h"
#include "image/image_trailer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#define BLOCK_SIZE 512
#define WINDOW     2048
#define HEADER     0x400

bool fake_chip_otp_valid(const struct fake_chip *chip, unsigned entry) {
    return memcmp(chip->otp[entry], otp_valid, OTP_ENTRY_SIZE) == 0;
}

uint8_t fake_chip_life(const struct fake_chip *chip) {
    if (fake_chip_otp_valid(chip, OTP_LIFE_RMA))
        return 5;
    if (fake_chip_otp_valid(chip, OTP_LIFE_SECURED))
        return 2;
    return fake_chip_otp_valid(chip, OTP_LIFE_PROVISIONED) ? 1 : 0;
}

static uint8_t flags_of(const struct fake_chip *chip) {
    uint8_t flags = 0;
    flags |= chip->debug_locked ? DEVAUTH_FLAG_DEBUG_LOCKED : 0;
    flags |= fake_chip_otp_valid(chip, OTP_IDENTITY_VALID) ? DEVAUTH_FLAG_ROOT_HASH : 0;
    flags |= chip->has_keys ? DEVAUTH_FLAG_KEYS : 0;
    flags |= chip->issued_size > 0 ? DEVAUTH_FLAG_ISSUED_CHAIN : 0;
    return flags;
}

static void otp_mark(struct fake_chip *chip, unsigned entry) {
    memcpy(chip->otp[entry], otp_valid, OTP_ENTRY_SIZE);
}

static enum status agree(void *context, const uint8_t peer[64], uint8_t shared[32]) {
    const struct fake_chip *chip = context;
    return crypto_p256_agree(chip->keys[1].private_key, peer, shared);
}

static enum status verify_encrypted(struct fake_chip *chip, const struct image_source *source,
                                    const struct image_policy *policy,
                                    struct image_report *report) {
    struct image_header header;
    struct image_decrypting_source view;
    uint8_t raw[IMAGE_HEADER_SIZE];
    uint8_t key[IMAGE_CONTENT_KEY_MAX];
    report->reason = IMAGE_REASON_HEADER;
    if (image_source_read(source, 0, raw, sizeof raw) != STATUS_OK ||
        image_header_parse(bytes_of(raw, sizeof raw), &header) != STATUS_OK)
        return STATUS_INVALID;
    report->reason = IMAGE_REASON_CONTENT_KEY;
    if (image_read_content_key(source, &header, agree, chip, key) != STATUS_OK)
        return STATUS_INVALID;
    const struct image_source plain =
        image_decrypting_source_of(&view, source, &header, bytes_of(key, 32));
    return image_verify(&plain, policy, report);
}

/* BL2's slot, or one of the other two, which are both kept as they came: encrypted. */
static void slot_look(struct fake_chip *chip, size_t slot) {
    static const unsigned valid[] = {OTP_BOOT_KEY_BL2_VALID, OTP_BOOT_KEY_BL3_VALID,
                                     OTP_BOOT_KEY_BL3_VALID};
    static const unsigned hash[] = {OTP_BOOT_KEY_BL2_HASH, OTP_BOOT_KEY_BL3_HASH,
                                    OTP_BOOT_KEY_BL3_HASH};
    struct image_report *report = &chip->found[slot];
    struct image_policy policy = {
        .counter_maximum = 255, .header_size = HEADER, .content_key_size = slot == 0 ? 0 : 32};
    const struct bytes memory = buffer_bytes(&chip->slots[slot]);
    const struct image_source source = image_source_of(&memory);
    memset(report, 0, sizeof *report);
    report->reason = IMAGE_REASON_EMPTY;
    if (memory.size == 0)
        return;
    memcpy(policy.key_hash, chip->otp[hash[slot]], 32);
    enum status status = slot == 0 ? image_verify(&source, &policy, report)
                                   : verify_encrypted(chip, &source, &policy, report);
    /* As the real one: everything holds but there is no key to hold it against. */
    if (status == STATUS_OK && !fake_chip_otp_valid(chip, valid[slot]))
        report->reason = IMAGE_REASON_KEY;
}

void fake_chip_look(struct fake_chip *chip) {
    for (size_t slot = 0; slot < 3; slot++)
        slot_look(chip, slot);
}

static void digest_take(const struct fake_chip *chip, size_t slot, uint8_t out[32]) {
    if (chip->found[slot].reason == IMAGE_ACCEPTED)
        memcpy(out, chip->found[slot].digest, 32);
}

enum status fake_chip_measure(void *context, struct writer *blocks) {
    struct fake_chip *chip = context;
    struct attest attest = {.life_cycle = fake_chip_life(chip), .flags = flags_of(chip)};
    if (chip->stage == DEVAUTH_STAGE_BOOT_ROM)
        return STATUS_UNSUPPORTED;
    crypto_sha256(bytes_of(chip->otp, (size_t)OTP_PUBLIC_COUNT * OTP_ENTRY_SIZE), attest.otp);
    digest_take(chip, 0, attest.bl2);
    digest_take(chip, 1, attest.bl3);
    if (chip->lies_about_bl2)
        attest.bl2[0] ^= 1;
    memset(attest.keys.enc_key_hash, 0xFF, 32);
    if (chip->has_keys)
        crypto_sha256(bytes_of(chip->keys[1].public_key, 64), attest.keys.enc_key_hash);
    memcpy(attest.keys.bl2_key_hash, chip->otp[OTP_BOOT_KEY_BL2_HASH], 32);
    memcpy(attest.keys.bl3_key_hash, chip->otp[OTP_BOOT_KEY_BL3_HASH], 32);
    attest.versions.stage = (uint8_t)chip->stage;
    attest_write(blocks, &attest);
    return writer_check(blocks);
}

static void info_write(const struct fake_chip *chip, struct writer *response) {
    struct devauth_device_info info = {.stage = (uint8_t)chip->stage,
                                       .life_cycle = fake_chip_life(chip),
                                       .flags = flags_of(chip),
                                       .version = 1,
                                       .link_payload_max = DEVAUTH_LINK_MAX};
    memcpy(info.uid, chip->uid, 16);
    memcpy(info.family, FAKE_CHIP_FAMILY, strlen(FAKE_CHIP_FAMILY));
    devauth_write_device_info(response, &info);
}

static enum status keys_write(struct fake_chip *chip, enum devauth_command command,
                              struct writer *response) {
    struct devauth_public_keys keys;
    if (command == DEVAUTH_GENERATE_KEYS && fake_chip_life(chip) != 0)
        return STATUS_BAD_STATE;
    for (size_t i = 0; i < 3 && command == DEVAUTH_GENERATE_KEYS; i++)
        test_key_make(&chip->keys[i]);
    chip->has_keys = true;
    memcpy(keys.auth, chip->keys[0].public_key, 64);
    memcpy(keys.enc, chip->keys[1].public_key, 64);
    memcpy(keys.tls, chip->keys[2].public_key, 64);
    devauth_write_public_keys(response, command, &keys);
    return STATUS_OK;
}

static bool takes_permit(const struct fake_chip *chip, uint8_t command) {
    if (chip->stage == DEVAUTH_STAGE_DEVAUTH)
        return command == PERMIT_ROOT_HASH || command == PERMIT_BOOT_KEY_HASH ||
               command == PERMIT_RMA;
    return chip->stage == DEVAUTH_STAGE_BOOTLOADER &&
           (command == PERMIT_BOOT_KEY_HASH || command == PERMIT_LOCK || command == PERMIT_RMA);
}

static enum status nonce_give(struct fake_chip *chip, struct bytes body, struct writer *response) {
    uint8_t command = 0;
    enum status status = devauth_read_nonce_body(body, &command);
    if (status != STATUS_OK)
        return status;
    if (!takes_permit(chip, command))
        return STATUS_UNSUPPORTED;
    assert_int_equal(crypto_random(chip->permit_nonce, 32), STATUS_OK);
    chip->permit_command = command;
    devauth_write_permit_nonce(response, chip->permit_nonce);
    return STATUS_OK;
}

static void hash_store(struct fake_chip *chip, unsigned first, const uint8_t hash[32]) {
    memcpy(chip->otp[first], hash, 32);
}

static enum status root_hash_execute(struct fake_chip *chip, struct bytes arguments) {
    struct permit_root_hash values;
    if (permit_parse_root_hash(arguments, &values) != STATUS_OK)
        return STATUS_INVALID;
    hash_store(chip, OTP_ROOT_HASH, values.root_hash);
    hash_store(chip, OTP_COMMAND_KEY_A_HASH, values.command_key_hash);
    otp_mark(chip, OTP_IDENTITY_VALID);
    otp_mark(chip, OTP_LIFE_PROVISIONED);
    return STATUS_OK;
}

static enum status boot_key_execute(struct fake_chip *chip, struct bytes arguments) {
    struct permit_boot_key_hash values;
    uint64_t own = chip->stage == DEVAUTH_STAGE_DEVAUTH ? 1 : 2;
    if (permit_parse_boot_key_hash(arguments, &values) != STATUS_OK || values.target != own)
        return STATUS_INVALID;
    hash_store(chip, own == 1 ? OTP_BOOT_KEY_BL2_HASH : OTP_BOOT_KEY_BL3_HASH, values.key_hash);
    otp_mark(chip, own == 1 ? OTP_BOOT_KEY_BL2_VALID : OTP_BOOT_KEY_BL3_VALID);
    fake_chip_look(chip);
    return STATUS_OK;
}

static enum status lock_execute(struct fake_chip *chip, struct bytes arguments) {
    if (permit_parse_no_arguments(arguments) != STATUS_OK ||
        !fake_chip_otp_valid(chip, OTP_BOOT_KEY_BL2_VALID) ||
        !fake_chip_otp_valid(chip, OTP_BOOT_KEY_BL3_VALID))
        return STATUS_BAD_STATE;
    if (!chip->ignores_lock)
        otp_mark(chip, OTP_LIFE_SECURED);
    return STATUS_OK;
}

static enum status rma_execute(struct fake_chip *chip, struct bytes arguments) {
    if (permit_parse_no_arguments(arguments) != STATUS_OK)
        return STATUS_INVALID;
    otp_mark(chip, OTP_LIFE_RMA);
    chip->has_keys = false;
    chip->issued_size = 0;
    for (size_t i = 0; i < 3; i++)
        buffer_clear(&chip->slots[i]);
    chip->pending_reset = true;
    return STATUS_OK;
}

static enum status permit_run(struct fake_chip *chip, const struct permit *permit) {
    switch (permit->command) {
    case PERMIT_ROOT_HASH: return root_hash_execute(chip, permit->arguments);
    case PERMIT_BOOT_KEY_HASH: return boot_key_execute(chip, permit->arguments);
    case PERMIT_LOCK: return lock_execute(chip, permit->arguments);
    case PERMIT_RMA: return rma_execute(chip, permit->arguments);
    default: return STATUS_UNSUPPORTED;
    }
}

static enum status permit_execute(struct fake_chip *chip, struct bytes body,
                                  struct writer *response) {
    struct cose_sign1 message;
    struct permit permit;
    uint8_t key_hash[32];
    uint8_t command = chip->permit_command;
    chip->permit_command = 0;
    if (cose_sign1_parse(body, &message) != STATUS_OK ||
        cose_sign1_verify(&message, chip->oem->command_key.public_key) != STATUS_OK ||
        permit_parse(message.payload, &permit) != STATUS_OK)
        return STATUS_BAD_SIGNATURE;
    crypto_sha256(bytes_of(chip->keys[0].public_key, 64), key_hash);
    if (command == 0 || permit.command != command ||
        memcmp(permit.nonce, chip->permit_nonce, 32) != 0)
        return STATUS_REPLAYED;
    if (memcmp(permit.uid, chip->uid, 16) != 0 || memcmp(permit.auth_key_hash, key_hash, 32) != 0)
        return STATUS_MISMATCH;
    enum status status = permit_run(chip, &permit);
    const struct devauth_permit_result result = {.command = command,
                                                 .life_cycle = fake_chip_life(chip)};
    if (status == STATUS_OK)
        devauth_write_permit_result(response, &result);
    return status;
}

static enum status otp_give(const struct fake_chip *chip, struct bytes body,
                            struct writer *response) {
    uint8_t first = 0;
    uint8_t count = 0;
    enum status status = devauth_read_otp_body(body, &first, &count);
    if (status == STATUS_OK && first + count > OTP_PUBLIC_COUNT)
        status = STATUS_DENIED;
    if (status == STATUS_OK)
        devauth_write_otp_entries(response,
                                  bytes_of(chip->otp[first], (size_t)count * OTP_ENTRY_SIZE));
    return status;
}

static enum status reboot(struct fake_chip *chip, struct bytes body, struct writer *response) {
    enum status status = devauth_read_reboot_body(body, &chip->reboot);
    if (status == STATUS_OK) {
        chip->pending_reset = true;
        devauth_write_reboot(response);
    }
    return status;
}

static struct buffer *target_slot(struct fake_chip *chip) {
    return &chip->slots[chip->install.target == DEVAUTH_TARGET_BL2 ? 0 : 2];
}

static enum status take_bytes(void *context, uint32_t offset, struct bytes data) {
    struct fake_chip *chip = context;
    if (chip->flash_fails_at != 0 && offset >= chip->flash_fails_at)
        return STATUS_FLASH;
    buffer_append(target_slot(chip), data.data, data.size);
    return STATUS_OK;
}

static bool takes_target(const struct fake_chip *chip, uint8_t target) {
    if (target == DEVAUTH_TARGET_BL2)
        return chip->stage == DEVAUTH_STAGE_DEVAUTH ||
               (chip->stage == DEVAUTH_STAGE_BOOT_ROM && fake_chip_life(chip) == 2);
    return chip->stage == DEVAUTH_STAGE_BOOTLOADER;
}

static enum status install_begin(struct fake_chip *chip, struct bytes body,
                                 struct writer *response) {
    const struct devauth_install_grant grant = {
        .transfer = (uint8_t)(chip->install.sha256[0] + 1),
        .block_size = BLOCK_SIZE,
        .window = WINDOW,
        .offset = chip->grants_nonsense ? 512 : 0,
    };
    enum status status = devauth_read_install_body(body, &chip->install);
    if (status != STATUS_OK)
        return status;
    if (!takes_target(chip, chip->install.target))
        return STATUS_UNSUPPORTED;
    if (chip->install.size > FAKE_CHIP_SLOT_SIZE)
        return STATUS_NO_SPACE;
    buffer_clear(target_slot(chip));
    bulk_receiver_open(&chip->bulk, grant.transfer, chip->install.size, WINDOW, take_bytes, chip);
    devauth_write_install_grant(response, &grant);
    return STATUS_OK;
}

static enum status install_finish(struct fake_chip *chip, struct writer *response) {
    uint8_t digest[32];
    size_t slot = chip->install.target == DEVAUTH_TARGET_BL2 ? 0 : 2;
    struct devauth_install_result result = {.target = chip->install.target};
    if (!bulk_receiver_is_complete(&chip->bulk))
        return STATUS_BAD_STATE;
    crypto_sha256(buffer_bytes(&chip->slots[slot]), digest);
    if (memcmp(digest, chip->install.sha256, 32) != 0)
        return STATUS_MISMATCH;
    slot_look(chip, slot);
    result.reason = chip->found[slot].reason;
    memcpy(result.digest, chip->found[slot].digest, 32);
    if (chip->refuses_image != 0)
        result.reason = chip->refuses_image;
    if (chip->lies_about_digest)
        result.digest[0] ^= 1;
    chip->swap_wanted = slot == 2 && result.reason == IMAGE_ACCEPTED;
    devauth_write_install_result(response, &result);
    return STATUS_OK;
}

static struct devauth_slot_state slot_state(const struct fake_chip *chip, size_t slot) {
    return (struct devauth_slot_state){.reason = (uint32_t)chip->found[slot].reason};
}

static void boot_state_write(const struct fake_chip *chip, struct writer *response) {
    const struct devauth_boot_state state = {
        .stage = (uint8_t)chip->stage,
        .boot_reason = chip->reboot == DEVAUTH_REBOOT_STAY ? 3 : 1,
        .swap = chip->swap_wanted ? IMAGE_SWAP_PERMANENT : IMAGE_SWAP_NONE,
        .confirmed = chip->stage == DEVAUTH_STAGE_APPLICATION,
        .bl2 = slot_state(chip, 0),
        .primary = slot_state(chip, 1),
        .secondary = slot_state(chip, 2),
    };
    devauth_write_boot_state(response, &state);
}

static enum status link_payload(struct fake_chip *chip, struct bytes body,
                                struct writer *response) {
    uint16_t wanted = 0;
    enum status status = devauth_read_link_body(body, &wanted);
    if (status != STATUS_OK)
        return status;
    chip->pending_payload = wanted < DEVAUTH_LINK_MAX ? wanted : DEVAUTH_LINK_MAX;
    devauth_write_link_payload(response, chip->pending_payload);
    return STATUS_OK;
}

static bool needs_session(const struct fake_chip *chip, uint8_t command) {
    if (chip->stage == DEVAUTH_STAGE_BOOT_ROM)
        return command != DEVAUTH_DEVICE_INFO && command != DEVAUTH_LINK_PAYLOAD &&
               command != DEVAUTH_BOOT_STATE && command != DEVAUTH_INSTALL_BEGIN &&
               command != DEVAUTH_INSTALL_FINISH && command != DEVAUTH_REBOOT;
    return command != DEVAUTH_DEVICE_INFO && command != DEVAUTH_LINK_PAYLOAD &&
           command != DEVAUTH_BOOT_STATE;
}

enum status fake_chip_vendor(void *context, enum spdm_privilege privilege, struct bytes payload,
                             struct writer *response) {
    struct fake_chip *chip = context;
    struct devauth_request request;
    enum status status = devauth_read_request(payload, &request);
    if (status != STATUS_OK)
        return status;
    if (needs_session(chip, request.command) && privilege == SPDM_PRIVILEGE_NONE)
        return STATUS_DENIED;
    switch (request.command) {
    case DEVAUTH_DEVICE_INFO: info_write(chip, response); return STATUS_OK;
    case DEVAUTH_GENERATE_KEYS:
    case DEVAUTH_PUBLIC_KEYS:
        return keys_write(chip, (enum devauth_command)request.command, response);
    case DEVAUTH_PERMIT_NONCE: return nonce_give(chip, request.body, response);
    case DEVAUTH_PERMIT_EXECUTE: return permit_execute(chip, request.body, response);
    case DEVAUTH_OTP_READ: return otp_give(chip, request.body, response);
    case DEVAUTH_REBOOT: return reboot(chip, request.body, response);
    case DEVAUTH_LINK_PAYLOAD: return link_payload(chip, request.body, response);
    case DEVAUTH_INSTALL_BEGIN: return install_begin(chip, request.body, response);
    case DEVAUTH_INSTALL_FINISH: return install_finish(chip, response);
    case DEVAUTH_BOOT_STATE: boot_state_write(chip, response); return STATUS_OK;
    default: return STATUS_UNSUPPORTED;
    }
}
