/*
 * One key page per role: a record of private half, public half and the hash of both. A record
 * whose hash is wrong, because power went away while it was written or erased, is no key.
 */
#include "base/secret.h"
#include "common/board_model_private.h"
#include "crypto/crypto.h"

#include <string.h>

#define RECORD_SIZE (CRYPTO_PRIVATE_KEY_SIZE + CRYPTO_PUBLIC_KEY_SIZE + CRYPTO_DIGEST_SIZE)

_Static_assert(HAL_KEY_ROLES *BOARD_FLASH_PAGE == BOARD_KEYS_SIZE, "a page per role");
_Static_assert(RECORD_SIZE % BOARD_FLASH_UNIT == 0, "whole flash units");

struct key_pair {
    uint8_t private_key[CRYPTO_PRIVATE_KEY_SIZE];
    uint8_t public_key[CRYPTO_PUBLIC_KEY_SIZE];
};

static uint32_t page_of(enum hal_key_role role) {
    return BOARD_KEYS_OFFSET + (uint32_t)role * BOARD_FLASH_PAGE;
}

/* Bound to the role, so that a page copied over another one is no key there. */
static void record_hash(enum hal_key_role role, const struct key_pair *pair, uint8_t digest[32]) {
    struct crypto_sha256 hash;
    uint8_t label = (uint8_t)role;

    crypto_sha256_start(&hash);
    crypto_sha256_update(&hash, bytes_of(&label, 1));
    crypto_sha256_update(&hash, bytes_of(pair->private_key, sizeof(pair->private_key)));
    crypto_sha256_update(&hash, bytes_of(pair->public_key, sizeof(pair->public_key)));
    crypto_sha256_finish(&hash, digest);
}

/* From here to key_end the debug proxy does not stop the CPU, so it sees no register or stack
 * with key material in it. */
static void key_begin(void) {
    board_register_write(BOARD_REGISTER_KEY_BUSY, 1);
}

static void key_end(struct key_pair *pair) {
    secret_wipe(pair, sizeof(*pair));
    board_scrub_stack();
    board_register_write(BOARD_REGISTER_KEY_BUSY, 0);
}

static enum status load(enum hal_key_role role, struct key_pair *pair) {
    uint32_t page = page_of(role);
    uint8_t stored[CRYPTO_DIGEST_SIZE];
    uint8_t digest[CRYPTO_DIGEST_SIZE];

    board_file_read(page, pair->private_key, sizeof(pair->private_key));
    board_file_read(page + CRYPTO_PRIVATE_KEY_SIZE, pair->public_key, sizeof(pair->public_key));
    board_file_read(page + sizeof(*pair), stored, sizeof(stored));
    record_hash(role, pair, digest);
    return secret_equal(stored, digest, sizeof(digest)) ? STATUS_OK : STATUS_NOT_FOUND;
}

static enum status store(enum hal_key_role role, const struct key_pair *pair) {
    uint8_t record[RECORD_SIZE];
    enum status status = flash_engine_erase(page_of(role));

    memcpy(record, pair->private_key, sizeof(pair->private_key));
    memcpy(record + CRYPTO_PRIVATE_KEY_SIZE, pair->public_key, sizeof(pair->public_key));
    record_hash(role, pair, record + sizeof(*pair));
    if (status == STATUS_OK)
        status = flash_engine_program(page_of(role), record, sizeof(record));
    secret_wipe(record, sizeof(record));
    return status;
}

enum status key_store_generate(enum hal_key_role role, uint8_t public_key[64]) {
    struct key_pair pair;
    enum status status;

    memset(public_key, 0, CRYPTO_PUBLIC_KEY_SIZE);
    if (role >= HAL_KEY_ROLES)
        return STATUS_INVALID;
    if (board_register_read(BOARD_REGISTER_DEBUG_ATTACHED) != 0)
        return STATUS_DEBUGGED;
    key_begin();
    status = load(role, &pair) == STATUS_OK ? STATUS_BAD_STATE : STATUS_OK;
    if (status == STATUS_OK)
        status = crypto_p256_generate(pair.private_key, pair.public_key);
    if (status == STATUS_OK)
        status = store(role, &pair);
    if (status == STATUS_OK)
        memcpy(public_key, pair.public_key, CRYPTO_PUBLIC_KEY_SIZE);
    key_end(&pair);
    return status;
}

enum status key_store_public(enum hal_key_role role, uint8_t public_key[64]) {
    struct key_pair pair;
    enum status status;

    memset(public_key, 0, CRYPTO_PUBLIC_KEY_SIZE);
    if (role >= HAL_KEY_ROLES)
        return STATUS_INVALID;
    key_begin();
    status = load(role, &pair);
    if (status == STATUS_OK)
        memcpy(public_key, pair.public_key, CRYPTO_PUBLIC_KEY_SIZE);
    key_end(&pair);
    return status;
}

enum status key_store_sign(enum hal_key_role role, const uint8_t digest[32],
                           uint8_t signature[64]) {
    struct key_pair pair;
    enum status status;

    memset(signature, 0, CRYPTO_SIGNATURE_SIZE);
    if (role != HAL_KEY_AUTH && role != HAL_KEY_TLS)
        return STATUS_INVALID;
    key_begin();
    status = load(role, &pair);
    if (status == STATUS_OK)
        status = crypto_p256_sign(pair.private_key, digest, signature);
    key_end(&pair);
    return status;
}

enum status key_store_agree(enum hal_key_role role, const uint8_t peer[64], uint8_t shared[32]) {
    struct key_pair pair;
    enum status status;

    memset(shared, 0, 32);
    if (role != HAL_KEY_ENC)
        return STATUS_INVALID;
    key_begin();
    status = load(role, &pair);
    if (status == STATUS_OK)
        status = crypto_p256_agree(pair.private_key, peer, shared);
    key_end(&pair);
    return status;
}

enum status key_store_destroy(enum hal_key_role role) {
    if (role >= HAL_KEY_ROLES)
        return STATUS_INVALID;
    /* Always: what is left of a torn record may hold a whole private half. */
    return flash_engine_erase(page_of(role));
}
