#include "spdm/spdm_requester.h"

#include "base/secret.h"
#include "spdm/spdm_requester_internal.h"

#include <string.h>

static enum status build_version(struct spdm_requester *requester, struct writer *message) {
    (void)requester;
    spdm_header_write(message, SPDM_VERSION_10, SPDM_GET_VERSION, 0, 0);
    return STATUS_OK;
}

static enum status build_capabilities(struct spdm_requester *requester, struct writer *message) {
    spdm_capabilities_write(message, SPDM_GET_CAPABILITIES, 0, requester->config.capabilities);
    return STATUS_OK;
}

static enum status build_algorithms(struct spdm_requester *requester, struct writer *message) {
    (void)requester;
    spdm_algorithms_write_request(message);
    return STATUS_OK;
}

/* Adds an exchange to the negotiation, hashed and in full (for measurement transcripts). */
static enum status add_negotiation(struct spdm_requester *requester, struct bytes response) {
    struct writer vca;
    writer_init(&vca, requester->vca, sizeof requester->vca);
    vca.size = requester->vca_size;
    write_bytes(&vca, spdm_requester_request(requester));
    write_bytes(&vca, response);
    requester->vca_size = vca.size;
    crypto_sha256_update(&requester->transcript.vca, spdm_requester_request(requester));
    crypto_sha256_update(&requester->transcript.vca, response);
    return writer_check(&vca);
}

static enum status take_version(struct spdm_requester *requester, struct spdm_response *response,
                                uint8_t *next_step) {
    enum status status = spdm_version_parse(response->message);
    *next_step = SPDM_GET_CAPABILITIES;
    return status == STATUS_OK ? add_negotiation(requester, response->message) : status;
}

static enum status take_capabilities(struct spdm_requester *requester,
                                     struct spdm_response *response, uint8_t *next_step) {
    enum status status =
        spdm_capabilities_parse(response->message, SPDM_PARTY_RESPONDER, &requester->peer);
    *next_step = SPDM_NEGOTIATE_ALGORITHMS;
    return status == STATUS_OK ? add_negotiation(requester, response->message) : status;
}

static enum status take_algorithms(struct spdm_requester *requester, struct spdm_response *response,
                                   uint8_t *next_step) {
    enum status status = spdm_algorithms_parse_response(response->message);
    if (status == STATUS_OK) {
        status = add_negotiation(requester, response->message);
    }
    if (status == STATUS_OK) {
        spdm_transcript_negotiated(&requester->transcript);
        requester->connected = true;
    }
    *next_step = SPDM_STEP_DONE;
    return status;
}

/* Sending it breaks off a CHALLENGE in preparation (10.8.3); mirrors the responder. */
#define DROPS_CHALLENGE 0x01
/* Its bytes enter a transcript. */
#define HASHED 0x02

struct step_rule {
    uint8_t request;
    uint8_t response;
    uint8_t flags;
    spdm_builder *build;
    spdm_taker *take;
};

