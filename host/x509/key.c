#define OPENSSL_SUPPRESS_DEPRECATED /* EC_KEY_METHOD: OpenSSL 3.0 offers providers or this */

#include "x509/key.h"

#include "base/log.h"
#include "x509/p256.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static EC_KEY_METHOD *method; /* made once, never freed: keys may outlive any owner */
static int signer_index = -1; /* where an EC_KEY keeps its struct signer */

static void free_signer(void *parent, void *pointer, CRYPTO_EX_DATA *data, int index, long argl,
                        void *argp) {
    (void)parent;
    (void)data;
    (void)index;
    (void)argl;
    (void)argp;
    free(pointer);
}

/* A duplicated EC_KEY needs a struct of its own, or it would be freed twice. */
static int copy_signer(CRYPTO_EX_DATA *to, const CRYPTO_EX_DATA *from, void **pointer, int index,
                       long argl, void *argp) {
    (void)to;
    (void)from;
    (void)index;
    (void)argl;
    (void)argp;
    if (*pointer == NULL)
        return 1;
    struct signer *copy = malloc(sizeof(*copy));
    if (copy == NULL)
        return 0;
    *copy = *(const struct signer *)*pointer;
    *pointer = copy;
    return 1;
}

static ECDSA_SIG *sign_digest(const unsigned char *digest, int size, const BIGNUM *inverse,
                              const BIGNUM *rp, EC_KEY *key) {
    const struct signer *signer = EC_KEY_get_ex_data(key, signer_index);
    uint8_t signature[64];
    struct error error;
    (void)inverse;
    (void)rp;
    /* The handshake is negotiated to ecdsa_secp256r1_sha256; nothing else is ours to sign. */
    if (signer == NULL || size != 32)
        return NULL;
    if (signer->sign(signer->context, digest, signature, &error) != 0) {
        log_error_event("tls.sign", &error);
        return NULL;
    }
    return x509_p256_signature(signature);
}

static int sign_der(int type, const unsigned char *digest, int size, unsigned char *out,
                    unsigned int *out_size, const BIGNUM *inverse, const BIGNUM *r, EC_KEY *key) {
    (void)type;
    *out_size = 0;
    ECDSA_SIG *signature = sign_digest(digest, size, inverse, r, key);
    int written = signature != NULL ? i2d_ECDSA_SIG(signature, &out) : -1;
    ECDSA_SIG_free(signature);
    if (written <= 0)
        return 0;
    *out_size = (unsigned int)written;
    return 1;
}

static void make_method(void) {
    signer_index = EC_KEY_get_ex_new_index(0, NULL, NULL, copy_signer, free_signer);
    method = EC_KEY_METHOD_new(EC_KEY_OpenSSL());
    if (method != NULL)
        EC_KEY_METHOD_set_sign(method, sign_der, NULL, sign_digest);
}

static EC_KEY *make_key(const uint8_t public_key[64], struct signer signer) {
    uint8_t point[65] = {0x04};
    memcpy(point + 1, public_key, 64);
    EC_KEY *key = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    struct signer *copy = malloc(sizeof(*copy));
    if (copy != NULL)
        *copy = signer;
    if (key != NULL && copy != NULL && EC_KEY_oct2key(key, point, sizeof(point), NULL) == 1 &&
        EC_KEY_set_method(key, method) == 1 && EC_KEY_set_ex_data(key, signer_index, copy) == 1)
        return key;
    free(copy);
    EC_KEY_free(key);
    return NULL;
}

EVP_PKEY *x509_signer_key(const uint8_t public_key[64], struct signer signer, struct error *error) {
    pthread_once(&once, make_method);
    EC_KEY *key = method != NULL && signer_index >= 0 ? make_key(public_key, signer) : NULL;
    EVP_PKEY *result = EVP_PKEY_new();
    if (key != NULL && result != NULL && EVP_PKEY_assign_EC_KEY(result, key) == 1)
        return result;
    EC_KEY_free(key);
    EVP_PKEY_free(result);
    ERR_clear_error();
    error_set(error, ERROR_INTERNAL, "cannot make a TLS key of the signing key");
    return NULL;
}

static int take_public_key(EVP_PKEY *key, uint8_t public_key[64]) {
    uint8_t point[65];
    size_t size = 0;
    if (EVP_PKEY_get_octet_string_param(key, "pub", point, sizeof(point), &size) != 1 ||
        size != sizeof(point) || point[0] != 0x04)
        return -1;
    memcpy(public_key, point + 1, 64);
    return 0;
}

int x509_file_key_generate(struct buffer *pem, uint8_t public_key[64], struct error *error) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    BIO *bio = BIO_new(BIO_s_secmem());
    char *text = NULL;
    int result = -1;
    if (key != NULL && bio != NULL && take_public_key(key, public_key) == 0 &&
        PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1) {
        long size = BIO_get_mem_data(bio, &text);
        buffer_append(pem, text, (size_t)size);
        result = buffer_check(pem, error);
    } else
        error_set(error, ERROR_INTERNAL, "cannot generate a key");
    BIO_free(bio);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return result;
}
