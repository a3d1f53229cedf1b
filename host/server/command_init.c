/* nusec-server init: keys, certificates and the first operator of a new server. The root's token
 * is opened here only, to sign the two issuing CAs. */
#include "server/commands.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/options.h"
#include "server/kek_backup.h"
#include "server/operator_profile.h"
#include "x509/key.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct init_arguments {
    const char *data;
    const char *organization;
    const char *pin_file;
    const char *root_pin_file;
    const char *url;
    const char *admin_out;
    const char *module;
    uint64_t backup_shares;
    uint64_t backup_threshold;
};

/* Public keys on their way from the server's token to the root. */
struct ca_keys {
    uint8_t device_ca[64];
    uint8_t operations_ca[64];
};

static int init_data(const struct init_arguments *arguments, struct server_data *data,
                     struct error *error) {
    char *pin_path;

    if (server_data_at(data, arguments->data, error) != 0)
        return -1;
    if (file_exists(server_path(data, "server.json").text))
        return error_set(error, ERROR_CONFLICT, "%s is already a data directory", data->directory);
    if (arguments->backup_shares > KEK_SHARES_MAX || arguments->backup_threshold < 2 ||
        arguments->backup_threshold > arguments->backup_shares)
        return error_set(error, ERROR_USAGE,
                         "a backup has 2 to %d shares, and needs 2 or more of them",
                         KEK_SHARES_MAX);
    if (strncmp(arguments->url, "https://", 8) != 0)
        return error_set(error, ERROR_USAGE, "the URL must begin with https://");
    pin_path = realpath(arguments->pin_file, NULL);
    if (pin_path == NULL || strlen(pin_path) >= sizeof data->pin_file) {
        free(pin_path);
        return error_set(error, ERROR_USAGE, "there is no PIN file %s", arguments->pin_file);
    }
    snprintf(data->pin_file, sizeof data->pin_file, "%s", pin_path);
    free(pin_path);
    if (strlen(arguments->organization) > 64 || strlen(arguments->url) >= sizeof data->url)
        return error_set(error, ERROR_USAGE, "organization or URL is too long");
    snprintf(data->organization, sizeof data->organization, "%s", arguments->organization);
    snprintf(data->url, sizeof data->url, "%s", arguments->url);
    snprintf(data->module, sizeof data->module, "%s",
             arguments->module != NULL ? arguments->module : HSM_DEFAULT_MODULE);
    return 0;
}

static int make_directories(const struct server_data *data, struct error *error) {
    static const char *const names[] = {"ca", "tls", "firmware", "root"};

    if (directory_create_private(data->directory, error) != 0)
        return -1;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (directory_create_private(server_path(data, names[i]).text, error) != 0)
            return -1;
    return 0;
}

/* The root's PIN: given, or made here and left in root/pin, to leave the machine with the token. */
static int root_pin(const struct server_data *data, const char *given, struct server_path *path,
                    struct error *error) {
    uint8_t random[16];
    char text[2 * sizeof random + 2];
    size_t size = 0;

    if (given != NULL) {
        snprintf(path->text, sizeof path->text, "%s", given);
        return 0;
    }
    *path = server_path(data, "root/pin");
    if (RAND_bytes(random, sizeof random) != 1)
        return error_set(error, ERROR_INTERNAL, "no random numbers");
    for (size_t i = 0; i < sizeof random; i++)
        size += (size_t)snprintf(text + size, sizeof text - size, "%02x", random[i]);
    return file_create_durable(path->text, bytes_of(text, size), 0600, error);
}

static struct hsm *make_token(const struct server_data *data, const char *label,
                              const char *pin_file, const char *configuration_name,
                              const char *token_directory, struct error *error) {
    struct server_path configuration = server_path(data, configuration_name);
    const struct hsm_config config = {.module_path = data->module,
                                      .token_label = label,
                                      .pin_file = pin_file,
                                      .softhsm_config = configuration.text};

    if (hsm_softhsm_configure(configuration.text, server_path(data, token_directory).text, error) !=
            0 ||
        hsm_init_token(&config, pin_file, error) != 0)
        return NULL;
    return hsm_open(&config, error);
}

