#include "programmer/tls_key.h"

#include "x509/key.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>

EVP_PKEY *tls_key_new(const struct key_store *store, struct error *error) {
    return x509_signer_key(store->public_key, key_store_signer(store), error);
}

static X509 *certificate_of(struct bytes der) {
    const unsigned char *position = der.data;
    return d2i_X509(NULL, &position, (long)der.size);
}

int tls_key_setup(void *ssl_context, void *user) {
    const struct tls_identity *identity = user;
    X509 *leaf = certificate_of(identity->certificate);
    X509 *issuer = certificate_of(identity->operations_ca);
    int done = leaf != NULL && issuer != NULL && SSL_CTX_use_certificate(ssl_context, leaf) == 1 &&
               SSL_CTX_add1_chain_cert(ssl_context, issuer) == 1 &&
               SSL_CTX_use_PrivateKey(ssl_context, identity->key) == 1;
    X509_free(leaf);
    X509_free(issuer);
    return done ? 0 : -1;
}
