#include "server/server_data.h"

#include "base/file.h"
#include "base/json.h"
#include "x509/certificate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct server_path server_path(const struct server_data *data, const char *name) {
    struct server_path path;

    snprintf(path.text, sizeof path.text, "%s/%.60s", data->directory, name);
    return path;
}

int server_data_at(struct server_data *data, const char *directory, struct error *error) {
    memset(data, 0, sizeof *data);
    if (strlen(directory) >= sizeof data->directory)
        return error_set(error, ERROR_USAGE, "the path of the data directory is too long");
    snprintf(data->directory, sizeof data->directory, "%s", directory);
    return 0;
}

static int copy_member(const json_t *object, const char *key, char *out, size_t capacity,
                       struct error *error) {
    const char *text;

    if (json_read_string(object, key, &text, error) != 0)
        return -1;
    if (strlen(text) >= capacity)
        return error_set(error, ERROR_BAD_REQUEST, "%s is too long", key);
    snprintf(out, capacity, "%s", text);
    return 0;
}

int server_data_load(struct server_data *data, const char *directory, struct error *error) {
    struct buffer text = {0};
    json_t *object = NULL;
    int result = -1;

    if (server_data_at(data, directory, error) != 0)
        return -1;
    if (file_read(server_path(data, "server.json").text, 65536, &text, error) != 0) {
        error_hint(error, "is this the data directory? `nusec-server init` makes one");
        return -1;
    }
    object = json_parse_object(buffer_bytes(&text), error);
    if (object != NULL &&
        copy_member(object, "organization", data->organization, sizeof data->organization, error) ==
            0 &&
        copy_member(object, "url", data->url, sizeof data->url, error) == 0 &&
        copy_member(object, "pin_file", data->pin_file, sizeof data->pin_file, error) == 0 &&
        copy_member(object, "module", data->module, sizeof data->module, error) == 0)
        result = 0;
    if (result != 0)
        error_prefix(error, "server.json");
    json_decref(object);
    buffer_free(&text);
    return result;
}

int server_data_save(const struct server_data *data, struct error *error) {
    json_t *object = json_pack("{s:s, s:s, s:s, s:s}", "organization", data->organization, "url",
                               data->url, "pin_file", data->pin_file, "module", data->module);
    struct buffer text = {0};
    int result = -1;

    if (object == NULL)
        return error_set(error, ERROR_USAGE, "organization and paths must be UTF-8");
    if (json_write(object, &text, error) == 0)
        result = file_write_durable(server_path(data, "server.json").text, buffer_bytes(&text),
                                    0600, error);
    json_decref(object);
    buffer_free(&text);
    return result;
}

struct hsm *server_hsm_open(const struct server_data *data, struct error *error) {
    struct server_path configuration = server_path(data, "softhsm2.conf");
    const struct hsm_config config = {
        .module_path = data->module,
        .token_label = SERVER_TOKEN,
        .pin_file = data->pin_file,
        .softhsm_config = file_exists(configuration.text) ? configuration.text : NULL,
    };

    return hsm_open(&config, error);
}

static struct server_path certificate_path(const struct server_data *data, const char *name) {
    char relative[60];

    snprintf(relative, sizeof relative, "ca/%.40s.pem", name);
    return server_path(data, relative);
}

int server_certificate_read(const struct server_data *data, const char *name, struct buffer *der,
                            struct error *error) {
    struct server_path path = certificate_path(data, name);
    struct buffer pem = {0};
    int result = file_read(path.text, 65536, &pem, error);

    if (result == 0)
        result = x509_certificate_from_pem(buffer_bytes(&pem), der, error);
    if (result != 0)
        error_prefix(error, "%s", path.text);
    buffer_free(&pem);
    return result;
}

int server_certificate_write(const struct server_data *data, const char *name, struct bytes der,
                             struct error *error) {
    struct buffer pem = {0};
    int result = x509_certificate_to_pem(der, &pem, error);

    if (result == 0)
        result =
            file_write_durable(certificate_path(data, name).text, buffer_bytes(&pem), 0644, error);
    buffer_free(&pem);
    return result;
}
