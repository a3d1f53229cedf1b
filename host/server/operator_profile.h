/*
 * Operators: people (or scripts) with a client certificate and one role. A profile directory is
 * what `nusec --profile` takes: profile.json, client.pem, client.key (0600), ca.pem.
 */
#ifndef NUSEC_SERVER_OPERATOR_PROFILE_H
#define NUSEC_SERVER_OPERATOR_PROFILE_H

#include "server/authority.h"
#include "store/store.h"

/* "oem-admin", "oem-operator", "cm-operator", "auditor"; X509_PROFILE_COUNT for anything else. */
enum x509_profile operator_role(const char *role);

/* A fresh key and certificate, the profile directory, and the identity in the store. ERROR_CONFLICT
 * for a name in use or a directory that has a profile. */
int operator_profile_create(const struct authority *authority, const struct server_data *data,
                            struct store *store, const char *role, const char *name,
                            const char *directory, struct error *error);

#endif
