/* The key store against a real TPM 2.0 in software. */
#include "tpm/testing/interposer.h"
#include "tpm/testing/swtpm.h"
#include "tpm/tpm_agreement.h"
#include "tpm/tpm_counter.h"
#include "tpm/tpm_internal.h"

#include "base/file.h"
#include "crypto/crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct swtpm swtpm;
static struct tpm *tpm;
static struct error error;

static struct tpm *open_at(const char *tcti, const char *directory, const char *pin_file) {
    const struct tpm_config config = {.tcti = tcti, .directory = directory, .pin_file = pin_file};
    return tpm_open(&config, &error);
}

static int setup(void **state) {
    (void)state;
    swtpm_make(&swtpm);
    tpm = open_at(swtpm.tcti, swtpm.keys, swtpm.pin_file);
    if (tpm == NULL)
        print_error("%s (%s)\n", error.message, error.detail);
    return tpm != NULL ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    tpm_close(tpm);
    swtpm_remove(&swtpm);
    return 0;
}

static void reopen(void) {
    tpm_close(tpm);
    tpm = open_at(swtpm.tcti, swtpm.keys, swtpm.pin_file);
    assert_non_null(tpm);
}

static void expect_sign(const char *label, enum error_code code) {
    const uint8_t digest[32] = {1, 2, 3};
    uint8_t signature[TPM_SIGNATURE_SIZE];
    uint8_t public_key[TPM_PUBLIC_KEY_SIZE];
    int failed = tpm_sign(tpm, label, digest, signature, &error);
    assert_int_equal(failed == 0 ? ERROR_NONE : error.code, code);
    if (code != ERROR_NONE)
        return;
    assert_int_equal(tpm_public_key(tpm, label, public_key, &error), 0);
    assert_int_equal(crypto_p256_verify(public_key, digest, signature), STATUS_OK);
}

static void a_key_signs_after_power_was_off(void **state) {
    (void)state;
    assert_false(tpm_key_exists(tpm, "authkey"));
    expect_sign("authkey", ERROR_NOT_FOUND);
    assert_int_equal(tpm_generate_p256(tpm, "authkey", &error), 0);
    assert_true(tpm_key_exists(tpm, "authkey"));
    expect_sign("authkey", ERROR_NONE);
    swtpm_stop(&swtpm);
    expect_sign("authkey", ERROR_HSM_UNAVAILABLE);
    swtpm_start(&swtpm);
    expect_sign("authkey", ERROR_NONE); /* it finds its way back */
    reopen();
    expect_sign("authkey", ERROR_NONE);
}

static void a_label_is_taken_once_and_given_back(void **state) {
    (void)state;
    assert_int_equal(tpm_generate_p256(tpm, "authkey", &error), 0);
    assert_int_equal(tpm_generate_p256(tpm, "authkey", &error), -1);
    assert_int_equal(error.code, ERROR_CONFLICT);
    assert_int_equal(tpm_destroy(tpm, "authkey", &error), 0);
    assert_int_equal(tpm_destroy(tpm, "authkey", &error), -1);
    assert_int_equal(error.code, ERROR_NOT_FOUND);
    assert_int_equal(tpm_generate_p256(tpm, "../authkey", &error), -1);
    assert_int_equal(tpm_generate_p256(tpm, "", &error), -1);
}

static void many_operations_leave_nothing_loaded(void **state) {
    (void)state;
    assert_int_equal(tpm_generate_p256(tpm, "authkey", &error), 0);
    for (int i = 0; i < 20; i++)
        expect_sign("authkey", ERROR_NONE);
}

static void random_bytes_are_drawn(void **state) {
    uint8_t drawn[100] = {0};
    uint8_t again[100] = {0};
    (void)state;
    assert_int_equal(tpm_random(tpm, drawn, sizeof drawn, &error), 0);
    assert_int_equal(tpm_random(tpm, again, sizeof again, &error), 0);
    assert_memory_not_equal(drawn, again, sizeof drawn);
    assert_memory_not_equal(drawn + 68, again + 68, 32); /* the last part too */
}

