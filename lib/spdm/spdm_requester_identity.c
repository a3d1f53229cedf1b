/* DIGESTS, CERTIFICATE, CHALLENGE, MEASUREMENTS: who the device is and what it runs. */
#include "base/secret.h"
#include "spdm/spdm_chain.h"
#include "spdm/spdm_measurement.h"
#include "spdm/spdm_requester_internal.h"
#include "spdm/spdm_signing.h"

#include <string.h>

#define SLOT_MASK               0x0F
#define SUMMARY_NONE            0x00
#define WITH_SIGNATURE          0x01
#define CERTIFICATE_HEADER_SIZE 8

enum status spdm_requester_verify(const struct spdm_requester *requester, int role,
                                  const struct crypto_sha256 *running, struct bytes signature) {
    uint8_t hash[CRYPTO_DIGEST_SIZE];
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    spdm_transcript_digest(running, hash);
    spdm_signing_digest((enum spdm_signing_role)role, hash, digest);
    return crypto_p256_verify(requester->peer_key, digest, signature.data);
}

/* Outside a session these exchanges are part B of M1/M2. */
static void remember(struct spdm_requester *requester, struct bytes response) {
    struct crypto_sha256 *challenge = &requester->transcript.challenge;
    if (requester->session.phase == SPDM_SESSION_NONE) {
        crypto_sha256_update(challenge, spdm_requester_request(requester));
        crypto_sha256_update(challenge, response);
    }
}

enum status spdm_build_digests(struct spdm_requester *requester, struct writer *message) {
    (void)requester;
    spdm_header_write(message, SPDM_VERSION_12, SPDM_GET_DIGESTS, 0, 0);
    return STATUS_OK;
}

enum status spdm_take_digests(struct spdm_requester *requester, struct spdm_response *response,
                              uint8_t *next_step) {
    unsigned int mask = response->param2;
    for (uint8_t slot = 0; slot < SPDM_SLOTS; slot++) {
        struct bytes digest =
            read_bytes(&response->reader, (mask & 1U << slot) != 0 ? (size_t)SPDM_HASH_SIZE : 0);
        if (slot == requester->chain_slot && digest.size == SPDM_HASH_SIZE) {
            memcpy(requester->chain_digest, digest.data, SPDM_HASH_SIZE);
        }
    }
    enum status status = reader_finish(&response->reader);
    if (status != STATUS_OK) {
        return status;
    }
    if ((mask & 1U << requester->chain_slot) == 0) {
        return STATUS_NOT_FOUND;
    }
    if (requester->session.phase == SPDM_SESSION_NONE) {
        requester->transcript.challenge = requester->transcript.vca;
    }
    remember(requester, response->message);
    *next_step = SPDM_GET_CERTIFICATE;
    return STATUS_OK;
}

/* As much as is left, our buffer holds and one message carries. */
static size_t next_portion(const struct spdm_requester *requester) {
    size_t portion = sizeof requester->chain - requester->chain_received;
    size_t room = SPDM_MESSAGE_MAX - CERTIFICATE_HEADER_SIZE;
    uint16_t wanted = requester->config.certificate_portion;
    portion = portion < room ? portion : room;
    return wanted != 0 && wanted < portion ? wanted : portion;
}

enum status spdm_build_certificate(struct spdm_requester *requester, struct writer *message) {
    spdm_header_write(message, SPDM_VERSION_12, SPDM_GET_CERTIFICATE, requester->chain_slot, 0);
    write_u16le(message, (uint16_t)requester->chain_received);
    write_u16le(message, (uint16_t)next_portion(requester));
    return STATUS_OK;
}

/* The whole chain is here: as announced, acceptable, and of the key we were told to expect. */
static enum status check_chain(struct spdm_requester *requester) {
    const struct spdm_requester_config *config = &requester->config;
    struct bytes blob = bytes_of(requester->chain, requester->chain_total);
    struct bytes certificates;
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    enum status status = spdm_chain_parse(blob, &certificates);
    if (status != STATUS_OK) {
        return status;
    }
    crypto_sha256(blob, digest);
    if (memcmp(digest, requester->chain_digest, sizeof digest) != 0) {
        return STATUS_MISMATCH;
    }
    status = config->ops->verify_chain(config->context, blob, requester->peer_key);
    if (status != STATUS_OK) {
        return status;
    }
    crypto_sha256(bytes_of(requester->peer_key, sizeof requester->peer_key), digest);
    if (requester->key_hash_expected &&
        !secret_equal(digest, requester->expected_key_hash, sizeof digest)) {
        return STATUS_MISMATCH;
    }
    requester->chain_verified = true;
    return STATUS_OK;
}

