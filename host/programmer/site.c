#include "programmer/site.h"

#include "base/json.h"

#include <stdlib.h>
#include <string.h>

int site_read(const json_t *object, struct unit_site *site, struct error *error) {
    if (json_read_string(object, "name", &site->name, error) != 0 ||
        json_read_string(object, "debug", &site->debug, error) != 0 ||
        json_read_string(object, "uart", &site->uart, error) != 0)
        return -1;
    return 0;
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
