#include "tpm_evidence/tpm_evidence.h"

#include <dirent.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#define CAS_MAX 256

/* tcg-kp-EKCertificate. Without it any certificate of the same CA would do, also one whose key is
 * in a file. */
#define EK_USAGE "2.23.133.8.1"

static int unproven(struct error *error, const char *why) {
    ERR_clear_error();
    return error_set(error, ERROR_ASSURANCE_UNPROVEN, "the TPM's endorsement certificate %s", why);
}

/* A file may hold several. */
static unsigned file_add(X509_STORE *store, const char *path) {
    unsigned added = 0;
    FILE *file = fopen(path, "r");
    for (X509 *ca; file != NULL && (ca = PEM_read_X509(file, NULL, NULL, NULL)) != NULL;) {
        added += X509_check_ca(ca) != 0 && X509_STORE_add_cert(store, ca) == 1 ? 1 : 0;
        X509_free(ca);
    }
    if (file != NULL)
        (void)fclose(file);
    ERR_clear_error();
    return added;
}

static unsigned folder_add(X509_STORE *store, const char *folder) {
    char path[1024];
    unsigned added = 0;
    DIR *directory = opendir(folder);
    for (const struct dirent *entry;
         directory != NULL && added < CAS_MAX && (entry = readdir(directory)) != NULL;) {
        size_t size = strlen(entry->d_name);
        if (size < 4 || strcmp(entry->d_name + size - 4, ".pem") != 0)
            continue;
        int length = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (length > 0 && (size_t)length < sizeof path)
            added += file_add(store, path);
    }
    if (directory != NULL)
        (void)closedir(directory);
    return added;
}

static bool is_for_ek(X509 *certificate) {
    EXTENDED_KEY_USAGE *usages = X509_get_ext_d2i(certificate, NID_ext_key_usage, NULL, NULL);
    bool found = false;
    for (int i = 0; i < sk_ASN1_OBJECT_num(usages) && !found; i++) {
        char text[32];
        (void)OBJ_obj2txt(text, sizeof text, sk_ASN1_OBJECT_value(usages, i), 1);
        found = strcmp(text, EK_USAGE) == 0;
    }
    EXTENDED_KEY_USAGE_free(usages);
    const EVP_PKEY *key = X509_get0_pubkey(certificate);
    return found && key != NULL && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA &&
           EVP_PKEY_get_bits(key) == 2048;
}

/* What is in the folder is trusted as it is, whether it is a root or an intermediate: makers
 * publish both. */
static bool chains(X509_STORE *store, X509 *certificate, uint64_t now_s) {
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    bool good = false;
    if (context != NULL && X509_STORE_CTX_init(context, store, certificate, NULL) == 1) {
        X509_STORE_CTX_set_flags(context, X509_V_FLAG_PARTIAL_CHAIN);
        X509_STORE_CTX_set_time(context, 0, (time_t)now_s);
        good = X509_verify_cert(context) == 1;
    }
    X509_STORE_CTX_free(context);
    return good;
}

int tpm_evidence_ek_check(struct bytes certificate, const char *folder, uint64_t now_s,
                          struct error *error) {
    const unsigned char *position = certificate.data;
    X509 *parsed = certificate.size <= TPM_EVIDENCE_CERTIFICATE_MAX
                       ? d2i_X509(NULL, &position, (long)certificate.size)
                       : NULL;
    X509_STORE *store = X509_STORE_new();
    int failed = 0;
    if (parsed == NULL || position != certificate.data + certificate.size) {
        failed = unproven(error, "cannot be read");
    } else if (!is_for_ek(parsed)) {
        failed = unproven(error, "is not for an RSA-2048 endorsement key");
    } else if (store == NULL || folder_add(store, folder) == 0) {
        failed = unproven(error, "cannot be checked: the server knows no maker of TPMs");
        (void)error_hint(error, "put the makers' CA certificates (PEM) into the folder tpm-ca of "
                                "the server's data directory");
    } else if (!chains(store, parsed, now_s)) {
        failed = unproven(error, "is not by a maker of TPMs that the server knows");
    }
    X509_STORE_free(store);
    X509_free(parsed);
    ERR_clear_error();
    return failed;
}
