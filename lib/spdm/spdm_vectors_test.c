/* Recomputes the recorded runs: keys, transcripts, signatures and every single record. */
#include "spdm/spdm_chain.h"
#include "spdm/spdm_session.h"
#include "spdm/spdm_signing.h"
#include "spdm/spdm_transcript.h"
#include "spdm/testing/vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define assert_ok(expression) assert_int_equal(expression, STATUS_OK)

static struct vector_run run;

static void assert_field(const char *field, const uint8_t *actual, size_t size) {
    if (vectors_has(&run, field)) {
        struct bytes expected = vectors_bytes(&run, field);
        assert_int_equal(expected.size, size);
        assert_memory_equal(expected.data, actual, size);
    }
}

static void add(struct crypto_sha256 *hash, struct bytes part) {
    crypto_sha256_update(hash, part);
}

static void add_digest(struct crypto_sha256 *hash, struct bytes of) {
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    crypto_sha256(of, digest);
    add(hash, bytes_of(digest, sizeof digest));
}

/* DMTF's sample CA in the two flat files lacks keyUsage, so that path is not one we accept. */
static void sample_leaf_key(struct bytes certificates, uint8_t key[CRYPTO_PUBLIC_KEY_SIZE]) {
    static const uint8_t POINT[] = {0x03, 0x42, 0x00, 0x04};
    for (size_t i = 0; i + sizeof POINT + CRYPTO_PUBLIC_KEY_SIZE <= certificates.size; i++) {
        if (memcmp(&certificates.data[i], POINT, sizeof POINT) == 0) {
            memcpy(key, &certificates.data[i + sizeof POINT], CRYPTO_PUBLIC_KEY_SIZE);
        }
    }
}

static void leaf_key(struct bytes blob, uint8_t key[CRYPTO_PUBLIC_KEY_SIZE]) {
    struct bytes certificates;
    assert_ok(spdm_chain_parse(blob, &certificates));
    if (run.log == NULL) {
        sample_leaf_key(certificates, key);
    } else {
        assert_ok(crypto_chain_verify(certificates, &blob.data[4], bytes_of(NULL, 0), key));
    }
}

static void verify(enum spdm_signing_role role, const struct crypto_sha256 *running,
                   const uint8_t *key, const uint8_t *signature) {
    uint8_t hash[CRYPTO_DIGEST_SIZE];
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    spdm_transcript_digest(running, hash);
    spdm_signing_digest(role, hash, digest);
    assert_ok(crypto_p256_verify(key, digest, signature));
    digest[0] ^= 1;
    assert_int_equal(crypto_p256_verify(key, digest, signature), STATUS_BAD_SIGNATURE);
}

/* VerifyData is missing from KEY_EXCHANGE_RSP when the handshake is in the clear. */
static size_t signature_end(void) {
    return run.key_exchange_rsp.size - (run.clear_handshake ? 0 : CRYPTO_DIGEST_SIZE);
}

/* The running transcript up to and with the responder's signature; TH1 is its digest. */
static struct crypto_sha256 check_key_exchange(uint8_t th1[CRYPTO_DIGEST_SIZE]) {
    struct crypto_sha256 running;
    size_t end = signature_end();
    crypto_sha256_start(&running);
    add(&running, run.vca);
    add_digest(&running, run.chain);
    add(&running, run.key_exchange);
    add(&running, bytes_slice(run.key_exchange_rsp, 0, end - SPDM_SIGNATURE_SIZE));
    const uint8_t *signature = &run.key_exchange_rsp.data[end - SPDM_SIGNATURE_SIZE];
    uint8_t key[CRYPTO_PUBLIC_KEY_SIZE];
    leaf_key(run.chain, key);
    verify(SPDM_SIGN_KEY_EXCHANGE, &running, key, signature);
    add(&running, bytes_of(signature, SPDM_SIGNATURE_SIZE));
    spdm_transcript_digest(&running, th1);
    assert_field("TH1", th1, CRYPTO_DIGEST_SIZE);
    return running;
}

