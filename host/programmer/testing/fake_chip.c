#include "programmer/testing/fake_chip.h"

#include "crypto/crypto.h"
#include "devauth/certificate.h"
#include "devauth/oid.h"
#include "mctp/mctp.h"
#include "programmer/testing/fake_board.h"
#include "spdm/spdm_chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#define AUTH 0
#define ENC  1

static enum status get_chain(void *context, uint8_t slot, struct bytes *blob) {
    const struct fake_chip *chip = context;
    *blob = bytes_of(chip->blob, chip->blob_size);
    return slot == 0 && chip->blob_size > 0 ? STATUS_OK : STATUS_NOT_FOUND;
}

static const struct test_key *slot_key(const struct fake_chip *chip) {
    return chip->issued_size > 0 ? &chip->keys[AUTH] : &chip->ephemeral;
}

static enum status sign(void *context, uint8_t slot, const uint8_t digest[32],
                        uint8_t signature[64]) {
    const struct fake_chip *chip = context;
    (void)slot;
    return crypto_p256_sign(slot_key(chip)->private_key, digest, signature);
}

static enum status verify_requester(void *context, struct bytes blob, uint8_t public_key[64]) {
    const struct fake_chip *chip = context;
    uint8_t root_hash[32];
    struct bytes certificates;
    enum status status = spdm_chain_parse(blob, &certificates);
    if (status != STATUS_OK)
        return status;
    crypto_sha256(buffer_bytes(&chip->oem->pki.root), root_hash);
    return crypto_chain_verify(certificates, root_hash, bytes_of(NULL, 0), public_key);
}

static enum status sign_auth(void *context, const uint8_t digest[32], uint8_t signature[64]) {
    const struct fake_chip *chip = context;
    return crypto_p256_sign(chip->keys[AUTH].private_key, digest, signature);
}

static enum status make_csr(void *context, struct bytes requester_info, struct writer *csr) {
    struct fake_chip *chip = context;
    uint8_t nonce[32];
    enum status status = certificate_read_requester_info(requester_info, chip->uid,
                                                         chip->keys[AUTH].public_key, nonce);
    if (status != STATUS_OK)
        return status;
    const struct certificate_request request = {.uid = chip->uid,
                                                .nonce = nonce,
                                                .auth_key = chip->keys[AUTH].public_key,
                                                .enc_key = chip->keys[ENC].public_key,
                                                .tls_key = chip->keys[2].public_key};
    return certificate_write_csr(csr, &request, sign_auth, chip);
}

static enum status set_certificate(void *context, uint8_t slot, struct bytes blob) {
    struct fake_chip *chip = context;
    (void)slot;
    memcpy(chip->issued, blob.data, blob.size);
    chip->issued_size = blob.size;
    memcpy(chip->blob, blob.data, blob.size);
    chip->blob_size = blob.size;
    return STATUS_OK;
}

static const struct spdm_responder_ops operations = {
    .chain = get_chain,
    .sign = sign,
    .measurements = fake_chip_measure,
    .verify_requester = verify_requester,
    .csr = make_csr,
    .set_certificate = set_certificate,
    .vendor = fake_chip_vendor,
};

static void responder_start(struct fake_chip *chip, uint32_t capabilities) {
    const struct spdm_responder_config config = {
        .ops = &operations,
        .context = chip,
        .capabilities = capabilities,
        .crypto_timeout_exponent = 23,
        .requester_chain = chip->requester_chain,
        .requester_chain_capacity = sizeof chip->requester_chain,
    };
    spdm_responder_init(&chip->responder, &config);
}

static enum status sign_ephemeral(void *context, const uint8_t digest[32], uint8_t signature[64]) {
    const struct fake_chip *chip = context;
    return crypto_p256_sign(chip->ephemeral.private_key, digest, signature);
}

static void chain_choose(struct fake_chip *chip) {
    uint8_t certificate[CERTIFICATE_SELF_SIGNED_MAX];
    struct writer writer;
    struct writer blob;
    memcpy(chip->blob, chip->issued, sizeof chip->blob);
    chip->blob_size = chip->issued_size;
    if (chip->issued_size > 0 || chip->stage != DEVAUTH_STAGE_DEVAUTH)
        return;
    writer_init(&writer, certificate, sizeof certificate);
    writer_init(&blob, chip->blob, sizeof chip->blob);
    assert_int_equal(certificate_write_self_signed(&writer, chip->uid, chip->ephemeral.public_key,
                                                   sign_ephemeral, chip),
                     STATUS_OK);
    assert_int_equal(spdm_chain_write(writer_bytes(&writer), &blob), STATUS_OK);
    chip->blob_size = blob.size;
}

/* boot_rom, BL2: which stage comes up, and what each finds. */
static void boot(struct fake_chip *chip) {
    chip->stage = DEVAUTH_STAGE_BOOT_ROM;
    fake_chip_look(chip);
    if (fake_chip_life(chip) > 2 || chip->found[0].reason != IMAGE_ACCEPTED)
        return;
    chip->stage = DEVAUTH_STAGE_BOOTLOADER;
    if (chip->reboot == DEVAUTH_REBOOT_STAY)
        return;
    if (chip->swap_wanted && chip->found[2].reason == IMAGE_ACCEPTED) {
        struct buffer installed = chip->slots[2];
        chip->slots[2] = chip->slots[1];
        chip->slots[1] = installed;
    }
    chip->swap_wanted = false;
    fake_chip_look(chip);
    if (chip->found[1].reason == IMAGE_ACCEPTED && !chip->stays_in_bootloader)
        chip->stage = DEVAUTH_STAGE_APPLICATION;
}