enum status spdm_take_certificate(struct spdm_requester *requester, struct spdm_response *response,
                                  uint8_t *next_step) {
    size_t portion = read_u16le(&response->reader);
    size_t remainder = read_u16le(&response->reader);
    size_t total = requester->chain_received + portion + remainder;
    bool fits = portion > 0 && portion <= next_portion(requester) &&
                total <= sizeof requester->chain &&
                (requester->chain_received == 0 || total == requester->chain_total);

    if ((response->param1 & SLOT_MASK) != requester->chain_slot || !fits) {
        return STATUS_INVALID;
    }
    read_copy(&response->reader, &requester->chain[requester->chain_received], portion);
    enum status status = reader_finish(&response->reader);
    if (status != STATUS_OK) {
        return status;
    }
    requester->chain_total = total;
    requester->chain_received += portion;
    remember(requester, response->message);
    if (remainder > 0) {
        *next_step = SPDM_GET_CERTIFICATE;
        return STATUS_OK;
    }
    *next_step = SPDM_STEP_DONE;
    return check_chain(requester);
}

enum status spdm_build_challenge(struct spdm_requester *requester, struct writer *message) {
    uint8_t nonce[SPDM_NONCE_SIZE];
    enum status status = crypto_random(nonce, sizeof nonce);
    spdm_header_write(message, SPDM_VERSION_12, SPDM_CHALLENGE, requester->chain_slot,
                      SUMMARY_NONE);
    write_bytes(message, bytes_of(nonce, sizeof nonce));
    return status;
}

enum status spdm_take_challenge(struct spdm_requester *requester, struct spdm_response *response,
                                uint8_t *next_step) {
    struct crypto_sha256 running = requester->transcript.challenge;
    uint8_t hash[SPDM_HASH_SIZE];
    read_copy(&response->reader, hash, sizeof hash);
    read_skip(&response->reader, SPDM_NONCE_SIZE);
    read_skip(&response->reader, read_u16le(&response->reader));
    struct bytes covered = bytes_slice(response->message, 0, response->reader.position);
    struct bytes signature = read_bytes(&response->reader, SPDM_SIGNATURE_SIZE);
    enum status status = reader_finish(&response->reader);
    requester->transcript.challenge = requester->transcript.vca;
    if (status != STATUS_OK) {
        return status;
    }
    /* Bit 7 would demand basic mutual authentication, which we only do inside a session. */
    if (response->param1 != requester->chain_slot) {
        return STATUS_UNSUPPORTED;
    }
    if (memcmp(hash, requester->chain_digest, sizeof hash) != 0) {
        return STATUS_MISMATCH;
    }
    crypto_sha256_update(&running, spdm_requester_request(requester));
    crypto_sha256_update(&running, covered);
    *next_step = SPDM_STEP_DONE;
    return spdm_requester_verify(requester, SPDM_SIGN_CHALLENGE, &running, signature);
}

enum status spdm_build_measurements(struct spdm_requester *requester, struct writer *message) {
    spdm_header_write(message, SPDM_VERSION_12, SPDM_GET_MEASUREMENTS, WITH_SIGNATURE,
                      requester->measurement_index);
    write_bytes(message, bytes_of(requester->nonce, sizeof requester->nonce));
    write_u8(message, requester->chain_slot);
    return STATUS_OK;
}

/* VCA, request and response in full: what a third party needs to verify it again. */
static enum status keep_transcript(struct spdm_requester *requester, struct bytes response,
                                   size_t record_offset, size_t record_size) {
    struct writer result;
    writer_init(&result, requester->result, sizeof requester->result);
    write_bytes(&result, bytes_of(requester->vca, requester->vca_size));
    write_bytes(&result, spdm_requester_request(requester));
    size_t start = result.size;
    write_bytes(&result, response);
    requester->result_size = result.size;
    requester->result_part = bytes_slice(writer_bytes(&result), start + record_offset, record_size);
    return writer_check(&result);
}

enum status spdm_take_measurements(struct spdm_requester *requester, struct spdm_response *response,
                                   uint8_t *next_step) {
    struct reader *reader = &response->reader;
    struct crypto_sha256 running = requester->transcript.vca;
    uint8_t count = read_u8(reader);
    uint32_t record_size = read_u24le(reader);
    size_t record_offset = reader->position;
    struct bytes record = read_bytes(reader, record_size);
    read_skip(reader, SPDM_NONCE_SIZE);
    read_skip(reader, read_u16le(reader));
    struct bytes covered = bytes_slice(response->message, 0, reader->position);
    struct bytes signature = read_bytes(reader, SPDM_SIGNATURE_SIZE);
    enum status status = reader_finish(reader);
    if (status != STATUS_OK) {
        return status;
    }
    if (spdm_measurement_check(record, count) != STATUS_OK ||
        (response->param2 & SLOT_MASK) != requester->chain_slot) {
        return STATUS_INVALID;
    }
    crypto_sha256_update(&running, spdm_requester_request(requester));
    crypto_sha256_update(&running, covered);
    status = spdm_requester_verify(requester, SPDM_SIGN_MEASUREMENTS, &running, signature);
    *next_step = SPDM_STEP_DONE;
    return status == STATUS_OK
               ? keep_transcript(requester, response->message, record_offset, record_size)
               : status;
}
