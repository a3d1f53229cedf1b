/*
 * TPM2_MakeCredential without a TPM: TPM 2.0 Part 1, 24 and annex B.10.4 (RSA).
 */
#include "tpm_evidence/evidence_public.h"

#include "base/secret.h"
#include "crypto/crypto.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#define SEED_SIZE      32 /* of the endorsement key's name algorithm */
#define SYMMETRIC_SIZE 16
#define DIGEST_SIZE    32
#define IDENTITY       "IDENTITY" /* with its zero */

/* KDFa (Part 1, 11.4.10.2) with SHA-256, for at most one digest. */
static int kdf_a(const uint8_t seed[SEED_SIZE], const char *label, struct bytes context,
                 uint32_t bits, uint8_t out[DIGEST_SIZE]) {
    uint8_t input[128];
    struct writer writer;
    unsigned size = 0;
    writer_init(&writer, input, sizeof input);
    write_u32be(&writer, 1);
    write_bytes(&writer, bytes_of(label, strlen(label) + 1));
    write_bytes(&writer, context);
    write_u32be(&writer, bits);
    if (writer_check(&writer) != STATUS_OK)
        return -1;
    return HMAC(EVP_sha256(), seed, SEED_SIZE, input, writer.size, out, &size) != NULL ? 0 : -1;
}

static int cfb_encrypt(const uint8_t key[SYMMETRIC_SIZE], struct bytes plain, uint8_t *out) {
    static const uint8_t iv[16];
    int size = 0;
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    bool done = context != NULL &&
                EVP_EncryptInit_ex(context, EVP_aes_128_cfb128(), NULL, key, iv) == 1 &&
                EVP_EncryptUpdate(context, out, &size, plain.data, (int)plain.size) == 1 &&
                (size_t)size == plain.size;
    EVP_CIPHER_CTX_free(context);
    return done ? 0 : -1;
}

/* TPMS_ID_OBJECT: TPM2B_DIGEST of the integrity, encrypted TPM2B_DIGEST of the secret. */
static int credential_make(const uint8_t seed[SEED_SIZE], const uint8_t name[EVIDENCE_NAME_SIZE],
                           const uint8_t secret[TPM_EVIDENCE_SECRET_SIZE],
                           uint8_t credential[TPM_EVIDENCE_CREDENTIAL_SIZE]) {
    uint8_t *integrity = credential + 2;
    uint8_t *identity = integrity + DIGEST_SIZE;
    uint8_t plain[2 + TPM_EVIDENCE_SECRET_SIZE] = {0, TPM_EVIDENCE_SECRET_SIZE};
    uint8_t covered[sizeof plain + EVIDENCE_NAME_SIZE];
    uint8_t key[DIGEST_SIZE];
    unsigned size = 0;
    memcpy(plain + 2, secret, TPM_EVIDENCE_SECRET_SIZE);
    credential[0] = 0;
    credential[1] = DIGEST_SIZE;
    int failed = kdf_a(seed, "STORAGE", bytes_of(name, EVIDENCE_NAME_SIZE), 128, key);
    if (failed == 0)
        failed = cfb_encrypt(key, bytes_of(plain, sizeof plain), identity);
    memcpy(covered, identity, sizeof plain);
    memcpy(covered + sizeof plain, name, EVIDENCE_NAME_SIZE);
    if (failed == 0)
        failed = kdf_a(seed, "INTEGRITY", bytes_of(NULL, 0), 256, key);
    if (failed == 0 &&
        HMAC(EVP_sha256(), key, DIGEST_SIZE, covered, sizeof covered, integrity, &size) == NULL)
        failed = -1;
    secret_wipe(plain, sizeof plain);
    secret_wipe(key, sizeof key);
    return failed;
}

static int oaep_label_set(EVP_PKEY_CTX *context) {
    char *label = OPENSSL_memdup(IDENTITY, sizeof IDENTITY);
    if (label == NULL)
        return 0;
    int done = EVP_PKEY_CTX_set0_rsa_oaep_label(context, label, (int)sizeof IDENTITY);
    if (done != 1)
        OPENSSL_free(label);
    return done;
}

static int seed_encrypt(EVP_PKEY *key, const uint8_t seed[SEED_SIZE],
                        uint8_t out[TPM_EVIDENCE_ENCRYPTED_SIZE]) {
    size_t size = TPM_EVIDENCE_ENCRYPTED_SIZE;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    bool done = context != NULL && EVP_PKEY_encrypt_init(context) == 1 &&
                EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) == 1 &&
                EVP_PKEY_CTX_set_rsa_oaep_md(context, EVP_sha256()) == 1 &&
                EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha256()) == 1 &&
                oaep_label_set(context) == 1 &&
                EVP_PKEY_encrypt(context, out, &size, seed, SEED_SIZE) == 1 &&
                size == TPM_EVIDENCE_ENCRYPTED_SIZE;
    EVP_PKEY_CTX_free(context);
    return done ? 0 : -1;
}

int tpm_evidence_challenge(struct bytes certificate, struct bytes ak_public,
                           const uint8_t secret[TPM_EVIDENCE_SECRET_SIZE],
                           struct tpm_evidence_challenge *challenge, struct error *error) {
    const unsigned char *position = certificate.data;
    struct evidence_public ak;
    uint8_t seed[SEED_SIZE];
    if (evidence_public_read(ak_public, EVIDENCE_AK, &ak, error) != 0)
        return -1;
    X509 *parsed = d2i_X509(NULL, &position, (long)certificate.size);
    EVP_PKEY *key = parsed != NULL ? X509_get0_pubkey(parsed) : NULL;
    int failed = key == NULL || crypto_random(seed, sizeof seed) != STATUS_OK ||
                 seed_encrypt(key, seed, challenge->encrypted_secret) != 0 ||
                 credential_make(seed, ak.name, secret, challenge->credential) != 0;
    secret_wipe(seed, sizeof seed);
    X509_free(parsed);
    ERR_clear_error();
    return failed ? error_set(error, ERROR_INTERNAL, "no challenge for a TPM can be made") : 0;
}