static void check_handshake_keys(struct spdm_session *session, const uint8_t *th1) {
    uint8_t shared[CRYPTO_DIGEST_SIZE];
    struct bytes private_key = vectors_bytes(&run, "req_eph_priv");
    struct bytes peer = vectors_bytes(&run, "rsp_eph_pub");
    assert_ok(crypto_p256_agree(private_key.data, peer.data, shared));
    assert_field("dhe_secret_Z", shared, sizeof shared);
    assert_ok(spdm_session_handshake(session, shared, th1));
    assert_field("handshake_secret", session->handshake_secret, CRYPTO_DIGEST_SIZE);
    assert_field("req_finished_key", session->request_finished, CRYPTO_DIGEST_SIZE);
    assert_field("rsp_finished_key", session->response_finished, CRYPTO_DIGEST_SIZE);
    const char *prefix = run.log == NULL ? "_hs_" : "_hs.";
    struct spdm_channel *channels[] = {&session->request, &session->response};
    const char *sides[] = {"req", "rsp"};
    for (int i = 0; i < 2; i++) {
        char field[32];
        snprintf(field, sizeof field, "%s%skey", sides[i], prefix);
        assert_true(vectors_has(&run, field));
        assert_field(field, channels[i]->key, sizeof channels[i]->key);
        snprintf(field, sizeof field, "%s%siv", sides[i], prefix);
        assert_field(field, channels[i]->iv, sizeof channels[i]->iv);
    }
}

/* Of mutual.json only the key is known, not the chain. */
static void requester_key(uint8_t key[CRYPTO_PUBLIC_KEY_SIZE]) {
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    if (run.requester_chain.size == 0) {
        memcpy(key, vectors_bytes(&run, "req_public_key").data, CRYPTO_PUBLIC_KEY_SIZE);
        return;
    }
    crypto_sha256(run.requester_chain, digest);
    assert_field("Cm", digest, sizeof digest);
    leaf_key(run.requester_chain, key);
}

/* FINISH is signed if it is longer than header and VerifyData; TH2 ends with FINISH_RSP. */
static void check_finish(const struct spdm_session *session, struct crypto_sha256 *running,
                         uint8_t th2[CRYPTO_DIGEST_SIZE]) {
    uint8_t mac[CRYPTO_DIGEST_SIZE];
    struct bytes signature = bytes_slice(run.finish, SPDM_HEADER_SIZE,
                                         run.finish.size - SPDM_HEADER_SIZE - CRYPTO_DIGEST_SIZE);
    add(running, bytes_slice(run.key_exchange_rsp, signature_end(),
                             run.key_exchange_rsp.size - signature_end()));
    if (signature.size > 0) {
        assert_int_equal(signature.size, SPDM_SIGNATURE_SIZE);
        add(running, run.requester_chain_hash);
        add(running, bytes_slice(run.finish, 0, SPDM_HEADER_SIZE));
        uint8_t key[CRYPTO_PUBLIC_KEY_SIZE];
        requester_key(key);
        verify(SPDM_SIGN_FINISH, running, key, signature.data);
        add(running, signature);
    } else {
        add(running, bytes_slice(run.finish, 0, SPDM_HEADER_SIZE));
    }
    assert_ok(spdm_session_verify_data(session->request_finished, running, mac));
    assert_memory_equal(mac, &run.finish.data[run.finish.size - sizeof mac], sizeof mac);
    add(running, bytes_of(mac, sizeof mac));
    add(running, run.finish_rsp);
    spdm_transcript_digest(running, th2);
    assert_field("TH2", th2, CRYPTO_DIGEST_SIZE);
}

static void check_data_keys(struct spdm_session *session, const uint8_t *th2) {
    assert_ok(spdm_session_data(session, th2));
    const char *separator = run.log == NULL ? "_" : ".";
    struct spdm_channel *channels[] = {&session->request, &session->response};
    const char *sides[] = {"req_data", "rsp_data"};
    for (int i = 0; i < 2; i++) {
        char field[32];
        snprintf(field, sizeof field, "%s%skey", sides[i], separator);
        assert_true(vectors_has(&run, field));
        assert_field(field, channels[i]->key, sizeof channels[i]->key);
        snprintf(field, sizeof field, "%s%siv", sides[i], separator);
        assert_field(field, channels[i]->iv, sizeof channels[i]->iv);
    }
}

