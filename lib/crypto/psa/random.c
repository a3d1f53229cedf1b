#include "crypto/psa/random.h"

#include "base/secret.h"

#include <mbedtls/hmac_drbg.h>
#include <psa/crypto.h>
#include <string.h>

/* Lies in the arena with everything else a debugger must not read. */
struct generator {
    mbedtls_hmac_drbg_context drbg;
    crypto_entropy_function *entropy;
    void *context;
    uint32_t last_word; /* of the previous request: a source may get stuck between two */
    bool has_last_word;
};

static struct generator *generator;

/*
 * Repetition count test of SP 800-90B 4.4.1 on 32-bit samples of full entropy: the cutoff for a
 * false alarm of 2^-20 is 1 + 20/32, two equal words in a row. A TRNG register read too early
 * returns its last word again; this is what catches it.
 */
static bool is_stuck(struct generator *source, const uint8_t *sample, size_t size) {
    struct reader words;
    reader_init(&words, bytes_of(sample, size));
    bool stuck = false;
    while (reader_remaining(&words) >= sizeof(uint32_t)) {
        uint32_t word = read_u32le(&words);
        stuck |= source->has_last_word && word == source->last_word;
        source->last_word = word;
        source->has_last_word = true;
    }
    return stuck;
}

static int read_entropy(void *context, unsigned char *out, size_t size) {
    struct generator *source = context;
    if (source->entropy(source->context, out, size) != STATUS_OK || is_stuck(source, out, size)) {
        secret_wipe(out, size);
        return MBEDTLS_ERR_HMAC_DRBG_ENTROPY_SOURCE_FAILED;
    }
    return 0;
}

static enum status status_of(int result) {
    switch (result) {
    case 0: return STATUS_OK;
    case MBEDTLS_ERR_MD_ALLOC_FAILED: return STATUS_NO_MEMORY;
    case MBEDTLS_ERR_HMAC_DRBG_ENTROPY_SOURCE_FAILED: return STATUS_NO_ENTROPY;
    default: return STATUS_CRYPTO;
    }
}

enum status random_start(crypto_entropy_function *entropy, void *context) {
    generator = NULL;
    struct generator *fresh = crypto_arena_calloc(1, sizeof *fresh);
    if (fresh == NULL) {
        return STATUS_NO_MEMORY;
    }
    fresh->entropy = entropy;
    fresh->context = context;
    mbedtls_hmac_drbg_init(&fresh->drbg);
    /* 32 bytes of entropy input and half as much again for the nonce (SP 800-90A 8.6.7). */
    const mbedtls_md_info_t *sha256 = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);
    int result = mbedtls_hmac_drbg_seed(&fresh->drbg, sha256, read_entropy, fresh, NULL, 0);
    if (result != 0) {
        mbedtls_hmac_drbg_free(&fresh->drbg);
        crypto_arena_free(fresh);
        return status_of(result);
    }
    generator = fresh;
    return STATUS_OK;
}

enum status crypto_random(uint8_t *out, size_t size) {
    int result = generator == NULL ? MBEDTLS_ERR_HMAC_DRBG_ENTROPY_SOURCE_FAILED : 0;
    size_t done = 0;
    while (result == 0 && done < size) {
        size_t part = size - done;
        if (part > MBEDTLS_HMAC_DRBG_MAX_REQUEST) {
            part = MBEDTLS_HMAC_DRBG_MAX_REQUEST;
        }
        result = mbedtls_hmac_drbg_random(&generator->drbg, out + done, part);
        done += part;
    }
    if (result != 0) {
        secret_wipe(out, size);
    }
    return status_of(result);
}

psa_status_t mbedtls_psa_external_get_random(mbedtls_psa_external_random_context_t *context,
                                             uint8_t *output, size_t output_size,
                                             size_t *output_length) {
    (void)context;
    *output_length = output_size;
    return crypto_random(output, output_size) == STATUS_OK ? PSA_SUCCESS
                                                           : PSA_ERROR_INSUFFICIENT_ENTROPY;
}
