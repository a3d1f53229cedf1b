/* A programmer that proves its TPM to a real server. */
#include "server/test_world.h"

#include "base/encoding.h"
#include "base/file.h"
#include "base/json.h"
#include "crypto/crypto.h"
#include "tpm/testing/swtpm.h"
#include "tpm/tpm_attest.h"
#include "x509/certificate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct test_world world;
static struct swtpm swtpm;
static struct tpm *tpm;
static struct error error;
static uint8_t public_key[64];

static int sign_in_tpm(void *context, const uint8_t digest[32], uint8_t signature[64],
                       struct error *failure) {
    return tpm_sign(context, "authkey", digest, signature, failure);
}

static json_t *base64_of(const struct buffer *buffer) {
    return json_base64(buffer_bytes(buffer));
}

struct offer {
    struct tpm_attest *attest;
    json_t *request;
};

static struct offer offer_make(void) {
    struct buffer certificate = {0};
    struct buffer ak_public = {0};
    struct offer offer = {.attest = tpm_attest_begin(tpm, &certificate, &ak_public, &error)};
    assert_non_null(offer.attest);
    offer.request = json_pack("{s:o, s:o}", "ek_certificate_b64", base64_of(&certificate),
                              "ak_public_b64", base64_of(&ak_public));
    buffer_free(&certificate);
    buffer_free(&ak_public);
    return offer;
}

static void bytes_at(const json_t *object, const char *key, struct buffer *out) {
    assert_int_equal(json_read_base64_buffer(object, key, 4096, out, &error), 0);
}

/* The member "tpm" of an enrolment, for a fresh challenge. */
static json_t *proof_make(void) {
    struct offer offer = offer_make();
    struct buffer credential = {0};
    struct buffer secret = {0};
    struct buffer authkey = {0};
    struct buffer statement = {0};
    uint8_t signature[64];
    json_t *challenge = test_post(world.admin, "/v1/tpm-challenges", offer.request);
    bytes_at(challenge, "credential_b64", &credential);
    bytes_at(challenge, "encrypted_secret_b64", &secret);
    assert_int_equal(tpm_attest_prove(offer.attest, buffer_bytes(&credential),
                                      buffer_bytes(&secret), "authkey", &authkey, &statement,
                                      signature, &error),
                     0);
    json_t *proof = json_pack("{s:O, s:o, s:o, s:o}", "challenge_id",
                              json_object_get(challenge, "challenge_id"), "authkey_public_b64",
                              base64_of(&authkey), "attest_b64", base64_of(&statement),
                              "signature_b64", json_base64(bytes_of(signature, 64)));
    tpm_attest_free(offer.attest);
    json_decref(challenge);
    buffer_free(&credential);
    buffer_free(&secret);
    buffer_free(&authkey);
    buffer_free(&statement);
    return proof;
}

static json_t *enrolment(const char *name, struct signer signer, const uint8_t key[64],
                         json_t *proof) {
    struct buffer csr = {0};
    assert_int_equal(x509_csr_create(name, key, signer, &csr, &error), 0);
    json_t *request = json_pack("{s:s, s:s, s:s, s:o}", "name", name, "csr_pem", buffer_text(&csr),
                                "assurance", "tpm", "tpm", proof);
    buffer_free(&csr);
    return request;
}

static void expect_refused(json_t *request, const char *path, int status, const char *code) {
    char *body = json_dumps(request, JSON_COMPACT);
    test_expect(world.admin, "POST", path, body, status, code);
    free(body);
    json_decref(request);
}

static int begin(void **state) {
    char path[256];
    struct buffer pem = {0};
    (void)state;
    test_world_begin(&world);
    swtpm_make_certified(&swtpm);
    const struct tpm_config config = {
        .tcti = swtpm.tcti, .directory = swtpm.keys, .pin_file = swtpm.pin_file};
    tpm = tpm_open(&config, &error);
    assert_non_null(tpm);
    assert_int_equal(tpm_generate_p256(tpm, "authkey", &error), 0);
    assert_int_equal(tpm_public_key(tpm, "authkey", public_key, &error), 0);

    /* Before the OEM has named any maker. */
    struct offer offer = offer_make();
    expect_refused(offer.request, "/v1/tpm-challenges", 403, "assurance_unproven");
    tpm_attest_free(offer.attest);

    (void)snprintf(path, sizeof path, "%s/tpm-ca", world.data);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof path, "%s/issuer.pem", swtpm.makers);
    assert_int_equal(file_read(path, 8192, &pem, &error), 0);
    (void)snprintf(path, sizeof path, "%s/tpm-ca/maker.pem", world.data);
    assert_int_equal(file_write_durable(path, buffer_bytes(&pem), 0600, &error), 0);
    buffer_free(&pem);
    return 0;
}

