#include "programmer/testing/oem.h"

#include "base/encoding.h"
#include "base/file.h"
#include "base/json.h"
#include "cose/cose_sign1.h"
#include "cose/permit.h"
#include "crypto/crypto.h"
#include "hsm/gcm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t test_now(void *context) {
    (void)context;
    return TEST_PKI_NOW;
}

const struct clock oem_clock = {.now_s = test_now};

static void leaf_make(struct oem *oem, enum x509_profile profile, struct test_key *key,
                      struct buffer *certificate) {
    test_key_make(key);
    test_pki_leaf(&oem->pki, profile, key->public_key, certificate);
}

static void token_make(struct oem *oem, const char *directory) {
    struct error error = {0};
    char *pin = path_join(directory, "pin");
    char *so_pin = path_join(directory, "so-pin");
    char *config_path = path_join(directory, "softhsm2.conf");
    const struct hsm_config config = {
        .module_path = HSM_DEFAULT_MODULE,
        .token_label = "oem",
        .pin_file = pin,
        .softhsm_config = config_path,
    };
    if (hsm_init_token(&config, so_pin, &error) != 0 ||
        (oem->hsm = hsm_open(&config, &error)) == NULL ||
        hsm_generate_kek(oem->hsm, "kek", &error) != 0 ||
        (oem->kek = hsm_key(oem->hsm, "kek", &error)) == NULL)
        fail_msg("%s", error.message);
    free(pin);
    free(so_pin);
    free(config_path);
}

void oem_make(struct oem *oem, const char *directory) {
    struct error error;
    memset(oem, 0, sizeof *oem);
    test_pki_make(&oem->pki);
    leaf_make(oem, X509_PROFILE_JOB_AUTHORITY, &oem->job_authority_key, &oem->job_authority);
    leaf_make(oem, X509_PROFILE_COMMAND_AUTHORITY, &oem->command_key, &oem->command_authority);
    boot_key_make(&oem->boot_key);
    assert_int_equal(device_issuer_init(&oem->issuer, buffer_bytes(&oem->pki.device_ca), "Example",
                                        test_key_signer(&oem->pki.device_ca_key), &error),
                     0);
    token_make(oem, directory);
}

void oem_free(struct oem *oem) {
    hsm_close(oem->hsm);
    test_pki_free(&oem->pki);
    buffer_free(&oem->job_authority);
    buffer_free(&oem->command_authority);
    buffer_free(&oem->programmer);
}

void oem_open_programmer(struct programmer *programmer, const char *directory) {
    oem_open_programmer_with(programmer, directory, NULL);
}

void oem_open_programmer_with(struct programmer *programmer, const char *directory,
                              const char *tpm) {
    struct error error = {0};
    const struct programmer_options options = {
        .state_directory = directory,
        .tpm = tpm,
        .clock = &oem_clock,
    };
    if (programmer_open(programmer, &options, &error) != 0)
        fail_msg("%s", error.message);
}

json_t *oem_call(struct programmer *programmer, control_method_function *method, json_t *params,
                 struct error *error) {
    json_t *result = NULL;
    error_clear(error);
    int failed = method(programmer, params, NULL, &result, error);
    json_decref(params);
    assert_true((failed == 0) == (result != NULL));
    assert_true((failed == 0) || error->code != ERROR_NONE);
    return result;
}

static json_t *pem_of(const struct buffer *der) {
    struct buffer pem = {0};
    struct error error;
    assert_int_equal(x509_certificate_to_pem(buffer_bytes(der), &pem, &error), 0);
    json_t *text = json_string(buffer_text(&pem));
    buffer_free(&pem);
    return text;
}

json_t *oem_install_params(struct oem *oem, struct programmer *programmer) {
    struct error error;
    uint8_t key[64];
    char name[65];
    json_t *csr =
        oem_call(programmer, programmer_prepare_csr, json_pack("{s:s}", "name", "cm-1"), &error);
    assert_non_null(csr);
    const char *pem = json_string_value(json_object_get(csr, "csr_pem"));
    assert_int_equal(x509_csr_read(bytes_of(pem, strlen(pem)), key, name, &error), 0);
    assert_string_equal(name, "cm-1");
    json_decref(csr);
    buffer_clear(&oem->programmer);
    test_pki_leaf(&oem->pki, X509_PROFILE_PROGRAMMER, key, &oem->programmer);
    return json_pack(
        "{s:s,s:s,s:o,s:o,s:o,s:o,s:o,s:o}", "programmer_id", OEM_PROGRAMMER_ID, "server_url",
        "https://127.0.0.1:1", "certificate_pem", pem_of(&oem->programmer), "root_pem",
        pem_of(&oem->pki.root), "device_ca_pem", pem_of(&oem->pki.device_ca), "operations_ca_pem",
        pem_of(&oem->pki.operations_ca), "job_authority_pem", pem_of(&oem->job_authority),
        "rotpk_sboot_hex", json_hex(bytes_of(oem->boot_key.public_key, 64)));
}

