/*
 * TLS client authentication with AUTHKEY: an OpenSSL key whose private half is the token.
 *
 *     key = tls_key_new(store, error);
 *     options.tls_setup = tls_key_setup; options.tls_user = &(struct tls_identity){...};
 *     EVP_PKEY_free(key);
 *
 * OpenSSL calls back with the digest to sign, so the key never has to leave the token and no
 * engine or provider has to be installed.
 */
#ifndef NUSEC_PROGRAMMER_TLS_KEY_H
#define NUSEC_PROGRAMMER_TLS_KEY_H

#include "base/bytes.h"
#include "programmer/key_store.h"

#include <openssl/evp.h>

/* `store` must outlive the key. NULL on failure. */
EVP_PKEY *tls_key_new(const struct key_store *store, struct error *error);

/* What a connection presents. */
struct tls_identity {
    EVP_PKEY *key;
    struct bytes certificate;   /* programmer certificate, DER */
    struct bytes operations_ca; /* its issuer, DER */
};

/* An http_client_tls_setup; `user` is a const struct tls_identity. */
int tls_key_setup(void *ssl_context, void *user);

#endif