void fake_chip_reset(struct fake_chip *chip, enum devauth_reboot mode) {
    chip->reboot = mode;
    chip->pending_reset = false;
    chip->pending_payload = 0;
    chip->permit_command = 0;
    chip->bulk = (struct bulk_receiver){0};
    chip->debug_locked = fake_chip_life(chip) == 2 && !chip->never_locks;
    if (chip->changes_uid)
        chip->uid[0] ^= 0xFF;
    chip->changes_uid = false;
    boot(chip);
    chain_choose(chip);
    responder_start(chip, chip->stage == DEVAUTH_STAGE_BOOT_ROM ? 0 : SPDM_CAPS_BASIC);
}

void fake_chip_start_devauth(struct fake_chip *chip, uint8_t key_hash[32]) {
    chip->stage = DEVAUTH_STAGE_DEVAUTH;
    test_key_make(&chip->ephemeral);
    chain_choose(chip);
    fake_chip_look(chip);
    responder_start(chip, chip->session_without_ask ? SPDM_CAPS_BASIC : SPDM_CAPS_PROVISIONING);
    crypto_sha256(bytes_of(slot_key(chip)->public_key, 64), key_hash);
}

bool fake_chip_is_debuggable(const struct fake_chip *chip) {
    return !chip->debug_locked || chip->debug_stays_open;
}

static bool bulk_handle(struct fake_chip *chip, struct bytes message, struct writer *response) {
    enum status status = bulk_receiver_handle(&chip->bulk, message, response);
    return status == STATUS_OK;
}

bool fake_chip_handle(struct fake_chip *chip, uint8_t type, uint8_t *message, size_t size,
                      struct writer *response, uint8_t *response_type) {
    bool is_hit = ++chip->messages == chip->fault_message && chip->fault != CHIP_NO_FAULT;
    chip->fault_hit = chip->fault_hit || is_hit;
    if (chip->is_dead)
        return false;
    if (is_hit && chip->fault == CHIP_LOSES_POWER)
        fake_chip_reset(chip, DEVAUTH_REBOOT_NORMAL);
    if (is_hit && chip->fault != CHIP_LOSES_ANSWER)
        return false;
    *response_type = BULK_MCTP_TYPE;
    bool answers = type == BULK_MCTP_TYPE
                       ? bulk_handle(chip, bytes_of(message, size), response)
                       : spdm_responder_handle(&chip->responder, type, message, size, response,
                                               response_type) == STATUS_OK;
    bool is_lost = is_hit || (chip->loses_rma_answer && fake_chip_life(chip) == 5);
    if (is_lost && chip->pending_reset)
        fake_chip_reset(chip, chip->reboot);
    chip->loses_rma_answer = chip->loses_rma_answer && !is_lost;
    return answers && !is_lost;
}

void fake_chip_sent(struct fake_chip *chip, struct mctp_endpoint *endpoint) {
    if (chip->pending_payload != 0)
        mctp_set_payload(endpoint, chip->pending_payload);
    chip->pending_payload = 0;
    if (chip->pending_reset) {
        mctp_set_payload(endpoint, MCTP_PAYLOAD_BASELINE);
        fake_chip_reset(chip, chip->reboot);
    }
}

void fake_chip_make(struct fake_chip *chip, const char *directory, struct oem *oem) {
    memset(chip, 0, sizeof *chip);
    (void)pthread_mutex_init(&chip->mutex, NULL);
    chip->oem = oem;
    memset(chip->otp, 0xFF, sizeof chip->otp);
    assert_int_equal(crypto_random(chip->uid, sizeof chip->uid), STATUS_OK);
    fake_chip_reset(chip, DEVAUTH_REBOOT_NORMAL);
    chip->board = fake_board_start(chip, directory);
}

void fake_chip_free(struct fake_chip *chip) {
    fake_board_stop(chip->board);
    for (size_t i = 0; i < 3; i++)
        buffer_free(&chip->slots[i]);
    (void)pthread_mutex_destroy(&chip->mutex);
}

const char *fake_chip_uart(const struct fake_chip *chip) {
    return fake_board_uart(chip->board);
}

const char *fake_chip_debug(const struct fake_chip *chip) {
    return fake_board_debug(chip->board);
}

void fake_chip_close_debug(struct fake_chip *chip) {
    fake_board_close_debug(chip->board);
}

void fake_chip_arm(struct fake_chip *chip, enum fake_chip_fault fault, unsigned message) {
    (void)pthread_mutex_lock(&chip->mutex);
    chip->fault = fault;
    chip->fault_message = message;
    chip->messages = 0;
    chip->fault_hit = false;
    (void)pthread_mutex_unlock(&chip->mutex);
}

void fake_chip_restart(struct fake_chip *chip) {
    (void)pthread_mutex_lock(&chip->mutex);
    fake_chip_reset(chip, DEVAUTH_REBOOT_NORMAL);
    (void)pthread_mutex_unlock(&chip->mutex);
}

enum devauth_stage_id fake_chip_stage(struct fake_chip *chip) {
    (void)pthread_mutex_lock(&chip->mutex);
    enum devauth_stage_id stage = chip->stage;
    (void)pthread_mutex_unlock(&chip->mutex);
    return stage;
}
