/*
 * Everything against a real SoftHSM2 token in a temporary directory. The tests reach behind the
 * library's back through the same module to prove attributes and to end sessions.
 */
#include "base/file.h"
#include "base/test_support.h"
#include "crypto/crypto.h"
#include "hsm/gcm.h"
#include "hsm/hsm.h"

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char directory[TEST_DIRECTORY_SIZE];
    char conf[96];
    char tokens[96];
    char pin[96];
    char so_pin[96];
    struct hsm_config config;
    struct hsm *hsm;
    struct error error;
};

static void write_secret(const char *path, const char *text) {
    struct error error;
    assert_int_equal(file_write_durable(path, bytes_of(text, strlen(text)), 0600, &error), 0);
}

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    test_directory_make(f->directory);
    snprintf(f->conf, sizeof(f->conf), "%s/softhsm2.conf", f->directory);
    snprintf(f->tokens, sizeof(f->tokens), "%s/tokens", f->directory);
    snprintf(f->pin, sizeof(f->pin), "%s/pin", f->directory);
    snprintf(f->so_pin, sizeof(f->so_pin), "%s/so-pin", f->directory);
    write_secret(f->pin, "1234-user\n");
    write_secret(f->so_pin, "5678-so");
    assert_int_equal(hsm_softhsm_configure(f->conf, f->tokens, &f->error), 0);
    f->config = (struct hsm_config){HSM_DEFAULT_MODULE, "test", f->pin, f->conf};
    assert_int_equal(hsm_init_token(&f->config, f->so_pin, &f->error), 0);
    f->hsm = hsm_open(&f->config, &f->error);
    assert_non_null(f->hsm);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    hsm_close(f->hsm);
    test_directory_remove(f->directory);
    free(f);
    return 0;
}

