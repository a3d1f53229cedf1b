/* The whole proof: a TPM that swtpm's own tool has certified, the programmer's half, the server's.
 */
#include "tpm/testing/swtpm.h"
#include "tpm/tpm_attest.h"
#include "tpm_evidence/tpm_evidence.h"

#include "base/file.h"
#include "crypto/crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

struct fixture {
    struct swtpm swtpm;
    struct tpm *tpm;
    struct buffer certificate;
    struct buffer ak_public;
    struct buffer authkey_public;
    struct buffer statement;
    uint8_t public_key[64];
    uint8_t secret[TPM_EVIDENCE_SECRET_SIZE];
    uint8_t nonce[TPM_EVIDENCE_NONCE_SIZE];
    struct tpm_attest *attest;
    struct tpm_evidence_challenge challenge;
    struct tpm_evidence_proof proof;
};

static struct error error;

static uint64_t now_s(void) {
    return (uint64_t)time(NULL);
}

static void tpm_begin(struct fixture *fixture) {
    const struct tpm_config config = {.tcti = fixture->swtpm.tcti,
                                      .directory = fixture->swtpm.keys,
                                      .pin_file = fixture->swtpm.pin_file};
    fixture->tpm = tpm_open(&config, &error);
    if (fixture->tpm == NULL)
        fail_msg("%s", error.message);
    assert_int_equal(tpm_generate_p256(fixture->tpm, "authkey", &error), 0);
    assert_int_equal(tpm_public_key(fixture->tpm, "authkey", fixture->public_key, &error), 0);
    fixture->attest =
        tpm_attest_begin(fixture->tpm, &fixture->certificate, &fixture->ak_public, &error);
    assert_non_null(fixture->attest);
}

static int prove(struct fixture *fixture) {
    buffer_clear(&fixture->authkey_public);
    buffer_clear(&fixture->statement);
    int failed = tpm_attest_prove(
        fixture->attest,
        bytes_of(fixture->challenge.credential, sizeof fixture->challenge.credential),
        bytes_of(fixture->challenge.encrypted_secret, sizeof fixture->challenge.encrypted_secret),
        "authkey", &fixture->authkey_public, &fixture->statement, fixture->proof.signature, &error);
    fixture->proof.ak_public = buffer_bytes(&fixture->ak_public);
    fixture->proof.authkey_public = buffer_bytes(&fixture->authkey_public);
    fixture->proof.attest = buffer_bytes(&fixture->statement);
    return failed;
}

static void challenge(struct fixture *fixture) {
    assert_int_equal(crypto_random(fixture->secret, sizeof fixture->secret), STATUS_OK);
    tpm_evidence_nonce(fixture->secret, fixture->nonce);
    assert_int_equal(tpm_evidence_challenge(buffer_bytes(&fixture->certificate),
                                            buffer_bytes(&fixture->ak_public), fixture->secret,
                                            &fixture->challenge, &error),
                     0);
}

static int setup(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    swtpm_make_certified(&fixture->swtpm);
    tpm_begin(fixture);
    challenge(fixture);
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    tpm_attest_free(fixture->attest);
    tpm_close(fixture->tpm);
    swtpm_remove(&fixture->swtpm);
    buffer_free(&fixture->certificate);
    buffer_free(&fixture->ak_public);
    buffer_free(&fixture->authkey_public);
    buffer_free(&fixture->statement);
    free(fixture);
    return 0;
}

static void expect_unproven(struct fixture *fixture) {
    assert_int_equal(
        tpm_evidence_verify(&fixture->proof, fixture->nonce, fixture->public_key, &error), -1);
    assert_int_equal(error.code, ERROR_ASSURANCE_UNPROVEN);
}

static void a_key_in_a_makers_tpm_is_proven(void **state) {
    struct fixture *fixture = *state;
    assert_int_equal(tpm_evidence_ek_check(buffer_bytes(&fixture->certificate),
                                           fixture->swtpm.makers, now_s(), &error),
                     0);
    assert_int_equal(prove(fixture), 0);
    assert_int_equal(
        tpm_evidence_verify(&fixture->proof, fixture->nonce, fixture->public_key, &error), 0);
}

