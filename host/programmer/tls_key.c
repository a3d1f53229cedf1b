/* EC_KEY_METHOD is deprecated, not gone, in OpenSSL 3: a provider would be ten times the code. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "programmer/tls_key.h"

#include "base/log.h"

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <string.h>

static pthread_once_t method_once = PTHREAD_ONCE_INIT;
static EC_KEY_METHOD *method;
static int store_index;

static ECDSA_SIG *signature_from_raw(const uint8_t raw[HSM_SIGNATURE_SIZE]) {
    ECDSA_SIG *signature = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw, HSM_SIGNATURE_SIZE / 2, NULL);
    BIGNUM *s = BN_bin2bn(raw + HSM_SIGNATURE_SIZE / 2, HSM_SIGNATURE_SIZE / 2, NULL);
    if (signature != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(signature, r, s) == 1)
        return signature;
    ECDSA_SIG_free(signature);
    BN_free(r);
    BN_free(s);
    return NULL;
}

static ECDSA_SIG *sign_digest(const unsigned char *digest, int size, const BIGNUM *kinv,
                              const BIGNUM *r, EC_KEY *key) {
    (void)kinv;
    (void)r;
    const struct key_store *store = EC_KEY_get_ex_data(key, store_index);
    uint8_t raw[HSM_SIGNATURE_SIZE];
    struct error error;
    /* The handshake is negotiated to ecdsa_secp256r1_sha256; nothing else is ours to sign. */
    if (store == NULL || size != 32)
        return NULL;
    if (key_store_sign(store, digest, raw, &error) != 0) {
        log_error_event("tls.sign", &error);
        return NULL;
    }
    return signature_from_raw(raw);
}

static int sign_der(int type, const unsigned char *digest, int size, unsigned char *out,
                    unsigned int *out_size, const BIGNUM *kinv, const BIGNUM *r, EC_KEY *key) {
    (void)type;
    ECDSA_SIG *signature = sign_digest(digest, size, kinv, r, key);
    if (signature == NULL)
        return 0;
    int der_size = i2d_ECDSA_SIG(signature, &out);
    ECDSA_SIG_free(signature);
    if (der_size <= 0)
        return 0;
    *out_size = (unsigned int)der_size;
    return 1;
}

static void method_make(void) {
    store_index = EC_KEY_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    method = EC_KEY_METHOD_new(EC_KEY_OpenSSL());
    if (method != NULL)
        EC_KEY_METHOD_set_sign(method, sign_der, NULL, sign_digest);
}

static EC_KEY *ec_key_new(const struct key_store *store) {
    uint8_t point[HSM_POINT_SIZE] = {4};
    memcpy(point + 1, store->public_key, HSM_PUBLIC_KEY_SIZE);
    EC_KEY *key = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    /* A const in, a non-const void * slot: only ever read back as const. */
    if (key != NULL && EC_KEY_oct2key(key, point, sizeof point, NULL) == 1 &&
        EC_KEY_set_method(key, method) == 1 &&
        EC_KEY_set_ex_data(key, store_index, (void *)(uintptr_t)store) == 1)
        return key;
    EC_KEY_free(key);
    return NULL;
}

EVP_PKEY *tls_key_new(const struct key_store *store, struct error *error) {
    (void)pthread_once(&method_once, method_make);
    EC_KEY *ec_key = method != NULL && store_index >= 0 ? ec_key_new(store) : NULL;
    EVP_PKEY *key = EVP_PKEY_new();
    if (ec_key != NULL && key != NULL && EVP_PKEY_assign_EC_KEY(key, ec_key) == 1)
        return key;
    EC_KEY_free(ec_key);
    EVP_PKEY_free(key);
    (void)error_set(error, ERROR_INTERNAL, "cannot make the TLS key");
    return NULL;
}

static X509 *certificate_of(struct bytes der) {
    const unsigned char *position = der.data;
    return d2i_X509(NULL, &position, (long)der.size);
}

int tls_key_setup(void *ssl_context, void *user) {
    const struct tls_identity *identity = user;
    X509 *leaf = certificate_of(identity->certificate);
    X509 *issuer = certificate_of(identity->operations_ca);
    int done = leaf != NULL && issuer != NULL && SSL_CTX_use_certificate(ssl_context, leaf) == 1 &&
               SSL_CTX_add1_chain_cert(ssl_context, issuer) == 1 &&
               SSL_CTX_use_PrivateKey(ssl_context, identity->key) == 1;
    X509_free(leaf);
    X509_free(issuer);
    return done ? 0 : -1;
}
