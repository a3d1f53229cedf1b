#include "base/der_p256.h"
#include "crypto/crypto.h"

#include <mbedtls/oid.h>
#include <mbedtls/x509_crt.h>
#include <string.h>

#define CHAIN_MIN 2
#define CHAIN_MAX 4

/* What a chain may use; the library's own profiles allow more. */
static const mbedtls_x509_crt_profile PROFILE = {
    .allowed_mds = MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA256),
    .allowed_pks = MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_ECKEY) | MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_ECDSA),
    .allowed_curves = MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP256R1),
    .rsa_min_bitlen = 0,
};

static bool has_key_usage(const mbedtls_x509_crt *certificate, unsigned int usage) {
    /* The library takes an absent extension for "everything". */
    return mbedtls_x509_crt_has_ext_type(certificate, MBEDTLS_X509_EXT_KEY_USAGE) != 0 &&
           mbedtls_x509_crt_check_key_usage(certificate, usage) == 0;
}

/* `below`: how many further issuers stand between this one and the leaf. */
static bool is_issuer(const mbedtls_x509_crt *certificate, size_t below) {
    /* The library keeps pathLenConstraint + 1, and 0 for none. */
    int path = certificate->MBEDTLS_PRIVATE(max_pathlen);
    return certificate->MBEDTLS_PRIVATE(ca_istrue) == 1 && (path <= 0 || below < (size_t)path) &&
           has_key_usage(certificate, MBEDTLS_X509_KU_KEY_CERT_SIGN);
}

/* Our own comparison: the library's would accept anyExtendedKeyUsage and an absent extension. */
static bool has_extended_key_usage(const mbedtls_x509_crt *certificate, struct bytes wanted) {
    if (wanted.size == 0) {
        return true;
    }
    if (mbedtls_x509_crt_has_ext_type(certificate, MBEDTLS_X509_EXT_EXTENDED_KEY_USAGE) == 0) {
        return false;
    }
    for (const mbedtls_x509_sequence *entry = &certificate->ext_key_usage; entry != NULL;
         entry = entry->next) {
        if (bytes_equal(bytes_of(entry->buf.p, entry->buf.len), wanted)) {
            return true;
        }
    }
    return false;
}

static bool is_leaf(const mbedtls_x509_crt *certificate, struct bytes eku) {
    return certificate->MBEDTLS_PRIVATE(ca_istrue) == 0 &&
           has_key_usage(certificate, MBEDTLS_X509_KU_DIGITAL_SIGNATURE) &&
           has_extended_key_usage(certificate, eku);
}

static enum status status_of(int result) {
    return result == MBEDTLS_ERR_X509_ALLOC_FAILED ? STATUS_NO_MEMORY : STATUS_BAD_CERTIFICATE;
}

/*
 * One step down the chain. Given one trusted certificate and no others, the library can only check
 * this link, so it cannot skip a certificate by finding a shorter path.
 */
static enum status verify_link(mbedtls_x509_crt *issuer, mbedtls_x509_crt *child, size_t below) {
    uint32_t flags = 0;
    if (!is_issuer(issuer, below)) {
        return STATUS_BAD_CERTIFICATE;
    }
    int result = mbedtls_x509_crt_verify_with_profile(child, issuer, NULL, &PROFILE, NULL, &flags,
                                                      NULL, NULL);
    return result == 0 && flags == 0 ? STATUS_OK : status_of(result);
}

static enum status parse(mbedtls_x509_crt *certificate, struct bytes der) {
    mbedtls_x509_crt_free(certificate);
    mbedtls_x509_crt_init(certificate);
    int result = mbedtls_x509_crt_parse_der_nocopy(certificate, der.data, der.size);
    return result == 0 ? STATUS_OK : status_of(result);
}

static enum status check_leaf(const mbedtls_x509_crt *leaf, struct bytes eku,
                              uint8_t leaf_key[CRYPTO_PUBLIC_KEY_SIZE]) {
    struct reader reader;
    reader_init(&reader, bytes_of(leaf->pk_raw.p, leaf->pk_raw.len));
    der_read_p256_public_key(&reader, leaf_key);
    if (!is_leaf(leaf, eku) || reader_finish(&reader) != STATUS_OK) {
        memset(leaf_key, 0, CRYPTO_PUBLIC_KEY_SIZE);
        return STATUS_BAD_CERTIFICATE;
    }
    return STATUS_OK;
}

static enum status split(struct bytes certificates, struct bytes chain[CHAIN_MAX], size_t *count) {
    *count = 0;
    while (certificates.size > 0) {
        if (*count == CHAIN_MAX ||
            crypto_certificate_split(certificates, &chain[*count], &certificates) != STATUS_OK) {
            return STATUS_BAD_CERTIFICATE;
        }
        (*count)++;
    }
    return *count >= CHAIN_MIN ? STATUS_OK : STATUS_BAD_CERTIFICATE;
}

static enum status verify_chain(const struct bytes *chain, size_t count, struct bytes leaf_eku,
                                uint8_t leaf_key[CRYPTO_PUBLIC_KEY_SIZE]) {
    /* Parsed certificates are large: only an issuer and its child are held at a time. */
    mbedtls_x509_crt pair[2];
    mbedtls_x509_crt_init(&pair[0]);
    mbedtls_x509_crt_init(&pair[1]);
    enum status status = parse(&pair[0], chain[0]);
    for (size_t i = 1; i < count && status == STATUS_OK; i++) {
        /* The library would trust a copy of the issuer without looking at its signature. */
        status = bytes_equal(chain[i], chain[i - 1]) ? STATUS_BAD_CERTIFICATE
                                                     : parse(&pair[i % 2], chain[i]);
        if (status == STATUS_OK) {
            status = verify_link(&pair[(i - 1) % 2], &pair[i % 2], count - 1 - i);
        }
    }
    if (status == STATUS_OK) {
        status = check_leaf(&pair[(count - 1) % 2], leaf_eku, leaf_key);
    }
    mbedtls_x509_crt_free(&pair[0]);
    mbedtls_x509_crt_free(&pair[1]);
    return status;
}

enum status crypto_chain_verify(struct bytes certificates,
                                const uint8_t root_hash[CRYPTO_DIGEST_SIZE], struct bytes leaf_eku,
                                uint8_t leaf_key[CRYPTO_PUBLIC_KEY_SIZE]) {
    struct bytes chain[CHAIN_MAX];
    size_t count = 0;
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    memset(leaf_key, 0, CRYPTO_PUBLIC_KEY_SIZE);
    if (split(certificates, chain, &count) != STATUS_OK) {
        return STATUS_BAD_CERTIFICATE;
    }
    crypto_sha256(chain[0], digest);
    if (!bytes_equal(bytes_of(digest, sizeof digest), bytes_of(root_hash, CRYPTO_DIGEST_SIZE))) {
        return STATUS_BAD_CERTIFICATE;
    }
    return verify_chain(chain, count, leaf_eku, leaf_key);
}