static const struct step_rule STEPS[] = {
    {SPDM_GET_VERSION, SPDM_VERSION, HASHED, build_version, take_version},
    {SPDM_GET_CAPABILITIES, SPDM_CAPABILITIES, HASHED, build_capabilities, take_capabilities},
    {SPDM_NEGOTIATE_ALGORITHMS, SPDM_ALGORITHMS, HASHED, build_algorithms, take_algorithms},
    {SPDM_GET_DIGESTS, SPDM_DIGESTS, HASHED, spdm_build_digests, spdm_take_digests},
    {SPDM_GET_CERTIFICATE, SPDM_CERTIFICATE, HASHED, spdm_build_certificate, spdm_take_certificate},
    {SPDM_CHALLENGE, SPDM_CHALLENGE_AUTH, HASHED, spdm_build_challenge, spdm_take_challenge},
    {SPDM_GET_MEASUREMENTS, SPDM_MEASUREMENTS, HASHED | DROPS_CHALLENGE, spdm_build_measurements,
     spdm_take_measurements},
    {SPDM_KEY_EXCHANGE, SPDM_KEY_EXCHANGE_RSP, HASHED | DROPS_CHALLENGE, spdm_build_key_exchange,
     spdm_take_key_exchange},
    {SPDM_GET_ENCAPSULATED_REQUEST, SPDM_ENCAPSULATED_REQUEST, DROPS_CHALLENGE,
     spdm_build_encapsulated_request, spdm_take_encapsulated_request},
    {SPDM_DELIVER_ENCAPSULATED_RESPONSE, SPDM_ENCAPSULATED_RESPONSE_ACK, DROPS_CHALLENGE,
     spdm_build_encapsulated_response, spdm_take_encapsulated_ack},
    {SPDM_FINISH, SPDM_FINISH_RSP, DROPS_CHALLENGE, spdm_build_finish, spdm_take_finish},
    {SPDM_END_SESSION, SPDM_END_SESSION_ACK, DROPS_CHALLENGE, spdm_build_end_session,
     spdm_take_end_session},
    {SPDM_GET_CSR, SPDM_CSR, 0, spdm_build_csr, spdm_take_csr},
    {SPDM_SET_CERTIFICATE, SPDM_SET_CERTIFICATE_RSP, 0, spdm_build_set_certificate,
     spdm_take_set_certificate},
    {SPDM_VENDOR_DEFINED_REQUEST, SPDM_VENDOR_DEFINED_RESPONSE, 0, spdm_build_vendor,
     spdm_take_vendor},
};

static const struct step_rule *find_step(uint8_t request) {
    for (size_t i = 0; i < sizeof STEPS / sizeof STEPS[0]; i++) {
        if (STEPS[i].request == request) {
            return &STEPS[i];
        }
    }
    return NULL;
}

void spdm_requester_init(struct spdm_requester *requester,
                         const struct spdm_requester_config *config) {
    memset(requester, 0, sizeof *requester);
    requester->config = *config;
    spdm_requester_reset(requester);
}

void spdm_requester_reset(struct spdm_requester *requester) {
    requester->state = SPDM_REQUESTER_IDLE;
    requester->operation = SPDM_OPERATION_NONE;
    requester->step = SPDM_STEP_DONE;
    requester->failure = STATUS_OK;
    requester->connected = false;
    requester->vca_size = 0;
    requester->chain_verified = false;
    requester->chain_total = 0;
    requester->mutual = false;
    spdm_transcript_reset(&requester->transcript);
    spdm_session_wipe(&requester->session);
    secret_wipe(requester->private_key, sizeof requester->private_key);
    secret_wipe(requester->result, sizeof requester->result);
    requester->result_size = 0;
    requester->result_part = bytes_of(NULL, 0);
}

void spdm_requester_expect_key(struct spdm_requester *requester,
                               const uint8_t key_hash[CRYPTO_DIGEST_SIZE]) {
    requester->key_hash_expected = key_hash != NULL;
    if (key_hash != NULL) {
        memcpy(requester->expected_key_hash, key_hash, CRYPTO_DIGEST_SIZE);
    }
}

struct bytes spdm_requester_request(const struct spdm_requester *requester) {
    return bytes_of(requester->request, requester->request_size);
}

struct bytes spdm_requester_own_chain(const struct spdm_requester *requester, uint8_t slot) {
    switch (slot) {
    case 0: return requester->config.chain;
    case 1: return requester->config.second_chain;
    default: return bytes_of(NULL, 0);
    }
}

static bool is_running(const struct spdm_requester *requester) {
    return requester->state == SPDM_REQUESTER_SEND || requester->state == SPDM_REQUESTER_WAIT;
}

static bool has_session(const struct spdm_requester *requester) {
    return requester->session.phase != SPDM_SESSION_NONE;
}

static enum status start(struct spdm_requester *requester, enum spdm_operation operation,
                         uint8_t step, uint32_t capability) {
    if (is_running(requester) || !requester->connected) {
        return STATUS_BAD_STATE;
    }
    if ((requester->peer.flags & capability) != capability) {
        return STATUS_UNSUPPORTED;
    }
    requester->operation = operation;
    requester->step = step;
    requester->failure = STATUS_OK;
    requester->peer_error = (struct spdm_peer_error){.vendor_status = STATUS_OK};
    requester->result_size = 0;
    requester->result_part = bytes_of(NULL, 0);
    requester->argument = bytes_of(NULL, 0);
    requester->state = SPDM_REQUESTER_SEND;
    return STATUS_OK;
}

