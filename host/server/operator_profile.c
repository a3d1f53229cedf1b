#include "server/operator_profile.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "store/store_event.h"
#include "store/store_programmer.h"
#include "x509/key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum x509_profile operator_role(const char *role) {
    static const struct {
        const char *name;
        enum x509_profile profile;
    } roles[] = {
        {"oem-admin", X509_PROFILE_OEM_ADMIN},
        {"oem-operator", X509_PROFILE_OEM_OPERATOR},
        {"cm-operator", X509_PROFILE_CM_OPERATOR},
        {"auditor", X509_PROFILE_AUDITOR},
    };

    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
        if (strcmp(roles[i].name, role) == 0)
            return roles[i].profile;
    return X509_PROFILE_COUNT;
}

struct new_identity {
    struct store_identity identity;
    uint64_t now;
};

static int record_identity(struct store_db *db, void *context, struct error *error) {
    const struct new_identity *added = context;
    const struct store_event event = {.time = added->now,
                                      .type = "operator.added",
                                      .actor = "local",
                                      .subject = added->identity.name,
                                      .detail = added->identity.role};

    if (store_identity_insert(db, &added->identity, added->now, error) != 0)
        return -1;
    return store_event_add(db, &event, error);
}

static int write_in(const char *directory, const char *name, struct bytes contents, mode_t mode,
                    struct error *error) {
    char *path = path_join(directory, name);
    int result = path != NULL ? file_create_durable(path, contents, mode, error)
                              : error_set(error, ERROR_INTERNAL, "out of memory");

    free(path);
    return result;
}

static int write_profile(const char *directory, const struct server_data *data,
                         struct error *error) {
    json_t *profile = json_pack("{s:s, s:s, s:s, s:s}", "url", data->url, "certificate",
                                "client.pem", "key", "client.key", "ca", "ca.pem");
    struct buffer text = {0};
    int result = -1;

    if (profile == NULL)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    if (json_write(profile, &text, error) == 0)
        result = write_in(directory, "profile.json", buffer_bytes(&text), 0644, error);
    json_decref(profile);
    buffer_free(&text);
    return result;
}

static int write_directory(const struct authority *authority, const struct server_data *data,
                           struct bytes certificate, struct bytes key, const char *directory,
                           struct error *error) {
    struct buffer client = {0}, root = {0};
    int result = -1;

    if (x509_certificate_to_pem(certificate, &client, error) == 0 &&
        x509_certificate_to_pem(buffer_bytes(&authority->operations_ca), &client, error) == 0 &&
        x509_certificate_to_pem(buffer_bytes(&authority->root), &root, error) == 0 &&
        directory_create_private(directory, error) == 0 &&
        write_in(directory, "client.key", key, 0600, error) == 0 &&
        write_in(directory, "client.pem", buffer_bytes(&client), 0644, error) == 0 &&
        write_in(directory, "ca.pem", buffer_bytes(&root), 0644, error) == 0)
        result = write_profile(directory, data, error);
    buffer_free(&client);
    buffer_free(&root);
    return result;
}

int operator_profile_create(const struct authority *authority, const struct server_data *data,
                            struct store *store, const char *role, const char *name,
                            const char *directory, struct error *error) {
    struct new_identity added = {.now = clock_now_s(&clock_system)};
    struct buffer key = {0}, der = {0};
    uint8_t public_key[64];
    struct authority_leaf leaf = {.profile = operator_role(role),
                                  .common_name = name,
                                  .public_key = public_key,
                                  .now = added.now,
                                  .days = DAYS_LEAF};
    int result = -1;

    if (leaf.profile == X509_PROFILE_COUNT) {
        error_set(error, ERROR_USAGE, "there is no role %.40s", role);
        return error_hint(error, "oem-admin, oem-operator, cm-operator or auditor");
    }
    snprintf(added.identity.role, sizeof added.identity.role, "%s", role);
    snprintf(added.identity.name, sizeof added.identity.name, "%s", name);
    if (x509_file_key_generate(&key, public_key, error) == 0 &&
        server_authority_issue(authority, &leaf, &der, error) == 0) {
        x509_sha256(buffer_bytes(&der), added.identity.certificate_hash);
        /* Files first: an identity without files would block its name for nothing. */
        if (write_directory(authority, data, buffer_bytes(&der), buffer_bytes(&key), directory,
                            error) == 0)
            result = store_run(store, record_identity, &added, error);
    }
    buffer_free(&key);
    buffer_free(&der);
    return result;
}
