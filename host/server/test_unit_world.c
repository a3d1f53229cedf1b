/* The second half of test_world.h: programmers, jobs and chips. */
#include "server/test_world.h"

#include "base/clock.h"
#include "base/encoding.h"
#include "base/file.h"
#include "base/json.h"
#include "base/scrap_statement.h"
#include "crypto/crypto.h"
#include "devauth/certificate.h"
#include "hsm/gcm.h"
#include "package/package.h"
#include "x509/certificate.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct error failure;

static void require(int result) {
    if (result != 0)
        fail_msg("%s %s (%s)", error_name(failure.code), failure.message, failure.detail);
}

static int sign_with_key(void *context, const uint8_t digest[32], uint8_t signature[64],
                         struct error *error) {
    EVP_PKEY_CTX *signing = EVP_PKEY_CTX_new(context, NULL);
    uint8_t der[80];
    const uint8_t *input = der;
    size_t size = sizeof der;
    ECDSA_SIG *parsed;

    (void)error;
    assert_int_equal(EVP_PKEY_sign_init(signing), 1);
    assert_int_equal(EVP_PKEY_sign(signing, der, &size, digest, 32), 1);
    EVP_PKEY_CTX_free(signing);
    parsed = d2i_ECDSA_SIG(NULL, &input, (long)size);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(parsed), signature, 32), 32);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(parsed), signature + 32, 32), 32);
    ECDSA_SIG_free(parsed);
    return 0;
}