/* The secrets we never keep: salt, master secret, export master secret. */
static void check_master_secrets(const uint8_t *handshake_secret, const uint8_t *th2) {
    static const uint8_t ZEROES[CRYPTO_DIGEST_SIZE];
    uint8_t salt[CRYPTO_DIGEST_SIZE];
    uint8_t master[CRYPTO_DIGEST_SIZE];
    uint8_t export_master[CRYPTO_DIGEST_SIZE];
    assert_ok(spdm_expand(handshake_secret, "derived", bytes_of(NULL, 0), salt, sizeof salt));
    assert_ok(
        crypto_hmac_sha256(bytes_of(salt, sizeof salt), bytes_of(ZEROES, sizeof ZEROES), master));
    assert_field("salt1", salt, sizeof salt);
    assert_field("master_secret", master, sizeof master);
    assert_ok(spdm_expand(master, "exp master", bytes_of(th2, CRYPTO_DIGEST_SIZE), export_master,
                          sizeof export_master));
    assert_true(vectors_has(&run, "export_master"));
    assert_field("export_master", export_master, sizeof export_master);
}

/* One direction of the data phase: its traffic secret moves on with every KEY_UPDATE. */
struct direction {
    struct spdm_channel channel;
    uint8_t secret[CRYPTO_DIGEST_SIZE];
    unsigned int updates;
};

static void update(struct direction *direction) {
    struct bytes none = bytes_of(NULL, 0);
    uint8_t next[CRYPTO_DIGEST_SIZE];
    assert_ok(spdm_expand(direction->secret, "traffic upd", none, next, sizeof next));
    memcpy(direction->secret, next, sizeof next);
    assert_ok(spdm_expand(next, "key", none, direction->channel.key, CRYPTO_GCM_KEY_SIZE));
    assert_ok(spdm_expand(next, "iv", none, direction->channel.iv, CRYPTO_GCM_IV_SIZE));
    direction->channel.sequence = 0;
    direction->updates++;
}

/* Opens a record and seals it again with its own padding: the same bytes must come out. */
static enum status check_record(struct spdm_channel *channel, const struct vector_message *entry) {
    uint8_t record[SPDM_RECORD_MAX];
    struct bytes message;
    size_t size = entry->wire.size - 1;
    struct spdm_channel before = *channel;
    memcpy(record, &entry->wire.data[1], size);
    enum status status = spdm_secured_open(channel, record, size, &message);
    if (status != STATUS_OK) {
        return status;
    }
    assert_int_equal(before.sequence, entry->sequence);
    assert_true(bytes_equal(message, entry->spdm));
    size_t padding = size - SPDM_SECURED_OFFSET - message.size - SPDM_RECORD_TAG_SIZE;
    uint32_t id = spdm_secured_session(bytes_slice(entry->wire, 1, size));
    assert_ok(spdm_secured_seal(&before, id, record, sizeof record, message.size, padding, &size));
    assert_int_equal(size, entry->wire.size - 1);
    assert_memory_equal(record, &entry->wire.data[1], size);
    return STATUS_OK;
}

static void check_data_record(struct direction *direction, const struct vector_message *entry) {
    if (check_record(&direction->channel, entry) != STATUS_OK) {
        update(direction);
        assert_ok(check_record(&direction->channel, entry));
    }
}

static unsigned int check_log(struct spdm_session *handshake, struct spdm_session *data) {
    struct direction request = {.channel = data->request};
    struct direction response = {.channel = data->response};
    unsigned int records = 0;
    memcpy(request.secret, vectors_bytes(&run, "req_data.secret").data, CRYPTO_DIGEST_SIZE);
    memcpy(response.secret, vectors_bytes(&run, "rsp_data.secret").data, CRYPTO_DIGEST_SIZE);
    for (size_t i = 0; i < vectors_log_size(&run); i++) {
        struct vector_message entry = vectors_message(&run, i);
        if (strcmp(entry.channel, "clear") == 0) {
            continue;
        }
        if (strcmp(entry.channel, "hs") == 0) {
            assert_ok(check_record(
                entry.from_requester ? &handshake->request : &handshake->response, &entry));
        } else {
            check_data_record(entry.from_requester ? &request : &response, &entry);
        }
        records++;
    }
    assert_true(request.updates <= 3 && response.updates <= 3);
    return records;
}

