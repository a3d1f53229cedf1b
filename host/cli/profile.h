/*
 * An operator profile: a directory with profile.json {url, certificate, key, ca} and the three PEM
 * files it names, as `nusec-server init` and `nusec-server operator add` write it.
 */
#ifndef NUSEC_CLI_PROFILE_H
#define NUSEC_CLI_PROFILE_H

#include "base/error.h"

struct profile {
    char *url;
    char *certificate; /* paths */
    char *key;
    char *ca;
};

/*
 * Reads the profile in `directory`; NULL means $NUSEC_PROFILE, then ~/.config/nusec/default.
 * Relative file names are relative to the directory. ERROR_USAGE if there is no such profile or it
 * is not complete. profile_clear in every case.
 */
int profile_load(const char *directory, struct profile *profile, struct error *error);
void profile_clear(struct profile *profile);

#endif
