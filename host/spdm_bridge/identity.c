#include "spdm_bridge/identity.h"

#include "base/file.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>

#define FILE_MAX 65536

static int append_pem(const struct buffer *file, struct buffer *out) {
    BIO *bio = BIO_new_mem_buf(file->data, (int)file->size);
    int found = 0;
    X509 *certificate = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);
    while (certificate != NULL) {
        unsigned char *der = NULL;
        int size = i2d_X509(certificate, &der);
        if (size > 0) {
            buffer_append(out, der, (size_t)size);
            found++;
        }
        OPENSSL_free(der);
        X509_free(certificate);
        certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    }
    BIO_free(bio);
    return found;
}

int identity_read_certificates(const char *path, struct buffer *out, struct error *error) {
    struct buffer file = {0};
    int result = file_read(path, FILE_MAX, &file, error);
    if (result == 0 && append_pem(&file, out) == 0) {
        buffer_append(out, file.data, file.size);
    }
    if (result == 0) {
        result = buffer_check(out, error);
    }
    buffer_free(&file);
    return result;
}

int identity_read_key(const char *path, uint8_t private_key[32], struct error *error) {
    FILE *file = fopen(path, "re");
    EVP_PKEY *key = file == NULL ? NULL : PEM_read_PrivateKey(file, NULL, NULL, NULL);
    BIGNUM *scalar = NULL;
    char group[32] = "";
    int result = 0;
    if (key == NULL || EVP_PKEY_get_group_name(key, group, sizeof group, NULL) != 1 ||
        EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &scalar) != 1 ||
        BN_bn2binpad(scalar, private_key, 32) != 32) {
        result = error_set(error, ERROR_USAGE, "%s is no P-256 private key in PEM", path);
    }
    BN_clear_free(scalar);
    EVP_PKEY_free(key);
    if (file != NULL) {
        (void)fclose(file);
    }
    return result;
}
