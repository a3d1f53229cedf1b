/*
 * Both ends of the AES_NuLink3 agreement in two tokens of one SoftHSM2, and GCM with the result.
 */
#include "base/file.h"
#include "base/test_support.h"
#include "hsm/gcm.h"

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    char directory[TEST_DIRECTORY_SIZE];
    struct hsm *server;
    struct hsm *programmer;
    struct hsm_key *kek;
    struct error error;
};

static struct hsm *make_token(struct fixture *f, const char *conf, const char *pin,
                              const char *label) {
    struct hsm_config config = {HSM_DEFAULT_MODULE, label, pin, conf};
    assert_int_equal(hsm_init_token(&config, pin, &f->error), 0);
    struct hsm *hsm = hsm_open(&config, &f->error);
    assert_non_null(hsm);
    return hsm;
}

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));
    char conf[96];
    char tokens[96];
    char pin[96];
    assert_non_null(f);
    test_directory_make(f->directory);
    snprintf(conf, sizeof(conf), "%s/softhsm2.conf", f->directory);
    snprintf(tokens, sizeof(tokens), "%s/tokens", f->directory);
    snprintf(pin, sizeof(pin), "%s/pin", f->directory);
    assert_int_equal(file_write_durable(pin, bytes_of("1234-user", 9), 0600, &f->error), 0);
    assert_int_equal(hsm_softhsm_configure(conf, tokens, &f->error), 0);
    f->server = make_token(f, conf, pin, "server");
    f->programmer = make_token(f, conf, pin, "programmer");
    assert_int_equal(hsm_generate_kek(f->server, "programmer-kek", &f->error), 0);
    f->kek = hsm_key(f->server, "programmer-kek", &f->error);
    assert_non_null(f->kek);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    hsm_close(f->server);
    hsm_close(f->programmer);
    test_directory_remove(f->directory);
    free(f);
    return 0;
}

struct exchange {
    struct hsm_agreement *agreement;
    uint8_t programmer_point[HSM_POINT_SIZE];
    uint8_t server_point[HSM_POINT_SIZE];
    struct hsm_wrapped_key for_peer;
    struct hsm_wrapped_key for_storage;
};

static void start(struct fixture *f, struct exchange *x) {
    x->agreement = hsm_agreement_begin(f->programmer, x->programmer_point, &f->error);
    assert_non_null(x->agreement);
    assert_int_equal(x->programmer_point[0], 4);
    assert_int_equal(hsm_agreement_answer(f->server, f->kek, x->programmer_point, x->server_point,
                                          &x->for_peer, &x->for_storage, &f->error),
                     0);
    assert_int_equal(x->for_peer.size, 40);
    assert_int_equal(x->for_storage.size, 40);
    assert_memory_not_equal(x->for_peer.data, x->for_storage.data, 40);
}

static int finish(struct fixture *f, struct exchange *x, const char *label) {
    return hsm_agreement_finish(x->agreement, x->server_point,
                                bytes_of(x->for_peer.data, x->for_peer.size), label, &f->error);
}

static void agree(struct fixture *f, struct exchange *x, const char *label) {
    start(f, x);
    if (finish(f, x, label) != 0)
        fail_msg("%s (%s)", f->error.message, f->error.detail);
    hsm_agreement_free(x->agreement);
}

static const uint8_t iv[HSM_GCM_IV_SIZE] = {1, 2, 3};
static const char plaintext[] = "what only this programmer may read";
enum { SIZE = sizeof(plaintext), SEALED = SIZE + HSM_GCM_TAG_SIZE };

static void seal(struct fixture *f, const struct exchange *x, uint8_t out[SEALED]) {
    assert_int_equal(
        hsm_gcm_encrypt_wrapped(f->kek, bytes_of(x->for_storage.data, x->for_storage.size), iv,
                                bytes_of("aad", 3), bytes_of(plaintext, SIZE), out, &f->error),
        0);
}

static void both_ends_have_one_key(void **state) {
    struct fixture *f = *state;
    struct exchange x;
    uint8_t sealed[SEALED];
    uint8_t opened[SIZE];
    agree(f, &x, "aes-1");
    struct hsm_key *key = hsm_key(f->programmer, "aes-1", &f->error);
    assert_non_null(key);
    seal(f, &x, sealed);
    assert_memory_not_equal(sealed, plaintext, SIZE);
    assert_int_equal(
        hsm_gcm_decrypt(key, iv, bytes_of("aad", 3), bytes_of(sealed, SEALED), opened, &f->error),
        0);
    assert_memory_equal(opened, plaintext, SIZE);
}