/* The module's own functions: the same library, already initialised by the code under test. */
static CK_FUNCTION_LIST *module_functions(void) {
    void *library = dlopen(HSM_DEFAULT_MODULE, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(library);
    CK_C_GetFunctionList get_list;
    void *symbol = dlsym(library, "C_GetFunctionList");
    assert_non_null(symbol);
    memcpy(&get_list, &symbol, sizeof(get_list));
    CK_FUNCTION_LIST *functions;
    assert_int_equal(get_list(&functions), CKR_OK);
    dlclose(library);
    return functions;
}

static CK_SLOT_ID token_slot(CK_FUNCTION_LIST *functions) {
    CK_SLOT_ID slots[8];
    CK_ULONG count = 8;
    assert_int_equal(functions->C_GetSlotList(CK_TRUE, slots, &count), CKR_OK);
    for (CK_ULONG i = 0; i < count; i++) {
        CK_TOKEN_INFO info;
        assert_int_equal(functions->C_GetTokenInfo(slots[i], &info), CKR_OK);
        if (memcmp(info.label, "test ", 5) == 0)
            return slots[i];
    }
    fail_msg("no token");
    return 0;
}

static void assert_verifies(struct hsm_key *key, const uint8_t digest[32],
                            const uint8_t signature[64]) {
    struct error error;
    uint8_t public_key[64];
    assert_int_equal(hsm_public_key(key, public_key, &error), 0);
    assert_int_equal(crypto_p256_verify(public_key, digest, signature), STATUS_OK);
}

static void signs_with_a_generated_key(void **state) {
    struct fixture *f = *state;
    uint8_t digest[32] = {1, 2, 3};
    uint8_t signature[64];
    assert_int_equal(hsm_generate_p256(f->hsm, "ca", &f->error), 0);
    struct hsm_key *key = hsm_key(f->hsm, "ca", &f->error);
    assert_non_null(key);
    assert_ptr_equal(hsm_key(f->hsm, "ca", &f->error), key);
    assert_string_equal(hsm_key_label(key), "ca");
    assert_int_equal(hsm_sign(key, digest, signature, &f->error), 0);
    assert_verifies(key, digest, signature);
    struct signer signer = hsm_signer(key);
    digest[0] ^= 1;
    assert_int_equal(signer.sign(signer.context, digest, signature, &f->error), 0);
    assert_verifies(key, digest, signature);
}

static void keys_survive_close_and_open(void **state) {
    struct fixture *f = *state;
    uint8_t before[64];
    uint8_t after[64];
    assert_int_equal(hsm_generate_p256(f->hsm, "ca", &f->error), 0);
    assert_int_equal(hsm_public_key(hsm_key(f->hsm, "ca", &f->error), before, &f->error), 0);
    hsm_close(f->hsm);
    f->hsm = hsm_open(&f->config, &f->error);
    assert_non_null(f->hsm);
    assert_int_equal(hsm_public_key(hsm_key(f->hsm, "ca", &f->error), after, &f->error), 0);
    assert_memory_equal(before, after, 64);
}

static void refuses_labels(void **state) {
    struct fixture *f = *state;
    char longer[HSM_LABEL_MAX + 2];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_int_equal(hsm_generate_p256(f->hsm, "ca", &f->error), 0);
    assert_int_equal(hsm_generate_p256(f->hsm, "ca", &f->error), -1);
    assert_int_equal(f->error.code, ERROR_CONFLICT);
    assert_int_equal(hsm_generate_kek(f->hsm, "ca", &f->error), -1);
    assert_int_equal(f->error.code, ERROR_CONFLICT);
    assert_int_equal(hsm_generate_p256(f->hsm, "", &f->error), -1);
    assert_int_equal(hsm_generate_p256(f->hsm, longer, &f->error), -1);
    assert_null(hsm_key(f->hsm, longer, &f->error));
    assert_null(hsm_key(f->hsm, "absent", &f->error));
    assert_int_equal(f->error.code, ERROR_NOT_FOUND);
    assert_int_equal(hsm_destroy(f->hsm, "absent", &f->error), -1);
    assert_int_equal(f->error.code, ERROR_NOT_FOUND);
}

static void refuses_wrong_pin_module_and_token(void **state) {
    struct fixture *f = *state;
    char wrong[96];
    struct hsm_config config = f->config;
    hsm_close(f->hsm); /* a login is the process's: it must not hide the refusal */
    f->hsm = NULL;
    snprintf(wrong, sizeof(wrong), "%s/wrong", f->directory);
    write_secret(wrong, "1234-other\n");
    config.pin_file = wrong;
    assert_null(hsm_open(&config, &f->error));
    assert_int_equal(f->error.code, ERROR_DENIED);
    config.pin_file = "/nonexistent/pin";
    assert_null(hsm_open(&config, &f->error));
    assert_int_equal(f->error.code, ERROR_NOT_FOUND);
    config = f->config;
    config.token_label = "tes";
    assert_null(hsm_open(&config, &f->error));
    assert_int_equal(f->error.code, ERROR_HSM_UNAVAILABLE);
    config = f->config;
    config.module_path = "/nonexistent/module.so";
    assert_null(hsm_open(&config, &f->error));
    assert_int_equal(f->error.code, ERROR_HSM_UNAVAILABLE);
    config.module_path = "libc.so.6";
    assert_null(hsm_open(&config, &f->error));
    assert_int_equal(f->error.code, ERROR_HSM_UNAVAILABLE);
    f->hsm = hsm_open(&f->config, &f->error);
    assert_non_null(f->hsm);
}

static void refuses_pin_file_others_can_read(void **state) {
    struct fixture *f = *state;
    hsm_close(f->hsm);
    assert_int_equal(file_write_durable(f->pin, bytes_of("1234-user", 9), 0640, &f->error), 0);
    f->hsm = hsm_open(&f->config, &f->error);
    assert_null(f->hsm);
    assert_int_equal(f->error.code, ERROR_DENIED);
    write_secret(f->pin, "1234-user");
    f->hsm = hsm_open(&f->config, &f->error);
    assert_non_null(f->hsm);
}

static void refuses_second_token_of_a_label(void **state) {
    struct fixture *f = *state;
    struct hsm_config config = f->config;
    assert_int_equal(hsm_init_token(&config, f->so_pin, &f->error), -1);
    assert_int_equal(f->error.code, ERROR_CONFLICT);
    config.token_label = "root";
    assert_int_equal(hsm_init_token(&config, f->so_pin, &f->error), 0);
    struct hsm *root = hsm_open(&config, &f->error);
    assert_non_null(root);
    assert_int_equal(hsm_generate_p256(root, "ca", &f->error), 0);
    assert_null(hsm_key(f->hsm, "ca", &f->error)); /* tokens do not see each other's keys */
    hsm_close(root);
    config.softhsm_config = "/elsewhere";
    assert_null(hsm_open(&config, &f->error));
    assert_int_equal(f->error.code, ERROR_CONFLICT);
}

/* Every private and secret object in the token, with a session of our own. */
static size_t assert_nothing_leaves(CK_FUNCTION_LIST *functions, CK_OBJECT_CLASS object_class,
                                    CK_BBOOL token) {
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE objects[16];
    CK_ULONG count = 0;
    assert_int_equal(
        functions->C_OpenSession(token_slot(functions), CKF_SERIAL_SESSION, NULL, NULL, &session),
        CKR_OK);
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &object_class, sizeof(object_class)},
                               {CKA_TOKEN, &token, sizeof(token)}};
    assert_int_equal(functions->C_FindObjectsInit(session, template, 2), CKR_OK);
    assert_int_equal(functions->C_FindObjects(session, objects, 16, &count), CKR_OK);
    functions->C_FindObjectsFinal(session);
    for (CK_ULONG i = 0; i < count; i++) {
        CK_BBOOL sensitive = CK_FALSE;
        CK_BBOOL extractable = CK_TRUE;
        uint8_t secret[256];
        CK_ATTRIBUTE flags[] = {{CKA_SENSITIVE, &sensitive, 1}, {CKA_EXTRACTABLE, &extractable, 1}};
        CK_ATTRIBUTE value = {CKA_VALUE, secret, sizeof(secret)};
        assert_int_equal(functions->C_GetAttributeValue(session, objects[i], flags, 2), CKR_OK);
        assert_int_equal(sensitive, CK_TRUE);
        assert_int_equal(extractable, CK_FALSE);
        assert_int_equal(functions->C_GetAttributeValue(session, objects[i], &value, 1),
                         CKR_ATTRIBUTE_SENSITIVE);
    }
    functions->C_CloseSession(session);
    return count;
}

