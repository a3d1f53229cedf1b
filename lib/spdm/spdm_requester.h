/*
 * An SPDM 1.2 requester (DSP0274, DSP0277): operations to start, messages to carry. No I/O, no
 * allocation, no clock; time-outs and retries are the caller's.
 *
 * Calling sequence: spdm_requester_init; start an operation; then, while the state says so,
 *     SEND  spdm_requester_output, and carry the message to the device
 *     WAIT  carry the device's answer to spdm_requester_input
 * until DONE (results are ready) or FAILED (spdm_requester_failure says why). Then start the next:
 *
 *     connect -> get_chain -> [challenge] -> [measurements] -> open_session -> vendor, get_csr,
 *     set_certificate, measurements ... -> end_session
 *
 * While a session is open every operation travels inside it. Connect may be started at any time and
 * drops everything. An ERROR from the device fails the operation only; a message that should be
 * authentic and is not ends the session too.
 *
 * Results and arguments: results stay valid until the next start. Arguments given as `struct bytes`
 * are borrowed until the operation is DONE or FAILED.
 */
#ifndef NUSEC_SPDM_SPDM_REQUESTER_H
#define NUSEC_SPDM_SPDM_REQUESTER_H

#include "spdm/spdm_messages.h"
#include "spdm/spdm_negotiation.h"
#include "spdm/spdm_session.h"
#include "spdm/spdm_transcript.h"

struct spdm_requester_ops {
    /* Checks the device's chain (CertChain blob, shape already checked) and returns its leaf key.
     * Whether an unknown root or a self-signed ephemeral certificate will do is decided here. */
    enum status (*verify_chain)(void *context, struct bytes chain_blob,
                                uint8_t public_key[CRYPTO_PUBLIC_KEY_SIZE]);

    /* Signs a digest with the key of `chain`. May be NULL without a chain. */
    enum status (*sign)(void *context, const uint8_t digest[CRYPTO_DIGEST_SIZE],
                        uint8_t signature[CRYPTO_SIGNATURE_SIZE]);
};

struct spdm_requester_config {
    const struct spdm_requester_ops *ops;
    void *context;
    uint32_t capabilities;     /* SPDM_CAPS_REQUESTER, or _MUTUAL with a chain */
    struct bytes chain;        /* our own CertChain blob (slot 0), borrowed; empty without one */
    struct bytes second_chain; /* slot 1, for the same key; normally empty */
    /* Longest CERTIFICATE portion asked for; 0 stands for the whole chain at once. */
    uint16_t certificate_portion;
};

enum spdm_requester_state {
    SPDM_REQUESTER_IDLE,
    SPDM_REQUESTER_SEND,
    SPDM_REQUESTER_WAIT,
    SPDM_REQUESTER_DONE,
    SPDM_REQUESTER_FAILED,
};

enum spdm_operation {
    SPDM_OPERATION_NONE,
    SPDM_OPERATION_CONNECT,
    SPDM_OPERATION_CHAIN,
    SPDM_OPERATION_CHALLENGE,
    SPDM_OPERATION_MEASUREMENTS,
    SPDM_OPERATION_OPEN,
    SPDM_OPERATION_CSR,
    SPDM_OPERATION_SET_CERTIFICATE,
    SPDM_OPERATION_VENDOR,
    SPDM_OPERATION_END,
};

/* What the device answered instead of the response. */
struct spdm_peer_error {
    uint8_t code; /* enum spdm_error; 0 if the failure was not an ERROR message */
    uint8_t data;
    enum status vendor_status; /* of a NuSEC vendor error, else OK */
};

#define SPDM_VCA_MAX 256
/* The longest request that enters a transcript. */
#define SPDM_HASHED_REQUEST_MAX 128

/* The device's side of the encapsulated flow, as far as we have to remember it. */
struct spdm_served {
    uint8_t request_id;
    uint8_t code; /* of the encapsulated request to answer */
    uint8_t slot;
    uint16_t offset;
    uint16_t length;
    uint8_t count; /* requests served: bounds the flow */
};

struct spdm_requester {
    struct spdm_requester_config config;
    enum spdm_requester_state state;
    enum spdm_operation operation;
    uint8_t step; /* code of the request to send next, or in flight */
    enum status failure;
    struct spdm_peer_error peer_error;
    /* connection */
    bool connected;
    struct spdm_capabilities peer;
    uint8_t vca[SPDM_VCA_MAX];
    size_t vca_size;
    struct spdm_transcript transcript;
    /* the device's chain */
    uint8_t chain[SPDM_CHAIN_MAX];
    size_t chain_received;
    size_t chain_total;
    bool chain_verified;
    uint8_t chain_slot;
    uint8_t chain_digest[CRYPTO_DIGEST_SIZE];
    uint8_t peer_key[CRYPTO_PUBLIC_KEY_SIZE];
    uint8_t expected_key_hash[CRYPTO_DIGEST_SIZE];
    bool key_hash_expected;
    /* session */
    struct spdm_session session;
    bool mutual;
    uint8_t own_slot; /* our chain that the device fetched */
    struct spdm_served served;
    uint8_t private_key[CRYPTO_PRIVATE_KEY_SIZE];
    /* operation */
    struct bytes argument;
    uint8_t slot;
    uint8_t measurement_index;
    uint8_t nonce[SPDM_NONCE_SIZE];
    uint8_t request[SPDM_HASHED_REQUEST_MAX]; /* in flight, for the transcripts */
    size_t request_size;
    uint8_t result[SPDM_VCA_MAX + SPDM_HASHED_REQUEST_MAX + SPDM_MESSAGE_MAX];
    size_t result_size;
    struct bytes result_part; /* what spdm_requester_result returns */
};

