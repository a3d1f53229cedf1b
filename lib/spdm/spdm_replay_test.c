/*
 * The engines in the place of the recorded parties: randoms, ephemeral keys and signatures are
 * those of the recording, and so every message they send has to be the recorded one.
 *
 * The recorded requester is replaced as it is. The recorded responder has other capabilities than
 * ours (heartbeat, chunking, measurements), so its KEY_EXCHANGE_RSP is put in our transcript's
 * place when ours asks for the signature; from there on everything must agree.
 */
#include "spdm/spdm_chain.h"
#include "spdm/spdm_negotiation.h"
#include "spdm/spdm_requester.h"
#include "spdm/spdm_responder.h"
#include "spdm/testing/vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define assert_ok(expression) assert_int_equal(expression, STATUS_OK)

#define RUN_PLAIN         0
#define RUN_MUTUAL_SLOT_0 2
#define RUN_MUTUAL_SLOT_1 5
#define REQUESTER_CAPS    0x000073C6U /* of the recorded requester: also HBEAT and KEY_UPD */
#define RECORDED_HEADER   104         /* of KEY_EXCHANGE_RSP: up to and with the ephemeral key */

static struct vector_run run;
static struct spdm_requester requester;
static struct spdm_responder responder;
static uint8_t requester_chain[SPDM_CHAIN_MAX];

/* What the next crypto_random and crypto_p256_generate have to return. */
static struct reader randoms;
static struct bytes ephemeral_private;
static struct bytes ephemeral_public;
static bool recorded_agreement;

enum status __wrap_crypto_random(uint8_t *out, size_t size);
enum status __wrap_crypto_p256_generate(uint8_t *private_key, uint8_t *public_key);
enum status __wrap_crypto_p256_agree(const uint8_t *private_key, const uint8_t *peer,
                                     uint8_t *shared);
enum status __real_crypto_p256_agree(const uint8_t *private_key, const uint8_t *peer,
                                     uint8_t *shared);

enum status __wrap_crypto_random(uint8_t *out, size_t size) {
    read_copy(&randoms, out, size);
    assert_ok(reader_check(&randoms));
    return STATUS_OK;
}

enum status __wrap_crypto_p256_generate(uint8_t *private_key, uint8_t *public_key) {
    memset(private_key, 0, CRYPTO_PRIVATE_KEY_SIZE);
    if (ephemeral_private.size > 0) {
        memcpy(private_key, ephemeral_private.data, CRYPTO_PRIVATE_KEY_SIZE);
    }
    memcpy(public_key, ephemeral_public.data, CRYPTO_PUBLIC_KEY_SIZE);
    return STATUS_OK;
}

/* The recorded responder's private key is unknown; the shared secret is not. */
enum status __wrap_crypto_p256_agree(const uint8_t *private_key, const uint8_t *peer,
                                     uint8_t *shared) {
    if (!recorded_agreement) {
        return __real_crypto_p256_agree(private_key, peer, shared);
    }
    memcpy(shared, vectors_bytes(&run, "dhe_secret_Z").data, CRYPTO_DIGEST_SIZE);
    return STATUS_OK;
}

static enum status leaf_key(struct bytes blob, uint8_t *key) {
    struct bytes certificates;
    enum status status = spdm_chain_parse(blob, &certificates);
    return status == STATUS_OK
               ? crypto_chain_verify(certificates, &blob.data[4], bytes_of(NULL, 0), key)
               : status;
}

static enum status verify_chain(void *context, struct bytes blob, uint8_t *key) {
    (void)context;
    return leaf_key(blob, key);
}

static enum status sign_finish(void *context, const uint8_t *digest, uint8_t *signature) {
    uint8_t key[CRYPTO_PUBLIC_KEY_SIZE];
    (void)context;
    memcpy(signature, vectors_bytes(&run, "FINISH_signature").data, CRYPTO_SIGNATURE_SIZE);
    assert_ok(leaf_key(run.requester_chain, key));
    return crypto_p256_verify(key, digest, signature);
}

static const struct spdm_requester_ops REQUESTER_OPS = {.verify_chain = verify_chain,
                                                        .sign = sign_finish};

static struct bytes requester_slot_0(void) {
    static uint8_t blob[SPDM_CHAIN_MAX];
    for (size_t i = 0; i < vectors_log_size(&run); i++) {
        struct vector_message entry = vectors_message(&run, i);
        if (entry.spdm.data[1] == SPDM_DELIVER_ENCAPSULATED_RESPONSE &&
            entry.spdm.data[5] == SPDM_CERTIFICATE && entry.spdm.data[6] == 0) {
            struct bytes portion = bytes_slice(entry.spdm, 12, entry.spdm.size - 12);
            memcpy(blob, portion.data, portion.size);
            return bytes_of(blob, portion.size);
        }
    }
    return bytes_of(NULL, 0);
}

