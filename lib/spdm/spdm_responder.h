/*
 * An SPDM 1.2 responder (DSP0274, DSP0277): one message in, at most one message out. No I/O, no
 * allocation, one session at a time.
 *
 * Calling sequence: spdm_responder_init once, then spdm_responder_handle for every message of
 * type 5 or 6 that arrives. Everything the device is (chains, keys, measurements, policy of vendor
 * commands) comes through `struct spdm_responder_ops`.
 *
 * Privileges: a session in which the requester's chain was fetched (encapsulated flow) and verified
 * is privileged; without mutual authentication it is read-only. Mutual authentication is demanded
 * of every requester that offers it, when our own capabilities have MUT_AUTH and ENCAP. GET_CSR and
 * SET_CERTIFICATE are answered in a privileged session only.
 *
 * GET_VERSION at any time drops connection and session, so a half-open handshake blocks nobody.
 */
#ifndef NUSEC_SPDM_SPDM_RESPONDER_H
#define NUSEC_SPDM_SPDM_RESPONDER_H

#include "spdm/spdm_measurement.h"
#include "spdm/spdm_messages.h"
#include "spdm/spdm_session.h"
#include "spdm/spdm_transcript.h"

struct spdm_responder_ops {
    /* The CertChain blob of a slot, borrowed until the next call into the responder;
     * NOT_FOUND for an empty slot. */
    enum status (*chain)(void *context, uint8_t slot, struct bytes *blob);

    /* Signs a digest with the key of the slot's leaf certificate. */
    enum status (*sign)(void *context, uint8_t slot, const uint8_t digest[CRYPTO_DIGEST_SIZE],
                        uint8_t signature[CRYPTO_SIGNATURE_SIZE]);

    /* Writes every measurement block, by spdm_measurement_write, index ascending. */
    enum status (*measurements)(void *context, struct writer *blocks);

    /* Checks the requester's chain up to a root the device accepts and returns its leaf key.
     * An unknown root is a failure. May be NULL without MUT_AUTH. */
    enum status (*verify_requester)(void *context, struct bytes chain_blob,
                                    uint8_t public_key[CRYPTO_PUBLIC_KEY_SIZE]);

    /* Writes a PKCS #10 request; `requester_info` is empty or a DER CertificationRequestInfo.
     * INVALID, TRUNCATED, MISMATCH become InvalidRequest, anything else Unspecified. May be NULL
     * without CSR. */
    enum status (*csr)(void *context, struct bytes requester_info, struct writer *csr);

    /* Stores a chain whose shape (spdm_chain_parse) is already checked. INVALID, TRUNCATED and
     * MISMATCH become InvalidRequest, anything else Unspecified. May be NULL without SET_CERT. */
    enum status (*set_certificate)(void *context, uint8_t slot, struct bytes chain_blob);

    /* Answers the payload of a NuSEC vendor-defined message. A status other than OK goes to the
     * requester as a vendor-defined ERROR. */
    enum status (*vendor)(void *context, enum spdm_privilege privilege, struct bytes payload,
                          struct writer *response);
};

struct spdm_responder_config {
    const struct spdm_responder_ops *ops;
    void *context;
    uint32_t capabilities;           /* SPDM_CAPS_BASIC or SPDM_CAPS_PROVISIONING */
    uint8_t crypto_timeout_exponent; /* answers needing crypto come within 2^n microseconds */
    /* Storage for the requester's chain while it is fetched; empty without MUT_AUTH. It bounds the
     * chains that are accepted (SPDM_CHAIN_MAX suffices for any). */
    uint8_t *requester_chain;
    size_t requester_chain_capacity;
};

enum spdm_connection {
    SPDM_CONNECTION_NONE,
    SPDM_CONNECTION_VERSION,
    SPDM_CONNECTION_CAPABILITIES,
    SPDM_CONNECTION_NEGOTIATED,
};

enum spdm_encapsulated {
    SPDM_ENCAPSULATED_NONE,   /* nothing wanted, or finished */
    SPDM_ENCAPSULATED_WANTED, /* GET_ENCAPSULATED_REQUEST must come next */
    SPDM_ENCAPSULATED_DIGESTS,
    SPDM_ENCAPSULATED_CERTIFICATE,
    SPDM_ENCAPSULATED_DEAD, /* failed; only a new connection helps */
};

/* The requester's chain on its way here. */
struct spdm_mutual {
    enum spdm_encapsulated state;
    uint8_t request_id; /* of the encapsulated request that is out */
    bool demanded;
    bool verified;
    uint8_t digest[CRYPTO_DIGEST_SIZE]; /* of the blob, as DIGESTS said */
    size_t received;
    size_t total;
    uint8_t public_key[CRYPTO_PUBLIC_KEY_SIZE];
};

struct spdm_responder_part;

struct spdm_responder {
    struct spdm_responder_config config;
    const struct spdm_responder_part *part; /* the requests there is code for */
    enum spdm_connection connection;
    uint32_t requester_capabilities;
    uint32_t requester_transfer_size;             /* longest message it takes */
    uint8_t last_negotiation[CRYPTO_DIGEST_SIZE]; /* hash of a request that may be repeated */
    struct spdm_transcript transcript;
    struct spdm_session session;
    struct spdm_mutual mutual;
};

/* Copies `config`; ops, context and chain storage must outlive the responder. */
void spdm_responder_init(struct spdm_responder *responder,
                         const struct spdm_responder_config *config);
/*
 * The same for a device that needs less, whose program is then linked with less: with the
 * capabilities of SPDM_CAPS_BASIC only, or with none (VERSION, CAPABILITIES, ALGORITHMS, vendor
 * commands). A capability beyond that must not be in `config`: there is nothing behind it.
 */
void spdm_responder_init_basic(struct spdm_responder *responder,
                               const struct spdm_responder_config *config);
void spdm_responder_init_plain(struct spdm_responder *responder,
                               const struct spdm_responder_config *config);

/*
 * Handles one message; `message` is changed in place (decryption). OK: `response`, started empty
 * by the caller with SPDM_RECORD_MAX bytes, and `*response_type` are to be sent. BUSY: there is
 * nothing to send (the message was not for us). NO_SPACE: `response` was too small.
 */
MUST_USE enum status spdm_responder_handle(struct spdm_responder *responder, uint8_t type,
                                           uint8_t *message, size_t size, struct writer *response,
                                           uint8_t *response_type);

/* Of the established session, NONE without one. */
enum spdm_privilege spdm_responder_privilege(const struct spdm_responder *responder);

/* Drops connection and session and wipes their keys. */
void spdm_responder_reset(struct spdm_responder *responder);

#endif
