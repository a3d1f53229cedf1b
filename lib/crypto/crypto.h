/*
 * The crypto port: everything NuSEC's portable code asks of a crypto library or accelerator.
 *
 * Calling sequence: crypto_init once, then anything. Two implementations pass the same vectors:
 * `crypto_psa` (Mbed TLS 3.6, PSA Crypto API, p256-m; device and native board) and
 * `crypto_openssl` (host programs). A program links exactly one. A chip with an ECC accelerator
 * replaces crypto_p256_*; a chip with a KeyStore replaces firmware/hal's keys, not this.
 *
 * Shapes: a P-256 public key is X || Y, 64 bytes big-endian; a private key is a 32-byte big-endian
 * scalar; a signature is r || s, 64 bytes (SPDM and COSE order, no DER); a digest is 32 bytes.
 * On any status but OK the outputs are zeroed. Inputs and outputs must not overlap unless stated.
 * No function keeps a pointer after it returns.
 *
 * Sources: FIPS 180-4 (SHA-256), FIPS 198-1 (HMAC), RFC 5869 (HKDF), SP 800-38A (CTR),
 * SP 800-38D (GCM), FIPS 186-5 (ECDSA), SP 800-56A (ECDH), SP 800-90A (HMAC_DRBG).
 */
#ifndef NUSEC_CRYPTO_CRYPTO_H
#define NUSEC_CRYPTO_CRYPTO_H

#include "base/bytes.h"

#define CRYPTO_DIGEST_SIZE      32
#define CRYPTO_PUBLIC_KEY_SIZE  64
#define CRYPTO_PRIVATE_KEY_SIZE 32
#define CRYPTO_SIGNATURE_SIZE   64
#define CRYPTO_GCM_KEY_SIZE     32
#define CRYPTO_GCM_IV_SIZE      12
#define CRYPTO_GCM_TAG_SIZE     16
#define CRYPTO_AES_BLOCK_SIZE   16

/* Fills `out` with `size` bytes of full-entropy TRNG output. NO_ENTROPY if the source failed. */
typedef enum status crypto_entropy_function(void *context, uint8_t *out, size_t size);

/*
 * Starts the implementation. The DRBG is seeded with at least 256 bits from `entropy`, which must
 * stay callable. The OpenSSL implementation has its own source and ignores both arguments.
 */
MUST_USE enum status crypto_init(crypto_entropy_function *entropy, void *context);

/* Peak bytes of the static arena in use since crypto_init; 0 where there is no arena. */
size_t crypto_arena_peak(void);

/* DRBG output (SP 800-90A), never raw TRNG words. */
MUST_USE enum status crypto_random(uint8_t *out, size_t size);

/* Streaming SHA-256. The context holds no pointers: it may be copied with `=` to fork a hash. */
#define CRYPTO_SHA256_CONTEXT_SIZE 128
struct crypto_sha256 {
    uint64_t opaque[CRYPTO_SHA256_CONTEXT_SIZE / 8];
};
void crypto_sha256_start(struct crypto_sha256 *hash);
void crypto_sha256_update(struct crypto_sha256 *hash, struct bytes input);
/* Wipes the context; copy it first to go on hashing. */
void crypto_sha256_finish(struct crypto_sha256 *hash, uint8_t digest[CRYPTO_DIGEST_SIZE]);
void crypto_sha256(struct bytes input, uint8_t digest[CRYPTO_DIGEST_SIZE]);

MUST_USE enum status crypto_hmac_sha256(struct bytes key, struct bytes message,
                                        uint8_t mac[CRYPTO_DIGEST_SIZE]);
/*
 * HKDF-Expand only (RFC 5869, 2.3); SPDM and ECIES extract with crypto_hmac_sha256. UNSUPPORTED for
 * more than 128 bytes of info or 8,160 bytes of output.
 */
MUST_USE enum status crypto_hkdf_expand(const uint8_t prk[CRYPTO_DIGEST_SIZE], struct bytes info,
                                        uint8_t *out, size_t size);