static void private_values_cannot_be_read(void **state) {
    struct fixture *f = *state;
    CK_FUNCTION_LIST *functions = module_functions();
    assert_int_equal(hsm_generate_p256(f->hsm, "ca", &f->error), 0);
    assert_int_equal(hsm_generate_kek(f->hsm, "kek", &f->error), 0);
    assert_non_null(hsm_key(f->hsm, "ca", &f->error));
    assert_int_equal(assert_nothing_leaves(functions, CKO_PRIVATE_KEY, CK_TRUE), 1);
    assert_int_equal(assert_nothing_leaves(functions, CKO_PRIVATE_KEY, CK_FALSE), 1); /* copy */
    assert_int_equal(assert_nothing_leaves(functions, CKO_SECRET_KEY, CK_TRUE), 1);
}

static void keys_do_one_thing_only(void **state) {
    struct fixture *f = *state;
    uint8_t digest[32] = {0};
    uint8_t signature[64];
    uint8_t out[64];
    uint8_t iv[HSM_GCM_IV_SIZE] = {0};
    assert_int_equal(hsm_generate_kek(f->hsm, "kek", &f->error), 0);
    struct hsm_key *kek = hsm_key(f->hsm, "kek", &f->error);
    assert_non_null(kek);
    assert_int_equal(hsm_sign(kek, digest, signature, &f->error), -1);
    assert_int_equal(hsm_public_key(kek, signature, &f->error), -1);
    assert_int_equal(
        hsm_gcm_decrypt(kek, iv, bytes_of(NULL, 0), bytes_of(digest, 32), out, &f->error), -1);
    assert_int_not_equal(f->error.code, ERROR_ALTERED); /* refused by usage, not by its tag */
}

struct counted {
    size_t total;
    size_t private_keys;
    char last[64];
};

static void count_object(void *context, const char *label, unsigned long object_class,
                         unsigned long key_type) {
    struct counted *counted = context;
    counted->total++;
    if (object_class == CKO_PRIVATE_KEY) {
        counted->private_keys++;
        assert_int_equal(key_type, CKK_EC);
        snprintf(counted->last, sizeof(counted->last), "%s", label);
    }
}

