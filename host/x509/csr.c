#include "base/der.h"
#include "base/der_p256.h"
#include "x509/certificate.h"
#include "x509/p256.h"
#include "x509/pem.h"
#include "x509/writer.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

int x509_csr_create(const char *common_name, const uint8_t public_key[64], struct signer signer,
                    struct buffer *pem, struct error *error) {
    uint8_t der[512];
    struct writer writer;
    const struct x509_name subject = {.common_name = common_name};
    size_t length = strlen(common_name);
    if (length == 0 || length > 64)
        return error_set(error, ERROR_BAD_REQUEST, "a common name has 1 to 64 bytes");
    writer_init(&writer, der, sizeof(der));
    size_t request = der_begin(&writer, DER_SEQUENCE);
    size_t start = writer.size;
    size_t info = der_begin(&writer, DER_SEQUENCE);
    der_write_u32(&writer, 0);
    x509_write_name(&writer, &subject);
    der_write_p256_public_key(&writer, public_key);
    der_end(&writer, der_begin(&writer, DER_CONTEXT_CONSTRUCTED(0))); /* no attributes */
    der_end(&writer, info);
    if (x509_write_signature(&writer, start, signer, error) != 0)
        return -1;
    der_end(&writer, request);
    if (writer_check(&writer) != STATUS_OK)
        return error_set(error, ERROR_INTERNAL, "the request does not fit its buffer");
    return x509_csr_to_pem(writer_bytes(&writer), pem, error);
}

/* Splits CertificationRequest (RFC 2986, 4.2) without looking into the attributes. */
static int parse(struct bytes der, struct bytes *signed_bytes, struct bytes *name,
                 uint8_t public_key[64], uint8_t signature[64]) {
    struct reader outer;
    struct reader request;
    struct reader ahead;
    struct reader info;
    struct reader bits;
    reader_init(&outer, der);
    der_enter(&outer, DER_SEQUENCE, &request);
    ahead = request;
    *signed_bytes = der_read_element(&ahead, DER_SEQUENCE);
    der_enter(&request, DER_SEQUENCE, &info);
    uint32_t version = der_read_u32(&info);
    *name = der_read_element(&info, DER_SEQUENCE);
    der_read_p256_public_key(&info, public_key);
    (void)der_read(&info, DER_CONTEXT_CONSTRUCTED(0));
    der_expect_ecdsa_sha256(&request);
    reader_init(&bits, der_read_bit_string(&request));
    der_read_p256_signature(&bits, signature);
    if (version != 0 || reader_finish(&info) != STATUS_OK || reader_finish(&bits) != STATUS_OK ||
        reader_finish(&request) != STATUS_OK || reader_finish(&outer) != STATUS_OK)
        return -1;
    return 0;
}

static int read_common_name(struct bytes name, char out[65]) {
    const unsigned char *position = name.data;
    X509_NAME *decoded = d2i_X509_NAME(NULL, &position, (long)name.size);
    int index = decoded != NULL ? X509_NAME_get_index_by_NID(decoded, NID_commonName, -1) : -1;
    int result = -1;
    unsigned char *text = NULL;
    if (index >= 0) {
        int size = ASN1_STRING_to_UTF8(
            &text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(decoded, index)));
        if (size > 0 && size <= 64 && memchr(text, 0, (size_t)size) == NULL) {
            memcpy(out, text, (size_t)size);
            result = 0;
        }
    }
    OPENSSL_free(text);
    X509_NAME_free(decoded);
    ERR_clear_error();
    return result;
}

static int read_der(struct bytes der, uint8_t public_key[64], char common_name[65],
                    struct error *error) {
    struct bytes signed_bytes;
    struct bytes name;
    uint8_t digest[32];
    uint8_t signature[64];
    if (parse(der, &signed_bytes, &name, public_key, signature) != 0)
        return error_set(error, ERROR_BAD_CSR, "not a certificate request with a P-256 key");
    x509_sha256(signed_bytes, digest);
    if (!x509_p256_verify(public_key, digest, signature))
        return error_set(error, ERROR_BAD_CSR_SIGNATURE,
                         "the certificate request is not signed by its own key");
    if (read_common_name(name, common_name) != 0)
        return error_set(error, ERROR_BAD_CSR, "the certificate request has no common name");
    return 0;
}

int x509_csr_read(struct bytes pem, uint8_t public_key[64], char common_name[65],
                  struct error *error) {
    struct buffer der = {0};
    memset(public_key, 0, 64);
    memset(common_name, 0, 65);
    int result = x509_pem_read(PEM_STRING_X509_REQ, pem, &der, ERROR_BAD_CSR, error);
    if (result == 0)
        result = read_der(buffer_bytes(&der), public_key, common_name, error);
    buffer_free(&der);
    if (result != 0) {
        memset(public_key, 0, 64);
        memset(common_name, 0, 65);
    }
    return result;
}
