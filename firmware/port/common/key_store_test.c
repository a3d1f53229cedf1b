#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/testing_board.h"
#include "crypto/crypto.h"

/* Erase, then the record's 16 units. */
#define GENERATE_OPERATIONS 17

static enum status entropy(void *context, uint8_t *out, size_t size) {
    (void)context;
    return getrandom(out, size, 0) == (ssize_t)size ? STATUS_OK : STATUS_NO_ENTROPY;
}

static int setup(void **state) {
    (void)state;
    testing_board_reset();
    return crypto_init(entropy, NULL) == STATUS_OK ? 0 : -1;
}

static void generate(void *context) {
    assert_int_equal(key_store_generate(HAL_KEY_AUTH, context), STATUS_OK);
}

static void destroy(void *context) {
    (void)context;
    assert_int_equal(key_store_destroy(HAL_KEY_AUTH), STATUS_OK);
}

static void keys_sign_and_agree(void **state) {
    uint8_t auth[64];
    uint8_t enc[64];
    uint8_t again[64];
    uint8_t private_key[32];
    uint8_t peer[64];
    uint8_t digest[32] = {1};
    uint8_t signature[64];
    uint8_t shared[2][32];

    (void)state;
    assert_int_equal(key_store_generate(HAL_KEY_AUTH, auth), STATUS_OK);
    assert_int_equal(key_store_generate(HAL_KEY_ENC, enc), STATUS_OK);
    assert_int_equal(key_store_public(HAL_KEY_AUTH, again), STATUS_OK);
    assert_memory_equal(auth, again, sizeof(auth));
    assert_int_equal(key_store_sign(HAL_KEY_AUTH, digest, signature), STATUS_OK);
    assert_int_equal(crypto_p256_verify(auth, digest, signature), STATUS_OK);
    assert_int_equal(crypto_p256_generate(private_key, peer), STATUS_OK);
    assert_int_equal(key_store_agree(HAL_KEY_ENC, peer, shared[0]), STATUS_OK);
    assert_int_equal(crypto_p256_agree(private_key, enc, shared[1]), STATUS_OK);
    assert_memory_equal(shared[0], shared[1], sizeof(shared[0]));
    assert_int_equal(board_register_read(BOARD_REGISTER_KEY_BUSY), 0);
}

static void roles_do_one_thing(void **state) {
    uint8_t key[64];
    uint8_t buffer[64];

    (void)state;
    assert_int_equal(key_store_generate(HAL_KEY_AUTH, key), STATUS_OK);
    assert_int_equal(key_store_generate(HAL_KEY_ENC, key), STATUS_OK);
    assert_int_equal(key_store_sign(HAL_KEY_ENC, key, buffer), STATUS_INVALID);
    assert_int_equal(key_store_agree(HAL_KEY_AUTH, key, buffer), STATUS_INVALID);
    assert_int_equal(key_store_agree(HAL_KEY_TLS, key, buffer), STATUS_INVALID);
    assert_int_equal(key_store_sign(HAL_KEY_TLS, key, buffer), STATUS_NOT_FOUND);
    assert_int_equal(key_store_public(HAL_KEY_ROLES, buffer), STATUS_INVALID);
    assert_int_equal(key_store_generate(HAL_KEY_ROLES, buffer), STATUS_INVALID);
    assert_int_equal(key_store_destroy(HAL_KEY_ROLES), STATUS_INVALID);
}

static void a_live_key_is_not_replaced(void **state) {
    uint8_t key[64];
    uint8_t again[64];

    (void)state;
    assert_int_equal(key_store_generate(HAL_KEY_TLS, key), STATUS_OK);
    assert_int_equal(key_store_generate(HAL_KEY_TLS, again), STATUS_BAD_STATE);
    assert_int_equal(key_store_public(HAL_KEY_TLS, again), STATUS_OK);
    assert_memory_equal(key, again, sizeof(key));
    assert_int_equal(key_store_destroy(HAL_KEY_TLS), STATUS_OK);
    assert_int_equal(key_store_public(HAL_KEY_TLS, again), STATUS_NOT_FOUND);
    assert_int_equal(key_store_generate(HAL_KEY_TLS, again), STATUS_OK);
    assert_memory_not_equal(key, again, sizeof(key));
}

static void a_debugger_prevents_keys(void **state) {
    uint8_t key[64];

    (void)state;
    board_register_write(BOARD_REGISTER_DEBUG_ATTACHED, 1);
    assert_int_equal(key_store_generate(HAL_KEY_AUTH, key), STATUS_DEBUGGED);
    assert_int_equal(key_store_public(HAL_KEY_AUTH, key), STATUS_NOT_FOUND);
    board_register_write(BOARD_REGISTER_DEBUG_ATTACHED, 0);
    assert_int_equal(key_store_generate(HAL_KEY_AUTH, key), STATUS_OK);
}