enum status spdm_requester_connect(struct spdm_requester *requester) {
    spdm_requester_reset(requester);
    requester->connected = true; /* as far as `start` asks */
    enum status status = start(requester, SPDM_OPERATION_CONNECT, SPDM_GET_VERSION, 0);
    requester->connected = false;
    requester->peer = (struct spdm_capabilities){.transfer_size = SPDM_TRANSFER_SIZE_MIN};
    return status;
}

enum status spdm_requester_get_chain(struct spdm_requester *requester, uint8_t slot) {
    if (slot >= SPDM_SLOTS) {
        return STATUS_INVALID;
    }
    enum status status = start(requester, SPDM_OPERATION_CHAIN, SPDM_GET_DIGESTS, SPDM_CAP_CERT);
    if (status == STATUS_OK) {
        requester->chain_verified = false;
        requester->chain_received = 0;
        requester->chain_total = 0;
        requester->chain_slot = slot;
    }
    return status;
}

enum status spdm_requester_challenge(struct spdm_requester *requester) {
    if (!requester->chain_verified || has_session(requester)) {
        return STATUS_BAD_STATE;
    }
    return start(requester, SPDM_OPERATION_CHALLENGE, SPDM_CHALLENGE, SPDM_CAP_CHAL);
}

enum status spdm_requester_measurements(struct spdm_requester *requester, uint8_t index,
                                        const uint8_t nonce[SPDM_NONCE_SIZE]) {
    if (index == 0) {
        return STATUS_INVALID;
    }
    if (!requester->chain_verified) {
        return STATUS_BAD_STATE;
    }
    uint8_t chosen[SPDM_NONCE_SIZE];
    enum status status = nonce == NULL ? crypto_random(chosen, sizeof chosen) : STATUS_OK;
    if (status == STATUS_OK) {
        status =
            start(requester, SPDM_OPERATION_MEASUREMENTS, SPDM_GET_MEASUREMENTS, SPDM_CAP_MEAS_SIG);
    }
    if (status == STATUS_OK) {
        requester->measurement_index = index;
        memcpy(requester->nonce, nonce == NULL ? chosen : nonce, sizeof requester->nonce);
    }
    return status;
}

enum status spdm_requester_open_session(struct spdm_requester *requester) {
    if (!requester->chain_verified || has_session(requester)) {
        return STATUS_BAD_STATE;
    }
    return start(requester, SPDM_OPERATION_OPEN, SPDM_KEY_EXCHANGE,
                 SPDM_CAP_KEY_EX | SPDM_CAP_ENCRYPT | SPDM_CAP_MAC);
}

enum status spdm_requester_get_csr(struct spdm_requester *requester, struct bytes requester_info) {
    if (!has_session(requester)) {
        return STATUS_BAD_STATE;
    }
    enum status status = start(requester, SPDM_OPERATION_CSR, SPDM_GET_CSR, SPDM_CAP_CSR);
    if (status == STATUS_OK) {
        requester->argument = requester_info;
    }
    return status;
}

enum status spdm_requester_set_certificate(struct spdm_requester *requester, uint8_t slot,
                                           struct bytes chain_blob) {
    if (slot >= SPDM_SLOTS || chain_blob.size > SPDM_CHAIN_MAX) {
        return STATUS_INVALID;
    }
    if (!has_session(requester)) {
        return STATUS_BAD_STATE;
    }
    enum status status =
        start(requester, SPDM_OPERATION_SET_CERTIFICATE, SPDM_SET_CERTIFICATE, SPDM_CAP_SET_CERT);
    if (status == STATUS_OK) {
        requester->slot = slot;
        requester->argument = chain_blob;
    }
    return status;
}

enum status spdm_requester_vendor(struct spdm_requester *requester, struct bytes payload) {
    if (payload.size > SPDM_VENDOR_PAYLOAD_MAX) {
        return STATUS_INVALID;
    }
    enum status status = start(requester, SPDM_OPERATION_VENDOR, SPDM_VENDOR_DEFINED_REQUEST, 0);
    if (status == STATUS_OK) {
        requester->argument = payload;
    }
    return status;
}