/* Copies `config`; ops, context and chain must outlive the requester. */
void spdm_requester_init(struct spdm_requester *requester,
                         const struct spdm_requester_config *config);

/* Session keys and results are wiped. */
void spdm_requester_reset(struct spdm_requester *requester);

/*
 * Require that the device's leaf key hash (SHA-256 of X || Y) be this; checked when the chain
 * arrives, so before any signature is believed. NULL: no such requirement. Survives connect.
 */
void spdm_requester_expect_key(struct spdm_requester *requester,
                               const uint8_t key_hash[CRYPTO_DIGEST_SIZE]);

/* Starting an operation: BAD_STATE while another one runs or what it needs has not been done;
 * UNSUPPORTED if the device lacks the capability; INVALID for bad arguments. */
MUST_USE enum status spdm_requester_connect(struct spdm_requester *requester);
/* DIGESTS, CERTIFICATE until complete; verified by the verify_chain op. */
MUST_USE enum status spdm_requester_get_chain(struct spdm_requester *requester, uint8_t slot);
/* Outside a session only; proves possession of the chain's key. */
MUST_USE enum status spdm_requester_challenge(struct spdm_requester *requester);
/* Signed MEASUREMENTS of one index or SPDM_MEASUREMENT_ALL; `nonce` NULL: a random one. */
MUST_USE enum status spdm_requester_measurements(struct spdm_requester *requester, uint8_t index,
                                                 const uint8_t nonce[SPDM_NONCE_SIZE]);
/* KEY_EXCHANGE, encapsulated flow if the device wants it, FINISH. Needs get_chain. */
MUST_USE enum status spdm_requester_open_session(struct spdm_requester *requester);
/* Session only. `requester_info` may be empty. */
MUST_USE enum status spdm_requester_get_csr(struct spdm_requester *requester,
                                            struct bytes requester_info);
MUST_USE enum status spdm_requester_set_certificate(struct spdm_requester *requester, uint8_t slot,
                                                    struct bytes chain_blob);
/* NuSEC vendor-defined message, inside the session if there is one. */
MUST_USE enum status spdm_requester_vendor(struct spdm_requester *requester, struct bytes payload);
MUST_USE enum status spdm_requester_end_session(struct spdm_requester *requester);

enum spdm_requester_state spdm_requester_state(const struct spdm_requester *requester);

/*
 * Writes the message to send (a writer of SPDM_RECORD_MAX bytes) and its type. BAD_STATE unless
 * SEND. On OK the state is WAIT, on any other status FAILED.
 */
MUST_USE enum status spdm_requester_output(struct spdm_requester *requester, struct writer *message,
                                           uint8_t *type);

/*
 * Takes a message from the device; it is changed in place. OK: taken, look at the state. BUSY: not
 * for us (other session, other type), still waiting. BAD_STATE unless WAIT. Any other status is
 * the one the operation FAILED with.
 */
MUST_USE enum status spdm_requester_input(struct spdm_requester *requester, uint8_t type,
                                          uint8_t *message, size_t size);

/* Gives up the running operation (time-out, cable): FAILED with `status`. A session is dropped,
 * since its counters can no longer be trusted to agree. */
void spdm_requester_abort(struct spdm_requester *requester, enum status status);

/* Why the state is FAILED; PEER_ERROR when the device sent ERROR, then see peer_error. */
enum status spdm_requester_failure(const struct spdm_requester *requester);
struct spdm_peer_error spdm_requester_peer_error(const struct spdm_requester *requester);

/* NONE without an established session. */
enum spdm_privilege spdm_requester_privilege(const struct spdm_requester *requester);

/* The verified CertChain blob and its leaf key; empty or NULL before get_chain is DONE. */
struct bytes spdm_requester_chain(const struct spdm_requester *requester);
const uint8_t *spdm_requester_peer_key(const struct spdm_requester *requester);

/* Result of get_csr (DER), vendor (payload), measurements (record: blocks one after another). */
struct bytes spdm_requester_result(const struct spdm_requester *requester);

/* After measurements: VCA, GET_MEASUREMENTS, MEASUREMENTS with its signature, as a third party
 * needs them to verify the device's statement again (spdm_measurement_verify). */
struct bytes spdm_requester_measurement_transcript(const struct spdm_requester *requester);

#endif
