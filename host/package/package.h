/*
 * The production package (docs/formats/package.md): what the OEM mails to the manufacturer so that
 * one programmer, and no other, may produce one job.
 *
 * COSE_Encrypt0 (A256GCM, kid = SHA-256 of the programmer's certificate || epoch) around a
 * COSE_Sign1 by the job authority (x5chain [job authority, OPERATIONS CA]) around a CBOR map.
 * RFC 9052, deterministic CBOR. Keys stay in their tokens: encrypting, decrypting and signing are
 * callbacks.
 *
 * Writing (server):  package_write
 * Reading (programmer):  package_read_recipient (whose is it?), package_open, then, against its
 * journal and the server's signed time, package_check.
 */
#ifndef NUSEC_HOST_PACKAGE_PACKAGE_H
#define NUSEC_HOST_PACKAGE_PACKAGE_H

#include "base/buffer.h"
#include "base/signer.h"

#define PACKAGE_TOKEN_SIZE   32
#define PACKAGE_UID_SIZE     16
#define PACKAGE_UID_MAX      100000
#define PACKAGE_TEXT_MAX     64
#define PACKAGE_SETTINGS_MAX 16
#define PACKAGE_SIZE_MAX     (4u << 20)

/* One entry of the settings map: text to text. */
struct package_setting {
    char key[PACKAGE_TEXT_MAX + 1];
    char value[PACKAGE_TEXT_MAX + 1];
};

struct package {
    char programmer_id[PACKAGE_TEXT_MAX + 1];
    uint8_t programmer_certificate_sha256[32];
    uint32_t epoch;
    uint64_t sequence;
    char job_id[PACKAGE_TEXT_MAX + 1];
    uint8_t token[PACKAGE_TOKEN_SIZE]; /* secret: package_free wipes it */
    uint32_t count;
    uint64_t expiry_s;
    uint64_t issued_s;
    char chip_family[PACKAGE_TEXT_MAX + 1];
    char devauth_id[PACKAGE_TEXT_MAX + 1];
    struct package_setting settings[PACKAGE_SETTINGS_MAX];
    size_t setting_count;
    uint8_t *uids; /* uid_count * 16 bytes, owned; NULL and 0: any UID */
    size_t uid_count;
};

/* Frees the UID list and wipes everything. */
void package_free(struct package *package);

/* Is this UID one the package allows? */
bool package_allows_uid(const struct package *package, const uint8_t uid[PACKAGE_UID_SIZE]);

/* ciphertext || 16-byte tag with the recipient's key, AES-256-GCM. */
struct package_cipher {
    /* `out` has input.size + 16 bytes. */
    int (*encrypt)(void *context, const uint8_t iv[12], struct bytes aad, struct bytes input,
                   uint8_t *out, struct error *error);
    /* `out` has input.size - 16 bytes. ERROR_ALTERED if the tag does not match. */
    int (*decrypt)(void *context, const uint8_t iv[12], struct bytes aad, struct bytes input,
                   uint8_t *out, struct error *error);
    int (*random)(void *context, uint8_t *out, size_t size, struct error *error);
    void *context;
};

/* Who signs: the job authority's key with its certificate chain, DER. */
struct package_authority {
    struct signer signer;
    struct bytes certificate;
    struct bytes operations_ca;
};

/* Appends the package to `out`. Uses cipher.encrypt and cipher.random. */
int package_write(const struct package *package, const struct package_authority *authority,
                  const struct package_cipher *cipher, struct buffer *out, struct error *error);

/* The part outside of the encryption: says for whom it is, proves nothing. */
struct package_recipient {
    uint8_t programmer_certificate_sha256[32];
    uint32_t epoch;
};

/* ERROR_BAD_PACKAGE if the bytes are no package. */
int package_read_recipient(struct bytes encoded, struct package_recipient *recipient,
                           struct error *error);

/* Who reads. */
struct package_reader {
    uint8_t programmer_certificate_sha256[32];
    uint32_t epoch;    /* the only epoch that is opened */
    struct bytes root; /* certificates, DER */
    struct bytes operations_ca;
    struct package_cipher cipher; /* decrypt only */
};

/*
 * Checks the recipient, decrypts, verifies the job authority's signature and certificate (chain at
 * `now_s`, role) and decodes. The errors, in this order: ERROR_BAD_PACKAGE, ERROR_WRONG_PROGRAMMER,
 * ERROR_WRONG_EPOCH, ERROR_ALTERED (tag or signature), ERROR_UNTRUSTED_SIGNER.
 * On failure `package` is empty; on success package_free it.
 */
int package_open(struct bytes encoded, const struct package_reader *reader, uint64_t now_s,
                 struct package *package, struct error *error);

/* What the programmer's journal knows about packages it has seen. */
struct package_history {
    uint64_t last_sequence;  /* of this job; 0: none imported */
    uint64_t floor_sequence; /* the import floor: lower sequences are refused for good */
};

/*
 * ERROR_EXPIRED, ERROR_BELOW_FLOOR, ERROR_REPLAYED, ERROR_COUNT_ZERO. Call it with the server's
 * signed time, not with the local clock.
 */
int package_check(const struct package *package, const struct package_history *history,
                  uint64_t now_s, struct error *error);

/*
 * The server's signed time (GET /v1/time): COSE_Sign1 by the job authority over {1: "time",
 * 2: Unix seconds, 3: the client's nonce}.
 */
int signed_time_write(uint64_t now_s, const uint8_t nonce[32],
                      const struct package_authority *authority, struct buffer *out,
                      struct error *error);
/* ERROR_BAD_REQUEST (format), ERROR_ALTERED, ERROR_UNTRUSTED_SIGNER, ERROR_REPLAYED (another
 * nonce). The chain is checked at the time the message states. */
int signed_time_read(struct bytes encoded, const uint8_t nonce[32], struct bytes root,
                     struct bytes operations_ca, uint64_t *now_s, struct error *error);

#endif