static void every_flipped_byte_is_refused(void **state) {
    struct fixture *f = *state;
    struct exchange x;
    uint8_t sealed[SEALED];
    uint8_t opened[SIZE];
    static const uint8_t zero[SIZE];
    agree(f, &x, "aes-1");
    struct hsm_key *key = hsm_key(f->programmer, "aes-1", &f->error);
    seal(f, &x, sealed);
    for (size_t i = 0; i < SEALED; i++) {
        sealed[i] ^= 0x10;
        assert_int_equal(hsm_gcm_decrypt(key, iv, bytes_of("aad", 3), bytes_of(sealed, SEALED),
                                         opened, &f->error),
                         -1);
        assert_int_equal(f->error.code, ERROR_ALTERED);
        assert_memory_equal(opened, zero, SIZE);
        sealed[i] ^= 0x10;
    }
    assert_int_equal(
        hsm_gcm_decrypt(key, iv, bytes_of("aae", 3), bytes_of(sealed, SEALED), opened, &f->error),
        -1);
    assert_int_equal(f->error.code, ERROR_ALTERED);
    for (size_t size = 0; size < SEALED; size++)
        assert_int_equal(
            hsm_gcm_decrypt(key, iv, bytes_of("aad", 3), bytes_of(sealed, size), opened, &f->error),
            -1);
}

static void another_programmers_key_does_not_open(void **state) {
    struct fixture *f = *state;
    struct exchange first;
    struct exchange second;
    uint8_t sealed[SEALED];
    uint8_t opened[SIZE];
    agree(f, &first, "aes-1");
    agree(f, &second, "aes-2");
    assert_memory_not_equal(first.programmer_point, second.programmer_point, HSM_POINT_SIZE);
    seal(f, &first, sealed);
    struct hsm_key *key = hsm_key(f->programmer, "aes-2", &f->error);
    assert_int_equal(
        hsm_gcm_decrypt(key, iv, bytes_of("aad", 3), bytes_of(sealed, SEALED), opened, &f->error),
        -1);
    assert_int_equal(f->error.code, ERROR_ALTERED);
}

static void altered_wrapped_key_is_refused(void **state) {
    struct fixture *f = *state;
    struct exchange x;
    start(f, &x);
    for (size_t i = 0; i < x.for_peer.size; i++) {
        x.for_peer.data[i] ^= 1;
        assert_int_equal(finish(f, &x, "aes-1"), -1);
        assert_int_equal(f->error.code, ERROR_ALTERED);
        x.for_peer.data[i] ^= 1;
    }
    assert_null(hsm_key(f->programmer, "aes-1", &f->error)); /* nothing was left behind */
    x.for_peer.size = 32;
    assert_int_equal(finish(f, &x, "aes-1"), -1);
    x.for_peer.size = 40;
    assert_int_equal(finish(f, &x, "aes-1"), 0);
    hsm_agreement_free(x.agreement);
}

static void point_off_the_curve_is_refused(void **state) {
    struct fixture *f = *state;
    struct exchange x;
    start(f, &x);
    x.server_point[64] ^= 1;
    assert_int_equal(finish(f, &x, "aes-1"), -1);
    assert_int_equal(f->error.code, ERROR_BAD_REQUEST);
    x.programmer_point[64] ^= 1;
    assert_int_equal(hsm_agreement_answer(f->server, f->kek, x.programmer_point, x.server_point,
                                          &x.for_peer, &x.for_storage, &f->error),
                     -1);
    assert_int_equal(f->error.code, ERROR_BAD_REQUEST);
    assert_int_equal(x.for_peer.size, 0);
    hsm_agreement_free(x.agreement);
}

static void wrapped_for_the_peer_is_not_for_storage(void **state) {
    struct fixture *f = *state;
    struct exchange x;
    uint8_t out[SEALED];
    start(f, &x);
    assert_int_equal(hsm_gcm_encrypt_wrapped(f->kek, bytes_of(x.for_peer.data, x.for_peer.size), iv,
                                             bytes_of(NULL, 0), bytes_of(plaintext, SIZE), out,
                                             &f->error),
                     -1);
    assert_int_equal(f->error.code, ERROR_ALTERED);
    hsm_agreement_free(x.agreement);
}

