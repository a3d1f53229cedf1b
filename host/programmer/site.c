#include "programmer/site.h"

#include "base/json.h"

#include <stdlib.h>
#include <string.h>

/* The server's rule (docs/api/openapi.yaml), so that a bad one is refused before a chip is touched.
 */
static int serial_read(const json_t *object, struct unit_site *site, struct error *error) {
    if (json_read_string(object, "serial", &site->serial, error) != 0)
        return -1;
    size_t size = strlen(site->serial);
    bool is_printable = size > 0 && size <= SITE_SERIAL_MAX;
    for (size_t i = 0; i < size && is_printable; i++)
        is_printable = site->serial[i] > ' ' - 1 && site->serial[i] < 0x7F;
    if (is_printable)
        return 0;
    (void)error_set(error, ERROR_BAD_REQUEST, "site %s: no serial number", site->name);
    return error_hint(error, "1 to %d printable ASCII characters", SITE_SERIAL_MAX);
}

int site_read(const json_t *object, struct unit_site *site, struct error *error) {
    if (json_read_string(object, "name", &site->name, error) != 0 ||
        json_read_string(object, "debug", &site->debug, error) != 0 ||
        json_read_string(object, "uart", &site->uart, error) != 0)
        return -1;
    site->serial = NULL;
    return json_object_get(object, "serial") != NULL ? serial_read(object, site, error) : 0;
}

int site_take(struct programmer *programmer, const struct unit_site *site, int *slot,
              struct error *error) {
    int free_slot = -1;
    bool busy = false;
    *slot = -1;
    (void)pthread_mutex_lock(&programmer->sites_lock);
    for (int i = 0; i < PROGRAMMER_SITES_MAX; i++) {
        if (programmer->busy_sites[i] == NULL)
            free_slot = i;
        else if (strcmp(programmer->busy_sites[i], site->debug) == 0)
            busy = true;
    }
    if (!busy && free_slot >= 0) {
        programmer->busy_sites[free_slot] = strdup(site->debug);
        *slot = programmer->busy_sites[free_slot] != NULL ? free_slot : -1;
    }
    (void)pthread_mutex_unlock(&programmer->sites_lock);
    if (*slot >= 0)
        return 0;
    return error_set(error, ERROR_BUSY, busy ? "site %s is at work" : "too many sites at work: %s",
                     site->name);
}

void site_give(struct programmer *programmer, int slot) {
    if (slot < 0)
        return;
    (void)pthread_mutex_lock(&programmer->sites_lock);
    free(programmer->busy_sites[slot]);
    programmer->busy_sites[slot] = NULL;
    (void)pthread_mutex_unlock(&programmer->sites_lock);
}

struct chip_options site_chip_options(struct programmer *programmer) {
    return (struct chip_options){
        .identity = &programmer->identity,
        .key_store = &programmer->key_store,
        .clock = programmer->clock,
        .stop = &programmer->stop,
    };
}
