#include "http/http_tls.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdlib.h>

static pthread_once_t peer_once = PTHREAD_ONCE_INIT;
static int peer_index;

static void free_peer(void *parent, void *peer, CRYPTO_EX_DATA *data, int index, long argl,
                      void *argp) {
    (void)parent;
    (void)data;
    (void)index;
    (void)argl;
    (void)argp;
    free(peer);
}

static void make_peer_index(void) {
    peer_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_peer);
}

static int tls_failed(const char *what, const char *path, struct error *error) {
    char text[160];

    ERR_error_string_n(ERR_get_error(), text, sizeof text);
    error_set(error, ERROR_STORAGE, "TLS: cannot use the %s %s", what, path);
    return error_detail(error, "%s", text);
}

/* Issuing CAs only help to build a chain: without X509_V_FLAG_PARTIAL_CHAIN it must still end at
 * the self-signed root. */
static int load_trust(SSL_CTX *context, const struct http_server_options *options,
                      struct error *error) {
    X509_STORE *store = SSL_CTX_get_cert_store(context);

    if (SSL_CTX_load_verify_file(context, options->root_path) != 1)
        return tls_failed("root", options->root_path, error);
    if (SSL_CTX_load_verify_file(context, options->intermediates_path) != 1)
        return tls_failed("issuing CAs", options->intermediates_path, error);
    X509_STORE_set_flags(store, X509_V_FLAG_X509_STRICT);
    return 0;
}

static int load_own(SSL_CTX *context, const struct http_server_options *options,
                    struct error *error) {
    if (SSL_CTX_use_certificate_chain_file(context, options->certificate_path) != 1)
        return tls_failed("certificate", options->certificate_path, error);
    if (SSL_CTX_use_PrivateKey_file(context, options->key_path, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1)
        return tls_failed("key", options->key_path, error);
    return 0;
}

SSL_CTX *http_tls_server_context(const struct http_server_options *options, struct error *error) {
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    pthread_once(&peer_once, make_peer_index);
    if (context == NULL) {
        error_set(error, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    /* A resumed session skips the certificates, and with them everything that was checked. */
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_verify_depth(context, 3);
    if (load_trust(context, options, error) != 0 || load_own(context, options, error) != 0) {
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}

static int sha256_of(X509 *certificate, uint8_t digest[32]) {
    unsigned size = 0;

    return X509_digest(certificate, EVP_sha256(), digest, &size) == 1 && size == 32 ? 0 : -1;
}

static int read_peer(SSL *ssl, struct http_peer *peer) {
    STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl);
    struct error ignored;
    uint8_t *der = NULL;
    int size, result;

    if (SSL_get_verify_result(ssl) != X509_V_OK || sk_X509_num(chain) < 2)
        return -1;
    size = i2d_X509(sk_X509_value(chain, 0), &der);
    if (size <= 0)
        return -1;
    result = x509_read(bytes_of(der, (size_t)size), &peer->certificate, &ignored);
    OPENSSL_free(der);
    return result == 0 ? sha256_of(sk_X509_value(chain, 1), peer->issuer_sha256) : -1;
}

const struct http_peer *http_tls_peer(SSL *ssl) {
    struct http_peer *peer = SSL_get_ex_data(ssl, peer_index);

    if (peer != NULL)
        return peer;
    peer = calloc(1, sizeof *peer);
    if (peer == NULL || read_peer(ssl, peer) != 0 || SSL_set_ex_data(ssl, peer_index, peer) != 1) {
        free(peer);
        return NULL;
    }
    return peer;
}
