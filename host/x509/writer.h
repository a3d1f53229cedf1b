/*
 * The parts certificates and requests are made of (RFC 5280), written in DER. Private to host/x509.
 */
#ifndef NUSEC_HOST_X509_WRITER_H
#define NUSEC_HOST_X509_WRITER_H

#include "base/der.h"
#include "base/signer.h"

#define X509_KEY_IDENTIFIER_SIZE 20

/* What goes from an issuer's certificate into those it issues. */
struct x509_issuer {
    uint8_t name[512]; /* Name, DER */
    size_t name_size;
    uint8_t key_identifier[X509_KEY_IDENTIFIER_SIZE];
};

/* ERROR_BAD_CERTIFICATE if it is no CA certificate, or has no 20-byte key identifier. */
int x509_issuer_read(struct bytes certificate, struct x509_issuer *issuer, struct error *error);

/* RFC 7093, 2 (1): the leftmost 160 bits of SHA-256 over the point. */
void x509_key_identifier(const uint8_t public_key[64],
                         uint8_t identifier[X509_KEY_IDENTIFIER_SIZE]);

/* Name with one attribute per RDN; a NULL value is left out. */
struct x509_name {
    const char *organization;
    const char *common_name;
    const char *serial_number;
};
void x509_write_name(struct writer *writer, const struct x509_name *name);

/* UTCTime to 2049, GeneralizedTime from 2050 (RFC 5280, 4.1.2.5). */
void x509_write_validity(struct writer *writer, uint64_t not_before_s, uint64_t not_after_s);

enum x509_critical { X509_NOT_CRITICAL, X509_CRITICAL };

/* Opens an extension; the marks are closed by x509_end_extension. */
struct x509_extension {
    size_t sequence;
    size_t value;
};
struct x509_extension x509_begin_extension(struct writer *writer, struct bytes oid,
                                           enum x509_critical critical);
void x509_end_extension(struct writer *writer, struct x509_extension extension);

/* basicConstraints; `path_length` only for a CA, -1 for none. */
void x509_write_leaf_constraints(struct writer *writer);
void x509_write_ca_constraints(struct writer *writer, int path_length);
/* keyUsage, critical: digitalSignature, or keyCertSign and cRLSign. */
void x509_write_leaf_key_usage(struct writer *writer);
void x509_write_ca_key_usage(struct writer *writer);
void x509_write_extended_key_usage(struct writer *writer, const struct bytes *oids, size_t count);
void x509_write_subject_key_identifier(struct writer *writer,
                                       const uint8_t identifier[X509_KEY_IDENTIFIER_SIZE]);
void x509_write_authority_key_identifier(struct writer *writer,
                                         const uint8_t identifier[X509_KEY_IDENTIFIER_SIZE]);

/*
 * Closes a signed object whose to-be-signed part runs from `start` to the end of what was written:
 * algorithm and signature. Does not close the outer SEQUENCE.
 */
int x509_write_signature(struct writer *writer, size_t start, struct signer signer,
                         struct error *error);

#endif
