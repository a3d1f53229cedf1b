/*
 * Everything the server signs with: the keys of its token and the certificates that go with them.
 *
 *     server_authority_open(&authority, &data, error);
 *     server_authority_issue(&authority, &leaf, &der, error);
 *     server_authority_close(&authority);
 *
 * Open once; all threads may use it.
 */
#ifndef NUSEC_SERVER_AUTHORITY_H
#define NUSEC_SERVER_AUTHORITY_H

#include "package/package.h"
#include "server/server_data.h"
#include "x509/certificate.h"
#include "x509/device_certificate.h"

#define KEY_ROOT              "root-ca" /* in the root's token */
#define KEY_DEVICE_CA         "device-ca"
#define KEY_OPERATIONS_CA     "operations-ca"
#define KEY_NL3_BOOT          "nl3-boot"
#define KEY_JOB_AUTHORITY     "job-authority"
#define KEY_COMMAND_AUTHORITY "command-authority"
#define KEY_AUDIT             "audit"
#define KEY_OCSP              "ocsp"
#define KEY_KEK_BOOT          "kek-boot"
#define KEY_KEK_PROGRAMMER    "kek-programmer"
#define KEY_KEK_CONTENT       "kek-content"

/* How long certificates live, in days. */
#define DAYS_ROOT      10950
#define DAYS_CA        7300
#define DAYS_AUTHORITY 3650
#define DAYS_LEAF      730 /* server, operators, programmers */

struct authority {
    struct hsm *hsm;
    struct hsm_key *operations_ca_key;
    struct hsm_key *nl3_key;
    struct hsm_key *job_key;
    struct hsm_key *command_key;
    struct hsm_key *programmer_kek;
    struct hsm_key *boot_kek;
    struct hsm_key *content_kek;
    struct buffer root; /* certificates, DER */
    struct buffer device_ca;
    struct buffer operations_ca;
    struct buffer job_authority;
    struct buffer command_authority;
    uint8_t root_sha256[32];
    uint8_t operations_ca_sha256[32];
    uint8_t job_authority_sha256[32];
    uint8_t nl3_public_key[64];
    uint8_t command_key_sha256[32];
    struct device_issuer device_issuer;
    char organization[65];
};

int server_authority_open(struct authority *authority, const struct server_data *data,
                          struct error *error);
void server_authority_close(struct authority *authority);

struct authority_leaf {
    enum x509_profile profile;
    const char *common_name;
    const uint8_t *public_key; /* 64 bytes */
    uint64_t now;
    unsigned days;
    const char *const *alternative_names; /* server only */
};

/* A leaf of the OPERATIONS CA, DER, appended. */
int server_authority_issue(const struct authority *authority, const struct authority_leaf *leaf,
                           struct buffer *der, struct error *error);

/* The same with an issuer of the caller's choice, for `init`; an empty issuer makes a root. */
int server_authority_issue_by(const char *organization, const struct authority_leaf *leaf,
                              struct bytes issuer, struct signer signer, struct buffer *der,
                              struct error *error);

/* The job authority as package_write and signed_time_write want it. */
struct package_authority server_authority_for_packages(const struct authority *authority);

/* Signs a digest with a hsm key (context) for lib/cose. */
enum status server_authority_cose_sign(void *key, const uint8_t digest[32], uint8_t signature[64]);

#endif