static void expect_ek_refused(struct bytes certificate, const char *folder, uint64_t at_s) {
    assert_int_equal(tpm_evidence_ek_check(certificate, folder, at_s, &error), -1);
    assert_int_equal(error.code, ERROR_ASSURANCE_UNPROVEN);
}

static void a_tpm_of_an_unknown_maker_is_refused(void **state) {
    struct fixture *fixture = *state;
    struct bytes certificate = buffer_bytes(&fixture->certificate);
    struct swtpm other;
    swtpm_make_certified(&other);
    expect_ek_refused(certificate, other.makers, now_s());
    expect_ek_refused(certificate, "/nonexistent", now_s());
    assert_non_null(strstr(error.hint, "tpm-ca"));
    expect_ek_refused(certificate, fixture->swtpm.keys, now_s()); /* nothing but other files */
    expect_ek_refused(certificate, fixture->swtpm.makers, 1000);  /* before it was issued */
    swtpm_remove(&other);
}

static void what_is_no_endorsement_certificate_is_refused(void **state) {
    struct fixture *fixture = *state;
    struct bytes certificate = buffer_bytes(&fixture->certificate);
    struct buffer longer = {0};
    expect_ek_refused(bytes_of(NULL, 0), fixture->swtpm.makers, now_s());
    expect_ek_refused(bytes_slice(certificate, 0, certificate.size - 1), fixture->swtpm.makers,
                      now_s());
    buffer_append(&longer, certificate.data, certificate.size);
    longer.data[longer.size - 1] ^= 1; /* its signature */
    expect_ek_refused(buffer_bytes(&longer), fixture->swtpm.makers, now_s());
    longer.data[longer.size - 1] ^= 1;
    buffer_append(&longer, "x", 1);
    expect_ek_refused(buffer_bytes(&longer), fixture->swtpm.makers, now_s());
    buffer_free(&longer);
    /* The maker's own certificate chains as well, but is for no endorsement key. */
    struct buffer issuer = {0};
    swtpm_maker_certificate(&fixture->swtpm, &issuer);
    expect_ek_refused(buffer_bytes(&issuer), fixture->swtpm.makers, now_s());
    assert_non_null(strstr(error.message, "endorsement key"));
    buffer_free(&issuer);
}

/* The challenge is for one TPM and one attestation key in it. */
static void another_tpm_does_not_open_the_challenge(void **state) {
    struct fixture *fixture = *state;
    struct fixture other = {0};
    swtpm_make_certified(&other.swtpm);
    tpm_begin(&other);
    other.challenge = fixture->challenge;
    assert_int_equal(prove(&other), -1);
    assert_int_equal(error.code, ERROR_ALTERED);
    /* Its own attestation key with this TPM's certificate: software could offer that. */
    assert_int_equal(tpm_evidence_challenge(buffer_bytes(&fixture->certificate),
                                            buffer_bytes(&other.ak_public), fixture->secret,
                                            &fixture->challenge, &error),
                     0);
    assert_int_equal(prove(fixture), -1);
    assert_int_equal(error.code, ERROR_ALTERED);
    struct fixture *rest = &other;
    tpm_attest_free(rest->attest);
    tpm_close(rest->tpm);
    swtpm_remove(&rest->swtpm);
    buffer_free(&rest->certificate);
    buffer_free(&rest->ak_public);
    buffer_free(&rest->authkey_public);
    buffer_free(&rest->statement);
}

static void an_altered_challenge_is_refused_by_the_tpm(void **state) {
    struct fixture *fixture = *state;
    for (size_t i = 0; i < TPM_EVIDENCE_CREDENTIAL_SIZE; i += 5) {
        fixture->challenge.credential[i] ^= 1;
        assert_int_equal(prove(fixture), -1);
        fixture->challenge.credential[i] ^= 1;
    }
    fixture->challenge.encrypted_secret[100] ^= 1;
    assert_int_equal(prove(fixture), -1);
    assert_int_equal(error.code, ERROR_ALTERED);
    fixture->challenge.encrypted_secret[100] ^= 1;
    assert_int_equal(prove(fixture), 0); /* nothing is left loaded */
    uint8_t longer[1024] = {0};
    assert_int_equal(tpm_attest_prove(fixture->attest, bytes_of(longer, sizeof longer),
                                      bytes_of(longer, 1), "authkey", &fixture->authkey_public,
                                      &fixture->statement, fixture->proof.signature, &error),
                     -1);
    assert_int_equal(error.code, ERROR_BAD_REQUEST);
}