static void the_wrong_pin_is_refused(void **state) {
    char other[128];
    (void)state;
    assert_int_equal(tpm_generate_p256(tpm, "authkey", &error), 0);
    (void)snprintf(other, sizeof other, "%s/other-pin", swtpm.directory);
    assert_int_equal(file_create_durable(other, bytes_of("another\n", 8), 0600, &error), 0);
    tpm_close(tpm);
    tpm = open_at(swtpm.tcti, swtpm.keys, other);
    assert_non_null(tpm);
    expect_sign("authkey", ERROR_DENIED);
}

static void a_pin_that_is_too_long_is_refused(void **state) {
    char other[128];
    char text[40];
    (void)state;
    memset(text, 'x', sizeof text);
    (void)snprintf(other, sizeof other, "%s/other-pin", swtpm.directory);
    assert_int_equal(file_create_durable(other, bytes_of(text, 33), 0600, &error), 0);
    assert_null(open_at(swtpm.tcti, swtpm.keys, other));
    assert_int_equal(error.code, ERROR_USAGE);
}

/* Every byte of a key file counts. */
static void a_changed_key_file_is_refused(void **state) {
    struct buffer key = {0};
    char path[128];
    (void)state;
    assert_int_equal(tpm_generate_p256(tpm, "authkey", &error), 0);
    (void)snprintf(path, sizeof path, "%s/authkey.key", swtpm.keys);
    assert_int_equal(file_read(path, 4096, &key, &error), 0);
    for (size_t i = 0; i < key.size; i += 7) {
        key.data[i] ^= 1;
        assert_int_equal(file_write_durable(path, buffer_bytes(&key), 0600, &error), 0);
        const uint8_t digest[32] = {1};
        uint8_t signature[TPM_SIGNATURE_SIZE];
        assert_int_equal(tpm_sign(tpm, "authkey", digest, signature, &error), -1);
        key.data[i] ^= 1;
    }
    assert_int_equal(file_write_durable(path, bytes_of(key.data, key.size - 1), 0600, &error), 0);
    expect_sign("authkey", ERROR_ALTERED);
    assert_int_equal(file_write_durable(path, buffer_bytes(&key), 0600, &error), 0);
    expect_sign("authkey", ERROR_NONE);
    buffer_append(&key, "x", 1);
    assert_int_equal(file_write_durable(path, buffer_bytes(&key), 0600, &error), 0);
    expect_sign("authkey", ERROR_ALTERED);
    buffer_free(&key);
}

static void another_tpm_is_refused_and_opens_nothing(void **state) {
    struct swtpm other;
    char path[128];
    (void)state;
    assert_int_equal(tpm_generate_p256(tpm, "authkey", &error), 0);
    swtpm_make(&other);
    assert_null(open_at(other.tcti, swtpm.keys, swtpm.pin_file));
    assert_int_equal(error.code, ERROR_HSM_UNAVAILABLE);
    assert_non_null(strstr(error.message, "not the TPM"));
    /* Whoever forges which TPM it was has the files and the PIN, and still no key. */
    (void)snprintf(path, sizeof path, "%s/tpm.json", swtpm.keys);
    assert_int_equal(unlink(path), 0);
    tpm_close(tpm);
    tpm = open_at(other.tcti, swtpm.keys, swtpm.pin_file);
    assert_non_null(tpm);
    expect_sign("authkey", ERROR_ALTERED);
    swtpm_remove(&other);
}

/* He says the name of the TPM's storage key and shows one of his own, which the sessions would be
 * salted to: with it he could read what they encrypt. */
