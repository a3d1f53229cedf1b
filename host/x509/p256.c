#define OPENSSL_SUPPRESS_DEPRECATED /* EC_KEY: see the header */

#include "x509/p256.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <pthread.h>
#include <string.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static EC_GROUP *curve; /* read only once made; never freed */

static void make_curve(void) {
    curve = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
}

/* NULL if the point is not on the curve: EC_POINT_oct2point checks it. */
static EC_POINT *load_point(const uint8_t public_key[64]) {
    uint8_t encoded[65] = {0x04};
    memcpy(encoded + 1, public_key, 64);
    pthread_once(&once, make_curve);
    EC_POINT *point = curve != NULL ? EC_POINT_new(curve) : NULL;
    if (point != NULL && EC_POINT_oct2point(curve, point, encoded, sizeof(encoded), NULL) != 1) {
        EC_POINT_free(point);
        point = NULL;
    }
    return point;
}

bool x509_p256_is_on_curve(const uint8_t public_key[64]) {
    EC_POINT *point = load_point(public_key);
    EC_POINT_free(point);
    ERR_clear_error(); /* a refusal must not turn up in a later TLS call of this thread */
    return point != NULL;
}

static EC_KEY *load(const uint8_t public_key[64]) {
    EC_POINT *point = load_point(public_key);
    EC_KEY *key = point != NULL ? EC_KEY_new() : NULL;
    if (key != NULL &&
        (EC_KEY_set_group(key, curve) != 1 || EC_KEY_set_public_key(key, point) != 1)) {
        EC_KEY_free(key);
        key = NULL;
    }
    EC_POINT_free(point);
    return key;
}

ECDSA_SIG *x509_p256_signature(const uint8_t signature[64]) {
    ECDSA_SIG *result = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature, 32, NULL);
    BIGNUM *s = BN_bin2bn(signature + 32, 32, NULL);
    if (result != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(result, r, s) == 1)
        return result;
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(result);
    return NULL;
}

bool x509_p256_verify(const uint8_t public_key[64], const uint8_t digest[32],
                      const uint8_t signature[64]) {
    EC_KEY *key = load(public_key);
    ECDSA_SIG *value = x509_p256_signature(signature);
    bool good = key != NULL && value != NULL && ECDSA_do_verify(digest, 32, value, key) == 1;
    ECDSA_SIG_free(value);
    EC_KEY_free(key);
    ERR_clear_error();
    return good;
}
