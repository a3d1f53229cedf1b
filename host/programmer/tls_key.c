#include "programmer/tls_key.h"

#include "x509/key.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>

static int sign(void *context, const uint8_t digest[32], uint8_t signature[64],
                struct error *error) {
    return key_store_sign(context, digest, signature, error);
}

EVP_PKEY *tls_key_new(const struct key_store *store, struct error *error) {
    /* A const in, a non-const void * slot: only ever read back as const. */
    const struct signer signer = {.sign = sign, .context = (void *)(uintptr_t)store};
    return x509_signer_key(store->public_key, signer, error);
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
