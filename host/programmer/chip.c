#include "programmer/chip.h"

#include "base/log.h"
#include "cose/permit.h"
#include "devauth/certificate.h"
#include "devauth/otp_map.h"
#include "spdm/spdm_chain.h"

#include <stdlib.h>
#include <string.h>

#define COMMAND_MAX 16

static enum status sign_with_authkey(void *context, const uint8_t digest[CRYPTO_DIGEST_SIZE],
                                     uint8_t signature[CRYPTO_SIGNATURE_SIZE]) {
    const struct chip *chip = context;
    struct error error;
    if (key_store_sign(chip->key_store, digest, signature, &error) == 0)
        return STATUS_OK;
    log_error_event("chip.sign", &error);
    return STATUS_CRYPTO;
}

/* Splits exactly three certificates. */
static enum status chain_split(struct bytes certificates, struct bytes chain[3]) {
    struct bytes rest = certificates;
    for (int i = 0; i < 3; i++)
        if (crypto_certificate_split(rest, &chain[i], &rest) != STATUS_OK)
            return STATUS_BAD_CERTIFICATE;
    return rest.size == 0 ? STATUS_OK : STATUS_BAD_CERTIFICATE;
}

/* Our root, our DEVICE CA, a device certificate. */
static enum status issued_verify(struct chip *chip, struct bytes certificates) {
    struct bytes chain[3];
    struct error error;
    if (chain_split(certificates, chain) != STATUS_OK ||
        !bytes_equal(chain[0], buffer_bytes(&chip->identity->root)) ||
        !bytes_equal(chain[1], buffer_bytes(&chip->identity->device_ca)))
        return STATUS_BAD_CERTIFICATE;
    if (x509_verify_chain(chain[0], chain[1], chain[2], X509_PROFILE_DEVICE,
                          clock_now_s(chip->clock), &error) != 0 ||
        x509_read(chain[2], &chip->leaf, &error) != 0) {
        log_error_event("chip.certificate", &error);
        return STATUS_BAD_CERTIFICATE;
    }
    chip->shows_issued = true;
    return STATUS_OK;
}

/* The ephemeral certificate proves nothing by itself: its key is compared with the mailbox. */
static enum status ephemeral_read(struct bytes certificate, uint8_t public_key[64]) {
    struct bytes subject;
    return certificate_read_names(certificate, &subject, public_key);
}

static bool is_believed(const struct chip *chip, const uint8_t public_key[64]) {
    uint8_t key_hash[CRYPTO_DIGEST_SIZE];
    crypto_sha256(bytes_of(public_key, 64), key_hash);
    if (chip->any_issued && chip->shows_issued)
        return true;
    if (chip->has_issued && chip->shows_issued &&
        memcmp(chip->leaf.sha256, chip->issued_sha256, 32) == 0)
        return true;
    return chip->has_mailbox && !chip->require_issued &&
           memcmp(key_hash, chip->mailbox_key_hash, 32) == 0;
}

static enum status verify_chain(void *context, struct bytes blob,
                                uint8_t public_key[CRYPTO_PUBLIC_KEY_SIZE]) {
    struct chip *chip = context;
    struct bytes certificates;
    struct bytes first;
    struct bytes rest;
    chip->shows_issued = false;
    memset(public_key, 0, CRYPTO_PUBLIC_KEY_SIZE);
    if (spdm_chain_parse(blob, &certificates) != STATUS_OK ||
        crypto_certificate_split(certificates, &first, &rest) != STATUS_OK)
        return STATUS_BAD_CERTIFICATE;
    enum status status =
        rest.size == 0 ? ephemeral_read(first, public_key) : issued_verify(chip, certificates);
    if (status != STATUS_OK)
        return status;
    if (chip->shows_issued)
        memcpy(public_key, chip->leaf.public_key, 64);
    if (is_believed(chip, public_key))
        return STATUS_OK;
    memset(public_key, 0, CRYPTO_PUBLIC_KEY_SIZE);
    return STATUS_MISMATCH;
}

static const struct spdm_requester_ops operations = {
    .verify_chain = verify_chain,
    .sign = sign_with_authkey,
};

static int chain_make(const struct bytes certificates[3], uint8_t *out, size_t capacity,
                      size_t *size, struct error *error) {
    uint8_t joined[SPDM_CHAIN_MAX];
    struct writer all;
    struct writer blob;
    writer_init(&all, joined, sizeof joined);
    writer_init(&blob, out, capacity);
    for (int i = 0; i < 3; i++)
        write_bytes(&all, certificates[i]);
    if (writer_check(&all) != STATUS_OK || spdm_chain_write(writer_bytes(&all), &blob) != STATUS_OK)
        return error_set(error, ERROR_TOO_LARGE, "the certificate chain is longer than %d bytes",
                         SPDM_CHAIN_MAX);
    *size = blob.size;
    return 0;
}

