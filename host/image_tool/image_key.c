#include "image_tool/image_key.h"

#include "base/der_p256.h"
#include "base/file.h"
#include "base/secret.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>

#define PEM_MAX           16384
#define SPKI_SIZE         91
#define UNCOMPRESSED      0x04
#define POINT_SIZE        (1 + CRYPTO_PUBLIC_KEY_SIZE)
#define GROUP_NAME_MAX    64
#define P256_OPENSSL_NAME "prime256v1"

/* What OpenSSL's callback was asked, and what it answered. */
struct passphrase {
    const char *text;
    bool was_asked;
};

static int give_passphrase(char *out, int size, int is_writing, void *context) {
    struct passphrase *passphrase = context;

    (void)is_writing;
    passphrase->was_asked = true;
    if (passphrase->text == NULL || strlen(passphrase->text) > (size_t)size)
        return -1;
    memcpy(out, passphrase->text, strlen(passphrase->text));
    return (int)strlen(passphrase->text);
}

typedef EVP_PKEY *read_function(BIO *bio, EVP_PKEY **key, pem_password_cb *callback, void *context);

static EVP_PKEY *read_pem(struct bytes pem, read_function *read, struct passphrase *passphrase) {
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.size);
    EVP_PKEY *key = bio == NULL ? NULL : read(bio, NULL, give_passphrase, passphrase);

    BIO_free(bio);
    ERR_clear_error();
    return key;
}

static int take_public(const EVP_PKEY *pkey, struct image_key *key, struct error *error) {
    char group[GROUP_NAME_MAX] = "";
    uint8_t point[POINT_SIZE];
    size_t size = 0;

    if (EVP_PKEY_get_base_id(pkey) != EVP_PKEY_EC ||
        EVP_PKEY_get_group_name(pkey, group, sizeof(group), &size) != 1 ||
        strcmp(group, P256_OPENSSL_NAME) != 0) {
        (void)error_set(error, ERROR_USAGE, "the key is not a P-256 key");
        return error_hint(error, "make one with: openssl genpkey -algorithm EC -pkeyopt "
                                 "ec_paramgen_curve:P-256 -out key.pem");
    }
    if (EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, point,
                                        sizeof(point), &size) != 1 ||
        size != POINT_SIZE || point[0] != UNCOMPRESSED)
        return error_set(error, ERROR_USAGE, "the key's public point is not uncompressed");
    memcpy(key->public_key, point + 1, CRYPTO_PUBLIC_KEY_SIZE);
    return 0;
}

static int take_private(const EVP_PKEY *pkey, struct image_key *key, struct error *error) {
    BIGNUM *scalar = NULL;
    int result = -1;

    if (EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_PRIV_KEY, &scalar) == 1 &&
        BN_bn2binpad(scalar, key->private_key, CRYPTO_PRIVATE_KEY_SIZE) == CRYPTO_PRIVATE_KEY_SIZE)
        result = 0;
    BN_clear_free(scalar);
    key->has_private = result == 0;
    return result == 0 ? 0 : error_set(error, ERROR_USAGE, "the private key cannot be read");
}

static int refuse_pem(const struct passphrase *passphrase, struct error *error) {
    if (!passphrase->was_asked) {
        (void)error_set(error, ERROR_USAGE, "not a PEM file with a private or a public key");
        return error_hint(error, "DER is converted with: openssl pkey -inform DER -in FILE");
    }
    if (passphrase->text != NULL)
        return error_set(error, ERROR_USAGE, "the passphrase does not open the key");
    (void)error_set(error, ERROR_USAGE, "the key is encrypted");
    return error_hint(error, "give its passphrase with --passphrase-file FILE");
}

int image_key_parse(struct bytes pem, const char *passphrase, struct image_key *key,
                    struct error *error) {
    struct passphrase asked = {.text = passphrase};
    EVP_PKEY *pkey = NULL;
    int result = -1;

    memset(key, 0, sizeof(*key));
    if (pem.size > PEM_MAX)
        return error_set(error, ERROR_USAGE, "too large for a key");
    pkey = read_pem(pem, PEM_read_bio_PrivateKey, &asked);
    bool has_private = pkey != NULL;
    if (pkey == NULL && !asked.was_asked)
        pkey = read_pem(pem, PEM_read_bio_PUBKEY, &asked);
    if (pkey == NULL)
        result = refuse_pem(&asked, error);
    else if (take_public(pkey, key, error) == 0)
        result = has_private ? take_private(pkey, key, error) : 0;
    EVP_PKEY_free(pkey);
    ERR_clear_error();
    if (result != 0)
        secret_wipe(key, sizeof(*key));
    return result;
}

int image_key_read(const char *path, const char *passphrase, struct image_key *key,
                   struct error *error) {
    struct buffer pem = {0};
    int result = file_read(path, PEM_MAX, &pem, error);

    memset(key, 0, sizeof(*key));
    if (result == 0 && image_key_parse(buffer_bytes(&pem), passphrase, key, error) != 0)
        result = error_prefix(error, "%s", path);
    buffer_free(&pem);
    return result;
}

void image_key_otp_hash(const uint8_t public_key[CRYPTO_PUBLIC_KEY_SIZE],
                        uint8_t hash[CRYPTO_DIGEST_SIZE]) {
    crypto_sha256(bytes_of(public_key, CRYPTO_PUBLIC_KEY_SIZE), hash);
}

void image_key_info_hash(const uint8_t public_key[CRYPTO_PUBLIC_KEY_SIZE],
                         uint8_t hash[CRYPTO_DIGEST_SIZE]) {
    uint8_t info[SPKI_SIZE];
    struct writer writer;

    writer_init(&writer, info, sizeof(info));
    der_write_p256_public_key(&writer, public_key);
    crypto_sha256(writer_bytes(&writer), hash);
}
