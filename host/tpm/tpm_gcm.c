/*
 * GCM (SP 800-38D) with the AES key in the TPM. A TPM has no GCM, but counter mode: what it makes
 * of zeroes under a counter block X is the encryption of X, and that is all GCM wants of a cipher.
 * The rest is OpenSSL's.
 */
#include "tpm/tpm_internal.h"

#include "base/secret.h"

#include <openssl/modes.h>
#include <string.h>

#define BLOCK_SIZE 16
#define CHUNK_SIZE TPM2_MAX_DIGEST_BUFFER /* 1,024 bytes: TPM2B_MAX_BUFFER */

struct gcm_request {
    struct tpm_blob blob;
    const uint8_t *iv;
    struct bytes aad;
    struct bytes input; /* without the tag */
    const uint8_t *tag;
    uint8_t *out;
    bool matches; /* result */
};

/* What OpenSSL's callbacks get as key. They cannot fail, so the failure waits here. */
struct tpm_cipher {
    struct tpm *tpm;
    ESYS_TR key;
    TSS2_RC rc;
};

static void keystream_add(struct tpm_cipher *cipher, const uint8_t counter[BLOCK_SIZE],
                          const uint8_t *in, uint8_t *out, size_t size) {
    TPM2B_MAX_BUFFER chunk = {.size = (UINT16)size};
    TPM2B_IV iv = {.size = BLOCK_SIZE};
    TPM2B_MAX_BUFFER *done = NULL;
    memset(out, 0, size);
    if (cipher->rc != TSS2_RC_SUCCESS)
        return;
    memcpy(iv.buffer, counter, BLOCK_SIZE);
    memcpy(chunk.buffer, in, size);
    cipher->rc =
        Esys_EncryptDecrypt2(cipher->tpm->esys, cipher->key, cipher->tpm->session, ESYS_TR_NONE,
                             ESYS_TR_NONE, &chunk, TPM2_YES, TPM2_ALG_CTR, &iv, &done, NULL);
    if (cipher->rc != TSS2_RC_SUCCESS)
        return;
    if (done->size == size)
        memcpy(out, done->buffer, size);
    else
        cipher->rc = TSS2_ESYS_RC_MALFORMED_RESPONSE;
    secret_wipe(done, sizeof *done);
    Esys_Free(done);
}

static void encrypt_block(const unsigned char in[BLOCK_SIZE], unsigned char out[BLOCK_SIZE],
                          const void *key) {
    static const uint8_t zeroes[BLOCK_SIZE];
    uint8_t counter[BLOCK_SIZE]; /* in and out may be one */
    memcpy(counter, in, BLOCK_SIZE);
    keystream_add((struct tpm_cipher *)(uintptr_t)key, counter, zeroes, out, BLOCK_SIZE);
}

/* The last 32 bits count; a package of 2^32 blocks does not exist, so nothing wraps around. */
static void decrypt_blocks(const unsigned char *in, unsigned char *out, size_t blocks,
                           const void *key, const unsigned char ivec[BLOCK_SIZE]) {
    uint8_t counter[BLOCK_SIZE];
    struct reader number = {0};
    reader_init(&number, bytes_of(ivec + 12, 4));
    uint32_t next = read_u32be(&number);
    memcpy(counter, ivec, BLOCK_SIZE);
    for (size_t done = 0; done < blocks;) {
        size_t some =
            blocks - done < CHUNK_SIZE / BLOCK_SIZE ? blocks - done : CHUNK_SIZE / BLOCK_SIZE;
        struct writer writer;
        writer_init(&writer, counter + 12, 4);
        write_u32be(&writer, next);
        keystream_add((struct tpm_cipher *)(uintptr_t)key, counter, in + done * BLOCK_SIZE,
                      out + done * BLOCK_SIZE, some * BLOCK_SIZE);
        next += (uint32_t)some;
        done += some;
    }
}

static int gcm_run(GCM128_CONTEXT *gcm, struct gcm_request *request) {
    CRYPTO_gcm128_setiv(gcm, request->iv, TPM_GCM_IV_SIZE);
    if (request->aad.size > 0 && CRYPTO_gcm128_aad(gcm, request->aad.data, request->aad.size) != 0)
        return -1;
    if (request->input.size > 0 &&
        CRYPTO_gcm128_decrypt_ctr32(gcm, request->input.data, request->out, request->input.size,
                                    decrypt_blocks) != 0)
        return -1;
    request->matches = CRYPTO_gcm128_finish(gcm, request->tag, TPM_GCM_TAG_SIZE) == 0;
    return 0;
}

static TSS2_RC decrypt(struct tpm *tpm, void *context) {
    struct gcm_request *request = context;
    struct tpm_cipher cipher = {.tpm = tpm};
    TSS2_RC rc = tpm_load(tpm, &request->blob, &cipher.key);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    GCM128_CONTEXT *gcm = CRYPTO_gcm128_new(&cipher, encrypt_block);
    if (gcm == NULL || gcm_run(gcm, request) != 0)
        rc = TSS2_ESYS_RC_MEMORY;
    CRYPTO_gcm128_release(gcm);
    tpm_flush(tpm, cipher.key);
    return cipher.rc != TSS2_RC_SUCCESS ? cipher.rc : rc;
}

int tpm_gcm_decrypt(struct tpm *tpm, const char *label, const uint8_t iv[TPM_GCM_IV_SIZE],
                    struct bytes aad, struct bytes input, uint8_t *out, struct error *error) {
    if (input.size < TPM_GCM_TAG_SIZE)
        return error_set(error, ERROR_ALTERED, "shorter than its authentication tag");
    size_t size = input.size - TPM_GCM_TAG_SIZE;
    struct gcm_request request = {.iv = iv,
                                  .aad = aad,
                                  .input = bytes_of(input.data, size),
                                  .tag = input.data + size,
                                  .out = out};
    if (size > 0)
        memset(out, 0, size);
    if (tpm_blob_read(tpm, label, &request.blob, error) != 0)
        return -1;
    TSS2_RC rc = tpm_run(tpm, "decryption", decrypt, &request, error);
    if (rc == TSS2_RC_SUCCESS && request.matches)
        return 0;
    if (size > 0)
        secret_wipe(out, size);
    return rc != TSS2_RC_SUCCESS
               ? -1
               : error_set(error, ERROR_ALTERED, "the authentication tag does not match");
}