/* Feeds the recorded answer to message `index` and checks what was sent against the recording. */
static void replay_request(size_t index) {
    uint8_t message[SPDM_RECORD_MAX];
    struct writer writer;
    uint8_t type = 0;
    writer_init(&writer, message, sizeof message);
    assert_int_equal(spdm_requester_state(&requester), SPDM_REQUESTER_SEND);
    struct spdm_channel channel = requester.session.request;
    assert_ok(spdm_requester_output(&requester, &writer, &type));
    struct vector_message sent = vectors_message(&run, index);
    if (type == SPDM_TYPE_CLEAR) {
        assert_true(bytes_equal(writer_bytes(&writer), sent.spdm));
    } else {
        struct bytes inner;
        assert_memory_equal(message, &sent.wire.data[1], 6); /* session id, sequence number */
        assert_ok(spdm_secured_open(&channel, message, writer.size, &inner));
        assert_true(bytes_equal(inner, sent.spdm));
    }
    struct vector_message answer = vectors_message(&run, index + 1);
    assert_false(answer.from_requester);
    memcpy(message, &answer.wire.data[1], answer.wire.size - 1);
    assert_ok(spdm_requester_input(&requester, answer.wire.data[0], message, answer.wire.size - 1));
}

static void replay_operation(enum status started, size_t *index) {
    assert_ok(started);
    while (spdm_requester_state(&requester) == SPDM_REQUESTER_SEND) {
        replay_request(*index);
        *index += 2;
    }
    assert_int_equal(spdm_requester_state(&requester), SPDM_REQUESTER_DONE);
}

static void start_requester(void) {
    static uint8_t random_bytes[64];
    struct writer writer;
    struct spdm_requester_config config = {
        .ops = &REQUESTER_OPS,
        .capabilities = REQUESTER_CAPS,
        .certificate_portion = 1024,
    };
    bool second = strcmp(run.name, "requester_slot_1") == 0;
    config.chain = second ? bytes_of(NULL, 0) : run.requester_chain;
    config.second_chain = second ? run.requester_chain : bytes_of(NULL, 0);
    /* Session id and random data of KEY_EXCHANGE. */
    writer_init(&writer, random_bytes, sizeof random_bytes);
    write_bytes(&writer, bytes_slice(run.key_exchange, 4, 2));
    write_bytes(&writer, bytes_slice(run.key_exchange, 8, 32));
    reader_init(&randoms, writer_bytes(&writer));
    ephemeral_private = vectors_bytes(&run, "req_eph_priv");
    ephemeral_public = bytes_slice(run.key_exchange, 40, 64);
    recorded_agreement = false;
    spdm_requester_init(&requester, &config);
}

/* The chain of the slot that the device did not fetch is known by its digest only: take slot 0
 * from the run that has it. */
static void requester_follows_the_recording(void **state) {
    (void)state;
    static uint8_t other[SPDM_CHAIN_MAX];
    vectors_load(&run, RUN_MUTUAL_SLOT_0);
    struct bytes slot_0 = requester_slot_0();
    memcpy(other, slot_0.data, slot_0.size);
    vectors_free(&run);

    vectors_load(&run, RUN_MUTUAL_SLOT_1);
    start_requester();
    requester.config.chain = bytes_of(other, slot_0.size);
    size_t index = 0;
    replay_operation(spdm_requester_connect(&requester), &index);
    replay_operation(spdm_requester_get_chain(&requester, 0), &index);
    replay_operation(spdm_requester_open_session(&requester), &index);
    assert_int_equal(index, 22);
    assert_int_equal(spdm_requester_privilege(&requester), SPDM_PRIVILEGE_PRIVILEGED);
    assert_memory_equal(requester.session.request.key, vectors_bytes(&run, "req_data.key").data,
                        CRYPTO_GCM_KEY_SIZE);
    assert_memory_equal(requester.session.response.iv, vectors_bytes(&run, "rsp_data.iv").data,
                        CRYPTO_GCM_IV_SIZE);
    /* Two HEARTBEATs follow, which we do not send; END_SESSION comes after them. */
    index += 4;
    requester.session.request.sequence = 2;
    requester.session.response.sequence = 2;
    replay_operation(spdm_requester_end_session(&requester), &index);
    assert_int_equal(index, vectors_log_size(&run));
    vectors_free(&run);
}