static void every_run_recomputes(void **state) {
    (void)state;
    unsigned int records = 0;
    for (unsigned int i = 0; i < VECTOR_RUNS; i++) {
        struct spdm_session session = {0};
        uint8_t th1[CRYPTO_DIGEST_SIZE];
        uint8_t th2[CRYPTO_DIGEST_SIZE];
        uint8_t mac[CRYPTO_DIGEST_SIZE];
        vectors_load(&run, i);
        struct crypto_sha256 running = check_key_exchange(th1);
        check_handshake_keys(&session, th1);
        assert_ok(spdm_session_verify_data(session.response_finished, &running, mac));
        if (!run.clear_handshake) {
            assert_field("responder_verify_data", mac, sizeof mac);
        }
        struct spdm_session handshake = session;
        check_finish(&handshake, &running, th2);
        check_data_keys(&session, th2);
        check_master_secrets(handshake.handshake_secret, th2);
        if (run.log != NULL) {
            records += check_log(&handshake, &session);
        }
        vectors_free(&run);
    }
    assert_int_equal(records, 30 + 16 + 10 + 14);
}

/* Only one run has a CHALLENGE: messages 6 to 13 of its log. */
static void challenge_recomputes(void **state) {
    (void)state;
    struct crypto_sha256 running;
    uint8_t signature[SPDM_SIGNATURE_SIZE];
    uint8_t key[CRYPTO_PUBLIC_KEY_SIZE];
    vectors_load(&run, 2);
    crypto_sha256_start(&running);
    add(&running, run.vca);
    for (size_t i = 6; i < 13; i++) {
        add(&running, vectors_message(&run, i).spdm);
    }
    struct bytes answer = vectors_message(&run, 13).spdm;
    size_t covered = answer.size - SPDM_SIGNATURE_SIZE;
    assert_int_equal(answer.data[1], SPDM_CHALLENGE_AUTH);
    add(&running, bytes_slice(answer, 0, covered));
    memcpy(signature, &answer.data[covered], sizeof signature);
    leaf_key(run.chain, key);
    verify(SPDM_SIGN_CHALLENGE, &running, key, signature);
    vectors_free(&run);
}

/* A record opens only as the next one and unaltered. */
static void records_resist(void **state) {
    (void)state;
    struct spdm_channel channel = {.sequence = 5};
    uint8_t sealed[64];
    uint8_t copy[64];
    struct bytes message;
    size_t size = 0;
    static const uint8_t HELLO[] = {'h', 'e', 'l', 'l', 'o'};
    memcpy(&sealed[SPDM_SECURED_OFFSET], HELLO, sizeof HELLO);
    struct spdm_channel sender = channel;
    assert_int_equal(spdm_secured_seal(&sender, 1, sealed, 30, 5, 0, &size), STATUS_NO_SPACE);
    assert_int_equal(
        spdm_secured_seal(&sender, 1, sealed, sizeof sealed, SPDM_MESSAGE_MAX + 1, 0, &size),
        STATUS_INVALID);
    assert_ok(spdm_secured_seal(&sender, 1, sealed, sizeof sealed, 5, 0, &size));
    assert_int_equal(sender.sequence, 6);
    for (size_t bit = 0; bit < size * 8; bit++) {
        struct spdm_channel receiver = channel;
        memcpy(copy, sealed, size);
        copy[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_not_equal(spdm_secured_open(&receiver, copy, size, &message), STATUS_OK);
        assert_int_equal(message.size, 0);
    }
    for (size_t cut = 0; cut < size; cut++) {
        struct spdm_channel receiver = channel;
        memcpy(copy, sealed, size);
        assert_int_not_equal(spdm_secured_open(&receiver, copy, cut, &message), STATUS_OK);
    }
    struct spdm_channel receiver = channel;
    memcpy(copy, sealed, size);
    assert_ok(spdm_secured_open(&receiver, copy, size, &message));
    assert_true(bytes_equal(message, bytes_of("hello", 5)));
    memcpy(copy, sealed, size);
    assert_int_equal(spdm_secured_open(&receiver, copy, size, &message), STATUS_BAD_SIGNATURE);
    /* The same low half of the counter, 65,536 records later. */
    receiver.sequence = 5 + 0x10000;
    memcpy(copy, sealed, size);
    assert_int_equal(spdm_secured_open(&receiver, copy, size, &message), STATUS_BAD_SIGNATURE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_run_recomputes),
        cmocka_unit_test(challenge_recomputes),
        cmocka_unit_test(records_resist),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