static int read_public_key(struct hsm *hsm, const char *label, uint8_t public_key[64],
                           struct error *error) {
    struct hsm_key *key = hsm_key(hsm, label, error);

    return key != NULL ? hsm_public_key(key, public_key, error) : -1;
}

static int make_server_keys(const struct init_arguments *arguments, const struct server_data *data,
                            struct ca_keys *ca_keys, struct error *error) {
    static const char *const pairs[] = {KEY_DEVICE_CA,     KEY_OPERATIONS_CA,     KEY_NL3_BOOT,
                                        KEY_JOB_AUTHORITY, KEY_COMMAND_AUTHORITY, KEY_AUDIT,
                                        KEY_OCSP};
    const struct server_path backup = server_path(data, "backup");
    const struct kek_backup_order order = {.directory = backup.text,
                                           .shares = (unsigned)arguments->backup_shares,
                                           .threshold = (unsigned)arguments->backup_threshold};
    struct hsm *hsm =
        make_token(data, SERVER_TOKEN, data->pin_file, "softhsm2.conf", "tokens", error);
    int result = hsm != NULL ? 0 : -1;

    for (size_t i = 0; result == 0 && i < sizeof pairs / sizeof pairs[0]; i++)
        result = hsm_generate_p256(hsm, pairs[i], error);
    if (result == 0)
        result = kek_backup_make(hsm, &order, error);
    if (result == 0)
        result = read_public_key(hsm, KEY_DEVICE_CA, ca_keys->device_ca, error);
    if (result == 0)
        result = read_public_key(hsm, KEY_OPERATIONS_CA, ca_keys->operations_ca, error);
    hsm_close(hsm);
    return result;
}

static int issue_to_file(const struct server_data *data, const struct authority_leaf *leaf,
                         struct bytes issuer, struct signer signer, const char *file,
                         struct buffer *der, struct error *error) {
    if (server_authority_issue_by(data->organization, leaf, issuer, signer, der, error) != 0)
        return error_prefix(error, "%s", file);
    return server_certificate_write(data, file, buffer_bytes(der), error);
}

static int make_cas(const struct server_data *data, struct hsm_key *root_key,
                    const struct ca_keys *ca_keys, struct error *error) {
    struct buffer root = {0}, device_ca = {0}, operations_ca = {0}, pem = {0};
    uint8_t root_public[64];
    struct authority_leaf leaf = {.profile = X509_PROFILE_ROOT,
                                  .common_name = "NuSEC Root CA",
                                  .public_key = root_public,
                                  .now = clock_now_s(&clock_system),
                                  .days = DAYS_ROOT};
    struct signer signer = hsm_signer(root_key);
    int result = hsm_public_key(root_key, root_public, error);

    if (result == 0)
        result = issue_to_file(data, &leaf, bytes_of(NULL, 0), signer, "root", &root, error);
    leaf.days = DAYS_CA;
    leaf.profile = X509_PROFILE_DEVICE_CA;
    leaf.common_name = "NuSEC Device CA";
    leaf.public_key = ca_keys->device_ca;
    if (result == 0)
        result =
            issue_to_file(data, &leaf, buffer_bytes(&root), signer, "device-ca", &device_ca, error);
    leaf.profile = X509_PROFILE_OPERATIONS_CA;
    leaf.common_name = "NuSEC Operations CA";
    leaf.public_key = ca_keys->operations_ca;
    if (result == 0)
        result = issue_to_file(data, &leaf, buffer_bytes(&root), signer, "operations-ca",
                               &operations_ca, error);
    if (result == 0)
        result = x509_certificate_to_pem(buffer_bytes(&device_ca), &pem, error);
    if (result == 0)
        result = x509_certificate_to_pem(buffer_bytes(&operations_ca), &pem, error);
    if (result == 0)
        result = file_write_durable(server_path(data, "ca/intermediates.pem").text,
                                    buffer_bytes(&pem), 0644, error);
    buffer_free(&root);
    buffer_free(&device_ca);
    buffer_free(&operations_ca);
    buffer_free(&pem);
    return result;
}

