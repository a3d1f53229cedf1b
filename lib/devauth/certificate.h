/*
 * The X.509 and PKCS #10 objects a chip writes and reads, as fixed DER templates: a chip needs one
 * subject form, one key type and one signature algorithm (ecdsa-with-SHA256 on P-256), so a general
 * X.509 library would be size and attack surface only.
 *
 * A chip's name is one RDN: serialNumber (2.5.4.5), PrintableString, its UID as 32 upper-case hex
 * digits. Every writer signs through a callback, because the private key is behind the HAL.
 */
#ifndef NUSEC_DEVAUTH_CERTIFICATE_H
#define NUSEC_DEVAUTH_CERTIFICATE_H

#include "base/bytes.h"

#define CERTIFICATE_UID_SIZE        16
#define CERTIFICATE_NONCE_SIZE      32
#define CERTIFICATE_PUBLIC_KEY_SIZE 64
/* Enough for each output below. */
#define CERTIFICATE_SELF_SIGNED_MAX    512
#define CERTIFICATE_CSR_MAX            640
#define CERTIFICATE_REQUESTER_INFO_MAX 320

typedef enum status certificate_sign_function(void *context, const uint8_t digest[32],
                                              uint8_t signature[64]);

/* Name of the chip, DER. */
void certificate_write_subject(struct writer *writer, const uint8_t uid[CERTIFICATE_UID_SIZE]);

/*
 * The self-signed certificate of a chip that has no issued one: leaf checks of SPDM 1.2 hold
 * (v3, digitalSignature, basicConstraints 30 00, device and SPDM responder EKU). Validity is fixed,
 * 2020-01-01 to 9999-12-31: a chip has no clock. Serial number: first 8 bytes of
 * SHA-256(public key), made positive.
 */
MUST_USE enum status
certificate_write_self_signed(struct writer *writer, const uint8_t uid[CERTIFICATE_UID_SIZE],
                              const uint8_t public_key[CERTIFICATE_PUBLIC_KEY_SIZE],
                              certificate_sign_function *sign, void *context);

/* Contents of a chip's CSR; attributes in DER SET order. */
struct certificate_request {
    const uint8_t *uid;      /* 16 */
    const uint8_t *nonce;    /* 32, the server's reservation nonce */
    const uint8_t *auth_key; /* 64, the subject key, which also signs */
    const uint8_t *enc_key;  /* 64 */
    const uint8_t *tls_key;  /* 64 */
};
MUST_USE enum status certificate_write_csr(struct writer *writer,
                                           const struct certificate_request *request,
                                           certificate_sign_function *sign, void *context);

/*
 * RequesterInfo of GET_CSR: a CertificationRequestInfo with version 0, the chip's subject, its AUTH
 * key and exactly the reservationNonce attribute. The programmer writes it; the chip refuses any
 * other (INVALID; MISMATCH for another subject or key), so that a CSR never carries what the chip
 * does not know to be true of itself.
 */
void certificate_write_requester_info(struct writer *writer,
                                      const uint8_t uid[CERTIFICATE_UID_SIZE],
                                      const uint8_t auth_key[CERTIFICATE_PUBLIC_KEY_SIZE],
                                      const uint8_t nonce[CERTIFICATE_NONCE_SIZE]);
MUST_USE enum status
certificate_read_requester_info(struct bytes info, const uint8_t uid[CERTIFICATE_UID_SIZE],
                                const uint8_t auth_key[CERTIFICATE_PUBLIC_KEY_SIZE],
                                uint8_t nonce[CERTIFICATE_NONCE_SIZE]);

/* OK if the subject of `certificate` has exactly one serialNumber and it is `uid` (the issuer may
 * add an organization); MISMATCH if not, INVALID or TRUNCATED if it cannot be read. */
MUST_USE enum status certificate_check_subject(struct bytes certificate,
                                               const uint8_t uid[CERTIFICATE_UID_SIZE]);

/* Subject of an X.509 certificate as an element, borrowed; and its P-256 key. Not verified. */
MUST_USE enum status certificate_read_names(struct bytes certificate, struct bytes *subject,
                                            uint8_t public_key[CERTIFICATE_PUBLIC_KEY_SIZE]);

#endif