/* The requester as far as it is in the other run: without basic mutual authentication. */
static void requester_follows_slot_0(void **state) {
    (void)state;
    vectors_load(&run, RUN_MUTUAL_SLOT_1);
    static uint8_t other[SPDM_CHAIN_MAX];
    struct bytes second = run.requester_chain;
    memcpy(other, second.data, second.size);
    vectors_free(&run);
    vectors_load(&run, RUN_MUTUAL_SLOT_0);
    start_requester();
    requester.config.second_chain = bytes_of(other, second.size);
    size_t index = 0;
    replay_operation(spdm_requester_connect(&requester), &index);
    replay_operation(spdm_requester_get_chain(&requester, 0), &index);
    index = 22;
    replay_operation(spdm_requester_open_session(&requester), &index);
    assert_int_equal(index, 32);
    assert_int_equal(spdm_requester_privilege(&requester), SPDM_PRIVILEGE_PRIVILEGED);
    vectors_free(&run);
}

static enum status device_chain(void *context, uint8_t slot, struct bytes *blob) {
    (void)context;
    *blob = run.chain;
    return slot == 0 ? STATUS_OK : STATUS_NOT_FOUND;
}

/* Puts the recorded KEY_EXCHANGE_RSP in the place of ours and signs it as recorded. */
static enum status device_sign(void *context, uint8_t slot, const uint8_t *digest,
                               uint8_t *signature) {
    struct crypto_sha256 *running = &responder.transcript.exchange;
    uint8_t chain_hash[CRYPTO_DIGEST_SIZE];
    size_t covered = run.key_exchange_rsp.size - CRYPTO_DIGEST_SIZE - SPDM_SIGNATURE_SIZE;
    (void)context;
    (void)slot;
    (void)digest;
    crypto_sha256(run.chain, chain_hash);
    crypto_sha256_start(running);
    crypto_sha256_update(running, run.vca);
    crypto_sha256_update(running, bytes_of(chain_hash, sizeof chain_hash));
    crypto_sha256_update(running, run.key_exchange);
    crypto_sha256_update(running, bytes_slice(run.key_exchange_rsp, 0, covered));
    memcpy(signature, &run.key_exchange_rsp.data[covered], SPDM_SIGNATURE_SIZE);
    return STATUS_OK;
}

static enum status device_measurements(void *context, struct writer *blocks) {
    (void)context;
    spdm_measurement_write(blocks, 1, SPDM_MEASUREMENT_ROM, bytes_of("x", 1));
    return STATUS_OK;
}

static const struct spdm_responder_ops RESPONDER_OPS = {
    .chain = device_chain,
    .sign = device_sign,
    .measurements = device_measurements,
    .verify_requester = verify_chain,
};

static uint8_t answer[SPDM_RECORD_MAX];

static struct bytes handle(uint8_t type, struct bytes message) {
    static uint8_t copy[SPDM_RECORD_MAX];
    struct writer writer;
    uint8_t answer_type = 0;
    memcpy(copy, message.data, message.size);
    writer_init(&writer, answer, sizeof answer);
    assert_ok(spdm_responder_handle(&responder, type, copy, message.size, &writer, &answer_type));
    assert_int_equal(type, answer_type);
    return writer_bytes(&writer);
}

/* Sends a message under the recorded handshake keys and opens the answer. */
static struct bytes handle_inside(struct spdm_session *peer, struct bytes message) {
    uint8_t record[SPDM_RECORD_MAX];
    struct bytes inner;
    size_t size = 0;
    memcpy(&record[SPDM_SECURED_OFFSET], message.data, message.size);
    assert_ok(spdm_secured_seal(&peer->request, responder.session.id, record, sizeof record,
                                message.size, 7, &size));
    struct bytes sealed = handle(SPDM_TYPE_SECURED, bytes_of(record, size));
    assert_ok(spdm_secured_open(&peer->response, answer, sealed.size, &inner));
    return inner;
}