/* T2, put together here from the documentation, not from the code under test. */
static void answer_sign(struct oem *oem, const uint8_t programmer_point[65],
                        const uint8_t own_point[65], uint32_t epoch, uint8_t signature[64]) {
    struct buffer transcript = {0};
    uint8_t digest[32];
    uint8_t number[4] = {(uint8_t)(epoch >> 24), (uint8_t)(epoch >> 16), (uint8_t)(epoch >> 8),
                         (uint8_t)epoch};
    buffer_append_text(&transcript, "NuSEC AES_NuLink3 v1");
    x509_sha256(buffer_bytes(&oem->job_authority), digest);
    buffer_append(&transcript, digest, 32);
    x509_sha256(buffer_bytes(&oem->programmer), digest);
    buffer_append(&transcript, digest, 32);
    buffer_append(&transcript, programmer_point, 65);
    buffer_append(&transcript, own_point, 65);
    buffer_append(&transcript, number, 4);
    crypto_sha256(buffer_bytes(&transcript), digest);
    assert_int_equal(crypto_p256_sign(oem->job_authority_key.private_key, digest, signature),
                     STATUS_OK);
    buffer_free(&transcript);
}

/* The server believes the point only if the certified programmer signed it. */
static void offer_check(const struct oem *oem, const uint8_t point[65],
                        const uint8_t signature[64]) {
    struct buffer transcript = {0};
    struct x509_info info;
    struct error error;
    uint8_t digest[32];
    assert_int_equal(x509_read(buffer_bytes(&oem->programmer), &info, &error), 0);
    buffer_append_text(&transcript, "NuSEC AES_NuLink3 v1");
    x509_sha256(buffer_bytes(&oem->job_authority), digest);
    buffer_append(&transcript, digest, 32);
    buffer_append(&transcript, info.sha256, 32);
    buffer_append(&transcript, point, 65);
    crypto_sha256(buffer_bytes(&transcript), digest);
    assert_int_equal(crypto_p256_verify(info.public_key, digest, signature), STATUS_OK);
    buffer_free(&transcript);
}

json_t *oem_agreement_answer(struct oem *oem, struct programmer *programmer, uint32_t epoch) {
    struct error error;
    uint8_t point[65];
    uint8_t own_point[65];
    uint8_t signature[64];
    size_t size = 0;
    struct hsm_wrapped_key wrapped;
    json_t *offer = oem_call(programmer, programmer_prepare_agree_begin, json_object(), &error);
    assert_non_null(offer);
    assert_int_equal(json_read_base64(offer, "point_b64", point, 65, &size, &error), 0);
    assert_int_equal(json_read_base64(offer, "signature_b64", signature, 64, &size, &error), 0);
    json_decref(offer);
    offer_check(oem, point, signature);
    assert_int_equal(
        hsm_agreement_answer(oem->hsm, oem->kek, point, own_point, &wrapped, &oem->nulink3, &error),
        0);
    answer_sign(oem, point, own_point, epoch, signature);
    oem->epoch = epoch;
    return json_pack("{s:I,s:o,s:o,s:o}", "epoch", (json_int_t)epoch, "point_b64",
                     json_base64(bytes_of(own_point, 65)), "signature_b64",
                     json_base64(bytes_of(signature, 64)), "wrapped_key_b64",
                     json_base64(bytes_of(wrapped.data, wrapped.size)));
}

void oem_prepare(struct oem *oem, struct programmer *programmer) {
    struct error error = {0};
    json_t *answer = oem_call(programmer, programmer_prepare_install,
                              oem_install_params(oem, programmer), &error);
    if (answer == NULL)
        fail_msg("%s", error.message);
    json_decref(answer);
    answer = oem_call(programmer, programmer_prepare_agree_finish,
                      oem_agreement_answer(oem, programmer, oem->epoch + 1), &error);
    if (answer == NULL)
        fail_msg("%s", error.message);
    json_decref(answer);
}

