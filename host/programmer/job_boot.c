#include "programmer/job_boot.h"

#include <string.h>

#define DEBUG_LOCKED "locked"
#define DEBUG_OPEN   "open"

/* NULL if the package does not have it. */
static const char *setting(const struct package *package, const char *key) {
    for (size_t i = 0; i < package->setting_count; i++)
        if (strcmp(package->settings[i].key, key) == 0)
            return package->settings[i].value;
    return NULL;
}

int job_boot_read(const struct package *package, struct job_boot *boot, struct error *error) {
    const char *debug = setting(package, "debug");
    *boot = (struct job_boot){.bl2_id = setting(package, "bl2"), .bl3_id = setting(package, "bl3")};
    if ((boot->bl2_id == NULL) != (boot->bl3_id == NULL))
        return error_set(error, ERROR_BAD_PACKAGE, "the job has only one of BL2 and BL3");
    if (debug != NULL && strcmp(debug, DEBUG_LOCKED) != 0 && strcmp(debug, DEBUG_OPEN) != 0)
        return error_set(error, ERROR_BAD_PACKAGE, "the job's debug setting is not known");
    boot->wanted = boot->bl2_id != NULL;
    boot->locks_debug = boot->wanted && (debug == NULL || strcmp(debug, DEBUG_LOCKED) == 0);
    return 0;
}