enum status spdm_requester_end_session(struct spdm_requester *requester) {
    if (!has_session(requester)) {
        return STATUS_BAD_STATE;
    }
    return start(requester, SPDM_OPERATION_END, SPDM_END_SESSION, 0);
}

enum spdm_requester_state spdm_requester_state(const struct spdm_requester *requester) {
    return requester->state;
}

enum status spdm_requester_failure(const struct spdm_requester *requester) {
    return requester->failure;
}

struct spdm_peer_error spdm_requester_peer_error(const struct spdm_requester *requester) {
    return requester->peer_error;
}

enum spdm_privilege spdm_requester_privilege(const struct spdm_requester *requester) {
    if (requester->session.phase != SPDM_SESSION_ESTABLISHED) {
        return SPDM_PRIVILEGE_NONE;
    }
    return requester->mutual ? SPDM_PRIVILEGE_PRIVILEGED : SPDM_PRIVILEGE_READ_ONLY;
}

struct bytes spdm_requester_chain(const struct spdm_requester *requester) {
    return bytes_of(requester->chain, requester->chain_verified ? requester->chain_total : 0);
}

const uint8_t *spdm_requester_peer_key(const struct spdm_requester *requester) {
    return requester->chain_verified ? requester->peer_key : NULL;
}

struct bytes spdm_requester_result(const struct spdm_requester *requester) {
    return requester->state == SPDM_REQUESTER_DONE ? requester->result_part : bytes_of(NULL, 0);
}

struct bytes spdm_requester_measurement_transcript(const struct spdm_requester *requester) {
    bool there = requester->state == SPDM_REQUESTER_DONE &&
                 requester->operation == SPDM_OPERATION_MEASUREMENTS;
    return bytes_of(requester->result, there ? requester->result_size : 0);
}

static void drop_session(struct spdm_requester *requester) {
    spdm_session_wipe(&requester->session);
    secret_wipe(requester->private_key, sizeof requester->private_key);
    requester->mutual = false;
}

/* A handshake that fails leaves no session, whatever the reason. */
static enum status fail(struct spdm_requester *requester, enum status status) {
    struct spdm_transcript *transcript = &requester->transcript;
    transcript->measurements[has_session(requester) ? SPDM_INSIDE : SPDM_OUTSIDE] = transcript->vca;
    if (requester->operation == SPDM_OPERATION_OPEN ||
        requester->peer_error.code == SPDM_ERROR_DECRYPT) {
        drop_session(requester);
    }
    requester->state = SPDM_REQUESTER_FAILED;
    requester->failure = status;
    return status;
}

void spdm_requester_abort(struct spdm_requester *requester, enum status status) {
    if (is_running(requester)) {
        drop_session(requester);
        (void)fail(requester, status);
    }
}

/* Remembers the request for the transcripts and starts those over that it breaks off. */
static enum status note_request(struct spdm_requester *requester, const struct step_rule *rule,
                                struct bytes request) {
    struct spdm_transcript *transcript = &requester->transcript;
    struct writer copy;
    if (requester->connected) {
        if ((rule->flags & DROPS_CHALLENGE) != 0) {
            transcript->challenge = transcript->vca;
        }
        transcript->measurements[has_session(requester) ? SPDM_INSIDE : SPDM_OUTSIDE] =
            transcript->vca;
    }
    requester->request_size = 0;
    if ((rule->flags & HASHED) == 0) {
        return STATUS_OK;
    }
    writer_init(&copy, requester->request, sizeof requester->request);
    write_bytes(&copy, request);
    requester->request_size = copy.size;
    return writer_check(&copy);
}

