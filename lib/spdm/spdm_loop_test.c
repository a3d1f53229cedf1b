/* Requester and responder against each other, operation by operation. */
#include "spdm/testing/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define assert_ok(expression) assert_int_equal(expression, STATUS_OK)

static struct fixture fixture;
static struct spdm_requester *const requester = &fixture.requester;
static struct spdm_responder *const responder = &fixture.responder;

static void session_is_privileged_with_mutual_authentication(void **state) {
    (void)state;
    fixture_start(&fixture, 0, 0);
    assert_ok(fixture_open(&fixture));
    assert_int_equal(spdm_requester_privilege(requester), SPDM_PRIVILEGE_PRIVILEGED);
    assert_int_equal(spdm_responder_privilege(responder), SPDM_PRIVILEGE_PRIVILEGED);
    assert_memory_equal(fixture.responder.mutual.public_key, fixture.host.public_key,
                        CRYPTO_PUBLIC_KEY_SIZE);
}

static void session_is_read_only_without(void **state) {
    (void)state;
    static const struct {
        uint32_t device;
        uint32_t host;
    } CASES[] = {{SPDM_CAPS_PROVISIONING, SPDM_CAPS_REQUESTER},
                 {SPDM_CAPS_BASIC, SPDM_CAPS_REQUESTER_MUTUAL},
                 {SPDM_CAPS_PROVISIONING, SPDM_CAPS_REQUESTER | SPDM_CAP_MUT_AUTH}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        fixture_start(&fixture, CASES[i].device, CASES[i].host);
        assert_ok(fixture_open(&fixture));
        assert_int_equal(spdm_requester_privilege(requester), SPDM_PRIVILEGE_READ_ONLY);
        assert_int_equal(spdm_responder_privilege(responder), SPDM_PRIVILEGE_READ_ONLY);
    }
}

static void challenge_proves_possession(void **state) {
    (void)state;
    fixture_start(&fixture, 0, 0);
    assert_ok(fixture_connect(&fixture));
    assert_ok(spdm_requester_challenge(requester));
    assert_ok(fixture_run(&fixture));
    /* Again, now without DIGESTS and CERTIFICATE before it. */
    assert_ok(spdm_requester_challenge(requester));
    assert_ok(fixture_run(&fixture));
}

static void challenge_by_another_key_fails(void **state) {
    (void)state;
    fixture_start(&fixture, 0, 0);
    assert_ok(fixture_connect(&fixture));
    memcpy(fixture.device.private_key, fixture.stranger.private_key, CRYPTO_PRIVATE_KEY_SIZE);
    assert_ok(spdm_requester_challenge(requester));
    assert_int_equal(fixture_run(&fixture), STATUS_BAD_SIGNATURE);
}

static void chain_comes_in_portions(void **state) {
    (void)state;
    fixture_start(&fixture, 0, 0);
    requester->config.certificate_portion = 7;
    assert_ok(fixture_connect(&fixture));
    struct bytes chain = spdm_requester_chain(requester);
    assert_int_equal(chain.size, fixture.device.blob_size);
    assert_memory_equal(chain.data, fixture.device.blob, chain.size);
    assert_ok(spdm_requester_challenge(requester));
    assert_ok(fixture_run(&fixture));
}

static void measurements_verify_in_and_outside_a_session(void **state) {
    (void)state;
    uint8_t nonce[SPDM_NONCE_SIZE];
    memset(nonce, 7, sizeof nonce);
    fixture_start(&fixture, 0, 0);
    assert_ok(fixture_connect(&fixture));
    for (int inside = 0; inside < 2; inside++) {
        struct bytes record;
        assert_ok(spdm_requester_measurements(requester, SPDM_MEASUREMENT_ALL, nonce));
        assert_ok(fixture_run(&fixture));
        struct bytes transcript = spdm_requester_measurement_transcript(requester);
        assert_ok(spdm_measurement_verify(transcript, fixture.device.public_key, nonce, &record));
        assert_true(bytes_equal(record, spdm_requester_result(requester)));
        assert_int_equal(record.size, 3 * 7 + SPDM_HASH_SIZE + 8 + 16);
        if (inside == 0) {
            assert_ok(spdm_requester_open_session(requester));
            assert_ok(fixture_run(&fixture));
        }
    }
}