/* AES-256-GCM. `out` has plaintext.size bytes; in place (out == plaintext.data) is allowed. */
MUST_USE enum status crypto_gcm_seal(const uint8_t key[CRYPTO_GCM_KEY_SIZE],
                                     const uint8_t iv[CRYPTO_GCM_IV_SIZE], struct bytes aad,
                                     struct bytes plaintext, uint8_t *out,
                                     uint8_t tag[CRYPTO_GCM_TAG_SIZE]);
/* BAD_SIGNATURE when the tag is wrong; `out` is then zeroed. In place is allowed. */
MUST_USE enum status crypto_gcm_open(const uint8_t key[CRYPTO_GCM_KEY_SIZE],
                                     const uint8_t iv[CRYPTO_GCM_IV_SIZE], struct bytes aad,
                                     struct bytes ciphertext, uint8_t *out,
                                     const uint8_t tag[CRYPTO_GCM_TAG_SIZE]);

/*
 * AES-CTR without authentication, for data that is authenticated in another way. `key` has 16 or 32
 * bytes, else UNSUPPORTED; `counter` is the first counter block, counted up as one 128-bit
 * big-endian number. A long text is done in pieces that start on a block: add the blocks done to
 * the counter. Encrypting is decrypting; `out` has input.size bytes; in place is allowed.
 */
MUST_USE enum status crypto_aes_ctr(struct bytes key, const uint8_t counter[CRYPTO_AES_BLOCK_SIZE],
                                    struct bytes input, uint8_t *out);

MUST_USE enum status crypto_p256_generate(uint8_t private_key[CRYPTO_PRIVATE_KEY_SIZE],
                                          uint8_t public_key[CRYPTO_PUBLIC_KEY_SIZE]);
/* Signs a digest as given (no further hash). INVALID if the key is 0 or not below the order. */
MUST_USE enum status crypto_p256_sign(const uint8_t private_key[CRYPTO_PRIVATE_KEY_SIZE],
                                      const uint8_t digest[CRYPTO_DIGEST_SIZE],
                                      uint8_t signature[CRYPTO_SIGNATURE_SIZE]);
/* BAD_SIGNATURE if it does not verify, INVALID if the key is not a point on the curve. */
MUST_USE enum status crypto_p256_verify(const uint8_t public_key[CRYPTO_PUBLIC_KEY_SIZE],
                                        const uint8_t digest[CRYPTO_DIGEST_SIZE],
                                        const uint8_t signature[CRYPTO_SIGNATURE_SIZE]);
/* X coordinate of the shared point, big-endian. INVALID if the peer or the key is not valid. */
MUST_USE enum status crypto_p256_agree(const uint8_t private_key[CRYPTO_PRIVATE_KEY_SIZE],
                                       const uint8_t peer[CRYPTO_PUBLIC_KEY_SIZE],
                                       uint8_t shared[32]);

/*
 * X.509 path validation (RFC 5280, P-256 / SHA-256 only), with no clock: validity times are not
 * checked, because a chip has none; host programs check them where they matter.
 *
 * `certificates` is DER certificates one after another, root first, leaf last, 2 to 4 of them.
 * Checked: the first certificate hashes to `root_hash` and is thereby trusted; each further one is
 * signed by the one before it; CA basicConstraints, path length and keyCertSign on the issuers; the
 * leaf is no CA, has keyUsage digitalSignature and, if `leaf_eku` is not empty, an extendedKeyUsage
 * with that OID (DER value bytes, without tag and length; anyExtendedKeyUsage does not count); no
 * unknown critical extension. See docs/decisions/0011.
 * BAD_CERTIFICATE on any failure but NO_MEMORY; on OK `leaf_key` is the leaf's public key.
 */
MUST_USE enum status crypto_chain_verify(struct bytes certificates,
                                         const uint8_t root_hash[CRYPTO_DIGEST_SIZE],
                                         struct bytes leaf_eku,
                                         uint8_t leaf_key[CRYPTO_PUBLIC_KEY_SIZE]);

/* Splits off the first DER certificate; `rest` is what follows. INVALID if it is not a SEQUENCE. */
MUST_USE enum status crypto_certificate_split(struct bytes certificates, struct bytes *first,
                                              struct bytes *rest);

#endif