static int end(void **state) {
    (void)state;
    tpm_close(tpm);
    swtpm_remove(&swtpm);
    test_world_end(&world);
    return 0;
}

static void a_proof_is_good_once(void **state) {
    const struct signer signer = {sign_in_tpm, tpm};
    (void)state;
    json_t *proof = proof_make();
    json_t *enrolled = test_post(world.admin, "/v1/programmers",
                                 enrolment("proven", signer, public_key, json_incref(proof)));
    char path[128];
    (void)snprintf(path, sizeof path, "/v1/programmers/%s",
                   json_string_value(json_object_get(enrolled, "id")));
    json_t *shown = test_get(world.admin, path);
    assert_string_equal(json_string_value(json_object_get(shown, "assurance")), "tpm");
    expect_refused(enrolment("again", signer, public_key, proof), "/v1/programmers", 409,
                   "challenge_expired");
    json_decref(enrolled);
    json_decref(shown);
}

static int sign_in_file(void *context, const uint8_t digest[32], uint8_t signature[64],
                        struct error *failure) {
    (void)failure;
    return crypto_p256_sign(context, digest, signature) == STATUS_OK ? 0 : -1;
}

static void a_proof_for_another_key_is_refused(void **state) {
    uint8_t private_key[32];
    uint8_t other[64];
    (void)state;
    assert_int_equal(crypto_p256_generate(private_key, other), STATUS_OK);
    const struct signer signer = {sign_in_file, private_key};
    expect_refused(enrolment("other", signer, other, proof_make()), "/v1/programmers", 403,
                   "assurance_unproven");
}

static void a_changed_proof_is_refused(void **state) {
    static const char *const members[] = {"challenge_id", "authkey_public_b64", "attest_b64",
                                          "signature_b64"};
    const struct signer signer = {sign_in_tpm, tpm};
    (void)state;
    json_t *good = proof_make();
    json_t *other = proof_make();
    for (size_t i = 0; i < 4; i++) {
        json_t *proof = json_deep_copy(good);
        json_object_del(proof, members[i]);
        expect_refused(enrolment("x", signer, public_key, proof), "/v1/programmers", 400,
                       "bad_request");
        if (i == 1)
            continue; /* one key, one public area */
        proof = json_deep_copy(good);
        json_object_set(proof, members[i], json_object_get(other, members[i]));
        expect_refused(enrolment("x", signer, public_key, proof), "/v1/programmers", 403,
                       "assurance_unproven");
    }
    json_object_set_new(good, "challenge_id", json_string("tpm-00000000"));
    expect_refused(enrolment("x", signer, public_key, good), "/v1/programmers", 409,
                   "challenge_expired");
    expect_refused(enrolment("x", signer, public_key, json_string("proof")), "/v1/programmers", 400,
                   "bad_request");
    expect_refused(enrolment("x", signer, public_key, json_null()), "/v1/programmers", 403,
                   "assurance_unproven");
    json_decref(other);
}

static void a_bad_offer_is_refused(void **state) {
    struct offer offer = offer_make();
    (void)state;
    json_t *request = json_deep_copy(offer.request);
    json_object_set_new(request, "ak_public_b64", json_string("AAAA"));
    expect_refused(request, "/v1/tpm-challenges", 403, "assurance_unproven");
    request = json_deep_copy(offer.request);
    json_object_set_new(request, "ek_certificate_b64", json_string("AAAA"));
    expect_refused(request, "/v1/tpm-challenges", 403, "assurance_unproven");
    request = json_deep_copy(offer.request);
    json_object_del(request, "ak_public_b64");
    expect_refused(request, "/v1/tpm-challenges", 400, "bad_request");
    tpm_attest_free(offer.attest);
    json_decref(offer.request);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_proof_is_good_once),
        cmocka_unit_test(a_proof_for_another_key_is_refused),
        cmocka_unit_test(a_changed_proof_is_refused),
        cmocka_unit_test(a_bad_offer_is_refused),
    };
    if (crypto_init(NULL, NULL) != STATUS_OK)
        return 1;
    return cmocka_run_group_tests(tests, begin, end);
}
