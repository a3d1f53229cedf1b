#include "cli/site.h"

#include <stdio.h>
#include <string.h>

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

json_t *site_options_read(const struct site_options *options, struct error *error) {
    json_t *sites = json_array();
    int result = 0;

    for (size_t i = 0; i < options->sites.count && result == 0; i++)
        result = add_site(sites, parse_site(options->sites.items[i], error), error);
    for (size_t i = 0; i < options->boards.count && result == 0; i++)
        result = add_site(sites, board_site(options->boards.items[i]), error);
    if (result == 0 && json_array_size(sites) == 0)
        result = error_set(error, ERROR_USAGE, "give at least one --site or --board");
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