static void a_single_measurement_is_its_block(void **state) {
    (void)state;
    struct spdm_measurement block;
    struct reader reader;
    fixture_start(&fixture, 0, 0);
    assert_ok(fixture_connect(&fixture));
    assert_ok(spdm_requester_measurements(requester, 2, NULL));
    assert_ok(fixture_run(&fixture));
    reader_init(&reader, spdm_requester_result(requester));
    spdm_measurement_next(&reader, &block);
    assert_ok(reader_finish(&reader));
    assert_int_equal(block.index, 2);
    assert_int_equal(block.type, SPDM_MEASUREMENT_SVN | SPDM_MEASUREMENT_RAW);
    assert_int_equal(block.value.size, 8);
    assert_ok(spdm_requester_measurements(requester, 9, NULL));
    assert_int_equal(fixture_run(&fixture), STATUS_PEER_ERROR);
    assert_int_equal(spdm_requester_peer_error(requester).code, SPDM_ERROR_INVALID_REQUEST);
}

static void a_statement_is_bound_to_nonce_key_and_every_byte(void **state) {
    (void)state;
    uint8_t nonce[SPDM_NONCE_SIZE];
    uint8_t copy[SPDM_RECORD_MAX];
    struct bytes record;
    memset(nonce, 7, sizeof nonce);
    fixture_start(&fixture, 0, 0);
    assert_ok(fixture_connect(&fixture));
    assert_ok(spdm_requester_measurements(requester, SPDM_MEASUREMENT_ALL, nonce));
    assert_ok(fixture_run(&fixture));
    struct bytes transcript = spdm_requester_measurement_transcript(requester);
    const uint8_t *key = fixture.device.public_key;

    assert_int_equal(
        spdm_measurement_verify(transcript, fixture.stranger.public_key, nonce, &record),
        STATUS_BAD_SIGNATURE);
    for (size_t i = 0; i < transcript.size; i++) {
        memcpy(copy, transcript.data, transcript.size);
        copy[i] ^= 1;
        assert_int_not_equal(
            spdm_measurement_verify(bytes_of(copy, transcript.size), key, nonce, &record),
            STATUS_OK);
        assert_int_equal(record.size, 0);
        assert_int_not_equal(
            spdm_measurement_verify(bytes_slice(transcript, 0, i), key, nonce, &record), STATUS_OK);
    }
    nonce[31] ^= 1;
    assert_int_equal(spdm_measurement_verify(transcript, key, nonce, &record), STATUS_REPLAYED);
}

static void provisioning_works_in_a_privileged_session(void **state) {
    (void)state;
    fixture_start(&fixture, 0, 0);
    assert_ok(fixture_open(&fixture));
    assert_ok(spdm_requester_get_csr(requester, bytes_of("info", 4)));
    assert_ok(fixture_run(&fixture));
    assert_true(bytes_equal(spdm_requester_result(requester), bytes_of("CSRinfo", 7)));

    struct bytes blob = bytes_of(fixture.stranger.blob, fixture.stranger.blob_size);
    assert_ok(spdm_requester_set_certificate(requester, 1, blob));
    assert_ok(fixture_run(&fixture));
    assert_true(bytes_equal(bytes_of(fixture.stored, fixture.stored_size), blob));

    /* The session goes on, and slot 1 can be read back in it. */
    assert_ok(spdm_requester_get_chain(requester, 1));
    assert_int_equal(fixture_run(&fixture), STATUS_BAD_CERTIFICATE);
    assert_ok(spdm_requester_vendor(requester, bytes_of("ping", 4)));
    assert_ok(fixture_run(&fixture));
    assert_true(bytes_equal(spdm_requester_result(requester), bytes_of("ping", 4)));
    assert_int_equal(fixture.seen_privilege, SPDM_PRIVILEGE_PRIVILEGED);
}