static void lists_token_objects(void **state) {
    struct fixture *f = *state;
    struct counted counted = {0};
    assert_int_equal(hsm_list(f->hsm, count_object, &counted, &f->error), 0);
    assert_int_equal(counted.total, 0);
    assert_int_equal(hsm_generate_p256(f->hsm, "ca", &f->error), 0);
    assert_int_equal(hsm_generate_kek(f->hsm, "kek", &f->error), 0);
    assert_non_null(hsm_key(f->hsm, "ca", &f->error)); /* its session copy is not listed */
    assert_int_equal(hsm_list(f->hsm, count_object, &counted, &f->error), 0);
    assert_int_equal(counted.total, 3);
    assert_int_equal(counted.private_keys, 1);
    assert_string_equal(counted.last, "ca");
}

static void destroyed_key_is_gone(void **state) {
    struct fixture *f = *state;
    uint8_t digest[32] = {0};
    uint8_t signature[64];
    assert_int_equal(hsm_generate_p256(f->hsm, "ca", &f->error), 0);
    struct hsm_key *key = hsm_key(f->hsm, "ca", &f->error);
    assert_int_equal(hsm_destroy(f->hsm, "ca", &f->error), 0);
    assert_int_equal(hsm_sign(key, digest, signature, &f->error), -1);
    assert_null(hsm_key(f->hsm, "ca", &f->error));
    assert_int_equal(f->error.code, ERROR_NOT_FOUND);
    assert_int_equal(hsm_generate_p256(f->hsm, "ca", &f->error), 0);
    assert_ptr_equal(hsm_key(f->hsm, "ca", &f->error), key);
    assert_int_equal(hsm_sign(key, digest, signature, &f->error), 0);
    assert_verifies(key, digest, signature);
}

static void random_differs(void **state) {
    struct fixture *f = *state;
    uint8_t a[32];
    uint8_t b[32];
    assert_int_equal(hsm_random(f->hsm, a, 32, &f->error), 0);
    assert_int_equal(hsm_random(f->hsm, b, 32, &f->error), 0);
    assert_memory_not_equal(a, b, 32);
    assert_int_equal(hsm_check(f->hsm, &f->error), 0);
}

static void sign_and_check(struct fixture *f, struct hsm_key *key) {
    uint8_t digest[32];
    uint8_t signature[64];
    memset(digest, 0x5A, sizeof(digest));
    if (hsm_sign(key, digest, signature, &f->error) != 0)
        fail_msg("%s (%s)", f->error.message, f->error.detail);
    assert_verifies(key, digest, signature);
}

static void survives_lost_sessions(void **state) {
    struct fixture *f = *state;
    CK_FUNCTION_LIST *functions = module_functions();
    assert_int_equal(hsm_generate_p256(f->hsm, "ca", &f->error), 0);
    struct hsm_key *key = hsm_key(f->hsm, "ca", &f->error);
    sign_and_check(f, key);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(functions->C_CloseAllSessions(token_slot(functions)), CKR_OK);
        sign_and_check(f, key);
    }
    assert_int_equal(functions->C_CloseAllSessions(token_slot(functions)), CKR_OK);
    assert_int_equal(hsm_generate_kek(f->hsm, "kek", &f->error), 0);
}

static void survives_finalized_module(void **state) {
    struct fixture *f = *state;
    CK_FUNCTION_LIST *functions = module_functions();
    assert_int_equal(hsm_generate_p256(f->hsm, "ca", &f->error), 0);
    struct hsm_key *key = hsm_key(f->hsm, "ca", &f->error);
    assert_int_equal(functions->C_Finalize(NULL), CKR_OK);
    sign_and_check(f, key);
}

static void token_gone_and_back(void **state) {
    struct fixture *f = *state;
    CK_FUNCTION_LIST *functions = module_functions();
    char away[128];
    uint8_t digest[32] = {0};
    uint8_t signature[64];
    snprintf(away, sizeof(away), "%s/away", f->directory);
    assert_int_equal(hsm_generate_p256(f->hsm, "ca", &f->error), 0);
    struct hsm_key *key = hsm_key(f->hsm, "ca", &f->error);
    assert_int_equal(rename(f->tokens, away), 0);
    assert_int_equal(functions->C_Finalize(NULL), CKR_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(hsm_sign(key, digest, signature, &f->error), -1);
        assert_int_equal(f->error.code, ERROR_HSM_UNAVAILABLE);
    }
    assert_int_equal(rename(away, f->tokens), 0);
    sign_and_check(f, key);
}