/* Builds the current step's request, sealed if there is a session. */
static enum status build(struct spdm_requester *requester, struct writer *message) {
    const struct step_rule *rule = find_step(requester->step);
    bool inside = has_session(requester);
    size_t offset = inside ? SPDM_SECURED_OFFSET : 0;
    struct writer inner;
    if (rule == NULL || message->capacity < SPDM_RECORD_MAX) {
        return STATUS_NO_SPACE;
    }
    writer_init(&inner, &message->data[offset], SPDM_MESSAGE_MAX);
    enum status status = rule->build(requester, &inner);
    if (status == STATUS_OK) {
        status = writer_check(&inner);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (inner.size > requester->peer.transfer_size && requester->connected) {
        return STATUS_NO_SPACE;
    }
    status = note_request(requester, rule, writer_bytes(&inner));
    message->size = inner.size;
    if (status == STATUS_OK && inside) {
        status = spdm_secured_seal(&requester->session.request, requester->session.id,
                                   message->data, message->capacity, inner.size, 0, &message->size);
    }
    return status;
}

enum status spdm_requester_output(struct spdm_requester *requester, struct writer *message,
                                  uint8_t *type) {
    if (requester->state != SPDM_REQUESTER_SEND) {
        return STATUS_BAD_STATE;
    }
    *type = has_session(requester) ? SPDM_TYPE_SECURED : SPDM_TYPE_CLEAR;
    enum status status = build(requester, message);
    if (status != STATUS_OK) {
        message->size = 0;
        return fail(requester, status);
    }
    requester->state = SPDM_REQUESTER_WAIT;
    return STATUS_OK;
}

/* Keeps what an ERROR message says. */
static enum status take_error(struct spdm_requester *requester, struct spdm_response *response) {
    struct spdm_peer_error *error = &requester->peer_error;
    error->code = response->param1;
    error->data = response->param2;
    if (error->code == SPDM_ERROR_VENDOR && error->data == SPDM_VENDOR_STANDARD) {
        uint8_t id_size = read_u8(&response->reader);
        uint32_t id = read_u32le(&response->reader);
        uint16_t status = read_u16le(&response->reader);
        if (reader_finish(&response->reader) == STATUS_OK && id_size == sizeof id &&
            id == SPDM_VENDOR_ID) {
            error->vendor_status = (enum status)status;
        }
    }
    return fail(requester, STATUS_PEER_ERROR);
}

static enum status take(struct spdm_requester *requester, struct bytes message) {
    const struct step_rule *rule = find_step(requester->step);
    struct spdm_response response = {.message = message};
    uint8_t next_step = SPDM_STEP_DONE;

    reader_init(&response.reader, message);
    uint8_t version = read_u8(&response.reader);
    uint8_t code = read_u8(&response.reader);
    response.param1 = read_u8(&response.reader);
    response.param2 = read_u8(&response.reader);
    if (reader_check(&response.reader) != STATUS_OK || rule == NULL ||
        message.size > SPDM_MESSAGE_MAX) {
        return fail(requester, STATUS_INVALID);
    }
    if (code == SPDM_ERROR) {
        return take_error(requester, &response);
    }
    uint8_t expected = code == SPDM_VERSION ? SPDM_VERSION_10 : SPDM_VERSION_12;
    if (code != rule->response || version != expected) {
        return fail(requester, STATUS_INVALID);
    }
    enum status status = rule->take(requester, &response, &next_step);
    if (status != STATUS_OK) {
        return fail(requester, status);
    }
    requester->step = next_step;
    requester->state = next_step == SPDM_STEP_DONE ? SPDM_REQUESTER_DONE : SPDM_REQUESTER_SEND;
    return STATUS_OK;
}

enum status spdm_requester_input(struct spdm_requester *requester, uint8_t type, uint8_t *message,
                                 size_t size) {
    struct bytes inner = bytes_of(message, size);
    if (requester->state != SPDM_REQUESTER_WAIT) {
        return STATUS_BAD_STATE;
    }
    if (!has_session(requester)) {
        return type == SPDM_TYPE_CLEAR ? take(requester, inner) : STATUS_BUSY;
    }
    /* In a session nothing clear is believed, not even an ERROR. */
    if (type != SPDM_TYPE_SECURED || spdm_secured_session(inner) != requester->session.id) {
        return STATUS_BUSY;
    }
    enum status status = spdm_secured_open(&requester->session.response, message, size, &inner);
    if (status != STATUS_OK) {
        drop_session(requester);
        return fail(requester, status);
    }
    return take(requester, inner);
}