static void a_page_copied_to_another_role_is_no_key(void **state) {
    uint8_t *keys = testing_board_file() + BOARD_KEYS_OFFSET;
    uint8_t key[64];

    (void)state;
    assert_int_equal(key_store_generate(HAL_KEY_AUTH, key), STATUS_OK);
    memcpy(keys + (size_t)HAL_KEY_TLS * BOARD_FLASH_PAGE, keys, BOARD_FLASH_PAGE);
    assert_int_equal(key_store_public(HAL_KEY_TLS, key), STATUS_NOT_FOUND);
    keys[3] ^= 1;
    assert_int_equal(key_store_public(HAL_KEY_AUTH, key), STATUS_NOT_FOUND);
}

/* At every operation: no key, or (only after the last) the whole key; and a retry works. */
static void a_cut_key_is_no_key(void **state) {
    const enum board_fault kinds[] = {BOARD_FAULT_STOP, BOARD_FAULT_TEAR};
    uint8_t key[64];
    uint8_t again[64];

    (void)state;
    for (size_t kind = 0; kind < 2; kind++) {
        for (uint32_t n = 1; n <= GENERATE_OPERATIONS; n++) {
            testing_board_reset();
            assert_true(testing_board_run(kinds[kind], n, generate, key));
            assert_int_equal(key_store_public(HAL_KEY_AUTH, again), STATUS_NOT_FOUND);
            assert_int_equal(key_store_generate(HAL_KEY_AUTH, key), STATUS_OK);
        }
        testing_board_reset();
        assert_false(testing_board_run(kinds[kind], GENERATE_OPERATIONS + 1, generate, key));
        assert_int_equal(key_store_public(HAL_KEY_AUTH, again), STATUS_OK);
    }
}

static void a_cut_destruction_can_be_finished(void **state) {
    const uint8_t *page = testing_board_file() + BOARD_KEYS_OFFSET;
    uint8_t key[64];

    (void)state;
    assert_int_equal(key_store_generate(HAL_KEY_AUTH, key), STATUS_OK);
    assert_true(testing_board_run(BOARD_FAULT_TEAR, 1, destroy, NULL));
    assert_int_equal(key_store_public(HAL_KEY_AUTH, key), STATUS_NOT_FOUND);
    assert_int_equal(key_store_destroy(HAL_KEY_AUTH), STATUS_OK);
    for (unsigned i = 0; i < BOARD_FLASH_PAGE; i++)
        assert_int_equal(page[i], 0xFF);
}

static void attachments_are_remembered(void **state) {
    (void)state;
    assert_false(board_debug_attached(false));
    board_register_add(BOARD_REGISTER_DEBUG_ATTACHES, 1); /* came and went */
    assert_true(board_debug_attached(false));
    assert_true(board_debug_attached(true));
    assert_false(board_debug_attached(false));
    board_register_write(BOARD_REGISTER_DEBUG_ATTACHED, 1);
    assert_true(board_debug_attached(true));
    assert_true(board_debug_attached(true));
}

static void the_lock_follows_the_life_cycle_at_reset(void **state) {
    static const struct {
        enum hal_life_cycle life_cycle;
        bool locked;
    } cases[] = {
        {HAL_LIFE_BLANK, false},   {HAL_LIFE_PROVISIONED, false}, {HAL_LIFE_SECURED, true},
        {HAL_LIFE_RETIRING, true}, {HAL_LIFE_RETIRED, true},      {HAL_LIFE_RMA, false},
    };

    (void)state;
    assert_true(board_debug_locked()); /* in reset: not decided yet */
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        board_debug_latch(cases[i].life_cycle);
        assert_int_equal(board_debug_locked(), cases[i].locked);
    }
    board_prepare_reset(HAL_BOOT_REQUESTED);
    assert_true(board_debug_locked());
    assert_int_equal(board_boot_reason(), HAL_BOOT_REQUESTED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(keys_sign_and_agree, setup),
        cmocka_unit_test_setup(roles_do_one_thing, setup),
        cmocka_unit_test_setup(a_live_key_is_not_replaced, setup),
        cmocka_unit_test_setup(a_debugger_prevents_keys, setup),
        cmocka_unit_test_setup(a_page_copied_to_another_role_is_no_key, setup),
        cmocka_unit_test_setup(a_cut_key_is_no_key, setup),
        cmocka_unit_test_setup(a_cut_destruction_can_be_finished, setup),
        cmocka_unit_test_setup(attachments_are_remembered, setup),
        cmocka_unit_test_setup(the_lock_follows_the_life_cycle_at_reset, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