static void provisioning_is_refused_in_a_read_only_session(void **state) {
    (void)state;
    fixture_start(&fixture, 0, SPDM_CAPS_REQUESTER);
    assert_ok(fixture_open(&fixture));
    assert_ok(spdm_requester_get_csr(requester, bytes_of(NULL, 0)));
    assert_int_equal(fixture_run(&fixture), STATUS_PEER_ERROR);
    assert_int_equal(spdm_requester_peer_error(requester).code, SPDM_ERROR_UNEXPECTED_REQUEST);
    struct bytes blob = bytes_of(fixture.stranger.blob, fixture.stranger.blob_size);
    assert_ok(spdm_requester_set_certificate(requester, 1, blob));
    assert_int_equal(fixture_run(&fixture), STATUS_PEER_ERROR);
    assert_int_equal(fixture.stored_size, 0);
    assert_ok(spdm_requester_vendor(requester, bytes_of("ping", 4)));
    assert_ok(fixture_run(&fixture));
    assert_int_equal(fixture.seen_privilege, SPDM_PRIVILEGE_READ_ONLY);
}

static void vendor_errors_carry_the_status(void **state) {
    (void)state;
    fixture_start(&fixture, 0, 0);
    assert_ok(fixture_connect(&fixture));
    fixture.vendor_status = STATUS_DENIED;
    assert_ok(spdm_requester_vendor(requester, bytes_of("x", 1)));
    assert_int_equal(fixture_run(&fixture), STATUS_PEER_ERROR);
    assert_int_equal(fixture.seen_privilege, SPDM_PRIVILEGE_NONE);
    assert_int_equal(spdm_requester_peer_error(requester).code, SPDM_ERROR_VENDOR);
    assert_int_equal(spdm_requester_peer_error(requester).vendor_status, STATUS_DENIED);
    static const uint8_t WIRE[] = {0x12, 0x7F, 0xFF, 0x04, 0x04, 0xD9,
                                   0x7E, 0x00, 0x00, 0x06, 0x01};
    assert_int_equal(fixture.last_response_size, sizeof WIRE);
    assert_memory_equal(fixture.last_response, WIRE, sizeof WIRE);
}

static void the_longest_vendor_message_fits(void **state) {
    (void)state;
    static uint8_t payload[SPDM_VENDOR_PAYLOAD_MAX + 1];
    fixture_start(&fixture, 0, 0);
    assert_ok(fixture_open(&fixture));
    assert_int_equal(spdm_requester_vendor(requester, bytes_of(payload, sizeof payload)),
                     STATUS_INVALID);
    assert_ok(spdm_requester_vendor(requester, bytes_of(payload, SPDM_VENDOR_PAYLOAD_MAX)));
    assert_ok(fixture_run(&fixture));
    assert_int_equal(spdm_requester_result(requester).size, SPDM_VENDOR_PAYLOAD_MAX);
}

static void sessions_follow_each_other(void **state) {
    (void)state;
    fixture_start(&fixture, 0, 0);
    assert_ok(fixture_connect(&fixture));
    for (int i = 0; i < 3; i++) {
        assert_ok(spdm_requester_open_session(requester));
        assert_ok(fixture_run(&fixture));
        assert_ok(spdm_requester_end_session(requester));
        assert_ok(fixture_run(&fixture));
        assert_int_equal(spdm_responder_privilege(responder), SPDM_PRIVILEGE_NONE);
        assert_int_equal(spdm_requester_privilege(requester), SPDM_PRIVILEGE_NONE);
    }
}

static void connecting_again_drops_the_session(void **state) {
    (void)state;
    fixture_start(&fixture, 0, 0);
    assert_ok(fixture_open(&fixture));
    assert_ok(fixture_open(&fixture));
    assert_int_equal(spdm_responder_privilege(responder), SPDM_PRIVILEGE_PRIVILEGED);
}

static void the_expected_key_is_enforced(void **state) {
    (void)state;
    uint8_t hash[CRYPTO_DIGEST_SIZE];
    fixture_start(&fixture, 0, 0);
    crypto_sha256(bytes_of(fixture.device.public_key, CRYPTO_PUBLIC_KEY_SIZE), hash);
    spdm_requester_expect_key(requester, hash);
    assert_ok(fixture_open(&fixture));
    hash[0] ^= 1;
    spdm_requester_expect_key(requester, hash);
    assert_int_equal(fixture_connect(&fixture), STATUS_MISMATCH);
    assert_int_equal(spdm_requester_open_session(requester), STATUS_BAD_STATE);
}

