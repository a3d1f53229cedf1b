#include "cli/site.h"

#include "base/file.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* More than a programmer drives. */
#define SITE_COUNT_MAX 256

/* "NAME=DEBUG,UART" */
static json_t *parse_site(const char *text, struct error *error) {
    const char *equals = strchr(text, '=');
    const char *comma = equals == NULL ? NULL : strchr(equals, ',');

    if (comma == NULL || equals == text || comma == equals + 1 || comma[1] == '\0' ||
        strchr(comma + 1, ',') != NULL) {
        (void)error_set(error, ERROR_USAGE, "--site %s: not NAME=DEBUG,UART", text);
        (void)error_hint(error, "for example --site left=tcp:localhost:3333,/dev/ttyACM0");
        return NULL;
    }
    return json_pack("{s:s%,s:s%,s:s}", "name", text, (size_t)(equals - text), "debug", equals + 1,
                     (size_t)(comma - equals - 1), "uart", comma + 1);
}

/* A virtual board's folder; the last part of its path names the site. */
static json_t *board_site(const char *folder) {
    size_t size = strlen(folder);

    while (size > 1 && folder[size - 1] == '/')
        size--;
    size_t start = size;
    while (start > 0 && folder[start - 1] != '/')
        start--;
    int length = (int)size;
    char debug[512];
    char uart[512];
    (void)snprintf(debug, sizeof(debug), "unix:%.*s/debug", length, folder);
    (void)snprintf(uart, sizeof(uart), "unix:%.*s/uart", length, folder);
    return json_pack("{s:s%,s:s,s:s}", "name", folder + start, size - start, "debug", debug, "uart",
                     uart);
}

static int add_site(json_t *sites, json_t *site, struct error *error) {
    size_t index = 0;
    const json_t *other = NULL;

    if (site == NULL)
        return -1;
    const char *name = json_string_value(json_object_get(site, "name"));
    json_array_foreach(sites, index, other) {
        if (strcmp(name, json_string_value(json_object_get(other, "name"))) == 0) {
            (void)error_set(error, ERROR_USAGE, "two sites are called %s", name);
            json_decref(site);
            return -1;
        }
    }
    return json_array_append_new(sites, site);
}

/* A site of the file, with nothing in it but what the programmer is told. */
static json_t *file_site(const json_t *object, struct error *error) {
    const char *name = NULL;
    const char *debug = NULL;
    const char *uart = NULL;

    if (json_read_string(object, "name", &name, error) != 0 ||
        json_read_string(object, "debug", &debug, error) != 0 ||
        json_read_string(object, "uart", &uart, error) != 0)
        return NULL;
    return json_pack("{s:s,s:s,s:s}", "name", name, "debug", debug, "uart", uart);
}

static int add_file_sites(json_t *sites, const struct site_options *options, json_t *file,
                          struct error *error) {
    json_t *list = NULL;
    int result = json_read_array(file, "sites", SITE_COUNT_MAX, &list, error);
    size_t count = options->count == 0 ? json_array_size(list) : (size_t)options->count;

    if (result == 0 && count > json_array_size(list))
        return error_set(error, ERROR_USAGE, "--sites %zu: the file names %zu", count,
                         json_array_size(list));
    for (size_t i = 0; i < count && result == 0; i++)
        result = add_site(sites, file_site(json_array_get(list, i), error), error);
    return result;
}

static int read_file(json_t *sites, const struct site_options *options, struct error *error) {
    const char *path = options->config != NULL ? options->config : getenv("NUSEC_SITES");
    struct buffer text = {0};
    struct error problem;
    int result = -1;

    if (path == NULL || path[0] == '\0') {
        (void)error_set(error, ERROR_USAGE, "no site is named");
        return error_hint(error, "give --site, --board or --config, or set NUSEC_SITES");
    }
    if (file_read(path, SITE_CONFIG_MAX, &text, error) == 0) {
        json_t *file = json_parse_object(buffer_bytes(&text), &problem);
        if (file == NULL || add_file_sites(sites, options, file, &problem) != 0)
            (void)error_set(error, ERROR_USAGE, "%s: %s", path, problem.message);
        else
            result = 0;
        json_decref(file);
    }
    buffer_free(&text);
    return result;
}

json_t *site_options_read(const struct site_options *options, struct error *error) {
    json_t *sites = json_array();
    size_t named = options->sites.count + options->boards.count;
    int result = 0;

    if (named > 0 && (options->config != NULL || options->count > 0))
        result =
            error_set(error, ERROR_USAGE, "--config and --sites go without --site and --board");
    for (size_t i = 0; i < options->sites.count && result == 0; i++)
        result = add_site(sites, parse_site(options->sites.items[i], error), error);
    for (size_t i = 0; i < options->boards.count && result == 0; i++)
        result = add_site(sites, board_site(options->boards.items[i]), error);
    if (named == 0 && result == 0)
        result = read_file(sites, options, error);
    if (result == 0 && json_array_size(sites) == 0)
        result = error_set(error, ERROR_USAGE, "there is no site to work at");
    if (result != 0) {
        json_decref(sites);
        return NULL;
    }
    return sites;
}

json_t *site_options_read_one(const struct site_options *options, struct error *error) {
    json_t *sites = site_options_read(options, error);
    json_t *site = NULL;

    if (json_array_size(sites) == 1)
        site = json_incref(json_array_get(sites, 0));
    else if (sites != NULL)
        (void)error_set(error, ERROR_USAGE, "give one --site or --board, not %zu",
                        json_array_size(sites));
    json_decref(sites);
    return site;
}