static int make_root(const struct server_data *data, const char *root_pin_file,
                     const struct ca_keys *ca_keys, struct error *error) {
    struct server_path pin;
    struct hsm *hsm;
    struct hsm_key *key;
    int result = -1;

    if (root_pin(data, root_pin_file, &pin, error) != 0)
        return -1;
    hsm = make_token(data, ROOT_TOKEN, pin.text, "root/softhsm2.conf", "root/tokens", error);
    if (hsm != NULL && hsm_generate_p256(hsm, KEY_ROOT, error) == 0 &&
        (key = hsm_key(hsm, KEY_ROOT, error)) != NULL)
        result = make_cas(data, key, ca_keys, error);
    hsm_close(hsm);
    return result;
}

/* The leaves of the server's own keys: one purpose each. */
static int make_authorities(const struct server_data *data, struct error *error) {
    static const struct {
        const char *label;
        const char *common_name;
        enum x509_profile profile;
    } leaves[] = {
        {KEY_JOB_AUTHORITY, "NuSEC Job Authority", X509_PROFILE_JOB_AUTHORITY},
        {KEY_COMMAND_AUTHORITY, "NuSEC Command Authority", X509_PROFILE_COMMAND_AUTHORITY},
        {KEY_AUDIT, "NuSEC Audit", X509_PROFILE_AUDIT},
        {KEY_OCSP, "NuSEC OCSP", X509_PROFILE_OCSP},
    };
    struct hsm *hsm = server_hsm_open(data, error);
    struct hsm_key *ca = hsm != NULL ? hsm_key(hsm, KEY_OPERATIONS_CA, error) : NULL;
    struct buffer issuer = {0};
    int result = ca != NULL ? server_certificate_read(data, "operations-ca", &issuer, error) : -1;

    for (size_t i = 0; result == 0 && i < sizeof leaves / sizeof leaves[0]; i++) {
        uint8_t public_key[64];
        const struct authority_leaf leaf = {.profile = leaves[i].profile,
                                            .common_name = leaves[i].common_name,
                                            .public_key = public_key,
                                            .now = clock_now_s(&clock_system),
                                            .days = DAYS_AUTHORITY};
        struct buffer der = {0};

        result = read_public_key(hsm, leaves[i].label, public_key, error);
        if (result == 0)
            result = issue_to_file(data, &leaf, buffer_bytes(&issuer), hsm_signer(ca),
                                   leaves[i].label, &der, error);
        buffer_free(&der);
    }
    buffer_free(&issuer);
    hsm_close(hsm);
    return result;
}

/* "IP:127.0.0.1" or "DNS:name" of the host in the URL. */
static int url_host(const char *url, char *name, size_t capacity, struct error *error) {
    const char *host = url + strlen("https://");
    bool is_ipv6 = *host == '[';
    size_t size;
    bool is_address;

    host += is_ipv6 ? 1 : 0;
    size = strcspn(host, is_ipv6 ? "]" : ":/");
    if (size == 0 || size + 5 > capacity)
        return error_set(error, ERROR_USAGE, "the URL names no host");
    is_address = is_ipv6 || strspn(host, "0123456789.") >= size;
    snprintf(name, capacity, "%s:%.*s", is_address ? "IP" : "DNS", (int)size, host);
    return 0;
}

static int make_server_certificate(const struct server_data *data,
                                   const struct authority *authority, struct error *error) {
    char host[260];
    const char *names[] = {host, "DNS:localhost", NULL};
    struct buffer key = {0}, der = {0}, pem = {0};
    uint8_t public_key[64];
    const struct authority_leaf leaf = {.profile = X509_PROFILE_SERVER,
                                        .common_name = "nusec-server",
                                        .public_key = public_key,
                                        .now = clock_now_s(&clock_system),
                                        .days = DAYS_LEAF,
                                        .alternative_names = names};
    int result = url_host(data->url, host, sizeof host, error);

    if (result == 0)
        result = x509_file_key_generate(&key, public_key, error);
    if (result == 0)
        result = server_authority_issue(authority, &leaf, &der, error);
    if (result == 0)
        result = x509_certificate_to_pem(buffer_bytes(&der), &pem, error);
    if (result == 0)
        result = x509_certificate_to_pem(buffer_bytes(&authority->operations_ca), &pem, error);
    if (result == 0)
        result = file_write_durable(server_path(data, "tls/server.key").text, buffer_bytes(&key),
                                    0600, error);
    if (result == 0)
        result = file_write_durable(server_path(data, "tls/server.pem").text, buffer_bytes(&pem),
                                    0644, error);
    buffer_free(&key);
    buffer_free(&der);
    buffer_free(&pem);
    return result;
}

