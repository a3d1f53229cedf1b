/* Wrapped keys against a real SoftHSM2 token. */
#include "hsm/boot_key.h"

#include "base/file.h"
#include "base/test_support.h"
#include "crypto/crypto.h"

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    char directory[TEST_DIRECTORY_SIZE];
    char conf[96];
    char tokens[96];
    char pin[96];
    char so_pin[96];
    struct hsm_config config;
    struct hsm *hsm;
    struct hsm_key *kek;
    struct hsm_key *other_kek;
    struct error error;
};

static const uint8_t DIGEST[32] = {1, 2, 3};

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
    assert_int_equal(hsm_generate_kek(f->hsm, "kek", &f->error), 0);
    assert_int_equal(hsm_generate_kek(f->hsm, "other", &f->error), 0);
    f->kek = hsm_key(f->hsm, "kek", &f->error);
    f->other_kek = hsm_key(f->hsm, "other", &f->error);
    assert_non_null(f->kek);
    assert_non_null(f->other_kek);
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

static CK_FUNCTION_LIST *module_functions(void) {
    void *library = dlopen(HSM_DEFAULT_MODULE, RTLD_NOW | RTLD_LOCAL);
    CK_C_GetFunctionList get_list;
    CK_FUNCTION_LIST *functions;
    assert_non_null(library);
    void *symbol = dlsym(library, "C_GetFunctionList");
    assert_non_null(symbol);
    memcpy(&get_list, &symbol, sizeof(get_list));
    assert_int_equal(get_list(&functions), CKR_OK);
    dlclose(library);
    return functions;
}

/* Every object a fresh session sees, session objects included. */
static CK_ULONG count_objects(void) {
    CK_FUNCTION_LIST *functions = module_functions();
    CK_SLOT_ID slots[8];
    CK_ULONG slot_count = 8;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE found[256];
    CK_ULONG count = 0;
    assert_int_equal(functions->C_GetSlotList(CK_TRUE, slots, &slot_count), CKR_OK);
    assert_int_equal(functions->C_OpenSession(slots[0], CKF_SERIAL_SESSION, NULL, NULL, &session),
                     CKR_OK);
    assert_int_equal(functions->C_FindObjectsInit(session, NULL, 0), CKR_OK);
    assert_int_equal(functions->C_FindObjects(session, found, 256, &count), CKR_OK);
    assert_int_equal(functions->C_FindObjectsFinal(session), CKR_OK);
    assert_int_equal(functions->C_CloseSession(session), CKR_OK);
    return count;
}

static void sign_and_check(struct fixture *f, const struct hsm_boot_key *key) {
    uint8_t signature[64];
    assert_int_equal(hsm_boot_key_sign(f->kek, key, DIGEST, signature, &f->error), 0);
    assert_int_equal(crypto_p256_verify(key->public_key, DIGEST, signature), STATUS_OK);
}

static void refuse(struct fixture *f, struct hsm_key *kek, const struct hsm_boot_key *key) {
    uint8_t signature[64];
    static const uint8_t zero[64];
    memset(signature, 7, sizeof(signature));
    error_clear(&f->error);
    assert_int_equal(hsm_boot_key_sign(kek, key, DIGEST, signature, &f->error), -1);
    assert_int_equal(f->error.code, ERROR_ALTERED);
    assert_memory_equal(signature, zero, sizeof(zero));
}

static void signs_again_and_again(void **state) {
    struct fixture *f = *state;
    struct hsm_boot_key a;
    struct hsm_boot_key b;
    assert_int_equal(hsm_boot_key_make(f->kek, &a, &f->error), 0);
    assert_int_equal(hsm_boot_key_make(f->kek, &b, &f->error), 0);
    assert_memory_not_equal(a.public_key, b.public_key, 64);
    for (int i = 0; i < 5; i++) {
        sign_and_check(f, &a);
        sign_and_check(f, &b);
    }
}

static void opens_with_its_own_kek_only(void **state) {
    struct fixture *f = *state;
    struct hsm_boot_key key;
    assert_int_equal(hsm_boot_key_make(f->kek, &key, &f->error), 0);
    refuse(f, f->other_kek, &key);
    sign_and_check(f, &key);
    /* Also when it is unwrapped already. */
    refuse(f, f->other_kek, &key);
}

static void altered_rows_are_refused(void **state) {
    struct fixture *f = *state;
    struct hsm_boot_key key;
    struct hsm_boot_key other;
    assert_int_equal(hsm_boot_key_make(f->kek, &key, &f->error), 0);
    assert_int_equal(hsm_boot_key_make(f->kek, &other, &f->error), 0);
    sign_and_check(f, &key);
    for (size_t i = 0; i < key.wrapped_size; i += 5) {
        struct hsm_boot_key altered = key;
        altered.wrapped[i] ^= 1;
        refuse(f, f->kek, &altered);
    }
    for (size_t size = 0; size < key.wrapped_size; size += 7) {
        struct hsm_boot_key cut = key;
        cut.wrapped_size = size;
        refuse(f, f->kek, &cut);
    }
    struct hsm_boot_key swapped = key;
    memcpy(swapped.public_key, other.public_key, 64);
    refuse(f, f->kek, &swapped);
    swapped = key;
    swapped.wrapped_size = sizeof(swapped.wrapped) + 8;
    refuse(f, f->kek, &swapped);
    sign_and_check(f, &key);
    sign_and_check(f, &other);
}

