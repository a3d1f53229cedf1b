#include "spdm/spdm_responder.h"

#include "base/secret.h"
#include "spdm/spdm_negotiation.h"
#include "spdm/spdm_responder_internal.h"

/* Where a request may come from. */
#define OUTSIDE     0x01
#define HANDSHAKE   0x02
#define ESTABLISHED 0x04
/* Outside, the answer is SessionRequired and not UnexpectedRequest. */
#define ONLY_SESSION 0x08
/* Breaks off a CHALLENGE in preparation: M1/M2 start again (10.8.3). */
#define DROPS_CHALLENGE 0x10
/* Part of the encapsulated flow. */
#define ENCAPSULATED 0x20

struct request_rule {
    uint8_t code;
    uint8_t flags;
    uint8_t connection; /* enum spdm_connection: at least this */
    uint32_t capability;
    spdm_handler *handler;
};

static const struct request_rule PLAIN_RULES[] = {
    {SPDM_GET_VERSION, OUTSIDE, SPDM_CONNECTION_NONE, 0, spdm_respond_version},
    {SPDM_GET_CAPABILITIES, OUTSIDE, SPDM_CONNECTION_VERSION, 0, spdm_respond_capabilities},
    {SPDM_NEGOTIATE_ALGORITHMS, OUTSIDE, SPDM_CONNECTION_CAPABILITIES, 0, spdm_respond_algorithms},
    {SPDM_VENDOR_DEFINED_REQUEST, OUTSIDE | ESTABLISHED, SPDM_CONNECTION_NEGOTIATED, 0,
     spdm_respond_vendor},
};

static const struct request_rule SESSION_RULES[] = {
    {SPDM_GET_DIGESTS, OUTSIDE | ESTABLISHED, SPDM_CONNECTION_NEGOTIATED, SPDM_CAP_CERT,
     spdm_respond_digests},
    {SPDM_GET_CERTIFICATE, OUTSIDE | ESTABLISHED, SPDM_CONNECTION_NEGOTIATED, SPDM_CAP_CERT,
     spdm_respond_certificate},
    {SPDM_CHALLENGE, OUTSIDE, SPDM_CONNECTION_NEGOTIATED, SPDM_CAP_CHAL, spdm_respond_challenge},
    {SPDM_GET_MEASUREMENTS, OUTSIDE | ESTABLISHED | DROPS_CHALLENGE, SPDM_CONNECTION_NEGOTIATED,
     SPDM_CAP_MEAS_SIG, spdm_respond_measurements},
    {SPDM_KEY_EXCHANGE, OUTSIDE | DROPS_CHALLENGE, SPDM_CONNECTION_NEGOTIATED, SPDM_CAP_KEY_EX,
     spdm_respond_key_exchange},
    {SPDM_FINISH, HANDSHAKE | ONLY_SESSION | DROPS_CHALLENGE, SPDM_CONNECTION_NEGOTIATED,
     SPDM_CAP_KEY_EX, spdm_respond_finish},
    {SPDM_END_SESSION, ESTABLISHED | ONLY_SESSION | DROPS_CHALLENGE, SPDM_CONNECTION_NEGOTIATED,
     SPDM_CAP_KEY_EX, spdm_respond_end_session},
};

static const struct request_rule PROVISIONING_RULES[] = {
    {SPDM_GET_ENCAPSULATED_REQUEST, HANDSHAKE | ENCAPSULATED | DROPS_CHALLENGE,
     SPDM_CONNECTION_NEGOTIATED, SPDM_CAP_ENCAP, spdm_respond_encapsulated_request},
    {SPDM_DELIVER_ENCAPSULATED_RESPONSE, HANDSHAKE | ENCAPSULATED | DROPS_CHALLENGE,
     SPDM_CONNECTION_NEGOTIATED, SPDM_CAP_ENCAP, spdm_respond_encapsulated_response},
    {SPDM_GET_CSR, ESTABLISHED, SPDM_CONNECTION_NEGOTIATED, SPDM_CAP_CSR, spdm_respond_csr},
    {SPDM_SET_CERTIFICATE, ESTABLISHED, SPDM_CONNECTION_NEGOTIATED, SPDM_CAP_SET_CERT,
     spdm_respond_set_certificate},
};