/* Every bit of statement, public areas and signature counts. */
static void an_altered_proof_is_refused(void **state) {
    struct fixture *fixture = *state;
    assert_int_equal(prove(fixture), 0);
    const struct buffer *parts[] = {&fixture->statement, &fixture->authkey_public,
                                    &fixture->ak_public};
    for (size_t part = 0; part < 3; part++)
        for (size_t i = 0; i < parts[part]->size; i++) {
            parts[part]->data[i] ^= 4;
            expect_unproven(fixture);
            parts[part]->data[i] ^= 4;
        }
    for (size_t i = 0; i < 64; i++) {
        fixture->proof.signature[i] ^= 4;
        expect_unproven(fixture);
        fixture->proof.signature[i] ^= 4;
    }
    fixture->proof.attest.size--;
    expect_unproven(fixture);
    fixture->proof.attest.size = 0;
    expect_unproven(fixture);
    fixture->proof.attest = buffer_bytes(&fixture->statement);
    fixture->proof.authkey_public.size--;
    expect_unproven(fixture);
    fixture->proof.authkey_public = buffer_bytes(&fixture->authkey_public);
    fixture->nonce[0] ^= 1;
    expect_unproven(fixture);
    fixture->nonce[0] ^= 1;
    fixture->public_key[0] ^= 1;
    expect_unproven(fixture);
    fixture->public_key[0] ^= 1;
    assert_int_equal(
        tpm_evidence_verify(&fixture->proof, fixture->nonce, fixture->public_key, &error), 0);
}

/* AUTHKEY signs whatever it is given, so a statement it signed says nothing. */
static void a_statement_by_authkey_itself_is_refused(void **state) {
    struct fixture *fixture = *state;
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    assert_int_equal(prove(fixture), 0);
    crypto_sha256(fixture->proof.attest, digest);
    assert_int_equal(tpm_sign(fixture->tpm, "authkey", digest, fixture->proof.signature, &error),
                     0);
    fixture->proof.ak_public = fixture->proof.authkey_public;
    expect_unproven(fixture);
    struct tpm_evidence_challenge made;
    assert_int_equal(tpm_evidence_challenge(buffer_bytes(&fixture->certificate),
                                            fixture->proof.authkey_public, fixture->secret, &made,
                                            &error),
                     -1);
    assert_int_equal(error.code, ERROR_ASSURANCE_UNPROVEN);
    /* And the attestation key is none to be enrolled. */
    fixture->proof.ak_public = buffer_bytes(&fixture->ak_public);
    fixture->proof.authkey_public = fixture->proof.ak_public;
    expect_unproven(fixture);
}

static void a_tpm_without_certificate_is_named(void **state) {
    struct swtpm plain;
    struct buffer certificate = {0};
    struct buffer ak_public = {0};
    (void)state;
    swtpm_make(&plain);
    const struct tpm_config config = {
        .tcti = plain.tcti, .directory = plain.keys, .pin_file = plain.pin_file};
    struct tpm *tpm = tpm_open(&config, &error);
    assert_non_null(tpm);
    assert_null(tpm_attest_begin(tpm, &certificate, &ak_public, &error));
    assert_int_equal(error.code, ERROR_UNSUPPORTED);
    tpm_close(tpm);
    swtpm_remove(&plain);
    buffer_free(&certificate);
    buffer_free(&ak_public);
}

#define WITH_TPM(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_TPM(a_key_in_a_makers_tpm_is_proven),
        WITH_TPM(a_tpm_of_an_unknown_maker_is_refused),
        WITH_TPM(what_is_no_endorsement_certificate_is_refused),
        WITH_TPM(another_tpm_does_not_open_the_challenge),
        WITH_TPM(an_altered_challenge_is_refused_by_the_tpm),
        WITH_TPM(an_altered_proof_is_refused),
        WITH_TPM(a_statement_by_authkey_itself_is_refused),
        cmocka_unit_test(a_tpm_without_certificate_is_named),
    };
    if (crypto_init(NULL, NULL) != STATUS_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
