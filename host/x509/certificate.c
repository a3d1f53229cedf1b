#define OPENSSL_SUPPRESS_DEPRECATED /* SHA256_Init: see x509_sha256 */

#include "x509/certificate.h"

#include "base/der.h"
#include "base/der_p256.h"
#include "base/encoding.h"
#include "x509/profile.h"
#include "x509/writer.h"

#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

/* Not SHA256(): since OpenSSL 3 it looks the algorithm up anew, under locks, each time. */
void x509_sha256(struct bytes der, uint8_t digest[32]) {
    SHA256_CTX context;
    SHA256_Init(&context);
    SHA256_Update(&context, der.data, der.size);
    SHA256_Final(digest, &context);
}

/* Exactly one certificate, the whole of `der`. NULL otherwise. */
static X509 *decode(struct bytes der) {
    const unsigned char *position = der.data;
    if (der.size == 0 || der.size > X509_DER_MAX)
        return NULL;
    X509 *certificate = d2i_X509(NULL, &position, (long)der.size);
    if (certificate != NULL && position != der.data + der.size) {
        X509_free(certificate);
        certificate = NULL;
    }
    ERR_clear_error();
    return certificate;
}

static int bad(struct error *error, const char *why) {
    return error_set(error, ERROR_BAD_CERTIFICATE, "%s", why);
}

static int read_public_key(X509 *certificate, uint8_t public_key[64]) {
    unsigned char *der = NULL;
    struct reader reader;
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    if (size <= 0)
        return -1;
    reader_init(&reader, bytes_of(der, (size_t)size));
    der_read_p256_public_key(&reader, public_key);
    int result = reader_finish(&reader) == STATUS_OK ? 0 : -1;
    OPENSSL_free(der);
    return result;
}

/* The only value of that type; left empty if absent, longer than the field, or with a NUL. */
static void read_name_entry(X509 *certificate, int nid, char out[65]) {
    const X509_NAME *name = X509_get_subject_name(certificate);
    int index = X509_NAME_get_index_by_NID(name, nid, -1);
    out[0] = '\0';
    if (index < 0 || X509_NAME_get_index_by_NID(name, nid, index) >= 0)
        return;
    const ASN1_STRING *value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index));
    unsigned char *text = NULL;
    int size = ASN1_STRING_to_UTF8(&text, value);
    if (size > 0 && size <= 64 && memchr(text, 0, (size_t)size) == NULL) {
        memcpy(out, text, (size_t)size);
        out[size] = '\0';
    }
    OPENSSL_free(text);
}

static int read_time(const ASN1_TIME *time, uint64_t *unix_s) {
    struct tm parts = {0};
    if (ASN1_TIME_to_tm(time, &parts) != 1)
        return -1;
    time_t seconds = timegm(&parts);
    if (seconds < 0)
        return -1;
    *unix_s = (uint64_t)seconds;
    return 0;
}

static bool has_usage(const EXTENDED_KEY_USAGE *usages, struct bytes oid) {
    for (int i = 0; i < sk_ASN1_OBJECT_num(usages); i++) {
        const ASN1_OBJECT *object = sk_ASN1_OBJECT_value(usages, i);
        if (bytes_equal(bytes_of(OBJ_get0_data(object), OBJ_length(object)), oid))
            return true;
    }
    return false;
}

/* Exactly the EKUs of a row: one more would be a second role. */
static enum x509_profile profile_of(X509 *certificate) {
    EXTENDED_KEY_USAGE *usages = X509_get_ext_d2i(certificate, NID_ext_key_usage, NULL, NULL);
    enum x509_profile result = X509_PROFILE_COUNT;
    for (unsigned i = 0; usages != NULL && i < X509_PROFILE_COUNT; i++) {
        const struct x509_profile_row *row = x509_profile_row((enum x509_profile)i);
        bool fits =
            row->kind == X509_KIND_LEAF && sk_ASN1_OBJECT_num(usages) == (int)row->usage_count;
        for (size_t n = 0; fits && n < row->usage_count; n++)
            fits = has_usage(usages, *row->usages[n]);
        if (fits)
            result = (enum x509_profile)i;
    }
    EXTENDED_KEY_USAGE_free(usages);
    return result;
}

static int read_fields(X509 *certificate, struct x509_info *info) {
    if (read_public_key(certificate, info->public_key) != 0 ||
        read_time(X509_get0_notBefore(certificate), &info->not_before_s) != 0 ||
        read_time(X509_get0_notAfter(certificate), &info->not_after_s) != 0)
        return -1;
    const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate);
    int serial_size = ASN1_STRING_length(serial);
    if (serial_size < 1 || serial_size > 20 || ASN1_STRING_type(serial) != V_ASN1_INTEGER)
        return -1;
    hex_encode_upper(bytes_of(ASN1_STRING_get0_data(serial), (size_t)serial_size),
                     info->serial_hex);
    read_name_entry(certificate, NID_commonName, info->common_name);
    read_name_entry(certificate, NID_organizationName, info->organization);
    read_name_entry(certificate, NID_serialNumber, info->subject_serial);
    info->profile = profile_of(certificate);
    return 0;
}

