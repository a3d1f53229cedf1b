/* KEY_EXCHANGE, FINISH, END_SESSION from the requester's side. */
#include "base/secret.h"
#include "spdm/spdm_opaque.h"
#include "spdm/spdm_requester_internal.h"
#include "spdm/spdm_signing.h"

#include <string.h>

#define SUMMARY_NONE        0x00
#define MUTUAL_NONE         0
#define MUTUAL_ENCAPSULATED 2
#define SIGNATURE_INCLUDED  0x01

enum status spdm_build_key_exchange(struct spdm_requester *requester, struct writer *message) {
    uint8_t id[sizeof(uint16_t)];
    uint8_t random[SPDM_NONCE_SIZE];
    uint8_t public_key[CRYPTO_PUBLIC_KEY_SIZE];
    enum status status = crypto_random(id, sizeof id);
    if (status == STATUS_OK) {
        status = crypto_random(random, sizeof random);
    }
    if (status == STATUS_OK) {
        status = crypto_p256_generate(requester->private_key, public_key);
    }
    if (status != STATUS_OK) {
        return status;
    }
    spdm_header_write(message, SPDM_VERSION_12, SPDM_KEY_EXCHANGE, SUMMARY_NONE,
                      requester->chain_slot);
    write_bytes(message, bytes_of(id, sizeof id));
    write_u16le(message, 0); /* session policy, reserved */
    write_bytes(message, bytes_of(random, sizeof random));
    write_bytes(message, bytes_of(public_key, sizeof public_key));
    spdm_opaque_write_offer(message);
    return STATUS_OK;
}

struct key_exchange_response {
    uint16_t responder_id;
    uint8_t mutual;
    struct bytes public_key;
    struct bytes opaque;
    struct bytes covered; /* up to the signature */
    struct bytes signature;
    struct bytes verify_data;
};

static enum status parse(struct spdm_response *response, struct key_exchange_response *parsed) {
    struct reader *reader = &response->reader;
    parsed->responder_id = read_u16le(reader);
    parsed->mutual = read_u8(reader);
    read_skip(reader, 1 + SPDM_NONCE_SIZE); /* slot of the unencapsulated form, random data */
    parsed->public_key = read_bytes(reader, SPDM_KEY_SIZE);
    parsed->opaque = read_bytes(reader, read_u16le(reader));
    parsed->covered = bytes_slice(response->message, 0, reader->position);
    parsed->signature = read_bytes(reader, SPDM_SIGNATURE_SIZE);
    parsed->verify_data = read_bytes(reader, CRYPTO_DIGEST_SIZE);
    enum status status = reader_finish(reader);
    return status == STATUS_OK ? spdm_opaque_parse_selection(parsed->opaque) : status;
}

/* What we cannot do: a heartbeat, or another way of mutual authentication than the encapsulated. */
static enum status check_terms(const struct spdm_requester *requester, uint8_t heartbeat,
                               uint8_t mutual) {
    uint32_t needed = SPDM_CAP_MUT_AUTH | SPDM_CAP_ENCAP;
    if (heartbeat != 0 && (requester->config.capabilities & SPDM_CAP_HBEAT) == 0) {
        return STATUS_UNSUPPORTED;
    }
    if (mutual == MUTUAL_NONE) {
        return STATUS_OK;
    }
    bool can = (requester->config.capabilities & needed) == needed &&
               requester->config.chain.size > 0 && requester->config.ops->sign != NULL;
    return can && mutual == MUTUAL_ENCAPSULATED ? STATUS_OK : STATUS_UNSUPPORTED;
}

/* Verifies signature and ResponderVerifyData and derives the handshake keys. */
static enum status check_proof(struct spdm_requester *requester,
                               const struct key_exchange_response *parsed) {
    struct crypto_sha256 *running = &requester->transcript.exchange;
    uint8_t shared[CRYPTO_DIGEST_SIZE];
    uint8_t digest[CRYPTO_DIGEST_SIZE];

    *running = requester->transcript.vca;
    crypto_sha256_update(running, bytes_of(requester->chain_digest, CRYPTO_DIGEST_SIZE));
    crypto_sha256_update(running, spdm_requester_request(requester));
    crypto_sha256_update(running, parsed->covered);
    enum status status =
        spdm_requester_verify(requester, SPDM_SIGN_KEY_EXCHANGE, running, parsed->signature);
    if (status != STATUS_OK) {
        return status;
    }
    crypto_sha256_update(running, parsed->signature);
    spdm_transcript_digest(running, digest); /* TH1 */
    status = crypto_p256_agree(requester->private_key, parsed->public_key.data, shared);
    if (status == STATUS_OK) {
        status = spdm_session_handshake(&requester->session, shared, digest);
    }
    if (status == STATUS_OK) {
        status = spdm_session_verify_data(requester->session.response_finished, running, digest);
    }
    if (status == STATUS_OK && !secret_equal(digest, parsed->verify_data.data, sizeof digest)) {
        status = STATUS_BAD_SIGNATURE;
    }
    crypto_sha256_update(running, parsed->verify_data);
    secret_wipe(shared, sizeof shared);
    secret_wipe(requester->private_key, sizeof requester->private_key);
    return status;
}