static void nothing_is_left_in_the_token(void **state) {
    struct fixture *f = *state;
    enum { KEYS = 80 };
    static struct hsm_boot_key keys[KEYS];
    CK_ULONG before = count_objects();
    for (int i = 0; i < KEYS; i++)
        assert_int_equal(hsm_boot_key_make(f->kek, &keys[i], &f->error), 0);
    assert_int_equal(count_objects(), before);
    /* More than are kept unwrapped; the first ones work again afterwards. */
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < KEYS; i++)
            sign_and_check(f, &keys[i]);
    CK_ULONG kept = count_objects() - before;
    assert_true(kept >= 1 && kept <= 32);
    hsm_close(f->hsm);
    f->hsm = hsm_open(&f->config, &f->error);
    f->kek = hsm_key(f->hsm, "kek", &f->error);
    assert_non_null(f->kek);
    assert_int_equal(count_objects(), before);
    sign_and_check(f, &keys[KEYS - 1]);
}

static void survives_a_lost_session(void **state) {
    struct fixture *f = *state;
    struct hsm_boot_key key;
    CK_FUNCTION_LIST *functions = module_functions();
    CK_SLOT_ID slots[8];
    CK_ULONG count = 8;
    assert_int_equal(hsm_boot_key_make(f->kek, &key, &f->error), 0);
    sign_and_check(f, &key);
    assert_int_equal(functions->C_GetSlotList(CK_TRUE, slots, &count), CKR_OK);
    assert_int_equal(functions->C_CloseAllSessions(slots[0]), CKR_OK);
    sign_and_check(f, &key);
    assert_int_equal(functions->C_Finalize(NULL), CKR_OK);
    sign_and_check(f, &key);
}

static void content_keys_open_again(void **state) {
    struct fixture *f = *state;
    uint8_t value[32];
    uint8_t opened[32];
    uint8_t wrapped[HSM_WRAPPED_KEY_MAX];
    size_t size = 0;
    CK_ULONG before = count_objects();
    assert_int_equal(hsm_content_key_make(f->kek, value, wrapped, &size, &f->error), 0);
    assert_int_equal(hsm_content_key_open(f->kek, bytes_of(wrapped, size), opened, &f->error), 0);
    assert_memory_equal(value, opened, 32);
    assert_int_equal(count_objects(), before);
    assert_int_equal(hsm_content_key_open(f->other_kek, bytes_of(wrapped, size), opened, &f->error),
                     -1);
    assert_int_equal(f->error.code, ERROR_ALTERED);
    static const uint8_t zero[32];
    assert_memory_equal(opened, zero, 32);
    for (size_t i = 0; i < size; i++) {
        wrapped[i] ^= 1;
        assert_int_equal(hsm_content_key_open(f->kek, bytes_of(wrapped, size), opened, &f->error),
                         -1);
        assert_int_equal(f->error.code, ERROR_ALTERED);
        wrapped[i] ^= 1;
    }
    for (size_t i = 0; i < size; i++)
        assert_int_equal(hsm_content_key_open(f->kek, bytes_of(wrapped, i), opened, &f->error), -1);
}

struct worker {
    struct fixture *f;
    const struct hsm_boot_key *keys;
    int failures;
};

static void *sign_often(void *context) {
    struct worker *worker = context;
    for (int i = 0; i < 200; i++) {
        uint8_t signature[64];
        struct error error;
        const struct hsm_boot_key *key = &worker->keys[i % 3];
        if (hsm_boot_key_sign(worker->f->kek, key, DIGEST, signature, &error) != 0 ||
            crypto_p256_verify(key->public_key, DIGEST, signature) != STATUS_OK)
            worker->failures++;
    }
    return NULL;
}

static void many_threads(void **state) {
    struct fixture *f = *state;
    struct hsm_boot_key keys[3];
    struct worker workers[4];
    pthread_t threads[4];
    for (int i = 0; i < 3; i++)
        assert_int_equal(hsm_boot_key_make(f->kek, &keys[i], &f->error), 0);
    for (int i = 0; i < 4; i++) {
        workers[i] = (struct worker){f, keys, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, sign_often, &workers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(workers[i].failures, 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(signs_again_and_again),
        TEST(opens_with_its_own_kek_only),
        TEST(altered_rows_are_refused),
        TEST(nothing_is_left_in_the_token),
        TEST(survives_a_lost_session),
        TEST(content_keys_open_again),
        TEST(many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
