#include "programmer/identity.h"

#include "base/encoding.h"
#include "base/file.h"
#include "base/json.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT        1
#define FILE_LIMIT    ((size_t)64 << 10)
#define IDENTITY_FILE "programmer.json"
#define ROOT_FILE     "root.pem"

/* The certificates of an identity, named as in the file. */
static const struct {
    const char *key;
    size_t offset;
} certificate_fields[] = {
    {"programmer_b64", offsetof(struct identity, programmer)},
    {"root_b64", offsetof(struct identity, root)},
    {"device_ca_b64", offsetof(struct identity, device_ca)},
    {"operations_ca_b64", offsetof(struct identity, operations_ca)},
    {"job_authority_b64", offsetof(struct identity, job_authority)},
};
#define CERTIFICATE_FIELDS (sizeof certificate_fields / sizeof certificate_fields[0])

static struct buffer *certificate_of(struct identity *identity, size_t index) {
    return (struct buffer *)(void *)((char *)identity + certificate_fields[index].offset);
}

bool identity_is_prepared(const struct identity *identity) {
    return identity->installed && identity->epoch != 0;
}

static int digests_fill(struct identity *identity, struct x509_info *programmer,
                        struct error *error) {
    struct x509_info authority;
    if (x509_read(buffer_bytes(&identity->programmer), programmer, error) != 0 ||
        x509_read(buffer_bytes(&identity->job_authority), &authority, error) != 0)
        return -1;
    memcpy(identity->certificate_sha256, programmer->sha256, 32);
    memcpy(identity->job_authority_sha256, authority.sha256, 32);
    memcpy(identity->job_authority_key, authority.public_key, 64);
    return 0;
}

static X509 *x509_of(const struct buffer *der) {
    const unsigned char *position = der->data;
    return d2i_X509(NULL, &position, (long)der->size);
}

/* The DEVICE CA has no leaf yet, so its own link to the root is what can be checked now. */
static int device_ca_check(const struct identity *identity, struct error *error) {
    X509 *root = x509_of(&identity->root);
    X509 *ca = x509_of(&identity->device_ca);
    bool good =
        root != NULL && ca != NULL && X509_check_ca(ca) == 1 &&
        X509_check_issued(root, ca) == X509_V_OK && X509_verify(ca, X509_get0_pubkey(root)) == 1 &&
        !bytes_equal(buffer_bytes(&identity->device_ca), buffer_bytes(&identity->operations_ca));
    X509_free(root);
    X509_free(ca);
    ERR_clear_error();
    return good ? 0
                : error_set(error, ERROR_BAD_CERTIFICATE,
                            "the DEVICE CA certificate is not a CA under the root");
}

static int chains_check(const struct identity *identity, uint64_t now_s, struct error *error) {
    struct bytes root = buffer_bytes(&identity->root);
    struct bytes operations = buffer_bytes(&identity->operations_ca);
    if (x509_verify_chain(root, operations, buffer_bytes(&identity->programmer),
                          X509_PROFILE_PROGRAMMER, now_s, error) != 0)
        return error_prefix(error, "programmer certificate");
    if (x509_verify_chain(root, operations, buffer_bytes(&identity->job_authority),
                          X509_PROFILE_JOB_AUTHORITY, now_s, error) != 0)
        return error_prefix(error, "job authority certificate");
    return device_ca_check(identity, error);
}

static int pem_take(const char *pem, struct buffer *der, const char *what, struct error *error) {
    buffer_clear(der);
    if (x509_certificate_from_pem(bytes_of(pem, strlen(pem)), der, error) != 0)
        return error_prefix(error, "%s", what);
    if (der->size > X509_DER_MAX)
        return error_set(error, ERROR_TOO_LARGE, "%s: the certificate is too long", what);
    return 0;
}

int identity_install(struct identity *identity, const struct identity_pems *pems,
                     const uint8_t public_key[64], uint64_t now_s, struct error *error) {
    struct x509_info programmer;
    if (pem_take(pems->programmer, &identity->programmer, "certificate_pem", error) != 0 ||
        pem_take(pems->root, &identity->root, "root_pem", error) != 0 ||
        pem_take(pems->device_ca, &identity->device_ca, "device_ca_pem", error) != 0 ||
        pem_take(pems->operations_ca, &identity->operations_ca, "operations_ca_pem", error) != 0 ||
        pem_take(pems->job_authority, &identity->job_authority, "job_authority_pem", error) != 0)
        return -1;
    if (digests_fill(identity, &programmer, error) != 0 ||
        chains_check(identity, now_s, error) != 0)
        return -1;
    if (memcmp(programmer.public_key, public_key, 64) != 0)
        return error_set(error, ERROR_BAD_CERTIFICATE,
                         "the programmer certificate is for another key");
    identity->installed = true;
    return 0;
}

int identity_check_key(const struct identity *identity, const uint8_t public_key[64],
                       struct error *error) {
    struct x509_info programmer;
    if (x509_read(buffer_bytes(&identity->programmer), &programmer, error) != 0)
        return -1;
    if (memcmp(programmer.public_key, public_key, 64) == 0)
        return 0;
    (void)error_set(error, ERROR_HSM_UNAVAILABLE,
                    "the programmer was prepared with another key store than this one");
    return error_hint(error, "start it with the --tpm or --pkcs11-module it was prepared with");
}

