/*
 * A device and a host for the tests of this folder: keys, chains in a toy certificate format (a
 * SEQUENCE around a public key, "signed" by nobody), and a wire between the two engines on which a
 * test can sit.
 */
#ifndef NUSEC_SPDM_TESTING_FIXTURE_H
#define NUSEC_SPDM_TESTING_FIXTURE_H

#include "spdm/spdm_requester.h"
#include "spdm/spdm_responder.h"

#define FIXTURE_CERTIFICATE_SIZE 68
#define FIXTURE_BLOB_MAX         1024

struct fixture_party {
    uint8_t private_key[CRYPTO_PRIVATE_KEY_SIZE];
    uint8_t public_key[CRYPTO_PUBLIC_KEY_SIZE];
    uint8_t blob[FIXTURE_BLOB_MAX];
    size_t blob_size;
};

struct fixture;
/* Sees (and may change, or drop by returning false) every message on the wire. */
typedef bool fixture_tap(struct fixture *fixture, bool to_device, uint8_t *type, uint8_t *message,
                         size_t *size);

struct fixture {
    struct fixture_party device;
    struct fixture_party host;
    struct fixture_party stranger; /* a root that neither side knows */
    struct spdm_responder responder;
    struct spdm_requester requester;
    uint8_t requester_chain[SPDM_CHAIN_MAX];
    uint8_t stored[FIXTURE_BLOB_MAX]; /* by SET_CERTIFICATE */
    size_t stored_size;
    unsigned int sessions_seen;
    enum spdm_privilege seen_privilege; /* of the latest vendor command */
    enum status csr_status;
    enum status vendor_status;
    size_t measurement_size; /* of the manifest block */
    fixture_tap *tap;
    void *tap_context;
    unsigned int carried; /* messages on the wire so far */
    uint8_t last_response[SPDM_RECORD_MAX];
    size_t last_response_size;
};

/* Engines with these capabilities (0: everything). */
void fixture_start(struct fixture *fixture, uint32_t device_caps, uint32_t host_caps);

/* A chain of a root and a leaf with `party`'s key under `root`. */
void fixture_make_chain(struct fixture_party *party, const struct fixture_party *root);

/* Carries one message to the device and its answer back. LINK if either got lost. */
enum status fixture_step(struct fixture *fixture);

/* Carries messages until the operation ends; how it ended. */
enum status fixture_run(struct fixture *fixture);

/* One clear message to the device; the answer is in last_response. OK or BUSY (no answer). */
enum status fixture_send(struct fixture *fixture, struct bytes message);

/* One message to the device under the requester's session keys; answer opened, as above. */
enum status fixture_send_inside(struct fixture *fixture, struct bytes message);

/* connect, get_chain; and a session too. */
enum status fixture_connect(struct fixture *fixture);
enum status fixture_open(struct fixture *fixture);
/* connect, get_chain, KEY_EXCHANGE: a session in its handshake. */
enum status fixture_handshake(struct fixture *fixture);

#endif
