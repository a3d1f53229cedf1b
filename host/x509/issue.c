#include "x509/issue.h"

#include "base/der_p256.h"
#include "x509/certificate.h"
#include "x509/profile.h"
#include "x509/writer.h"

#include <arpa/inet.h>
#include <string.h>

static const uint8_t subject_alternative_name_value[] = {0x55, 0x1D, 0x11};

#define GENERAL_NAME_DNS DER_CONTEXT(2)
#define GENERAL_NAME_IP  DER_CONTEXT(7)

static int check_name(const char *name, const char *what, struct error *error) {
    size_t length = name != NULL ? strlen(name) : 0;
    if (length == 0 || length > 64)
        return error_set(error, ERROR_BAD_REQUEST, "%s has 1 to 64 bytes", what);
    return 0;
}

static int write_general_name(struct writer *writer, const char *text, struct error *error) {
    uint8_t address[16];
    if (strncmp(text, "DNS:", 4) == 0 && text[4] != '\0' && strlen(text) < 256) {
        der_write(writer, GENERAL_NAME_DNS, bytes_of(text + 4, strlen(text + 4)));
        return 0;
    }
    if (strncmp(text, "IP:", 3) == 0 && inet_pton(AF_INET, text + 3, address) == 1) {
        der_write(writer, GENERAL_NAME_IP, bytes_of(address, 4));
        return 0;
    }
    if (strncmp(text, "IP:", 3) == 0 && inet_pton(AF_INET6, text + 3, address) == 1) {
        der_write(writer, GENERAL_NAME_IP, bytes_of(address, 16));
        return 0;
    }
    return error_set(error, ERROR_BAD_REQUEST, "\"%.80s\" is no IP:address or DNS:name", text);
}

static int write_alternative_names(struct writer *writer, const char *const *names,
                                   struct error *error) {
    if (names == NULL || names[0] == NULL)
        return error_set(error, ERROR_BAD_REQUEST, "a server certificate needs a name or address");
    struct x509_extension extension = x509_begin_extension(
        writer, bytes_of(subject_alternative_name_value, sizeof(subject_alternative_name_value)),
        X509_NOT_CRITICAL);
    size_t sequence = der_begin(writer, DER_SEQUENCE);
    for (; *names != NULL; names++)
        if (write_general_name(writer, *names, error) != 0)
            return -1;
    der_end(writer, sequence);
    x509_end_extension(writer, extension);
    return 0;
}

static int write_constraints(struct writer *writer, const struct x509_request *request,
                             struct error *error) {
    const struct x509_profile_row *row = x509_profile_row(request->profile);
    struct bytes usages[X509_PROFILE_USAGES_MAX];
    if (row->kind != X509_KIND_LEAF) {
        /* The root's own path length stays open; a CA below it issues leaves only. */
        x509_write_ca_constraints(writer, row->kind == X509_KIND_CA ? 0 : -1);
        x509_write_ca_key_usage(writer);
        return 0;
    }
    for (size_t i = 0; i < row->usage_count; i++)
        usages[i] = *row->usages[i];
    x509_write_leaf_constraints(writer);
    x509_write_leaf_key_usage(writer);
    x509_write_extended_key_usage(writer, usages, row->usage_count);
    if (request->profile == X509_PROFILE_SERVER)
        return write_alternative_names(writer, request->alternative_names, error);
    return 0;
}

static int write_extensions(struct writer *writer, const struct x509_request *request,
                            const struct x509_issuer *issuer, struct error *error) {
    uint8_t identifier[X509_KEY_IDENTIFIER_SIZE];
    x509_key_identifier(request->public_key, identifier);
    size_t outer = der_begin(writer, DER_CONTEXT_CONSTRUCTED(3));
    size_t list = der_begin(writer, DER_SEQUENCE);
    if (write_constraints(writer, request, error) != 0)
        return -1;
    x509_write_subject_key_identifier(writer, identifier);
    if (issuer != NULL)
        x509_write_authority_key_identifier(writer, issuer->key_identifier);
    der_end(writer, list);
    der_end(writer, outer);
    return 0;
}

static int write_tbs(struct writer *writer, const struct x509_request *request,
                     const struct x509_issuer *issuer, struct error *error) {
    const struct x509_name subject = {.organization = request->organization,
                                      .common_name = request->common_name};
    size_t tbs = der_begin(writer, DER_SEQUENCE);
    size_t version = der_begin(writer, DER_CONTEXT_CONSTRUCTED(0));
    der_write_u32(writer, 2); /* v3 */
    der_end(writer, version);
    der_write_unsigned(writer, bytes_of(request->serial, sizeof(request->serial)));
    der_write_ecdsa_sha256(writer);
    if (issuer != NULL)
        write_bytes(writer, bytes_of(issuer->name, issuer->name_size));
    else
        x509_write_name(writer, &subject);
    x509_write_validity(writer, request->not_before_s, request->not_after_s);
    x509_write_name(writer, &subject);
    der_write_p256_public_key(writer, request->public_key);
    if (write_extensions(writer, request, issuer, error) != 0)
        return -1;
    der_end(writer, tbs);
    return 0;
}

static int check_request(const struct x509_request *request, struct bytes issuer,
                         struct error *error) {
    if ((unsigned)request->profile >= X509_PROFILE_COUNT || request->profile == X509_PROFILE_DEVICE)
        return error_set(error, ERROR_INTERNAL, "not a profile for x509_issue");
    bool is_root = x509_profile_row(request->profile)->kind == X509_KIND_ROOT;
    if (is_root != (issuer.size == 0))
        return error_set(error, ERROR_INTERNAL, "only the root issues itself");
    if (request->not_after_s <= request->not_before_s)
        return error_set(error, ERROR_BAD_REQUEST, "the certificate would end before it begins");
    if (check_name(request->common_name, "a common name", error) != 0)
        return -1;
    return check_name(request->organization, "an organization", error);
}

int x509_issue(const struct x509_request *request, struct bytes issuer_certificate,
               struct signer signer, struct buffer *out, struct error *error) {
    struct x509_issuer issuer;
    struct writer writer;
    uint8_t der[X509_DER_MAX];
    bool has_issuer = issuer_certificate.size != 0;
    if (check_request(request, issuer_certificate, error) != 0)
        return -1;
    if (has_issuer && x509_issuer_read(issuer_certificate, &issuer, error) != 0)
        return -1;
    writer_init(&writer, der, sizeof(der));
    size_t certificate = der_begin(&writer, DER_SEQUENCE);
    size_t start = writer.size;
    if (write_tbs(&writer, request, has_issuer ? &issuer : NULL, error) != 0 ||
        x509_write_signature(&writer, start, signer, error) != 0)
        return -1;
    der_end(&writer, certificate);
    if (writer_check(&writer) != STATUS_OK)
        return error_set(error, ERROR_BAD_REQUEST, "the certificate would be too long");
    buffer_append(out, der, writer.size);
    return buffer_check(out, error);
}
