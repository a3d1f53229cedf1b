/* The encapsulated flow when the requester does not play by the rules. */
#include "spdm/spdm_chain.h"
#include "spdm/testing/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define assert_ok(expression) assert_int_equal(expression, STATUS_OK)
#define MESSAGE(...)                                                                               \
    bytes_of((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static struct fixture fixture;
static struct spdm_requester *const requester = &fixture.requester;
static struct spdm_responder *const responder = &fixture.responder;

static const uint8_t GET_REQUEST[] = {0x12, SPDM_GET_ENCAPSULATED_REQUEST, 0, 0};

static void sent(struct bytes message, uint8_t code, uint8_t param1) {
    assert_ok(fixture_send_inside(&fixture, message));
    assert_int_equal(fixture.last_response[1], code);
    assert_int_equal(fixture.last_response[2], param1);
}

static void get_request(void) {
    static const uint8_t EXPECTED[] = {0x12, 0x6A, 1, 0, 0x12, 0x81, 0, 0};
    sent(bytes_of(GET_REQUEST, sizeof GET_REQUEST), SPDM_ENCAPSULATED_REQUEST, 1);
    assert_int_equal(fixture.last_response_size, sizeof EXPECTED);
    assert_memory_equal(fixture.last_response, EXPECTED, sizeof EXPECTED);
}

static uint8_t message[SPDM_MESSAGE_MAX];

/* DELIVER with DIGESTS of `blob` in slot 0. */
static struct bytes deliver_digests(uint8_t id, struct bytes blob) {
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    struct writer writer;
    crypto_sha256(blob, digest);
    writer_init(&writer, message, sizeof message);
    write_bytes(&writer, MESSAGE(0x12, SPDM_DELIVER_ENCAPSULATED_RESPONSE, id, 0));
    write_bytes(&writer, MESSAGE(0x12, SPDM_DIGESTS, 0, 1));
    write_bytes(&writer, bytes_of(digest, sizeof digest));
    return writer_bytes(&writer);
}

static struct bytes deliver_certificate(uint8_t id, uint8_t slot, struct bytes portion,
                                        size_t remainder) {
    struct writer writer;
    writer_init(&writer, message, sizeof message);
    write_bytes(&writer, MESSAGE(0x12, SPDM_DELIVER_ENCAPSULATED_RESPONSE, id, 0));
    write_bytes(&writer, MESSAGE(0x12, SPDM_CERTIFICATE, slot, 0));
    write_u16le(&writer, (uint16_t)portion.size);
    write_u16le(&writer, (uint16_t)remainder);
    write_bytes(&writer, portion);
    return writer_bytes(&writer);
}

static struct bytes host_blob(void) {
    return bytes_of(fixture.host.blob, fixture.host.blob_size);
}

static void start(void) {
    fixture_start(&fixture, 0, 0);
    assert_ok(fixture_handshake(&fixture));
    assert_int_equal(responder->mutual.state, SPDM_ENCAPSULATED_WANTED);
}

/* Up to the first GET_CERTIFICATE, with the digest of the blob to come. */
static void start_certificate(struct bytes blob) {
    start();
    get_request();
    sent(deliver_digests(1, blob), SPDM_ENCAPSULATED_RESPONSE_ACK, 2);
    assert_int_equal(fixture.last_response_size, 16);
}

static void assert_dead(void) {
    assert_int_equal(responder->mutual.state, SPDM_ENCAPSULATED_DEAD);
    assert_false(responder->mutual.verified);
    sent(bytes_of(GET_REQUEST, sizeof GET_REQUEST), SPDM_ERROR, SPDM_ERROR_UNEXPECTED_REQUEST);
    sent(deliver_digests(1, host_blob()), SPDM_ERROR, SPDM_ERROR_UNEXPECTED_REQUEST);
    /* FINISH without a verified chain is refused whatever it contains. */
    uint8_t finish[100] = {0x12, SPDM_FINISH, 1, 0};
    sent(bytes_of(finish, sizeof finish), SPDM_ERROR, SPDM_ERROR_UNEXPECTED_REQUEST);
    assert_int_equal(spdm_responder_privilege(responder), SPDM_PRIVILEGE_NONE);
}

static void others_wait_while_it_is_pending(void **state) {
    (void)state;
    start();
    for (int step = 0; step < 2; step++) {
        sent(MESSAGE(0x12, SPDM_GET_DIGESTS, 0, 0), SPDM_ERROR, SPDM_ERROR_REQUEST_IN_FLIGHT);
        sent(MESSAGE(0x12, SPDM_HEARTBEAT, 0, 0), SPDM_ERROR, SPDM_ERROR_REQUEST_IN_FLIGHT);
        sent(MESSAGE(0x12, SPDM_FINISH, 1, 0), SPDM_ERROR, SPDM_ERROR_REQUEST_IN_FLIGHT);
        assert_ok(fixture_send(&fixture, MESSAGE(0x12, SPDM_GET_DIGESTS, 0, 0)));
        assert_int_equal(fixture.last_response[2], SPDM_ERROR_REQUEST_IN_FLIGHT);
        /* The flow belongs to its session. */
        assert_ok(fixture_send(&fixture, bytes_of(GET_REQUEST, sizeof GET_REQUEST)));
        assert_int_equal(fixture.last_response[2], SPDM_ERROR_UNEXPECTED_REQUEST);
        if (step == 0) {
            get_request();
        }
    }
    sent(deliver_digests(1, host_blob()), SPDM_ENCAPSULATED_RESPONSE_ACK, 2);
    sent(deliver_certificate(2, 0, host_blob(), 0), SPDM_ENCAPSULATED_RESPONSE_ACK, 0);
    assert_true(responder->mutual.verified);
}

static void wrong_ids_and_empty_answers_are_refused_mildly(void **state) {
    (void)state;
    start();
    sent(deliver_digests(1, host_blob()), SPDM_ERROR, SPDM_ERROR_UNEXPECTED_REQUEST);
    get_request();
    sent(deliver_digests(2, host_blob()), SPDM_ERROR, SPDM_ERROR_INVALID_REQUEST);
    sent(MESSAGE(0x12, SPDM_DELIVER_ENCAPSULATED_RESPONSE, 1, 0), SPDM_ERROR,
         SPDM_ERROR_INVALID_REQUEST);
    sent(deliver_digests(1, host_blob()), SPDM_ENCAPSULATED_RESPONSE_ACK, 2);
    sent(deliver_certificate(1, 0, host_blob(), 0), SPDM_ERROR, SPDM_ERROR_INVALID_REQUEST);
    sent(deliver_certificate(2, 0, host_blob(), 0), SPDM_ENCAPSULATED_RESPONSE_ACK, 0);
}

static void asking_twice_ends_it(void **state) {
    (void)state;
    start();
    get_request();
    sent(bytes_of(GET_REQUEST, sizeof GET_REQUEST), SPDM_ERROR, SPDM_ERROR_INVALID_RESPONSE_CODE);
    assert_dead();
}

static void errors_instead_of_answers_end_it(void **state) {
    (void)state;
    static const uint8_t CODES[] = {SPDM_ERROR_UNSPECIFIED, SPDM_ERROR_BUSY,
                                    SPDM_ERROR_RESPONSE_NOT_READY};
    for (size_t i = 0; i < sizeof CODES; i++) {
        start();
        get_request();
        sent(MESSAGE(0x12, SPDM_DELIVER_ENCAPSULATED_RESPONSE, 1, 0, 0x12, SPDM_ERROR, CODES[i], 0,
                     1, 0x81, 1, 2),
             SPDM_ERROR, SPDM_ERROR_INVALID_RESPONSE_CODE);
        assert_dead();
    }
}

static void bad_digests_end_it(void **state) {
    (void)state;
    for (int kind = 0; kind < 5; kind++) {
        start();
        get_request();
        struct bytes good = deliver_digests(1, host_blob());
        switch (kind) {
        case 0: message[7] = 2; break;    /* slot 0 missing */
        case 1: message[7] = 3; break;    /* fewer digests than slots */
        case 2: good.size++; break;       /* trailing byte */
        case 3: message[5] = 0x02; break; /* an answer to another question */
        case 4: message[4] = 0x11; break; /* version */
        }
        sent(good, SPDM_ERROR, SPDM_ERROR_INVALID_RESPONSE_CODE);
        assert_dead();
    }
}

static void bad_portions_end_it(void **state) {
    (void)state;
    for (int kind = 0; kind < 7; kind++) {
        start_certificate(host_blob());
        struct bytes all = host_blob();
        struct bytes part = bytes_slice(all, 0, 100);
        struct bytes sending = {0};
        switch (kind) {
        case 0: sending = deliver_certificate(2, 1, all, 0); break; /* slot */
        case 1: sending = deliver_certificate(2, 0, bytes_slice(all, 0, 0), all.size); break;
        case 2: sending = deliver_certificate(2, 0, part, SPDM_CHAIN_MAX); break; /* too long */
        case 3:
            sending = deliver_certificate(2, 0, all, 0);
            sending.size--;
            break;
        case 4:
            sending = deliver_certificate(2, 0, all, 0);
            sending.size++;
            break;
        case 5: /* the total changes on the way */
            sent(deliver_certificate(2, 0, part, all.size - 100), SPDM_ENCAPSULATED_RESPONSE_ACK,
                 3);
            sending = deliver_certificate(3, 0, part, 0);
            break;
        default: sending = deliver_digests(2, all); break; /* not what was asked for */
        }
        sent(sending, SPDM_ERROR, SPDM_ERROR_INVALID_RESPONSE_CODE);
        assert_dead();
    }
}

static void portions_are_put_together(void **state) {
    (void)state;
    start_certificate(host_blob());
    struct bytes all = host_blob();
    uint8_t id = 2;
    for (size_t offset = 0; offset < all.size; offset += 7) {
        size_t left = all.size - offset;
        size_t size = left < 7 ? left : 7;
        sent(deliver_certificate(id, 0, bytes_slice(all, offset, size), left - size),
             SPDM_ENCAPSULATED_RESPONSE_ACK, left == size ? 0 : (uint8_t)(id + 1));
        id++;
    }
    assert_true(responder->mutual.verified);
    assert_memory_equal(responder->mutual.public_key, fixture.host.public_key,
                        CRYPTO_PUBLIC_KEY_SIZE);
}

static void chains_longer_than_our_storage_end_it(void **state) {
    (void)state;
    start();
    responder->config.requester_chain_capacity = 100;
    get_request();
    sent(deliver_digests(1, host_blob()), SPDM_ENCAPSULATED_RESPONSE_ACK, 2);
    assert_int_equal(fixture.last_response[14], 100); /* asked for no more than fits */
    sent(deliver_certificate(2, 0, bytes_slice(host_blob(), 0, 100), host_blob().size - 100),
         SPDM_ERROR, SPDM_ERROR_INVALID_RESPONSE_CODE);
    assert_dead();
}

static void bad_chains_end_it(void **state) {
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        fixture_start(&fixture, 0, 0);
        uint8_t blob[FIXTURE_BLOB_MAX];
        size_t size = fixture.host.blob_size;
        memcpy(blob, fixture.host.blob, size);
        switch (kind) {
        case 0: memcpy(blob, fixture.stranger.blob, size); break; /* unknown root */
        case 1: blob[0]++; break;                                 /* Length */
        case 2: blob[4] ^= 1; break;                              /* RootHash */
        default: break;                                           /* good, but see below */
        }
        struct bytes announced =
            kind == 3 ? bytes_of(fixture.stranger.blob, size) : bytes_of(blob, size);
        assert_ok(fixture_handshake(&fixture));
        get_request();
        sent(deliver_digests(1, announced), SPDM_ENCAPSULATED_RESPONSE_ACK, 2);
        sent(deliver_certificate(2, 0, bytes_of(blob, size), 0), SPDM_ERROR,
             SPDM_ERROR_INVALID_RESPONSE_CODE);
        assert_dead();
    }
}

/* The dead session is in nobody's way. */
static void a_new_key_exchange_replaces_a_dead_one(void **state) {
    (void)state;
    fixture_start(&fixture, 0, 0);
    requester->config.chain = bytes_of(fixture.stranger.blob, fixture.stranger.blob_size);
    assert_int_equal(fixture_open(&fixture), STATUS_PEER_ERROR);
    assert_int_equal(spdm_requester_peer_error(requester).code, SPDM_ERROR_INVALID_RESPONSE_CODE);
    requester->config.chain = host_blob();
    assert_ok(spdm_requester_open_session(requester));
    assert_ok(fixture_run(&fixture));
    assert_int_equal(spdm_responder_privilege(responder), SPDM_PRIVILEGE_PRIVILEGED);
}

/* Possession of the chain alone is not possession of its key. */
static void the_finish_signature_is_checked(void **state) {
    (void)state;
    fixture_start(&fixture, 0, 0);
    memcpy(fixture.host.private_key, fixture.stranger.private_key, CRYPTO_PRIVATE_KEY_SIZE);
    assert_int_equal(fixture_open(&fixture), STATUS_PEER_ERROR);
    assert_int_equal(spdm_requester_peer_error(requester).code, SPDM_ERROR_DECRYPT);
    assert_int_equal(responder->session.phase, SPDM_SESSION_NONE);
    assert_int_equal(spdm_requester_privilege(requester), SPDM_PRIVILEGE_NONE);
}

/* What a device may ask of our requester, and what it may not. */
static uint8_t *replaced;
static size_t replaced_size;
static uint8_t replaced_code;
static bool replace_inside(struct fixture *f, bool to_device, uint8_t *type, uint8_t *wire,
                           size_t *size) {
    struct spdm_channel channel = f->requester.session.response;
    struct bytes inner;
    uint8_t copy[SPDM_RECORD_MAX];
    if (to_device || *type != SPDM_TYPE_SECURED) {
        return true;
    }
    memcpy(copy, wire, *size);
    assert_ok(spdm_secured_open(&channel, copy, *size, &inner));
    if (inner.data[1] == replaced_code) {
        channel.sequence--;
        memcpy(&wire[SPDM_SECURED_OFFSET], replaced, replaced_size);
        assert_ok(spdm_secured_seal(&channel, f->requester.session.id, wire, SPDM_RECORD_MAX,
                                    replaced_size, 0, size));
    }
    return true;
}

static void the_requester_bounds_what_a_device_asks(void **state) {
    (void)state;
    static uint8_t wrong_ack[] = {0x12, 0x6B, 2, 1, 9, 0, 0, 0, 0x12, 0x82, 0, 0, 0, 0, 9, 0};
    static uint8_t cut_request[] = {0x12, 0x6B, 2, 1, 1, 0, 0, 0, 0x12, 0x82, 0, 0};
    static uint8_t strange_type[] = {0x12, 0x6B, 2, 3, 1, 0, 0, 0};
    static uint8_t other_slot[] = {0x12, 0x6B, 0, 2, 1, 0, 0, 0, 5};
    static uint8_t long_end[] = {0x12, 0x6B, 0, 0, 1, 0, 0, 0, 0};
    static uint8_t endless[] = {0x12, 0x6B, 1, 1, 1, 0, 0, 0, 0x12, 0x81, 0, 0};
    static const struct {
        uint8_t *bytes;
        size_t size;
        enum status expected;
    } CASES[] = {
        {wrong_ack, sizeof wrong_ack, STATUS_INVALID},
        {cut_request, sizeof cut_request, STATUS_TRUNCATED},
        {strange_type, sizeof strange_type, STATUS_INVALID},
        {other_slot, sizeof other_slot, STATUS_NOT_FOUND},
        {long_end, sizeof long_end, STATUS_INVALID},
        {endless, sizeof endless, STATUS_PEER_ERROR}, /* the device itself gives up */
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        fixture_start(&fixture, 0, 0);
        replaced = CASES[i].bytes;
        replaced_size = CASES[i].size;
        replaced_code = SPDM_ENCAPSULATED_RESPONSE_ACK;
        fixture.tap = replace_inside;
        assert_int_equal(fixture_open(&fixture), CASES[i].expected);
        assert_int_equal(spdm_requester_privilege(requester), SPDM_PRIVILEGE_NONE);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(others_wait_while_it_is_pending),
        cmocka_unit_test(wrong_ids_and_empty_answers_are_refused_mildly),
        cmocka_unit_test(asking_twice_ends_it),
        cmocka_unit_test(errors_instead_of_answers_end_it),
        cmocka_unit_test(bad_digests_end_it),
        cmocka_unit_test(bad_portions_end_it),
        cmocka_unit_test(portions_are_put_together),
        cmocka_unit_test(chains_longer_than_our_storage_end_it),
        cmocka_unit_test(bad_chains_end_it),
        cmocka_unit_test(a_new_key_exchange_replaces_a_dead_one),
        cmocka_unit_test(the_finish_signature_is_checked),
        cmocka_unit_test(the_requester_bounds_what_a_device_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
