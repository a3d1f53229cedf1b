/*
 * A link of every function of the port and nothing else, so that the build can print what the
 * device crypto costs. It is never run.
 */
#include "crypto/crypto.h"

/* Volatile, so that no call is folded away. */
static uint8_t buffer[64];
static volatile size_t any_size;
volatile enum status size_probe_result;

/* What -fstack-protector-strong calls for; on a board the port supplies them. */
uintptr_t __stack_chk_guard;
void __stack_chk_fail(void);
void __stack_chk_fail(void) {
    for (;;) {
    }
}

static enum status no_entropy(void *context, uint8_t *out, size_t size) {
    (void)context;
    (void)out;
    (void)size;
    return STATUS_NO_ENTROPY;
}

void size_probe_start(void);
void size_probe_start(void) {
    struct bytes input = bytes_of(buffer, any_size);
    struct bytes first;
    struct bytes rest;
    struct crypto_sha256 hash;
    size_probe_result = crypto_init(no_entropy, buffer);
    size_probe_result = crypto_random(buffer, any_size);
    crypto_sha256_start(&hash);
    crypto_sha256_update(&hash, input);
    crypto_sha256_finish(&hash, buffer);
    crypto_sha256(input, buffer);
    size_probe_result = crypto_hmac_sha256(input, input, buffer);
    size_probe_result = crypto_hkdf_expand(buffer, input, buffer, any_size);
    size_probe_result = crypto_gcm_seal(buffer, buffer, input, input, buffer, buffer);
    size_probe_result = crypto_gcm_open(buffer, buffer, input, input, buffer, buffer);
    size_probe_result = crypto_aes_ctr(input, buffer, input, buffer);
    size_probe_result = crypto_p256_generate(buffer, buffer);
    size_probe_result = crypto_p256_sign(buffer, buffer, buffer);
    size_probe_result = crypto_p256_verify(buffer, buffer, buffer);
    size_probe_result = crypto_p256_agree(buffer, buffer, buffer);
    size_probe_result = crypto_certificate_split(input, &first, &rest);
    size_probe_result = crypto_chain_verify(input, buffer, rest, buffer);
    any_size = crypto_arena_peak();
}
