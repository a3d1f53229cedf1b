#include "cli/profile.h"

#include "base/file.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROFILE_LIMIT 16384

void profile_clear(struct profile *profile) {
    free(profile->url);
    free(profile->certificate);
    free(profile->key);
    free(profile->ca);
    *profile = (struct profile){0};
}

/* The directory in a new string; NULL when there is nowhere to look. */
static char *profile_directory(const char *given) {
    const char *variable = getenv("NUSEC_PROFILE");
    const char *home = getenv("HOME");

    if (given != NULL)
        return strdup(given);
    if (variable != NULL && variable[0] != '\0')
        return strdup(variable);
    return home == NULL ? NULL : path_join(home, ".config/nusec/default");
}

static int read_path(const json_t *object, const char *key, const char *directory, char **path,
                     struct error *error) {
    const char *name = NULL;

    if (json_read_string(object, key, &name, error) != 0)
        return -1;
    *path = name[0] == '/' ? strdup(name) : path_join(directory, name);
    return *path == NULL ? error_set(error, ERROR_INTERNAL, "out of memory") : 0;
}

static int read_profile(const json_t *object, const char *directory, struct profile *profile,
                        struct error *error) {
    const char *url = NULL;

    if (json_read_string(object, "url", &url, error) != 0 ||
        read_path(object, "certificate", directory, &profile->certificate, error) != 0 ||
        read_path(object, "key", directory, &profile->key, error) != 0 ||
        read_path(object, "ca", directory, &profile->ca, error) != 0)
        return -1;
    profile->url = strdup(url);
    return profile->url == NULL ? error_set(error, ERROR_INTERNAL, "out of memory") : 0;
}

/* Whatever went wrong in reading it, the person's next step is the same. */
static int profile_refuse(const char *path, struct error *error) {
    error->code = ERROR_USAGE;
    (void)error_prefix(error, "profile %s", path);
    return error_hint(error, "give --profile DIR: the folder that nusec-server init --admin-out "
                             "or nusec-server operator add wrote");
}

int profile_load(const char *directory, struct profile *profile, struct error *error) {
    struct buffer text = {0};
    json_t *object = NULL;
    int result = -1;

    *profile = (struct profile){0};
    char *folder = profile_directory(directory);
    char *path = folder == NULL ? NULL : path_join(folder, "profile.json");
    if (path == NULL) {
        (void)error_set(error, ERROR_USAGE,
                        "no profile: neither --profile, $NUSEC_PROFILE nor "
                        "$HOME is set");
        goto done;
    }
    if (file_read(path, PROFILE_LIMIT, &text, error) != 0 ||
        (object = json_parse_object(buffer_bytes(&text), error)) == NULL ||
        read_profile(object, folder, profile, error) != 0) {
        (void)profile_refuse(path, error);
        goto done;
    }
    result = 0;
done:
    json_decref(object);
    buffer_free(&text);
    free(path);
    free(folder);
    return result;
}