static int make_first_operator(const struct server_data *data, const struct authority *authority,
                               const char *admin_out, struct error *error) {
    struct store *store = store_open(server_path(data, "server.db").text, NULL, error);
    int result = store != NULL ? 0 : -1;

    if (result == 0 && admin_out != NULL)
        result =
            operator_profile_create(authority, data, store, "oem-admin", "admin", admin_out, error);
    store_close(store);
    return result;
}

static int initialise(const struct init_arguments *arguments, struct error *error) {
    struct server_data data;
    struct authority authority;
    struct ca_keys ca_keys;
    int result;

    if (init_data(arguments, &data, error) != 0 || make_directories(&data, error) != 0 ||
        make_server_keys(arguments, &data, &ca_keys, error) != 0 ||
        make_root(&data, arguments->root_pin_file, &ca_keys, error) != 0 ||
        make_authorities(&data, error) != 0 || server_authority_open(&authority, &data, error) != 0)
        return -1;
    result = make_server_certificate(&data, &authority, error);
    if (result == 0)
        result = make_first_operator(&data, &authority, arguments->admin_out, error);
    server_authority_close(&authority);
    /* server.json comes last: with it the directory is complete. */
    return result == 0 ? server_data_save(&data, error) : -1;
}

int command_init(int argc, char **argv) {
    struct init_arguments arguments = {.backup_shares = 3, .backup_threshold = 2};
    const struct option_entry entries[] = {
        {OPTION_TEXT, "data", "DIR", "the new data directory", &arguments.data, OPTION_REQUIRED},
        {OPTION_TEXT, "organization", "NAME", "organization in every certificate",
         &arguments.organization, OPTION_REQUIRED},
        {OPTION_TEXT, "pin-file", "FILE", "PIN of the server's token; stays where it is",
         &arguments.pin_file, OPTION_REQUIRED},
        {OPTION_TEXT, "url", "URL", "what clients call, https://host:port", &arguments.url,
         OPTION_REQUIRED},
        {OPTION_TEXT, "root-pin-file", "FILE",
         "PIN of the root's token (default: a new one in "
         "DIR/root/pin)",
         &arguments.root_pin_file, OPTION_OPTIONAL},
        {OPTION_TEXT, "admin-out", "DIR", "profile directory of the first operator, oem-admin",
         &arguments.admin_out, OPTION_OPTIONAL},
        {OPTION_NUMBER, "backup-shares", "N", "shares of the KEKs' backup key (default: 3)",
         &arguments.backup_shares, OPTION_OPTIONAL},
        {OPTION_NUMBER, "backup-threshold", "M", "how many of them open it (default: 2)",
         &arguments.backup_threshold, OPTION_OPTIONAL},
        {OPTION_TEXT, "module", "FILE", "PKCS#11 module (default: SoftHSM2)", &arguments.module,
         OPTION_OPTIONAL},
    };
    const struct option_set set = {"nusec-server init",
                                   "--data DIR --organization NAME --pin-file FILE --url URL",
                                   "Makes the tokens, keys and certificates of a new server.",
                                   entries,
                                   sizeof entries / sizeof entries[0],
                                   0,
                                   0};
    struct option_list operands;
    struct error error;

    switch (options_parse(&set, argc, argv, &operands, &error)) {
    case OPTIONS_HELP: options_help(&set, stdout); return 0;
    case OPTIONS_FAILED: return command_failed("init", &error);
    case OPTIONS_OK: break;
    }
    umask(077);
    if (initialise(&arguments, &error) != 0) {
        if (error.hint[0] == '\0' && error.code != ERROR_USAGE)
            error_hint(&error, "before trying again remove what was made in %.120s",
                       arguments.data);
        return command_failed("init", &error);
    }
    printf("initialised %s\n", arguments.data);
    printf("now move %s/root to a safe place off this machine: it holds the root key\n",
           arguments.data);
    printf("and give each share in %s/backup to somebody else: %u of them open the backup\n",
           arguments.data, (unsigned)arguments.backup_threshold);
    return 0;
}