/* Negotiates and exchanges keys as recorded, with randoms that make our answer the recorded one. */
static void start_responder(uint32_t capabilities, struct spdm_session *peer) {
    static uint8_t random_bytes[64];
    struct writer writer;
    struct spdm_responder_config config = {
        .ops = &RESPONDER_OPS,
        .capabilities = capabilities,
        .requester_chain = requester_chain,
        .requester_chain_capacity = sizeof requester_chain,
    };
    writer_init(&writer, random_bytes, sizeof random_bytes);
    write_bytes(&writer, bytes_slice(run.key_exchange_rsp, 4, 2));
    write_bytes(&writer, bytes_slice(run.key_exchange_rsp, 8, 32));
    reader_init(&randoms, writer_bytes(&writer));
    ephemeral_private = bytes_of(NULL, 0);
    ephemeral_public = vectors_bytes(&run, "rsp_eph_pub");
    recorded_agreement = true;
    spdm_responder_init(&responder, &config);

    struct bytes version = handle(SPDM_TYPE_CLEAR, bytes_slice(run.vca, 0, 4));
    assert_true(bytes_equal(version, bytes_slice(run.vca, 4, 8)));
    (void)handle(SPDM_TYPE_CLEAR, bytes_slice(run.vca, 12, 20));
    (void)handle(SPDM_TYPE_CLEAR, bytes_slice(run.vca, 52, 48));
    struct bytes ours = handle(SPDM_TYPE_CLEAR, run.key_exchange);
    assert_int_equal(ours.data[1], SPDM_KEY_EXCHANGE_RSP);
    /* Header and heartbeat period apart, as recorded up to the key; and VerifyData again. */
    assert_memory_equal(&ours.data[4], &run.key_exchange_rsp.data[4], RECORDED_HEADER - 4);
    assert_memory_equal(&ours.data[ours.size - CRYPTO_DIGEST_SIZE],
                        vectors_bytes(&run, "responder_verify_data").data, CRYPTO_DIGEST_SIZE);
    *peer = responder.session;
}

static void finish_as_recorded(struct spdm_session *peer) {
    const char *separator = run.log == NULL ? "_" : ".";
    char field[32];
    struct bytes response = handle_inside(peer, run.finish);
    assert_true(bytes_equal(response, run.finish_rsp));
    snprintf(field, sizeof field, "req_data%skey", separator);
    assert_memory_equal(responder.session.request.key, vectors_bytes(&run, field).data,
                        CRYPTO_GCM_KEY_SIZE);
    snprintf(field, sizeof field, "rsp_data%siv", separator);
    assert_memory_equal(responder.session.response.iv, vectors_bytes(&run, field).data,
                        CRYPTO_GCM_IV_SIZE);
}

static void responder_follows_the_plain_run(void **state) {
    (void)state;
    struct spdm_session peer;
    vectors_load(&run, RUN_PLAIN);
    start_responder(SPDM_CAPS_BASIC, &peer);
    finish_as_recorded(&peer);
    assert_int_equal(spdm_responder_privilege(&responder), SPDM_PRIVILEGE_READ_ONLY);
    vectors_free(&run);
}

/* The encapsulated requests differ from the recorded ones in the length asked for only. */
static void responder_follows_the_mutual_run(void **state) {
    (void)state;
    struct spdm_session peer;
    vectors_load(&run, RUN_MUTUAL_SLOT_0);
    start_responder(SPDM_CAPS_PROVISIONING, &peer);
    for (size_t i = 24; i < 30; i += 2) {
        struct bytes ours = handle_inside(&peer, vectors_message(&run, i).spdm);
        struct vector_message theirs = vectors_message(&run, i + 1);
        assert_int_equal(ours.size, theirs.spdm.size);
        bool asks = theirs.spdm.size == 16;
        assert_memory_equal(ours.data, theirs.spdm.data, ours.size - (asks ? 2 : 0));
    }
    finish_as_recorded(&peer);
    assert_int_equal(spdm_responder_privilege(&responder), SPDM_PRIVILEGE_PRIVILEGED);
    vectors_free(&run);
}

/* The same FINISH with any bit flipped is refused and ends the session. */
static void responder_refuses_an_altered_finish(void **state) {
    (void)state;
    for (size_t bit = 16; bit < (size_t)100 * 8; bit += 3) {
        struct spdm_session peer;
        uint8_t altered[100];
        vectors_load(&run, RUN_MUTUAL_SLOT_0);
        start_responder(SPDM_CAPS_PROVISIONING, &peer);
        for (size_t i = 24; i < 30; i += 2) {
            (void)handle_inside(&peer, vectors_message(&run, i).spdm);
        }
        memcpy(altered, run.finish.data, sizeof altered);
        altered[bit / 8] ^= (uint8_t)(1U << bit % 8);
        struct bytes response = handle_inside(&peer, bytes_of(altered, sizeof altered));
        assert_int_equal(response.data[1], SPDM_ERROR);
        assert_int_equal(spdm_responder_privilege(&responder), SPDM_PRIVILEGE_NONE);
        if (bit >= 32) {
            assert_int_equal(response.data[2], SPDM_ERROR_DECRYPT);
            assert_int_equal(responder.session.phase, SPDM_SESSION_NONE);
        }
        vectors_free(&run);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requester_follows_the_recording),
        cmocka_unit_test(requester_follows_slot_0),
        cmocka_unit_test(responder_follows_the_plain_run),
        cmocka_unit_test(responder_follows_the_mutual_run),
        cmocka_unit_test(responder_refuses_an_altered_finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
