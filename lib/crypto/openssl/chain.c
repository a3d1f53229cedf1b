#include "base/der_p256.h"
#include "crypto/crypto.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <string.h>

#define CHAIN_MIN 2
#define CHAIN_MAX 4

/* A parsed chain, root first. */
struct chain {
    X509 *certificates[CHAIN_MAX];
    size_t count;
};

static bool parse_chain(struct chain *chain, struct bytes certificates) {
    while (certificates.size > 0) {
        struct bytes der;
        if (chain->count == CHAIN_MAX ||
            crypto_certificate_split(certificates, &der, &certificates) != STATUS_OK) {
            return false;
        }
        const uint8_t *position = der.data;
        X509 *certificate = d2i_X509(NULL, &position, (long)der.size);
        if (certificate == NULL) {
            return false;
        }
        chain->certificates[chain->count++] = certificate;
    }
    return chain->count >= CHAIN_MIN;
}

static void free_chain(struct chain *chain) {
    for (size_t i = 0; i < chain->count; i++) {
        X509_free(chain->certificates[i]);
    }
}

static bool public_key_of(X509 *certificate, uint8_t key[CRYPTO_PUBLIC_KEY_SIZE]) {
    uint8_t *der = NULL;
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    struct reader reader;
    reader_init(&reader, bytes_of(der, size > 0 ? (size_t)size : 0));
    der_read_p256_public_key(&reader, key);
    OPENSSL_free(der);
    return reader_finish(&reader) == STATUS_OK;
}

/* Absent keyUsage reads as "everything" in the library; here it is a refusal. */
static bool has_key_usage(X509 *certificate, uint32_t usage) {
    return (X509_get_extension_flags(certificate) & EXFLAG_KUSAGE) != 0 &&
           (X509_get_key_usage(certificate) & usage) != 0;
}

/* `below`: how many further issuers stand between this one and the leaf. */
static bool is_issuer(X509 *certificate, long below) {
    long path = X509_get_pathlen(certificate);
    return (X509_get_extension_flags(certificate) & EXFLAG_CA) != 0 &&
           (path < 0 || below <= path) && has_key_usage(certificate, KU_KEY_CERT_SIGN);
}

static bool has_extended_key_usage(X509 *certificate, struct bytes wanted) {
    EXTENDED_KEY_USAGE *usages = X509_get_ext_d2i(certificate, NID_ext_key_usage, NULL, NULL);
    bool found = wanted.size == 0;
    for (int i = 0; !found && i < sk_ASN1_OBJECT_num(usages); i++) {
        const ASN1_OBJECT *usage = sk_ASN1_OBJECT_value(usages, i);
        found = bytes_equal(bytes_of(OBJ_get0_data(usage), OBJ_length(usage)), wanted);
    }
    EXTENDED_KEY_USAGE_free(usages);
    return found;
}

static bool is_leaf(X509 *certificate, struct bytes eku) {
    return (X509_get_extension_flags(certificate) & EXFLAG_CA) == 0 &&
           has_key_usage(certificate, KU_DIGITAL_SIGNATURE) &&
           has_extended_key_usage(certificate, eku);
}

/* Algorithms and roles, certificate by certificate. */
static bool check_certificates(const struct chain *chain, struct bytes eku) {
    uint8_t key[CRYPTO_PUBLIC_KEY_SIZE];
    for (size_t i = 0; i < chain->count; i++) {
        X509 *certificate = chain->certificates[i];
        bool last = i == chain->count - 1;
        if (X509_get_signature_nid(certificate) != NID_ecdsa_with_SHA256 ||
            !public_key_of(certificate, key) ||
            (last ? !is_leaf(certificate, eku)
                  : !is_issuer(certificate, (long)(chain->count - 2 - i)))) {
            return false;
        }
    }
    return true;
}

/* The library builds the path it likes; only the one that was sent, complete, is accepted. */
static bool is_whole_path(X509_STORE_CTX *context, const struct chain *chain) {
    const STACK_OF(X509) *path = X509_STORE_CTX_get0_chain(context);
    if (sk_X509_num(path) != (int)chain->count) {
        return false;
    }
    for (size_t i = 0; i < chain->count; i++) {
        if (X509_cmp(sk_X509_value(path, (int)i), chain->certificates[chain->count - 1 - i]) != 0) {
            return false;
        }
    }
    return true;
}

static bool verify_path(X509_STORE *store, X509_STORE_CTX *context, STACK_OF(X509) * issuers,
                        const struct chain *chain) {
    if (X509_STORE_add_cert(store, chain->certificates[0]) != 1) {
        return false;
    }
    for (size_t i = 1; i + 1 < chain->count; i++) {
        if (sk_X509_push(issuers, chain->certificates[i]) == 0) {
            return false;
        }
    }
    if (X509_STORE_CTX_init(context, store, chain->certificates[chain->count - 1], issuers) != 1) {
        return false;
    }
    /* The hash makes the first certificate the anchor, self-signed or not. */
    X509_STORE_CTX_set_flags(context, X509_V_FLAG_NO_CHECK_TIME | X509_V_FLAG_PARTIAL_CHAIN);
    return X509_verify_cert(context) == 1 && is_whole_path(context, chain);
}

static bool verify_chain(const struct chain *chain) {
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    STACK_OF(X509) *issuers = sk_X509_new_null();
    bool good = store != NULL && context != NULL && issuers != NULL &&
                verify_path(store, context, issuers, chain);
    sk_X509_free(issuers);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    return good;
}

static bool is_root(struct bytes certificates, const uint8_t root_hash[CRYPTO_DIGEST_SIZE]) {
    struct bytes root;
    struct bytes rest;
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    if (crypto_certificate_split(certificates, &root, &rest) != STATUS_OK) {
        return false;
    }
    crypto_sha256(root, digest);
    return memcmp(digest, root_hash, sizeof digest) == 0;
}

enum status crypto_chain_verify(struct bytes certificates,
                                const uint8_t root_hash[CRYPTO_DIGEST_SIZE], struct bytes leaf_eku,
                                uint8_t leaf_key[CRYPTO_PUBLIC_KEY_SIZE]) {
    struct chain chain = {.count = 0};
    bool good = is_root(certificates, root_hash) && parse_chain(&chain, certificates) &&
                check_certificates(&chain, leaf_eku) && verify_chain(&chain) &&
                public_key_of(chain.certificates[chain.count - 1], leaf_key);
    free_chain(&chain);
    ERR_clear_error();
    if (!good) {
        memset(leaf_key, 0, CRYPTO_PUBLIC_KEY_SIZE);
        return STATUS_BAD_CERTIFICATE;
    }
    return STATUS_OK;
}