/* Requests come in parts, of which a program is linked with those its initialisation names: a boot
 * ROM without identity carries no session code. */
struct spdm_responder_part {
    const struct request_rule *rules;
    size_t rule_count;
    const struct spdm_responder_part *narrower; /* what it builds on; NULL */
    /* NULL without sessions. */
    enum status (*handle_record)(struct spdm_responder *responder, uint8_t *message, size_t size,
                                 struct writer *response);
    void (*finish_step)(struct spdm_responder *responder, enum spdm_after after);
};

void spdm_responder_reset(struct spdm_responder *responder) {
    responder->connection = SPDM_CONNECTION_NONE;
    responder->requester_capabilities = 0;
    responder->requester_transfer_size = SPDM_MESSAGE_MAX;
    spdm_transcript_reset(&responder->transcript);
    spdm_session_wipe(&responder->session);
    responder->mutual = (struct spdm_mutual){.state = SPDM_ENCAPSULATED_NONE};
}

enum spdm_privilege spdm_responder_privilege(const struct spdm_responder *responder) {
    if (responder->session.phase != SPDM_SESSION_ESTABLISHED) {
        return SPDM_PRIVILEGE_NONE;
    }
    return responder->mutual.verified ? SPDM_PRIVILEGE_PRIVILEGED : SPDM_PRIVILEGE_READ_ONLY;
}

size_t spdm_responder_message_max(const struct spdm_responder *responder) {
    return responder->requester_transfer_size < SPDM_MESSAGE_MAX
               ? responder->requester_transfer_size
               : SPDM_MESSAGE_MAX;
}

enum status spdm_responder_random(struct writer *response, size_t size) {
    uint8_t *place = write_reserve(response, size);
    return place == NULL ? STATUS_NO_SPACE : crypto_random(place, size);
}

static const struct request_rule *find_rule(const struct spdm_responder *responder, uint8_t code) {
    for (const struct spdm_responder_part *part = responder->part; part != NULL;
         part = part->narrower) {
        for (size_t i = 0; i < part->rule_count; i++) {
            const struct request_rule *rule = &part->rules[i];
            bool can = (responder->config.capabilities & rule->capability) == rule->capability;
            if (rule->code == code && can) {
                return rule;
            }
        }
    }
    return NULL;
}

static uint8_t current_place(const struct spdm_exchange *exchange) {
    if (!exchange->inside) {
        return OUTSIDE;
    }
    return exchange->responder->session.phase == SPDM_SESSION_ESTABLISHED ? ESTABLISHED : HANDSHAKE;
}

static enum spdm_error check_place(const struct spdm_exchange *exchange,
                                   const struct request_rule *rule) {
    const struct spdm_responder *responder = exchange->responder;
    uint8_t flow = rule == NULL ? 0 : rule->flags & ENCAPSULATED;
    if (spdm_mutual_is_pending(&responder->mutual) && flow == 0) {
        return SPDM_ERROR_REQUEST_IN_FLIGHT;
    }
    if (rule == NULL) {
        return SPDM_ERROR_UNSUPPORTED_REQUEST;
    }
    if (responder->connection < rule->connection) {
        return SPDM_ERROR_UNEXPECTED_REQUEST;
    }
    if ((rule->flags & current_place(exchange)) == 0) {
        bool required = !exchange->inside && (rule->flags & ONLY_SESSION) != 0;
        return required ? SPDM_ERROR_SESSION_REQUIRED : SPDM_ERROR_UNEXPECTED_REQUEST;
    }
    return SPDM_ERROR_NONE;
}

/* Handles a request whose header has been read; any error forgets L1/L2 (10.11.2). */
static enum spdm_error dispatch(struct spdm_exchange *exchange, uint8_t version) {
    struct spdm_transcript *transcript = &exchange->responder->transcript;
    struct crypto_sha256 *measurements =
        &transcript->measurements[exchange->inside ? SPDM_INSIDE : SPDM_OUTSIDE];
    const struct request_rule *rule = find_rule(exchange->responder, exchange->code);
    bool hello = exchange->code == SPDM_GET_VERSION && !exchange->inside;