static CK_FUNCTION_LIST *module_functions(void) {
    void *library = dlopen(HSM_DEFAULT_MODULE, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(library);
    CK_C_GetFunctionList get_list;
    void *symbol = dlsym(library, "C_GetFunctionList");
    memcpy(&get_list, &symbol, sizeof(get_list));
    CK_FUNCTION_LIST *functions;
    assert_int_equal(get_list(&functions), CKR_OK);
    dlclose(library);
    return functions;
}

static void restart_ends_the_agreement(void **state) {
    struct fixture *f = *state;
    struct exchange x;
    start(f, &x);
    assert_int_equal(module_functions()->C_Finalize(NULL), CKR_OK);
    assert_int_equal(finish(f, &x, "aes-1"), -1);
    assert_int_equal(f->error.code, ERROR_HSM_UNAVAILABLE);
    hsm_agreement_free(x.agreement);
    agree(f, &x, "aes-1"); /* both tokens came back */
}

static void count_any(void *context, const char *label, unsigned long object_class,
                      unsigned long key_type) {
    (void)object_class;
    (void)key_type;
    (void)label;
    ++*(size_t *)context;
}

static void programmers_leave_nothing_in_the_server_token(void **state) {
    struct fixture *f = *state;
    struct exchange x;
    uint8_t sealed[SEALED];
    size_t objects = 0;
    start(f, &x);
    assert_int_equal(finish(f, &x, "aes-1"), 0);
    assert_int_equal(finish(f, &x, "aes-1"), -1);
    assert_int_equal(f->error.code, ERROR_CONFLICT);
    hsm_agreement_free(x.agreement);
    seal(f, &x, sealed);
    assert_int_equal(hsm_list(f->server, count_any, &objects, &f->error), 0);
    assert_int_equal(objects, 1); /* the KEK */
    objects = 0;
    assert_int_equal(hsm_list(f->programmer, count_any, &objects, &f->error), 0);
    assert_int_equal(objects, 1); /* the agreed key */
}

/* What the programmer holds can decrypt, nothing else, and its value cannot be read. */
static void agreed_key_only_decrypts(void **state) {
    struct fixture *f = *state;
    struct exchange x;
    CK_FUNCTION_LIST *functions = module_functions();
    agree(f, &x, "aes-1");
    CK_SLOT_ID slots[4];
    CK_ULONG slot_count = 4;
    size_t seen = 0;
    assert_int_equal(functions->C_GetSlotList(CK_TRUE, slots, &slot_count), CKR_OK);
    for (CK_ULONG i = 0; i < slot_count; i++) {
        CK_SESSION_HANDLE session;
        CK_OBJECT_HANDLE key;
        CK_ULONG count = 0;
        CK_ATTRIBUTE label = {CKA_LABEL, "aes-1", 5};
        if (functions->C_OpenSession(slots[i], CKF_SERIAL_SESSION, NULL, NULL, &session) != CKR_OK)
            continue;
        assert_int_equal(functions->C_FindObjectsInit(session, &label, 1), CKR_OK);
        assert_int_equal(functions->C_FindObjects(session, &key, 1, &count), CKR_OK);
        functions->C_FindObjectsFinal(session);
        if (count == 1) {
            CK_BBOOL flags[7];
            static const CK_ATTRIBUTE_TYPE types[7] = {CKA_SENSITIVE, CKA_DECRYPT, CKA_EXTRACTABLE,
                                                       CKA_ENCRYPT,   CKA_WRAP,    CKA_UNWRAP,
                                                       CKA_DERIVE};
            for (int n = 0; n < 7; n++) {
                CK_ATTRIBUTE attribute = {types[n], &flags[n], 1};
                assert_int_equal(functions->C_GetAttributeValue(session, key, &attribute, 1),
                                 CKR_OK);
                assert_int_equal(flags[n], n < 2 ? CK_TRUE : CK_FALSE);
            }
            uint8_t secret[64];
            CK_ATTRIBUTE value = {CKA_VALUE, secret, sizeof(secret)};
            assert_int_equal(functions->C_GetAttributeValue(session, key, &value, 1),
                             CKR_ATTRIBUTE_SENSITIVE);
            seen++;
        }
        functions->C_CloseSession(session);
    }
    assert_int_equal(seen, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(both_ends_have_one_key),
        TEST(every_flipped_byte_is_refused),
        TEST(another_programmers_key_does_not_open),
        TEST(altered_wrapped_key_is_refused),
        TEST(point_off_the_curve_is_refused),
        TEST(wrapped_for_the_peer_is_not_for_storage),
        TEST(restart_ends_the_agreement),
        TEST(programmers_leave_nothing_in_the_server_token),
        TEST(agreed_key_only_decrypts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