int x509_read(struct bytes der, struct x509_info *info, struct error *error) {
    memset(info, 0, sizeof(*info));
    info->profile = X509_PROFILE_COUNT;
    X509 *certificate = decode(der);
    if (certificate == NULL)
        return bad(error, "not a certificate");
    int result = read_fields(certificate, info);
    X509_free(certificate);
    ERR_clear_error();
    if (result != 0)
        return bad(error, "not a P-256 certificate of our kind");
    x509_sha256(der, info->sha256);
    return 0;
}

int x509_issuer_read(struct bytes certificate, struct x509_issuer *issuer, struct error *error) {
    X509 *x = decode(certificate);
    const ASN1_OCTET_STRING *identifier = x != NULL ? X509_get0_subject_key_id(x) : NULL;
    unsigned char *name = NULL;
    int size = x != NULL ? i2d_X509_NAME(X509_get_subject_name(x), &name) : -1;
    int result = -1;
    memset(issuer, 0, sizeof(*issuer));
    if (size <= 0 || (size_t)size > sizeof(issuer->name) || X509_check_ca(x) != 1)
        bad(error, "not a CA certificate");
    else if (identifier == NULL || ASN1_STRING_length(identifier) != X509_KEY_IDENTIFIER_SIZE)
        bad(error, "the CA certificate has no key identifier of 20 bytes");
    else {
        memcpy(issuer->name, name, (size_t)size);
        issuer->name_size = (size_t)size;
        memcpy(issuer->key_identifier, ASN1_STRING_get0_data(identifier), X509_KEY_IDENTIFIER_SIZE);
        result = 0;
    }
    OPENSSL_free(name);
    X509_free(x);
    ERR_clear_error();
    return result;
}

/* The three certificates of one validation. */
struct path {
    X509 *root;
    X509 *intermediate;
    X509 *leaf;
};

static int verify_error(int code, struct error *error) {
    if (code == X509_V_ERR_CERT_HAS_EXPIRED)
        return error_set(error, ERROR_EXPIRED, "the certificate has expired");
    if (code == X509_V_ERR_CERT_NOT_YET_VALID)
        return error_set(error, ERROR_EXPIRED, "the certificate is not valid yet");
    bad(error, "the certificate does not lead to our root");
    return error_detail(error, "%s", X509_verify_cert_error_string(code));
}

/* Purposes are left to profile_of: OpenSSL knows none of our roles. */
static int verify_path(const struct path *path, uint64_t now_s, struct error *error) {
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    STACK_OF(X509) *untrusted = sk_X509_new_null();
    int result = -1;
    error_set(error, ERROR_INTERNAL, "out of memory");
    if (store != NULL && context != NULL && untrusted != NULL &&
        X509_STORE_add_cert(store, path->root) == 1 &&
        sk_X509_push(untrusted, path->intermediate) > 0 &&
        X509_STORE_CTX_init(context, store, path->leaf, untrusted) == 1) {
        X509_VERIFY_PARAM *parameters = X509_STORE_CTX_get0_param(context);
        X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_X509_STRICT);
        X509_VERIFY_PARAM_set_time(parameters, (time_t)now_s);
        X509_VERIFY_PARAM_set_depth(parameters, 1);
        if (X509_verify_cert(context) == 1)
            result = 0;
        else
            verify_error(X509_STORE_CTX_get_error(context), error);
    }
    sk_X509_free(untrusted);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    ERR_clear_error();
    return result;
}

static int check_leaf(X509 *leaf, enum x509_profile profile, struct error *error) {
    if (X509_check_ca(leaf) != 0 || (X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE) == 0 ||
        (X509_get_extension_flags(leaf) & EXFLAG_KUSAGE) == 0)
        return bad(error, "the certificate is not one for signing");
    if (profile_of(leaf) != profile)
        return error_set(error, ERROR_DENIED, "the certificate is not one of a %s",
                         x509_profile_row(profile)->name);
    return 0;
}

int x509_verify_chain(struct bytes root, struct bytes intermediate, struct bytes leaf,
                      enum x509_profile profile, uint64_t now_s, struct error *error) {
    struct path path = {decode(root), decode(intermediate), decode(leaf)};
    int result = -1;
    if (path.root == NULL || path.intermediate == NULL || path.leaf == NULL)
        bad(error, "not a certificate");
    /* A leaf issued by the root itself would pass the path check without the intermediate. */
    else if (X509_check_issued(path.intermediate, path.leaf) != X509_V_OK)
        bad(error, "the certificate was issued by another CA");
    else if (verify_path(&path, now_s, error) == 0)
        result = check_leaf(path.leaf, profile, error);
    X509_free(path.root);
    X509_free(path.intermediate);
    X509_free(path.leaf);
    ERR_clear_error();
    return result;
}