static int text_load(const json_t *object, const char *key, char *out, size_t capacity,
                     struct error *error) {
    const char *text = NULL;
    if (json_read_string(object, key, &text, error) != 0)
        return -1;
    if (strlen(text) >= capacity)
        return error_set(error, ERROR_STORAGE, "\"%s\" is too long", key);
    (void)snprintf(out, capacity, "%s", text);
    return 0;
}

static int installed_load(struct identity *identity, const json_t *object, struct error *error) {
    struct x509_info programmer;
    for (size_t i = 0; i < CERTIFICATE_FIELDS; i++)
        if (json_read_base64_buffer(object, certificate_fields[i].key, X509_DER_MAX,
                                    certificate_of(identity, i), error) != 0)
            return -1;
    if (json_read_hex(object, "rotpk_sboot_hex", identity->boot_key, 64, error) != 0)
        return -1;
    return digests_fill(identity, &programmer, error);
}

static int identity_decode(struct identity *identity, const json_t *object, struct error *error) {
    uint32_t format = 0;
    if (json_read_u32(object, "format", &format, error) != 0)
        return -1;
    if (format != FORMAT)
        return error_set(error, ERROR_UNSUPPORTED, "format %u is not known", format);
    if (text_load(object, "name", identity->name, sizeof identity->name, error) != 0 ||
        text_load(object, "programmer_id", identity->programmer_id, sizeof identity->programmer_id,
                  error) != 0 ||
        text_load(object, "server_url", identity->server_url, sizeof identity->server_url, error) !=
            0 ||
        json_read_u32(object, "epoch", &identity->epoch, error) != 0 ||
        json_read_u64(object, "import_floor", &identity->import_floor, error) != 0 ||
        json_read_bool(object, "installed", &identity->installed, error) != 0)
        return -1;
    return identity->installed ? installed_load(identity, object, error) : 0;
}

int identity_load(struct identity *identity, const char *directory, struct error *error) {
    *identity = (struct identity){0};
    char *path = path_join(directory, IDENTITY_FILE);
    if (path == NULL)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    int failed = 0;
    if (file_exists(path)) {
        struct buffer text = {0};
        failed = file_read(path, FILE_LIMIT, &text, error);
        json_t *object = failed == 0 ? json_parse_object(buffer_bytes(&text), error) : NULL;
        failed = object != NULL ? identity_decode(identity, object, error) : -1;
        json_decref(object);
        buffer_free(&text);
        if (failed != 0)
            (void)error_prefix(error, "%s", path);
    }
    free(path);
    if (failed != 0)
        identity_free(identity);
    return failed;
}

static json_t *identity_encode(const struct identity *identity) {
    json_t *object =
        json_pack("{s:i,s:s,s:s,s:s,s:I,s:I,s:b}", "format", FORMAT, "name", identity->name,
                  "programmer_id", identity->programmer_id, "server_url", identity->server_url,
                  "epoch", (json_int_t)identity->epoch, "import_floor",
                  (json_int_t)identity->import_floor, "installed", (int)identity->installed);
    int failed = object == NULL;
    struct identity *borrowed = (struct identity *)(uintptr_t)identity; /* read only */
    for (size_t i = 0; identity->installed && i < CERTIFICATE_FIELDS; i++)
        failed |= json_object_set_new(object, certificate_fields[i].key,
                                      json_base64(buffer_bytes(certificate_of(borrowed, i))));
    if (identity->installed)
        failed |= json_object_set_new(object, "rotpk_sboot_hex",
                                      json_hex(bytes_of(identity->boot_key, 64)));
    if (!failed)
        return object;
    json_decref(object);
    return NULL;
}

static int root_save(const struct identity *identity, const char *directory, struct error *error) {
    struct buffer pem = {0};
    char *path = identity_root_path(directory);
    int failed = -1;
    if (path == NULL)
        (void)error_set(error, ERROR_INTERNAL, "out of memory");
    else if (x509_certificate_to_pem(buffer_bytes(&identity->root), &pem, error) == 0)
        failed = file_write_durable(path, buffer_bytes(&pem), 0600, error);
    free(path);
    buffer_free(&pem);
    return failed;
}

int identity_save(const struct identity *identity, const char *directory, struct error *error) {
    json_t *object = identity_encode(identity);
    char *path = path_join(directory, IDENTITY_FILE);
    struct buffer text = {0};
    int failed = -1;
    if (object == NULL || path == NULL)
        (void)error_set(error, ERROR_INTERNAL, "out of memory");
    else if (json_write(object, &text, error) == 0)
        failed = file_write_durable(path, buffer_bytes(&text), 0600, error);
    if (failed == 0 && identity->installed)
        failed = root_save(identity, directory, error);
    json_decref(object);
    buffer_free(&text);
    free(path);
    return failed;
}

char *identity_root_path(const char *directory) {
    return path_join(directory, ROOT_FILE);
}

int identity_copy(struct identity *copy, const struct identity *identity, struct error *error) {
    *copy = *identity;
    struct identity *source = (struct identity *)(uintptr_t)identity; /* read only */
    int failed = 0;
    for (size_t i = 0; i < CERTIFICATE_FIELDS; i++) {
        const struct buffer *from = certificate_of(source, i);
        *certificate_of(copy, i) = (struct buffer){0};
        buffer_append(certificate_of(copy, i), from->data, from->size);
        failed |= buffer_check(certificate_of(copy, i), error);
    }
    if (failed != 0)
        identity_free(copy);
    return failed;
}

void identity_free(struct identity *identity) {
    for (size_t i = 0; i < CERTIFICATE_FIELDS; i++)
        buffer_free(certificate_of(identity, i));
    *identity = (struct identity){0};
}
