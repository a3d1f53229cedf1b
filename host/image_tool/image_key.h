/*
 * Keys of images on the desk: P-256, in PEM files as OpenSSL and imgtool write them.
 *
 * Production keys never are in files (hsm/boot_key.h); these are for developers' boards.
 */
#ifndef NUSEC_IMAGE_TOOL_IMAGE_KEY_H
#define NUSEC_IMAGE_TOOL_IMAGE_KEY_H

#include "base/buffer.h"
#include "crypto/crypto.h"

struct image_key {
    bool has_private;
    uint8_t private_key[CRYPTO_PRIVATE_KEY_SIZE];
    uint8_t public_key[CRYPTO_PUBLIC_KEY_SIZE];
};

/*
 * A private key (PKCS#8, plain or encrypted, or SEC 1) or a public one (SubjectPublicKeyInfo).
 * `passphrase` opens an encrypted one, NULL if there is none. ERROR_USAGE says what is wrong with
 * it; `key` is then wiped. Wipe a private key after use (secret_wipe).
 */
int image_key_parse(struct bytes pem, const char *passphrase, struct image_key *key,
                    struct error *error);

/* The same from a file; the error names it. */
int image_key_read(const char *path, const char *passphrase, struct image_key *key,
                   struct error *error);

/* SHA-256 of X || Y: what a chip's OTP holds. */
void image_key_otp_hash(const uint8_t public_key[CRYPTO_PUBLIC_KEY_SIZE],
                        uint8_t hash[CRYPTO_DIGEST_SIZE]);
/* SHA-256 of the SubjectPublicKeyInfo: what MCUboot and imgtool call the key's hash. */
void image_key_info_hash(const uint8_t public_key[CRYPTO_PUBLIC_KEY_SIZE],
                         uint8_t hash[CRYPTO_DIGEST_SIZE]);

#endif