struct package oem_package(const struct oem *oem, uint64_t sequence, uint32_t count,
                           const char *chip_family, const char *devauth_id) {
    struct package package = {
        .programmer_id = OEM_PROGRAMMER_ID,
        .epoch = oem->epoch,
        .sequence = sequence,
        .job_id = OEM_JOB_ID,
        .count = count,
        .expiry_s = TEST_PKI_NOW + 3600,
        .issued_s = TEST_PKI_NOW - 60,
    };
    x509_sha256(buffer_bytes(&oem->programmer), package.programmer_certificate_sha256);
    assert_int_equal(crypto_random(package.token, sizeof package.token), STATUS_OK);
    (void)snprintf(package.chip_family, sizeof package.chip_family, "%s", chip_family);
    (void)snprintf(package.devauth_id, sizeof package.devauth_id, "%s", devauth_id);
    return package;
}

static int seal_encrypt(void *context, const uint8_t iv[12], struct bytes aad, struct bytes input,
                        uint8_t *out, struct error *error) {
    struct oem *oem = context;
    return hsm_gcm_encrypt_wrapped(oem->kek, bytes_of(oem->nulink3.data, oem->nulink3.size), iv,
                                   aad, input, out, error);
}

static int seal_random(void *context, uint8_t *out, size_t size, struct error *error) {
    struct oem *oem = context;
    return hsm_random(oem->hsm, out, size, error);
}

struct package_authority oem_authority(struct oem *oem) {
    return (struct package_authority){
        .signer = test_key_signer(&oem->job_authority_key),
        .certificate = buffer_bytes(&oem->job_authority),
        .operations_ca = buffer_bytes(&oem->pki.operations_ca),
    };
}

void oem_seal(struct oem *oem, const struct package *package, struct buffer *out) {
    struct error error = {0};
    const struct package_authority authority = oem_authority(oem);
    const struct package_cipher cipher = {
        .encrypt = seal_encrypt, .random = seal_random, .context = oem};
    buffer_clear(out);
    if (package_write(package, &authority, &cipher, out, &error) != 0)
        fail_msg("%s", error.message);
}

void oem_certify(struct oem *oem, const uint8_t uid[16], const uint8_t auth_key[64],
                 struct buffer *out) {
    struct error error = {0};
    uint8_t random[10];
    uint8_t certificate[DEVICE_CERTIFICATE_MAX];
    size_t size = 0;
    struct device_certificate_fields fields = {
        .not_before_s = TEST_PKI_NOW - 60,
        .not_after_s = X509_NO_EXPIRY,
    };
    memcpy(fields.uid, uid, 16);
    memcpy(fields.auth_key, auth_key, 64);
    assert_int_equal(crypto_random(random, sizeof random), STATUS_OK);
    x509_serial(TEST_PKI_NOW, random, fields.serial);
    if (device_certificate_issue(&oem->issuer, &fields, certificate, sizeof certificate, &size,
                                 &error) != 0)
        fail_msg("%s", error.message);
    buffer_append(out, certificate, size);
}

static enum status command_sign(void *context, const uint8_t digest[32], uint8_t signature[64]) {
    const struct oem *oem = context;
    return crypto_p256_sign(oem->command_key.private_key, digest, signature);
}

void oem_permit(struct oem *oem, const uint8_t uid[16], const uint8_t auth_key_hash[32],
                const uint8_t nonce[32], struct buffer *out) {
    uint8_t payload[PERMIT_PAYLOAD_MAX];
    uint8_t encoded[PERMIT_MAX];
    struct writer payload_writer;
    struct writer writer;
    struct permit permit = {.command = PERMIT_ROOT_HASH};
    struct permit_root_hash arguments;
    const struct bytes chain[2] = {buffer_bytes(&oem->command_authority),
                                   buffer_bytes(&oem->pki.operations_ca)};
    memcpy(permit.uid, uid, 16);
    memcpy(permit.auth_key_hash, auth_key_hash, 32);
    memcpy(permit.nonce, nonce, 32);
    crypto_sha256(buffer_bytes(&oem->pki.root), arguments.root_hash);
    crypto_sha256(bytes_of(oem->command_key.public_key, 64), arguments.command_key_hash);
    writer_init(&payload_writer, payload, sizeof payload);
    writer_init(&writer, encoded, sizeof encoded);
    permit_write_root_hash(&payload_writer, &permit, &arguments);
    assert_int_equal(
        cose_sign1_write(&writer, chain, 2, writer_bytes(&payload_writer), command_sign, oem),
        STATUS_OK);
    buffer_append(out, encoded, writer.size);
}

void oem_sign_permit(struct oem *oem, struct bytes statement, struct buffer *out) {
    uint8_t encoded[PERMIT_MAX];
    struct writer writer;
    const struct bytes chain[1] = {buffer_bytes(&oem->command_authority)};
    writer_init(&writer, encoded, sizeof encoded);
    assert_int_equal(cose_sign1_write(&writer, chain, 1, statement, command_sign, oem), STATUS_OK);
    buffer_append(out, encoded, writer.size);
}