int chip_open(struct chip *chip, const char *endpoint, const struct chip_options *options,
              struct error *error) {
    memset(chip, 0, sizeof *chip);
    chip->link.fd = -1;
    chip->identity = options->identity;
    chip->key_store = options->key_store;
    chip->clock = options->clock;
    chip->stage = DEVAUTH_STAGE_DEVAUTH;
    if (options->mailbox_key_hash != NULL)
        chip_expect_mailbox(chip, options->mailbox_key_hash);
    const struct bytes own[3] = {buffer_bytes(&options->identity->root),
                                 buffer_bytes(&options->identity->operations_ca),
                                 buffer_bytes(&options->identity->programmer)};
    size_t size = 0;
    if (chain_make(own, chip->own_chain, sizeof chip->own_chain, &size, error) != 0)
        return -1;
    const struct spdm_requester_config requester = {
        .ops = &operations,
        .context = chip,
        .capabilities = SPDM_CAPS_REQUESTER_MUTUAL,
        .chain = bytes_of(chip->own_chain, size),
    };
    const struct chip_link_options link_options = {
        .requester = &requester,
        .stop = options->stop,
        .answer_ms = options->answer_ms,
    };
    return chip_link_open(&chip->link, endpoint, &link_options, error);
}

void chip_close(struct chip *chip) {
    chip_link_close(&chip->link);
}

void chip_expect_leaf(struct chip *chip, const uint8_t leaf_sha256[32]) {
    memcpy(chip->issued_sha256, leaf_sha256, 32);
    chip->has_issued = true;
}

void chip_require_leaf(struct chip *chip, const uint8_t leaf_sha256[32]) {
    chip_expect_leaf(chip, leaf_sha256);
    chip->require_issued = true;
}

void chip_expect_mailbox(struct chip *chip, const uint8_t key_hash[32]) {
    memcpy(chip->mailbox_key_hash, key_hash, 32);
    chip->has_mailbox = true;
}

void chip_expect_anybody(struct chip *chip) {
    chip->any_issued = true;
}

void chip_expect_stage(struct chip *chip, enum devauth_stage_id stage) {
    chip->stage = stage;
}

bool chip_has_session(const struct chip *chip) {
    return spdm_requester_privilege(&chip->link.requester) != SPDM_PRIVILEGE_NONE;
}

void chip_end_session(struct chip *chip) {
    struct spdm_requester *requester = &chip->link.requester;
    struct error error = {0};
    if (!chip_has_session(chip))
        return;
    if (chip_link_run(&chip->link, spdm_requester_end_session(requester), &error) != 0)
        log_error_event("chip.end_session", &error);
}

int chip_meet(struct chip *chip, int patience_ms, struct devauth_device_info *info,
              struct error *error) {
    if (chip_link_call(&chip->link, patience_ms, error) != 0)
        return -1;
    return chip_info(chip, info, error);
}

/* A DevAuth that does not ask who we are would take keys from anybody. */
static int session_judge(struct chip *chip, struct error *error) {
    enum spdm_privilege privilege = spdm_requester_privilege(&chip->link.requester);
    if (chip->stage == DEVAUTH_STAGE_DEVAUTH && privilege != SPDM_PRIVILEGE_PRIVILEGED)
        return error_set(error, ERROR_DEVICE_UNTRUSTED,
                         "the chip opened a session without asking for our certificate");
    if (chip->stage != DEVAUTH_STAGE_DEVAUTH && !chip->shows_issued)
        return error_set(error, ERROR_DEVICE_UNTRUSTED, "the chip shows no issued certificate");
    return 0;
}

int chip_session(struct chip *chip, struct error *error) {
    struct spdm_requester *requester = &chip->link.requester;
    chip_end_session(chip);
    if (chip_link_connect(&chip->link, error) != 0 ||
        chip_link_run(&chip->link, spdm_requester_get_chain(requester, DEVAUTH_SLOT), error) != 0 ||
        chip_link_run(&chip->link, spdm_requester_open_session(requester), error) != 0)
        return -1;
    return session_judge(chip, error);
}

int chip_nonsense(struct error *error, const char *what) {
    return error_set(error, ERROR_DEVICE_LINK, "the chip's %s makes no sense", what);
}

int chip_simple(struct chip *chip, enum devauth_command command, struct bytes *answer,
                struct error *error) {
    uint8_t request[COMMAND_MAX];
    struct writer writer;
    writer_init(&writer, request, sizeof request);
    devauth_request_simple(&writer, command);
    return chip_link_command(&chip->link, writer_bytes(&writer), answer, error);
}

int chip_info(struct chip *chip, struct devauth_device_info *info, struct error *error) {
    struct bytes answer;
    if (chip_simple(chip, DEVAUTH_DEVICE_INFO, &answer, error) != 0)
        return -1;
    return devauth_read_device_info(answer, info) == STATUS_OK
               ? 0
               : chip_nonsense(error, "DEVICE_INFO");
}