static void somebody_on_the_bus_cannot_put_in_his_key(void **state) {
    struct interposer interposer;
    uint8_t private_key[32];
    (void)state;
    assert_int_equal(tpm_generate_p256(tpm, "authkey", &error), 0);
    tpm_close(tpm);
    assert_int_equal(crypto_p256_generate(private_key, interposer.key), STATUS_OK);
    interposer_start(&interposer, &swtpm);
    tpm = open_at(interposer.tcti, swtpm.keys, swtpm.pin_file);
    bool is_open = tpm != NULL;
    tpm_close(tpm);
    tpm = NULL;
    interposer_stop(&interposer);
    assert_true(interposer.replacements > 0);
    assert_false(is_open);
    assert_int_equal(error.code, ERROR_HSM_UNAVAILABLE);
    assert_non_null(strstr(error.message, "not the TPM"));
    tpm = open_at(swtpm.tcti, swtpm.keys, swtpm.pin_file);
    assert_non_null(tpm);
    expect_sign("authkey", ERROR_NONE);
}

static void a_broken_record_of_the_tpm_is_refused(void **state) {
    static const char *const texts[] = {"", "{}", "{\"format\":2,\"storage_key_name_hex\":\"00\"}",
                                        "{\"format\":1,\"storage_key_name_hex\":\"0g\"}",
                                        "{\"format\":1}"};
    char path[128];
    (void)state;
    (void)snprintf(path, sizeof path, "%s/tpm.json", swtpm.keys);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(
            file_write_durable(path, bytes_of(texts[i], strlen(texts[i])), 0600, &error), 0);
        assert_null(open_at(swtpm.tcti, swtpm.keys, swtpm.pin_file));
    }
}

static void no_tpm_is_named(void **state) {
    (void)state;
    assert_null(open_at("swtpm:path=/nonexistent", swtpm.keys, swtpm.pin_file));
    assert_int_equal(error.code, ERROR_HSM_UNAVAILABLE);
    assert_non_null(strstr(error.hint, "/nonexistent"));
    assert_null(open_at("what", swtpm.keys, swtpm.pin_file));
    assert_int_equal(error.code, ERROR_HSM_UNAVAILABLE);
}

static void a_tpm_without_symmetric_encryption_is_refused(void **state) {
    TPML_CCA commands = {.count = 5,
                         .commandAttributes = {TPM2_CC_ECDH_ZGen, TPM2_CC_NV_Increment,
                                               TPM2_CC_Certify, TPM2_CC_ActivateCredential,
                                               TPM2_CC_EncryptDecrypt2 | TPMA_CC_NV}};
    (void)state;
    assert_int_equal(tpm_check_commands(&commands, &error), 0);
    commands.count = 4;
    assert_int_equal(tpm_check_commands(&commands, &error), -1);
    assert_int_equal(error.code, ERROR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "TPM2_EncryptDecrypt2"));
}

/* The server's end, in software: a key wrapped under what both points agree on. */
static const uint8_t aes_key[32] = {7, 7, 7};
struct peer {
    uint8_t private_key[32];
    uint8_t point[TPM_POINT_SIZE];
    uint8_t wrapped[40];
};

