/*
 * Private keys for OpenSSL: one that stays with a signer (an HSM key as TLS key), and file keys for
 * people's operator certificates.
 */
#ifndef NUSEC_HOST_X509_KEY_H
#define NUSEC_HOST_X509_KEY_H

#include "base/buffer.h"
#include "base/signer.h"

#include <openssl/evp.h>

/*
 * An EVP_PKEY that signs through `signer`, for SSL_CTX_use_PrivateKey. The signer must outlive it;
 * its failures are logged and surface as a failed handshake. EVP_PKEY_free it. NULL on failure.
 */
EVP_PKEY *x509_signer_key(const uint8_t public_key[64], struct signer signer, struct error *error);

/* A fresh P-256 key as unencrypted PKCS#8 PEM, appended to `pem`: the caller keeps the file 0600
 * and wipes the buffer (buffer_free). */
int x509_file_key_generate(struct buffer *pem, uint8_t public_key[64], struct error *error);

#endif