static int keys_command(struct chip *chip, enum devauth_command command,
                        struct devauth_public_keys *keys, struct error *error) {
    struct bytes answer;
    if (chip_simple(chip, command, &answer, error) != 0)
        return -1;
    return devauth_read_public_keys(answer, command, keys) == STATUS_OK
               ? 0
               : chip_nonsense(error, "public keys");
}

int chip_generate_keys(struct chip *chip, struct devauth_public_keys *keys, struct error *error) {
    return keys_command(chip, DEVAUTH_GENERATE_KEYS, keys, error);
}

int chip_public_keys(struct chip *chip, struct devauth_public_keys *keys, struct error *error) {
    return keys_command(chip, DEVAUTH_PUBLIC_KEYS, keys, error);
}

int chip_csr(struct chip *chip, const uint8_t uid[16], const uint8_t auth_key[64],
             const uint8_t nonce[32], struct buffer *csr, struct error *error) {
    uint8_t info[CERTIFICATE_REQUESTER_INFO_MAX];
    struct writer writer;
    writer_init(&writer, info, sizeof info);
    certificate_write_requester_info(&writer, uid, auth_key, nonce);
    if (writer_check(&writer) != STATUS_OK)
        return error_set(error, ERROR_INTERNAL, "the request information is too long");
    struct spdm_requester *requester = &chip->link.requester;
    enum status started = spdm_requester_get_csr(requester, writer_bytes(&writer));
    if (chip_link_run(&chip->link, started, error) != 0)
        return -1;
    struct bytes result = spdm_requester_result(requester);
    buffer_append(csr, result.data, result.size);
    return buffer_check(csr, error);
}

int chip_install(struct chip *chip, struct bytes leaf, struct error *error) {
    uint8_t blob[SPDM_CHAIN_MAX];
    size_t size = 0;
    const struct bytes chain[3] = {buffer_bytes(&chip->identity->root),
                                   buffer_bytes(&chip->identity->device_ca), leaf};
    if (chain_make(chain, blob, sizeof blob, &size, error) != 0)
        return -1;
    struct spdm_requester *requester = &chip->link.requester;
    enum status started =
        spdm_requester_set_certificate(requester, DEVAUTH_SLOT, bytes_of(blob, size));
    return chip_link_run(&chip->link, started, error);
}

int chip_permit_nonce(struct chip *chip, uint8_t command, uint8_t nonce[32], struct error *error) {
    uint8_t request[COMMAND_MAX];
    struct writer writer;
    struct bytes answer;
    writer_init(&writer, request, sizeof request);
    devauth_request_permit_nonce(&writer, command);
    if (chip_link_command(&chip->link, writer_bytes(&writer), &answer, error) != 0)
        return -1;
    return devauth_read_permit_nonce(answer, nonce) == STATUS_OK
               ? 0
               : chip_nonsense(error, "permit nonce");
}

int chip_permit_execute(struct chip *chip, struct bytes permit, struct error *error) {
    uint8_t request[PERMIT_MAX + COMMAND_MAX];
    struct writer writer;
    struct bytes answer;
    struct devauth_permit_result result;
    writer_init(&writer, request, sizeof request);
    devauth_request_permit_execute(&writer, permit);
    if (writer_check(&writer) != STATUS_OK)
        return error_set(error, ERROR_TOO_LARGE, "the permit is too long");
    if (chip_link_command(&chip->link, writer_bytes(&writer), &answer, error) != 0)
        return -1;
    return devauth_read_permit_result(answer, &result) == STATUS_OK
               ? 0
               : chip_nonsense(error, "answer to the permit");
}

static int otp_read(struct chip *chip, uint8_t first, uint8_t count, struct bytes *entries,
                    struct error *error) {
    uint8_t request[COMMAND_MAX];
    struct writer writer;
    struct bytes answer;
    writer_init(&writer, request, sizeof request);
    devauth_request_otp_read(&writer, first, count);
    if (chip_link_command(&chip->link, writer_bytes(&writer), &answer, error) != 0)
        return -1;
    if (devauth_read_otp_entries(answer, count, entries) != STATUS_OK ||
        entries->size != (size_t)count * OTP_ENTRY_SIZE)
        return chip_nonsense(error, "OTP contents");
    return 0;
}

int chip_otp_hash(struct chip *chip, uint8_t first, uint8_t hash[32], struct error *error) {
    struct bytes entries;
    if (otp_read(chip, first, OTP_HASH_ENTRIES, &entries, error) != 0)
        return -1;
    memcpy(hash, entries.data, 32);
    return 0;
}

int chip_otp_is_valid(struct chip *chip, uint8_t entry, bool *is_valid, struct error *error) {
    struct bytes stored;
    *is_valid = false;
    if (otp_read(chip, entry, 1, &stored, error) != 0)
        return -1;
    *is_valid = bytes_equal(stored, bytes_of(otp_valid, OTP_ENTRY_SIZE));
    return 0;
}