static void peer_wrap(struct peer *peer, const uint8_t point[TPM_POINT_SIZE]) {
    uint8_t secret[32];
    int size = 0;
    peer->point[0] = 4;
    assert_int_equal(crypto_p256_generate(peer->private_key, peer->point + 1), STATUS_OK);
    assert_int_equal(crypto_p256_agree(peer->private_key, point + 1, secret), STATUS_OK);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    EVP_CIPHER_CTX_set_flags(context, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    assert_int_equal(EVP_EncryptInit_ex(context, EVP_aes_256_wrap_pad(), NULL, secret, NULL), 1);
    assert_int_equal(EVP_EncryptUpdate(context, peer->wrapped, &size, aes_key, sizeof aes_key), 1);
    assert_int_equal(size, 40);
    EVP_CIPHER_CTX_free(context);
}

static void agree(const char *label) {
    uint8_t point[TPM_POINT_SIZE];
    struct peer peer;
    struct tpm_agreement *agreement = tpm_agreement_begin(tpm, point, &error);
    assert_non_null(agreement);
    peer_wrap(&peer, point);
    assert_int_equal(
        tpm_agreement_finish(agreement, peer.point, bytes_of(peer.wrapped, 40), label, &error), 0);
    tpm_agreement_free(agreement);
}

struct sealed {
    uint8_t iv[12];
    uint8_t aad[21];
    size_t size;
    uint8_t plain[5000];
    uint8_t data[5016];
};

static void seal(struct sealed *sealed, size_t size) {
    int written = 0;
    *sealed = (struct sealed){.iv = {9, 8, 7}, .aad = "additional", .size = size};
    for (size_t i = 0; i < size; i++)
        sealed->plain[i] = (uint8_t)(i * 13);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    assert_int_equal(EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), NULL, aes_key, sealed->iv), 1);
    assert_int_equal(EVP_EncryptUpdate(context, NULL, &written, sealed->aad, sizeof sealed->aad),
                     1);
    assert_int_equal(EVP_EncryptUpdate(context, sealed->data, &written, sealed->plain, (int)size),
                     1);
    assert_int_equal(EVP_EncryptFinal_ex(context, sealed->data + size, &written), 1);
    assert_int_equal(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, 16, sealed->data + size),
                     1);
    EVP_CIPHER_CTX_free(context);
}

static int unseal(const struct sealed *sealed, uint8_t *out) {
    return tpm_gcm_decrypt(tpm, "aes-nulink3-1", sealed->iv,
                           bytes_of(sealed->aad, sizeof sealed->aad),
                           bytes_of(sealed->data, sealed->size + 16), out, &error);
}

static void an_agreed_key_opens_packages_of_every_size(void **state) {
    static const size_t sizes[] = {0, 1, 15, 16, 17, 1023, 1024, 1025, 2048, 5000};
    struct sealed sealed;
    uint8_t out[5000];
    (void)state;
    agree("aes-nulink3-1");
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        seal(&sealed, sizes[i]);
        assert_int_equal(unseal(&sealed, out), 0);
        assert_memory_equal(out, sealed.plain, sizes[i]);
    }
}

static void an_altered_package_gives_nothing(void **state) {
    struct sealed sealed;
    const uint8_t zeroes[100] = {0};
    uint8_t out[100];
    (void)state;
    agree("aes-nulink3-1");
    for (size_t i = 0; i < 116; i += 9) {
        seal(&sealed, 100);
        sealed.data[i] ^= 0x80;
        assert_int_equal(unseal(&sealed, out), -1);
        assert_int_equal(error.code, ERROR_ALTERED);
        assert_memory_equal(out, zeroes, 100);
    }
    seal(&sealed, 100);
    sealed.aad[0] ^= 1;
    assert_int_equal(unseal(&sealed, out), -1);
    assert_int_equal(error.code, ERROR_ALTERED);
    seal(&sealed, 100);
    sealed.iv[11] ^= 1;
    assert_int_equal(unseal(&sealed, out), -1);
    assert_int_equal(tpm_gcm_decrypt(tpm, "aes-nulink3-1", sealed.iv, bytes_of(NULL, 0),
                                     bytes_of(sealed.data, 15), out, &error),
                     -1);
    assert_int_equal(error.code, ERROR_ALTERED);
}

static void keys_do_only_what_they_are_for(void **state) {
    struct sealed sealed;
    uint8_t out[100];
    (void)state;
    agree("aes-nulink3-1");
    expect_sign("aes-nulink3-1", ERROR_HSM_UNAVAILABLE);
    assert_int_equal(tpm_generate_p256(tpm, "aes-nulink3-2", &error), 0);
    seal(&sealed, 100);
    assert_int_equal(tpm_gcm_decrypt(tpm, "aes-nulink3-2", sealed.iv, bytes_of(NULL, 0),
                                     bytes_of(sealed.data, 116), out, &error),
                     -1);
    assert_int_equal(tpm_public_key(tpm, "aes-nulink3-1", sealed.data, &error), -1);
}