static void operations_need_what_comes_before(void **state) {
    (void)state;
    struct bytes none = bytes_of(NULL, 0);
    fixture_start(&fixture, 0, 0);
    assert_int_equal(spdm_requester_get_chain(requester, 0), STATUS_BAD_STATE);
    assert_int_equal(spdm_requester_vendor(requester, none), STATUS_BAD_STATE);
    assert_ok(spdm_requester_connect(requester));
    assert_int_equal(spdm_requester_get_chain(requester, 0), STATUS_BAD_STATE);
    assert_ok(fixture_run(&fixture));
    assert_int_equal(spdm_requester_get_chain(requester, 8), STATUS_INVALID);
    assert_int_equal(spdm_requester_challenge(requester), STATUS_BAD_STATE);
    assert_int_equal(spdm_requester_open_session(requester), STATUS_BAD_STATE);
    assert_int_equal(spdm_requester_get_csr(requester, none), STATUS_BAD_STATE);
    assert_int_equal(spdm_requester_set_certificate(requester, 0, none), STATUS_BAD_STATE);
    assert_int_equal(spdm_requester_end_session(requester), STATUS_BAD_STATE);
    assert_ok(spdm_requester_get_chain(requester, 3));
    assert_int_equal(fixture_run(&fixture), STATUS_NOT_FOUND);
}

static void what_the_device_lacks_is_not_asked(void **state) {
    (void)state;
    fixture_start(&fixture, SPDM_CAPS_BASIC, 0);
    assert_ok(fixture_open(&fixture));
    assert_int_equal(spdm_requester_get_csr(requester, bytes_of(NULL, 0)), STATUS_UNSUPPORTED);
}

static void aborting_frees_the_requester(void **state) {
    (void)state;
    struct writer writer;
    uint8_t message[SPDM_RECORD_MAX];
    uint8_t type;
    fixture_start(&fixture, 0, 0);
    assert_ok(fixture_open(&fixture));
    assert_ok(spdm_requester_vendor(requester, bytes_of("x", 1)));
    writer_init(&writer, message, sizeof message);
    assert_ok(spdm_requester_output(requester, &writer, &type));
    assert_int_equal(spdm_requester_output(requester, &writer, &type), STATUS_BAD_STATE);
    spdm_requester_abort(requester, STATUS_LINK);
    assert_int_equal(spdm_requester_state(requester), SPDM_REQUESTER_FAILED);
    assert_int_equal(spdm_requester_failure(requester), STATUS_LINK);
    assert_int_equal(spdm_requester_privilege(requester), SPDM_PRIVILEGE_NONE);
    assert_ok(fixture_open(&fixture));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(session_is_privileged_with_mutual_authentication),
        cmocka_unit_test(session_is_read_only_without),
        cmocka_unit_test(challenge_proves_possession),
        cmocka_unit_test(challenge_by_another_key_fails),
        cmocka_unit_test(chain_comes_in_portions),
        cmocka_unit_test(measurements_verify_in_and_outside_a_session),
        cmocka_unit_test(a_single_measurement_is_its_block),
        cmocka_unit_test(a_statement_is_bound_to_nonce_key_and_every_byte),
        cmocka_unit_test(provisioning_works_in_a_privileged_session),
        cmocka_unit_test(provisioning_is_refused_in_a_read_only_session),
        cmocka_unit_test(vendor_errors_carry_the_status),
        cmocka_unit_test(the_longest_vendor_message_fits),
        cmocka_unit_test(sessions_follow_each_other),
        cmocka_unit_test(connecting_again_drops_the_session),
        cmocka_unit_test(the_expected_key_is_enforced),
        cmocka_unit_test(operations_need_what_comes_before),
        cmocka_unit_test(what_the_device_lacks_is_not_asked),
        cmocka_unit_test(aborting_frees_the_requester),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