static void make_key(struct test_programmer *programmer, uint8_t public_key[64]) {
    uint8_t point[65];
    size_t size = 0;
    FILE *file = fopen(programmer->key_path, "w");

    programmer->key = EVP_EC_gen("P-256");
    assert_non_null(file);
    assert_int_equal(PEM_write_PrivateKey(file, programmer->key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(file);
    assert_int_equal(EVP_PKEY_get_octet_string_param(programmer->key,
                                                     OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, point,
                                                     sizeof point, &size),
                     1);
    memcpy(public_key, point + 1, 64);
}

static void enrol(struct test_world *world, const char *name, struct test_programmer *programmer) {
    uint8_t public_key[64];
    struct buffer csr = {0};
    const char *pem;
    json_t *answer;

    make_key(programmer, public_key);
    require(x509_csr_create(name, public_key, (struct signer){sign_with_key, programmer->key}, &csr,
                            &failure));
    answer = test_post(world->admin, "/v1/programmers",
                       json_pack("{s:s, s:s, s:s}", "name", name, "csr_pem", buffer_text(&csr),
                                 "assurance", "software"));
    snprintf(programmer->id, sizeof programmer->id, "%s",
             json_string_value(json_object_get(answer, "id")));
    pem = json_string_value(json_object_get(answer, "certificate_pem"));
    require(
        x509_certificate_from_pem(bytes_of(pem, strlen(pem)), &programmer->certificate, &failure));
    require(file_write_durable(programmer->certificate_path, bytes_of(pem, strlen(pem)), 0600,
                               &failure));
    json_decref(answer);
    buffer_free(&csr);
}

static void own_hash(const struct test_programmer *programmer, uint8_t hash[32]) {
    x509_sha256(buffer_bytes(&programmer->certificate), hash);
}

/* SHA-256(label || job authority certificate || own certificate || point) */
static void sign_transcript(struct test_world *world, const struct test_programmer *programmer,
                            const uint8_t point[65], uint8_t signature[64]) {
    static const char label[] = "NuSEC AES_NuLink3 v1";
    json_t *ca = test_get(world->admin, "/v1/ca");
    const char *pem = json_string_value(json_object_get(ca, "job_authority_pem"));
    struct buffer authority = {0};
    uint8_t input[sizeof label - 1 + 32 + 32 + 65], digest[32];

    require(x509_certificate_from_pem(bytes_of(pem, strlen(pem)), &authority, &failure));
    memcpy(input, label, sizeof label - 1);
    x509_sha256(buffer_bytes(&authority), input + sizeof label - 1);
    own_hash(programmer, input + sizeof label - 1 + 32);
    memcpy(input + sizeof label - 1 + 64, point, 65);
    SHA256(input, sizeof input, digest);
    sign_with_key(programmer->key, digest, signature, &failure);
    buffer_free(&authority);
    json_decref(ca);
}

static void agree(struct test_world *world, struct test_programmer *programmer) {
    uint8_t point[65], peer[65], signature[64], wrapped[64];
    size_t size;
    char path[128];
    json_t *answer;
    struct hsm_agreement *agreement = hsm_agreement_begin(world->key_store, point, &failure);

    require(agreement != NULL ? 0 : -1);
    sign_transcript(world, programmer, point, signature);
    snprintf(path, sizeof path, "/v1/programmers/%s/agreement", programmer->id);
    answer = test_post(world->admin, path,
                       json_pack("{s:o, s:o}", "point_b64", json_base64(bytes_of(point, 65)),
                                 "signature_b64", json_base64(bytes_of(signature, 64))));
    require(json_read_u32(answer, "epoch", &programmer->epoch, &failure));
    require(json_read_base64(answer, "point_b64", peer, sizeof peer, &size, &failure));
    require(json_read_base64(answer, "wrapped_key_b64", wrapped, sizeof wrapped, &size, &failure));
    snprintf(programmer->key_label, sizeof programmer->key_label, "%.20s-%u", programmer->id,
             programmer->epoch);
    require(hsm_agreement_finish(agreement, peer, bytes_of(wrapped, size), programmer->key_label,
                                 &failure));
    hsm_agreement_free(agreement);
    json_decref(answer);
}

void test_programmer_make(struct test_world *world, const char *name, bool agreed,
                          struct test_programmer *programmer) {
    memset(programmer, 0, sizeof *programmer);
    snprintf(programmer->certificate_path, sizeof programmer->certificate_path, "%s/%s.pem",
             world->directory, name);
    snprintf(programmer->key_path, sizeof programmer->key_path, "%s/%s.key", world->directory,
             name);
    enrol(world, name, programmer);
    if (agreed)
        agree(world, programmer);
    test_programmer_connect(world, programmer);
}

void test_programmer_connect(struct test_world *world, struct test_programmer *programmer) {
    http_client_free(programmer->client);
    programmer->client = test_client(world, programmer->certificate_path, programmer->key_path);
}

void test_programmer_free(struct test_programmer *programmer) {
    http_client_free(programmer->client);
    EVP_PKEY_free(programmer->key);
    buffer_free(&programmer->certificate);
}

void test_job_make(struct test_world *world, const struct test_programmer *programmer,
                   unsigned count, json_t *uids, struct test_job *job) {
    json_t *answer = test_post(
        world->admin, "/v1/jobs",
        json_pack("{s:s, s:s, s:i, s:I, s:s, s:s, s:o}", "product", "Test product", "programmer_id",
                  programmer->id, "count", (int)count, "expires",
                  (json_int_t)clock_now_s(&clock_system) + 3600, "chip_family", "TEST",
                  "devauth_id", world->devauth_id, "uids", uids != NULL ? uids : json_array()));

    memset(job, 0, sizeof *job);
    snprintf(job->id, sizeof job->id, "%s", json_string_value(json_object_get(answer, "id")));
    assert_string_equal(json_string_value(json_object_get(answer, "state")), "created");
    json_decref(answer);
}

static int decrypt(void *context, const uint8_t iv[12], struct bytes aad, struct bytes input,
                   uint8_t *out, struct error *error) {
    return hsm_gcm_decrypt(context, iv, aad, input, out, error);
}

static void read_ca(struct test_world *world, const char *name, struct buffer *der) {
    char path[192];
    struct buffer pem = {0};

    snprintf(path, sizeof path, "%.120s/ca/%s.pem", world->data, name);
    require(file_read(path, 8192, &pem, &failure));
    require(x509_certificate_from_pem(buffer_bytes(&pem), der, &failure));
    buffer_free(&pem);
}

static void take_token(struct test_world *world, const struct test_programmer *programmer,
                       struct bytes encoded, struct test_job *job) {
    struct buffer root = {0}, operations_ca = {0};
    struct package_reader reader = {.epoch = programmer->epoch};
    struct package package;
    char *token;

    read_ca(world, "root", &root);
    read_ca(world, "operations-ca", &operations_ca);
    reader.root = buffer_bytes(&root);
    reader.operations_ca = buffer_bytes(&operations_ca);
    reader.cipher.decrypt = decrypt;
    reader.cipher.context = hsm_key(world->key_store, programmer->key_label, &failure);
    require(reader.cipher.context != NULL ? 0 : -1);
    own_hash(programmer, reader.programmer_certificate_sha256);
    require(package_open(encoded, &reader, clock_now_s(&clock_system), &package, &failure));
    assert_string_equal(package.job_id, job->id);
    assert_string_equal(package.devauth_id, world->devauth_id);
    token = base64_encode(bytes_of(package.token, sizeof package.token));
    snprintf(job->token_b64, sizeof job->token_b64, "%s", token);
    job->sequence = package.sequence;
    free(token);
    package_free(&package);
    buffer_free(&root);
    buffer_free(&operations_ca);
}

void test_job_export(struct test_world *world, const struct test_programmer *programmer,
                     struct test_job *job) {
    struct buffer encoded = {0};
    char path[128];
    json_t *answer;

    snprintf(path, sizeof path, "/v1/jobs/%s/export", job->id);
    answer = test_post(world->admin, path, json_object());
    require(json_read_base64_buffer(answer, "package_b64", PACKAGE_SIZE_MAX, &encoded, &failure));
    take_token(world, programmer, buffer_bytes(&encoded), job);
    assert_int_equal(json_integer_value(json_object_get(answer, "sequence")), job->sequence);
    json_decref(answer);
    buffer_free(&encoded);
}

void test_job_activate(struct test_programmer *programmer, const struct test_job *job) {
    char path[128];

    snprintf(path, sizeof path, "/v1/jobs/%s/activate", job->id);
    json_decref(test_post(programmer->client, path,
                          json_pack("{s:s, s:I}", "token_b64", job->token_b64, "sequence",
                                    (json_int_t)job->sequence)));
}

void test_chip_make(struct test_chip *chip) {
    uint8_t other[32];

    memset(chip, 0, sizeof *chip);
    assert_int_equal(crypto_random(chip->uid, sizeof chip->uid), STATUS_OK);
    assert_int_equal(crypto_p256_generate(chip->private_key, chip->auth_key), STATUS_OK);
    assert_int_equal(crypto_p256_generate(other, chip->enc_key), STATUS_OK);
    assert_int_equal(crypto_p256_generate(other, chip->tls_key), STATUS_OK);
}

void test_chip_free(struct test_chip *chip) {
    buffer_free(&chip->certificate);
}

static enum status chip_sign(void *context, const uint8_t digest[32], uint8_t signature[64]) {
    const struct test_chip *chip = context;

    return crypto_p256_sign(chip->private_key, digest, signature);
}

char *test_chip_csr(const struct test_chip *chip) {
    const struct certificate_request request = {.uid = chip->uid,
                                                .nonce = chip->nonce,
                                                .auth_key = chip->auth_key,
                                                .enc_key = chip->enc_key,
                                                .tls_key = chip->tls_key};
    uint8_t der[CERTIFICATE_CSR_MAX];
    struct writer writer;

    writer_init(&writer, der, sizeof der);
    assert_int_equal(certificate_write_csr(&writer, &request, chip_sign, (void *)(uintptr_t)chip),
                     STATUS_OK);
    return base64_encode(writer_bytes(&writer));
}

int test_reserve(struct test_programmer *programmer, const struct test_job *job,
                 struct test_chip *chip, unsigned attempt, struct error *error) {
    char path[128], uid[33];
    json_t *request, *answer = NULL;

    hex_encode_upper(bytes_of(chip->uid, sizeof chip->uid), uid);
    snprintf(path, sizeof path, "/v1/jobs/%s/units", job->id);
    request = json_pack("{s:s, s:i, s:s}", "uid", uid, "attempt", (int)attempt, "token_b64",
                        job->token_b64);
    if (http_client_post(programmer->client, path, request, &answer, error) == 0) {
        snprintf(chip->unit_id, sizeof chip->unit_id, "%s",
                 json_string_value(json_object_get(answer, "unit_id")));
        require(json_read_hex(answer, "nonce_hex", chip->nonce, sizeof chip->nonce, &failure));
    }
    json_decref(request);
    json_decref(answer);
    return http_client_last_status(programmer->client);
}

int test_certify(struct test_programmer *programmer, struct test_chip *chip, struct error *error) {
    char path[128];
    uint8_t digest[32];
    char *csr = test_chip_csr(chip);
    json_t *request = json_pack("{s:s}", "csr_b64", csr), *answer = NULL;

    snprintf(path, sizeof path, "/v1/units/%s/certificate", chip->unit_id);
    if (http_client_post(programmer->client, path, request, &answer, error) == 0) {
        buffer_free(&chip->certificate);
        require(
            json_read_base64_buffer(answer, "certificate_b64", 4096, &chip->certificate, &failure));
        x509_sha256(buffer_bytes(&chip->certificate), digest);
        hex_encode(bytes_of(digest, 32), chip->certificate_hash_hex);
    }
    free(csr);
    json_decref(request);
    json_decref(answer);
    return http_client_last_status(programmer->client);
}

int test_permit(struct test_programmer *programmer, const struct test_chip *chip,
                const uint8_t device_nonce[32], struct error *error) {
    char path[128];
    uint8_t digest[32];
    json_t *request;

    SHA256(chip->auth_key, sizeof chip->auth_key, digest);
    snprintf(path, sizeof path, "/v1/units/%s/permits", chip->unit_id);
    request = json_pack("{s:s, s:o, s:o}", "command", "root_hash", "device_nonce_hex",
                        json_hex(bytes_of(device_nonce, 32)), "auth_key_hash_hex",
                        json_hex(bytes_of(digest, 32)));
    http_client_post(programmer->client, path, request, NULL, error);
    json_decref(request);
    return http_client_last_status(programmer->client);
}

static json_t *scrap_signature(const struct test_programmer *programmer,
                               const struct test_chip *chip, const char *reason) {
    uint8_t unit_id[16] = {0}, digest[32], signature[64];

    (void)hex_decode(chip->unit_id, unit_id, sizeof unit_id);
    scrap_statement_digest(unit_id, chip->uid, reason, digest);
    assert_int_equal(sign_with_key(programmer->key, digest, signature, &failure), 0);
    return json_hex(bytes_of(signature, sizeof signature));
}

int test_status(struct test_programmer *programmer, const struct test_chip *chip, const char *state,
                struct error *error) {
    char path[128];
    json_t *request =
        json_pack("{s:s, s:s, s:s, s:f, s:s}", "state", state, "step", "done", "reason", "test",
                  "seconds", 1.5, "certificate_sha256_hex", chip->certificate_hash_hex);

    if (chip->certificate_hash_hex[0] == '\0')
        json_object_del(request, "certificate_sha256_hex");
    if (strcmp(state, "scrapped") == 0)
        json_object_set_new(request, "signature_hex", scrap_signature(programmer, chip, "test"));
    snprintf(path, sizeof path, "/v1/units/%s/status", chip->unit_id);
    http_client_post(programmer->client, path, request, NULL, error);
    json_decref(request);
    return http_client_last_status(programmer->client);
}

void test_unit(struct test_programmer *programmer, const struct test_job *job,
               struct test_chip *chip) {
    uint8_t nonce[32];
    struct error error = {0};

    assert_int_equal(crypto_random(nonce, sizeof nonce), STATUS_OK);
    assert_int_equal(test_reserve(programmer, job, chip, 1, &error), 201);
    assert_int_equal(test_certify(programmer, chip, &error), 200);
    assert_int_equal(test_permit(programmer, chip, nonce, &error), 200);
    assert_int_equal(test_status(programmer, chip, "identified", &error), 200);
}

json_int_t test_count(struct test_world *world, const struct test_job *job, const char *name) {
    char path[128];
    json_t *report;
    json_int_t value;

    snprintf(path, sizeof path, "/v1/jobs/%s/report", job->id);
    report = test_get(world->admin, path);
    value = json_integer_value(json_object_get(json_object_get(report, "counts"), name));
    json_decref(report);
    return value;
}