    if (version != (hello ? SPDM_VERSION_10 : SPDM_VERSION_12)) {
        return SPDM_ERROR_VERSION_MISMATCH;
    }
    enum spdm_error error = hello ? SPDM_ERROR_NONE : check_place(exchange, rule);
    if (exchange->code != SPDM_GET_MEASUREMENTS) {
        *measurements = transcript->vca;
    }
    if (error == SPDM_ERROR_NONE && rule != NULL) {
        if ((rule->flags & DROPS_CHALLENGE) != 0) {
            transcript->challenge = transcript->vca;
        }
        error = rule->handler(exchange);
    }
    if (error != SPDM_ERROR_NONE) {
        *measurements = transcript->vca;
    }
    return error;
}

/* 1.2 once it is agreed on, which it is with a GET_CAPABILITIES of that version. */
static uint8_t error_version(const struct spdm_exchange *exchange, enum spdm_error error) {
    enum spdm_connection connection = exchange->responder->connection;
    bool agreeing = connection == SPDM_CONNECTION_VERSION &&
                    exchange->code == SPDM_GET_CAPABILITIES && error != SPDM_ERROR_VERSION_MISMATCH;
    return connection >= SPDM_CONNECTION_CAPABILITIES || agreeing ? SPDM_VERSION_12
                                                                  : SPDM_VERSION_10;
}

static void write_error(struct spdm_exchange *exchange, enum spdm_error error) {
    struct writer *response = exchange->response;
    response->size = 0;
    response->failed = false;
    if (error == SPDM_ERROR_UNSUPPORTED_REQUEST) {
        exchange->error_data = exchange->code;
    } else if (error == SPDM_ERROR_VENDOR) {
        exchange->error_data = SPDM_VENDOR_STANDARD;
    }
    spdm_header_write(response, error_version(exchange, error), SPDM_ERROR, (uint8_t)error,
                      exchange->error_data);
    if (error == SPDM_ERROR_RESPONSE_TOO_LARGE) {
        write_u32le(response, exchange->wanted_size);
    } else if (error == SPDM_ERROR_VENDOR) {
        write_u8(response, sizeof(uint32_t));
        write_u32le(response, SPDM_VENDOR_ID);
        write_u16le(response, (uint16_t)exchange->vendor_status);
    }
}

/* Always leaves a response, except for what is no request at all. */
static enum status respond(struct spdm_exchange *exchange) {
    reader_init(&exchange->reader, exchange->request);
    uint8_t version = read_u8(&exchange->reader);
    exchange->code = read_u8(&exchange->reader);
    exchange->param1 = read_u8(&exchange->reader);
    exchange->param2 = read_u8(&exchange->reader);
    enum spdm_error error = SPDM_ERROR_INVALID_REQUEST;
    if (reader_check(&exchange->reader) == STATUS_OK) {
        if (exchange->code < 0x80) {
            return STATUS_BUSY; /* a response: answering it could set off an endless exchange */
        }
        error = dispatch(exchange, version);
    }
    if (error == SPDM_ERROR_NONE && writer_check(exchange->response) != STATUS_OK) {
        error = SPDM_ERROR_UNSPECIFIED;
    }
    size_t longest = spdm_responder_message_max(exchange->responder);
    if (error == SPDM_ERROR_NONE && exchange->response->size > longest) {
        /* What the handler began is worth nothing if its answer cannot be carried. */
        exchange->wanted_size = (uint32_t)exchange->response->size;
        exchange->after = exchange->code == SPDM_KEY_EXCHANGE ? SPDM_AFTER_CLOSE : exchange->after;
        error = SPDM_ERROR_RESPONSE_TOO_LARGE;
    }
    if (error != SPDM_ERROR_NONE) {
        write_error(exchange, error);
    }
    return writer_check(exchange->response);
}