static void an_agreement_refuses_what_is_not_the_peers(void **state) {
    uint8_t point[TPM_POINT_SIZE];
    struct peer peer;
    (void)state;
    struct tpm_agreement *agreement = tpm_agreement_begin(tpm, point, &error);
    assert_non_null(agreement);
    peer_wrap(&peer, point);
    peer.wrapped[3] ^= 1;
    assert_int_equal(
        tpm_agreement_finish(agreement, peer.point, bytes_of(peer.wrapped, 40), "k", &error), -1);
    assert_int_equal(error.code, ERROR_ALTERED);
    peer.wrapped[3] ^= 1;
    assert_int_equal(
        tpm_agreement_finish(agreement, peer.point, bytes_of(peer.wrapped, 39), "k", &error), -1);
    assert_int_equal(error.code, ERROR_ALTERED);
    peer.point[0] = 2;
    assert_int_equal(
        tpm_agreement_finish(agreement, peer.point, bytes_of(peer.wrapped, 40), "k", &error), -1);
    assert_int_equal(error.code, ERROR_BAD_REQUEST);
    peer.point[0] = 4;
    peer.point[40] ^= 1;
    assert_int_equal(
        tpm_agreement_finish(agreement, peer.point, bytes_of(peer.wrapped, 40), "k", &error), -1);
    assert_int_equal(error.code, ERROR_BAD_REQUEST);
    peer.point[40] ^= 1;
    assert_false(tpm_key_exists(tpm, "k"));
    assert_int_equal(
        tpm_agreement_finish(agreement, peer.point, bytes_of(peer.wrapped, 40), "k", &error), 0);
    assert_int_equal(
        tpm_agreement_finish(agreement, peer.point, bytes_of(peer.wrapped, 40), "k", &error), -1);
    assert_int_equal(error.code, ERROR_CONFLICT);
    tpm_agreement_free(agreement);
    tpm_agreement_free(NULL);
}

static uint64_t counter_value(uint32_t index) {
    uint64_t value = 0;
    assert_int_equal(tpm_counter_read(tpm, index, &value, &error), 0);
    return value;
}

static void a_counter_rises_by_one_and_outlives_power(void **state) {
    uint32_t index = 0;
    uint64_t base = 0;
    (void)state;
    assert_int_equal(tpm_counter_make(tpm, &index, &base, &error), 0);
    assert_int_equal(counter_value(index), base);
    for (uint64_t i = 1; i <= 10; i++) {
        assert_int_equal(tpm_counter_raise(tpm, index, &error), 0);
        assert_int_equal(counter_value(index), base + i);
    }
    swtpm_stop(&swtpm);
    swtpm_start(&swtpm);
    reopen();
    assert_int_equal(counter_value(index), base + 10);
}