enum status spdm_take_key_exchange(struct spdm_requester *requester, struct spdm_response *response,
                                   uint8_t *next_step) {
    struct key_exchange_response parsed;
    struct reader reader;
    enum status status = parse(response, &parsed);
    if (status == STATUS_OK) {
        status = check_terms(requester, response->param1, parsed.mutual);
    }
    if (status == STATUS_OK) {
        status = check_proof(requester, &parsed);
    }
    if (status != STATUS_OK) {
        return status;
    }
    reader_init(&reader, spdm_requester_request(requester));
    read_skip(&reader, SPDM_HEADER_SIZE);
    requester->session.id = (uint32_t)parsed.responder_id << 16 | read_u16le(&reader);
    requester->session.phase = SPDM_SESSION_HANDSHAKE;
    requester->mutual = parsed.mutual == MUTUAL_ENCAPSULATED;
    requester->own_slot = 0;
    requester->served = (struct spdm_served){0};
    *next_step = requester->mutual ? SPDM_GET_ENCAPSULATED_REQUEST : SPDM_FINISH;
    return STATUS_OK;
}

/* Signs the handshake, with our chain (Cm) and the first four bytes of FINISH in it. */
static enum status sign_finish(struct spdm_requester *requester, struct writer *message) {
    const struct spdm_requester_config *config = &requester->config;
    struct crypto_sha256 *running = &requester->transcript.exchange;
    struct bytes blob = spdm_requester_own_chain(requester, requester->own_slot);
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    uint8_t signature[CRYPTO_SIGNATURE_SIZE];
    if (blob.size == 0) {
        return STATUS_NOT_FOUND;
    }
    crypto_sha256(blob, digest);
    crypto_sha256_update(running, bytes_of(digest, sizeof digest));
    crypto_sha256_update(running, writer_bytes(message));
    spdm_transcript_digest(running, digest);
    spdm_signing_digest(SPDM_SIGN_FINISH, digest, digest);
    enum status status = config->ops->sign(config->context, digest, signature);
    write_bytes(message, bytes_of(signature, sizeof signature));
    crypto_sha256_update(running, bytes_of(signature, sizeof signature));
    return status;
}

enum status spdm_build_finish(struct spdm_requester *requester, struct writer *message) {
    struct crypto_sha256 *running = &requester->transcript.exchange;
    uint8_t verify_data[CRYPTO_DIGEST_SIZE];
    enum status status = STATUS_OK;
    spdm_header_write(message, SPDM_VERSION_12, SPDM_FINISH,
                      requester->mutual ? SIGNATURE_INCLUDED : 0, requester->own_slot);
    if (requester->mutual) {
        status = sign_finish(requester, message);
    } else {
        crypto_sha256_update(running, writer_bytes(message));
    }
    if (status == STATUS_OK) {
        status =
            spdm_session_verify_data(requester->session.request_finished, running, verify_data);
    }
    if (status == STATUS_OK) {
        write_bytes(message, bytes_of(verify_data, sizeof verify_data));
        crypto_sha256_update(running, bytes_of(verify_data, sizeof verify_data));
    }
    return status;
}

enum status spdm_take_finish(struct spdm_requester *requester, struct spdm_response *response,
                             uint8_t *next_step) {
    struct spdm_transcript *transcript = &requester->transcript;
    uint8_t th2[CRYPTO_DIGEST_SIZE];
    enum status status = reader_finish(&response->reader);
    if (status != STATUS_OK) {
        return status;
    }
    crypto_sha256_update(&transcript->exchange, response->message);
    spdm_transcript_digest(&transcript->exchange, th2);
    status = spdm_session_data(&requester->session, th2);
    if (status != STATUS_OK) {
        return status;
    }
    requester->session.phase = SPDM_SESSION_ESTABLISHED;
    transcript->measurements[SPDM_INSIDE] = transcript->vca;
    *next_step = SPDM_STEP_DONE;
    return STATUS_OK;
}

enum status spdm_build_end_session(struct spdm_requester *requester, struct writer *message) {
    (void)requester;
    spdm_header_write(message, SPDM_VERSION_12, SPDM_END_SESSION, 0, 0);
    return STATUS_OK;
}

enum status spdm_take_end_session(struct spdm_requester *requester, struct spdm_response *response,
                                  uint8_t *next_step) {
    enum status status = reader_finish(&response->reader);
    if (status == STATUS_OK) {
        spdm_session_wipe(&requester->session);
        requester->mutual = false;
    }
    *next_step = SPDM_STEP_DONE;
    return status;
}
