#include "x509/pem.h"
#include "base/der.h"
#include "base/der_p256.h"
#include "base/secret.h"
#include "x509/certificate.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#define PEM_MAX 16384

int x509_pem_write(const char *name, struct bytes der, struct buffer *out, struct error *error) {
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    int result = -1;
    if (bio != NULL && der.size <= PEM_MAX &&
        PEM_write_bio(bio, name, "", der.data, (long)der.size) > 0) {
        long size = BIO_get_mem_data(bio, &text);
        buffer_append(out, text, (size_t)size);
        result = 0;
    }
    BIO_free(bio);
    ERR_clear_error();
    return result == 0 ? buffer_check(out, error)
                       : error_set(error, ERROR_INTERNAL, "cannot write PEM");
}

static bool is_blank(BIO *bio) {
    char *rest = NULL;
    long size = BIO_get_mem_data(bio, &rest);
    for (long i = 0; i < size; i++)
        if (strchr(" \t\r\n", rest[i]) == NULL)
            return false;
    return true;
}

int x509_pem_read(const char *name, struct bytes pem, struct buffer *out, enum error_code code,
                  struct error *error) {
    char *found = NULL;
    char *header = NULL;
    unsigned char *der = NULL;
    long size = 0;
    int result = -1;
    BIO *bio = pem.size <= PEM_MAX ? BIO_new_mem_buf(pem.data, (int)pem.size) : NULL;
    if (bio != NULL && PEM_read_bio(bio, &found, &header, &der, &size) == 1 &&
        strcmp(found, name) == 0 && header[0] == '\0' && is_blank(bio)) {
        buffer_append(out, der, (size_t)size);
        result = buffer_check(out, error);
    } else
        error_set(error, code, "not a PEM file with one %s", name);
    OPENSSL_free(found);
    OPENSSL_free(header);
    OPENSSL_free(der);
    BIO_free(bio);
    ERR_clear_error();
    return result;
}

int x509_certificate_to_pem(struct bytes der, struct buffer *out, struct error *error) {
    return x509_pem_write(PEM_STRING_X509, der, out, error);
}

int x509_certificate_from_pem(struct bytes pem, struct buffer *out, struct error *error) {
    return x509_pem_read(PEM_STRING_X509, pem, out, ERROR_BAD_CERTIFICATE, error);
}

int x509_csr_to_pem(struct bytes der, struct buffer *out, struct error *error) {
    return x509_pem_write(PEM_STRING_X509_REQ, der, out, error);
}