static void another_counter_never_starts_lower(void **state) {
    uint32_t first = 0;
    uint32_t second = 0;
    uint64_t base = 0;
    uint64_t other = 0;
    (void)state;
    assert_int_equal(tpm_counter_make(tpm, &first, &base, &error), 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(tpm_counter_raise(tpm, first, &error), 0);
    /* Whoever owns the TPM can remove it; what he makes then is above. */
    ESYS_TR handle = ESYS_TR_NONE;
    assert_int_equal(
        Esys_TR_FromTPMPublic(tpm->esys, first, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &handle),
        TSS2_RC_SUCCESS);
    assert_int_equal(Esys_NV_UndefineSpace(tpm->esys, ESYS_TR_RH_OWNER, handle, ESYS_TR_PASSWORD,
                                           ESYS_TR_NONE, ESYS_TR_NONE),
                     TSS2_RC_SUCCESS);
    uint64_t gone = 0;
    assert_int_equal(tpm_counter_read(tpm, first, &gone, &error), -1);
    assert_int_equal(error.code, ERROR_NOT_FOUND);
    assert_int_equal(tpm_counter_raise(tpm, first, &error), -1);
    assert_int_equal(error.code, ERROR_NOT_FOUND);
    assert_int_equal(tpm_counter_make(tpm, &second, &other, &error), 0);
    assert_true(other > base + 5);
}

static void an_owner_with_a_password_is_named(void **state) {
    const TPM2B_AUTH password = {.size = 3, .buffer = "own"};
    uint32_t index = 0;
    uint64_t value = 0;
    (void)state;
    assert_int_equal(Esys_HierarchyChangeAuth(tpm->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD,
                                              ESYS_TR_NONE, ESYS_TR_NONE, &password),
                     TSS2_RC_SUCCESS);
    reopen(); /* the storage key is there already */
    assert_int_equal(tpm_counter_make(tpm, &index, &value, &error), -1);
    assert_int_equal(error.code, ERROR_DENIED);
    assert_non_null(strstr(error.message, "owner hierarchy"));
}

/* Ordinary memory under the counter's index can hold any value: it is no counter. */
static void memory_is_no_counter(void **state) {
    const uint32_t index = 0x01800001U;
    const TPM2B_NV_PUBLIC public = {
        .nvPublic = {.nvIndex = index,
                     .nameAlg = TPM2_ALG_SHA256,
                     .attributes = TPMA_NV_AUTHREAD | TPMA_NV_AUTHWRITE | TPMA_NV_NO_DA,
                     .dataSize = 8}};
    const TPM2B_MAX_NV_BUFFER eight = {.size = 8, .buffer = {0, 0, 0, 0, 0, 0, 0, 8}};
    ESYS_TR memory = ESYS_TR_NONE;
    uint64_t value = 0;
    (void)state;
    assert_int_equal(Esys_NV_DefineSpace(tpm->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD,
                                         ESYS_TR_NONE, ESYS_TR_NONE, &tpm->auth, &public, &memory),
                     TSS2_RC_SUCCESS);
    assert_int_equal(Esys_TR_SetAuth(tpm->esys, memory, &tpm->auth), TSS2_RC_SUCCESS);
    assert_int_equal(Esys_NV_Write(tpm->esys, memory, memory, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                   ESYS_TR_NONE, &eight, 0),
                     TSS2_RC_SUCCESS);
    assert_int_equal(tpm_counter_read(tpm, index, &value, &error), -1);
    assert_int_equal(error.code, ERROR_NOT_FOUND);
    assert_int_equal(tpm_counter_raise(tpm, index, &error), -1);
}

#define WITH_TPM(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_TPM(a_key_signs_after_power_was_off),
        WITH_TPM(a_label_is_taken_once_and_given_back),
        WITH_TPM(many_operations_leave_nothing_loaded),
        WITH_TPM(random_bytes_are_drawn),
        WITH_TPM(the_wrong_pin_is_refused),
        WITH_TPM(a_pin_that_is_too_long_is_refused),
        WITH_TPM(a_changed_key_file_is_refused),
        WITH_TPM(another_tpm_is_refused_and_opens_nothing),
        WITH_TPM(somebody_on_the_bus_cannot_put_in_his_key),
        WITH_TPM(a_broken_record_of_the_tpm_is_refused),
        WITH_TPM(no_tpm_is_named),
        WITH_TPM(a_tpm_without_symmetric_encryption_is_refused),
        WITH_TPM(an_agreed_key_opens_packages_of_every_size),
        WITH_TPM(an_altered_package_gives_nothing),
        WITH_TPM(keys_do_only_what_they_are_for),
        WITH_TPM(an_agreement_refuses_what_is_not_the_peers),
        WITH_TPM(a_counter_rises_by_one_and_outlives_power),
        WITH_TPM(another_counter_never_starts_lower),
        WITH_TPM(an_owner_with_a_password_is_named),
        WITH_TPM(memory_is_no_counter),
    };
    if (crypto_init(NULL, NULL) != STATUS_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