static void finish_session_step(struct spdm_responder *responder, enum spdm_after after) {
    uint8_t th2[CRYPTO_DIGEST_SIZE];
    if (after == SPDM_AFTER_DATA_KEYS) {
        spdm_transcript_digest(&responder->transcript.exchange, th2);
        responder->session.phase = SPDM_SESSION_ESTABLISHED;
        if (spdm_session_data(&responder->session, th2) != STATUS_OK) {
            after = SPDM_AFTER_CLOSE;
        }
    }
    if (after == SPDM_AFTER_CLOSE) {
        spdm_session_wipe(&responder->session);
        responder->mutual = (struct spdm_mutual){.state = SPDM_ENCAPSULATED_NONE};
    }
}

static enum status handle_record(struct spdm_responder *responder, uint8_t *message, size_t size,
                                 struct writer *response) {
    struct spdm_session *session = &responder->session;
    struct writer inner;
    struct spdm_exchange exchange = {
        .responder = responder, .inside = true, .response = &inner, .after = SPDM_AFTER_NOTHING};

    if (session->phase == SPDM_SESSION_NONE ||
        spdm_secured_session(bytes_of(message, size)) != session->id) {
        return STATUS_BUSY;
    }
    if (response->capacity < SPDM_RECORD_MAX) {
        return STATUS_NO_SPACE;
    }
    writer_init(&inner, &response->data[SPDM_SECURED_OFFSET], SPDM_MESSAGE_MAX);
    if (spdm_secured_open(&session->request, message, size, &exchange.request) != STATUS_OK) {
        exchange.after = SPDM_AFTER_CLOSE;
        write_error(&exchange, SPDM_ERROR_DECRYPT);
    } else if (respond(&exchange) != STATUS_OK) {
        return STATUS_BUSY;
    }
    enum status status = spdm_secured_seal(&session->response, session->id, response->data,
                                           response->capacity, inner.size, 0, &response->size);
    finish_session_step(responder, status == STATUS_OK ? exchange.after : SPDM_AFTER_CLOSE);
    return status == STATUS_OK ? STATUS_OK : STATUS_BUSY;
}

static const struct spdm_responder_part PLAIN = {
    .rules = PLAIN_RULES,
    .rule_count = sizeof PLAIN_RULES / sizeof PLAIN_RULES[0],
};

static const struct spdm_responder_part SESSIONS = {
    .rules = SESSION_RULES,
    .rule_count = sizeof SESSION_RULES / sizeof SESSION_RULES[0],
    .narrower = &PLAIN,
    .handle_record = handle_record,
    .finish_step = finish_session_step,
};

static const struct spdm_responder_part PROVISIONING = {
    .rules = PROVISIONING_RULES,
    .rule_count = sizeof PROVISIONING_RULES / sizeof PROVISIONING_RULES[0],
    .narrower = &SESSIONS,
    .handle_record = handle_record,
    .finish_step = finish_session_step,
};

static void init(struct spdm_responder *responder, const struct spdm_responder_config *config,
                 const struct spdm_responder_part *part) {
    *responder = (struct spdm_responder){.config = *config, .part = part};
    spdm_responder_reset(responder);
}

void spdm_responder_init(struct spdm_responder *responder,
                         const struct spdm_responder_config *config) {
    init(responder, config, &PROVISIONING);
}

void spdm_responder_init_basic(struct spdm_responder *responder,
                               const struct spdm_responder_config *config) {
    init(responder, config, &SESSIONS);
}

void spdm_responder_init_plain(struct spdm_responder *responder,
                               const struct spdm_responder_config *config) {
    init(responder, config, &PLAIN);
}

enum status spdm_responder_handle(struct spdm_responder *responder, uint8_t type, uint8_t *message,
                                  size_t size, struct writer *response, uint8_t *response_type) {
    struct spdm_exchange exchange = {.responder = responder,
                                     .request = bytes_of(message, size),
                                     .response = response,
                                     .after = SPDM_AFTER_NOTHING};
    *response_type = type;
    if (type == SPDM_TYPE_SECURED && responder->part->handle_record != NULL) {
        return responder->part->handle_record(responder, message, size, response);
    }
    if (type != SPDM_TYPE_CLEAR) {
        return STATUS_BUSY;
    }
    enum status status = respond(&exchange);
    if (responder->part->finish_step != NULL) {
        responder->part->finish_step(responder, exchange.after);
    }
    return status;
}