static void restored_token_with_another_key_is_refused(void **state) {
    struct fixture *f = *state;
    CK_FUNCTION_LIST *functions = module_functions();
    uint8_t digest[32] = {0};
    uint8_t signature[64];
    assert_int_equal(hsm_generate_p256(f->hsm, "ca", &f->error), 0);
    struct hsm_key *key = hsm_key(f->hsm, "ca", &f->error);
    assert_non_null(key);
    /* Another program replaces the key behind our back. */
    struct error error;
    struct hsm *other = hsm_open(&f->config, &error);
    assert_non_null(other);
    assert_int_equal(hsm_destroy(other, "ca", &error), 0);
    assert_int_equal(hsm_generate_p256(other, "ca", &error), 0);
    hsm_close(other);
    assert_int_equal(functions->C_CloseAllSessions(token_slot(functions)), CKR_OK);
    assert_int_equal(hsm_sign(key, digest, signature, &f->error), -1);
    assert_int_equal(f->error.code, ERROR_HSM_UNAVAILABLE);
}

struct worker {
    struct hsm_key *key;
    int rounds;
    unsigned long good;
    unsigned long bad;
};

static void *sign_often(void *context) {
    struct worker *worker = context;
    struct error error;
    uint8_t digest[32] = {7};
    uint8_t signature[64];
    uint8_t public_key[64];
    hsm_public_key(worker->key, public_key, &error);
    for (int i = 0; i < worker->rounds; i++) {
        if (hsm_sign(worker->key, digest, signature, &error) == 0 &&
            crypto_p256_verify(public_key, digest, signature) == STATUS_OK)
            worker->good++;
        else
            worker->bad++;
    }
    return NULL;
}

static void threads_share_the_pool(void **state) {
    struct fixture *f = *state;
    enum { THREADS = 8 };
    pthread_t threads[THREADS];
    struct worker workers[THREADS];
    assert_int_equal(hsm_generate_p256(f->hsm, "ca", &f->error), 0);
    struct hsm_key *key = hsm_key(f->hsm, "ca", &f->error);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){key, 400, 0, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, sign_often, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(workers[i].good, 400);
        assert_int_equal(workers[i].bad, 0);
    }
}

/* All threads find their sessions gone at the same moment. The sessions are ended between the
 * rounds, because SoftHSM does not survive C_CloseAllSessions during another call. */
static void threads_recover_together(void **state) {
    struct fixture *f = *state;
    CK_FUNCTION_LIST *functions = module_functions();
    enum { THREADS = 4 };
    assert_int_equal(hsm_generate_p256(f->hsm, "ca", &f->error), 0);
    struct hsm_key *key = hsm_key(f->hsm, "ca", &f->error);
    for (int round = 0; round < 10; round++) {
        pthread_t threads[THREADS];
        struct worker workers[THREADS];
        assert_int_equal(functions->C_CloseAllSessions(token_slot(functions)), CKR_OK);
        for (int i = 0; i < THREADS; i++) {
            workers[i] = (struct worker){key, 40, 0, 0};
            assert_int_equal(pthread_create(&threads[i], NULL, sign_often, &workers[i]), 0);
        }
        for (int i = 0; i < THREADS; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            assert_int_equal(workers[i].good, 40);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(signs_with_a_generated_key),
        TEST(keys_survive_close_and_open),
        TEST(refuses_labels),
        TEST(refuses_wrong_pin_module_and_token),
        TEST(refuses_pin_file_others_can_read),
        TEST(refuses_second_token_of_a_label),
        TEST(private_values_cannot_be_read),
        TEST(keys_do_one_thing_only),
        TEST(lists_token_objects),
        TEST(destroyed_key_is_gone),
        TEST(random_differs),
        TEST(survives_lost_sessions),
        TEST(survives_finalized_module),
        TEST(token_gone_and_back),
        TEST(restored_token_with_another_key_is_refused),
        TEST(threads_share_the_pool),
        TEST(threads_recover_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
