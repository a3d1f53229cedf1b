#include "server/authority.h"

#include "base/log.h"

#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

/* Clocks of programmers and desks may be a little behind ours. */
#define BACKDATE_S 300
#define DAY_S      86400u

static int load_certificates(struct authority *authority, const struct server_data *data,
                             struct error *error) {
    const struct {
        const char *name;
        struct buffer *der;
    } files[] = {
        {"root", &authority->root},
        {"device-ca", &authority->device_ca},
        {"operations-ca", &authority->operations_ca},
        {"job-authority", &authority->job_authority},
        {"command-authority", &authority->command_authority},
    };

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (server_certificate_read(data, files[i].name, files[i].der, error) != 0)
            return -1;
    x509_sha256(buffer_bytes(&authority->root), authority->root_sha256);
    x509_sha256(buffer_bytes(&authority->operations_ca), authority->operations_ca_sha256);
    x509_sha256(buffer_bytes(&authority->job_authority), authority->job_authority_sha256);
    return 0;
}

static int load_keys(struct authority *authority, struct hsm_key **device_ca, struct error *error) {
    struct hsm *hsm = authority->hsm;
    const struct {
        const char *label;
        struct hsm_key **key;
    } keys[] = {
        {KEY_DEVICE_CA, device_ca},
        {KEY_OPERATIONS_CA, &authority->operations_ca_key},
        {KEY_NL3_BOOT, &authority->nl3_key},
        {KEY_JOB_AUTHORITY, &authority->job_key},
        {KEY_COMMAND_AUTHORITY, &authority->command_key},
        {KEY_KEK_PROGRAMMER, &authority->programmer_kek},
        {KEY_KEK_BOOT, &authority->boot_kek},
        {KEY_KEK_CONTENT, &authority->content_kek},
    };

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if ((*keys[i].key = hsm_key(hsm, keys[i].label, error)) == NULL)
            return error_prefix(error, "key %s", keys[i].label);
    return 0;
}

/* A certificate in ca/ for another key than the token's would sign things nobody accepts. */
static int check_pair(struct bytes certificate, struct hsm_key *key, struct error *error) {
    struct x509_info info;
    uint8_t public_key[64];

    if (x509_read(certificate, &info, error) != 0 || hsm_public_key(key, public_key, error) != 0)
        return -1;
    if (memcmp(info.public_key, public_key, sizeof public_key) != 0)
        return error_set(error, ERROR_BAD_CERTIFICATE,
                         "the certificate of %s is not for the key in the token",
                         hsm_key_label(key));
    return 0;
}

static int check_pairs(const struct authority *authority, struct hsm_key *device_ca,
                       struct error *error) {
    if (check_pair(buffer_bytes(&authority->device_ca), device_ca, error) != 0 ||
        check_pair(buffer_bytes(&authority->operations_ca), authority->operations_ca_key, error) !=
            0 ||
        check_pair(buffer_bytes(&authority->job_authority), authority->job_key, error) != 0)
        return -1;
    return check_pair(buffer_bytes(&authority->command_authority), authority->command_key, error);
}

int server_authority_open(struct authority *authority, const struct server_data *data,
                          struct error *error) {
    struct hsm_key *device_ca = NULL;
    uint8_t command_key[64];

    memset(authority, 0, sizeof *authority);
    snprintf(authority->organization, sizeof authority->organization, "%s", data->organization);
    if (load_certificates(authority, data, error) != 0)
        goto failed;
    authority->hsm = server_hsm_open(data, error);
    if (authority->hsm == NULL || load_keys(authority, &device_ca, error) != 0 ||
        check_pairs(authority, device_ca, error) != 0 ||
        hsm_public_key(authority->nl3_key, authority->nl3_public_key, error) != 0 ||
        hsm_public_key(authority->command_key, command_key, error) != 0 ||
        device_issuer_init(&authority->device_issuer, buffer_bytes(&authority->device_ca),
                           authority->organization, hsm_signer(device_ca), error) != 0)
        goto failed;
    SHA256(command_key, sizeof command_key, authority->command_key_sha256);
    return 0;

failed:
    server_authority_close(authority);
    return -1;
}

void server_authority_close(struct authority *authority) {
    if (authority->hsm != NULL)
        hsm_close(authority->hsm);
    buffer_free(&authority->root);
    buffer_free(&authority->device_ca);
    buffer_free(&authority->operations_ca);
    buffer_free(&authority->job_authority);
    buffer_free(&authority->command_authority);
    memset(authority, 0, sizeof *authority);
}

int server_authority_issue_by(const char *organization, const struct authority_leaf *leaf,
                              struct bytes issuer, struct signer signer, struct buffer *der,
                              struct error *error) {
    struct x509_request request = {
        .profile = leaf->profile,
        .common_name = leaf->common_name,
        .organization = organization,
        .not_before_s = leaf->now - BACKDATE_S,
        .not_after_s = leaf->now + (uint64_t)leaf->days * DAY_S,
        .alternative_names = leaf->alternative_names,
    };
    uint8_t random[10];

    if (RAND_bytes(random, sizeof random) != 1)
        return error_set(error, ERROR_INTERNAL, "no random numbers");
    x509_serial(leaf->now, random, request.serial);
    memcpy(request.public_key, leaf->public_key, sizeof request.public_key);
    return x509_issue(&request, issuer, signer, der, error);
}

int server_authority_issue(const struct authority *authority, const struct authority_leaf *leaf,
                           struct buffer *der, struct error *error) {
    return server_authority_issue_by(authority->organization, leaf,
                                     buffer_bytes(&authority->operations_ca),
                                     hsm_signer(authority->operations_ca_key), der, error);
}

struct package_authority server_authority_for_packages(const struct authority *authority) {
    return (struct package_authority){
        .signer = hsm_signer(authority->job_key),
        .certificate = buffer_bytes(&authority->job_authority),
        .operations_ca = buffer_bytes(&authority->operations_ca),
    };
}

enum status server_authority_cose_sign(void *key, const uint8_t digest[32], uint8_t signature[64]) {
    struct error error;

    if (hsm_sign(key, digest, signature, &error) == 0)
        return STATUS_OK;
    log_error_event("hsm.sign", &error);
    return STATUS_CRYPTO;
}
