/*
 * What a third party accepts as a device's statement. Every case here but the altered ones is
 * properly signed by the device's key: a signature does not make another statement out of one.
 */
#include "spdm/spdm_measurement.h"

#include "spdm/spdm_negotiation.h"
#include "spdm/spdm_signing.h"
#include "spdm/testing/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define assert_ok(expression) assert_int_equal(expression, STATUS_OK)

static struct fixture fixture;
static uint8_t nonce[SPDM_NONCE_SIZE];
static uint8_t buffer[SPDM_RECORD_MAX];
static uint8_t device_nonce[SPDM_NONCE_SIZE];

/* A statement, as the device sees it; what a test changes before it is written and signed. */
struct parts {
    uint8_t vca[512];
    size_t vca_size;
    uint8_t request[4]; /* version, code, attributes, operation */
    uint8_t slot;
    uint8_t response[4];
    uint8_t count;
    uint8_t record[64];
    size_t record_size;
    size_t opaque_size;
};
static struct parts parts;

/* Where the messages of our own negotiation begin. */
enum {
    GET_VERSION_AT = 0,
    VERSION_AT = 4,
    GET_CAPABILITIES_AT = 12,
    CAPABILITIES_AT = 32,
    NEGOTIATE_AT = 52,
    ALGORITHMS_AT = 100,
    VCA_SIZE = 152,
};

static int start(void **state) {
    struct writer writer;
    (void)state;
    fixture_start(&fixture, 0, 0);
    memset(nonce, 7, sizeof nonce);
    parts = (struct parts){
        .request = {SPDM_VERSION_12, SPDM_GET_MEASUREMENTS, 1, SPDM_MEASUREMENT_ALL},
        .response = {SPDM_VERSION_12, SPDM_MEASUREMENTS, 0, 0},
        .count = 2,
    };
    writer_init(&writer, parts.vca, sizeof parts.vca);
    spdm_header_write(&writer, SPDM_VERSION_10, SPDM_GET_VERSION, 0, 0);
    spdm_version_write(&writer);
    spdm_capabilities_write(&writer, SPDM_GET_CAPABILITIES, 0, SPDM_CAPS_REQUESTER);
    spdm_capabilities_write(&writer, SPDM_CAPABILITIES, 23, SPDM_CAPS_BASIC);
    spdm_algorithms_write_request(&writer);
    spdm_algorithms_write_response(&writer, false);
    assert_int_equal(writer.size, VCA_SIZE);
    parts.vca_size = writer.size;
    writer_init(&writer, parts.record, sizeof parts.record);
    spdm_measurement_write(&writer, 1, SPDM_MEASUREMENT_FIRMWARE, bytes_of(nonce, 32));
    spdm_measurement_write(&writer, 3, SPDM_MEASUREMENT_RAW, bytes_of(nonce, 2));
    assert_ok(writer_check(&writer));
    parts.record_size = writer.size;
    return 0;
}

/* The statement of `parts` with the device's signature. */
static struct bytes statement(void) {
    uint8_t hash[CRYPTO_DIGEST_SIZE];
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    uint8_t signature[CRYPTO_SIGNATURE_SIZE];
    struct writer writer;
    writer_init(&writer, buffer, sizeof buffer);
    write_bytes(&writer, bytes_of(parts.vca, parts.vca_size));
    write_bytes(&writer, bytes_of(parts.request, sizeof parts.request));
    write_bytes(&writer, bytes_of(nonce, sizeof nonce));
    write_u8(&writer, parts.slot);
    write_bytes(&writer, bytes_of(parts.response, sizeof parts.response));
    write_u8(&writer, parts.count);
    write_u24le(&writer, (uint32_t)parts.record_size);
    write_bytes(&writer, bytes_of(parts.record, parts.record_size));
    write_bytes(&writer, bytes_of(device_nonce, sizeof device_nonce));
    write_u16le(&writer, (uint16_t)parts.opaque_size);
    write_fill(&writer, 0, parts.opaque_size);
    crypto_sha256(writer_bytes(&writer), hash);
    spdm_signing_digest(SPDM_SIGN_MEASUREMENTS, hash, digest);
    assert_ok(crypto_p256_sign(fixture.device.private_key, digest, signature));
    write_bytes(&writer, bytes_of(signature, sizeof signature));
    assert_ok(writer_check(&writer));
    return writer_bytes(&writer);
}

static enum status verify(struct bytes transcript) {
    struct bytes record = bytes_of(buffer, 1);
    enum status status =
        spdm_measurement_verify(transcript, fixture.device.public_key, nonce, &record);
    if (status == STATUS_OK) {
        assert_true(bytes_equal(record, bytes_of(parts.record, parts.record_size)));
    } else {
        assert_int_equal(record.size, 0);
    }
    return status;
}

static void a_whole_statement_is_accepted(void **state) {
    (void)state;
    assert_ok(verify(statement()));
    parts.opaque_size = 16; /* whatever the device likes to add */
    assert_ok(verify(statement()));
    parts.response[3] = 0x10; /* "no content has changed" */
    assert_ok(verify(statement()));
    parts.record_size = 0;
    parts.count = 0;
    assert_ok(verify(statement())); /* whose contents the caller judges */
}

static void another_nonce_is_replayed(void **state) {
    (void)state;
    struct bytes transcript = statement();
    for (size_t i = 0; i < sizeof nonce; i++) {
        nonce[i] ^= 0x80;
        assert_int_equal(verify(transcript), STATUS_REPLAYED);
        nonce[i] ^= 0x80;
    }
    assert_ok(verify(transcript));
}

static void another_slot_is_refused(void **state) {
    (void)state;
    for (unsigned slot = 1; slot < 256; slot++) {
        parts.slot = (uint8_t)slot; /* reserved bits above the slot included */
        parts.response[3] = (uint8_t)(slot & 0x0F);
        assert_int_equal(verify(statement()), STATUS_INVALID);
    }
    parts.slot = 0;
    for (unsigned slot = 1; slot < 16; slot++) {
        parts.response[3] = (uint8_t)slot;
        assert_int_equal(verify(statement()), STATUS_INVALID);
    }
}

static void another_request_or_response_is_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof parts.request; i++) {
        for (unsigned flip = 1; flip <= 0x80; flip <<= 1) {
            parts.request[i] ^= (uint8_t)flip; /* unsigned, raw, one block, none, other codes */
            assert_int_equal(verify(statement()), STATUS_INVALID);
            parts.request[i] ^= (uint8_t)flip;
        }
    }
    for (size_t i = 0; i < 2; i++) {
        for (unsigned flip = 1; flip <= 0x80; flip <<= 1) {
            parts.response[i] ^= (uint8_t)flip;
            assert_int_equal(verify(statement()), STATUS_INVALID);
            parts.response[i] ^= (uint8_t)flip;
        }
    }
    assert_ok(verify(statement()));
}

/* As it would be on the wire: no nonce, no slot in the request, no signature. */
static void an_unsigned_exchange_is_refused(void **state) {
    struct writer writer;
    (void)state;
    writer_init(&writer, buffer, sizeof buffer);
    write_bytes(&writer, bytes_of(parts.vca, parts.vca_size));
    spdm_header_write(&writer, SPDM_VERSION_12, SPDM_GET_MEASUREMENTS, 0, SPDM_MEASUREMENT_ALL);
    spdm_header_write(&writer, SPDM_VERSION_12, SPDM_MEASUREMENTS, 0, 0);
    write_u8(&writer, parts.count);
    write_u24le(&writer, (uint32_t)parts.record_size);
    write_bytes(&writer, bytes_of(parts.record, parts.record_size));
    write_bytes(&writer, bytes_of(device_nonce, sizeof device_nonce));
    write_u16le(&writer, 0);
    assert_int_not_equal(verify(writer_bytes(&writer)), STATUS_OK);
}

static void a_record_is_as_many_blocks_as_it_says(void **state) {
    (void)state;
    parts.count = 1;
    assert_int_equal(verify(statement()), STATUS_INVALID);
    parts.count = 3;
    assert_int_equal(verify(statement()), STATUS_TRUNCATED);
    parts.count = 2;
    parts.record_size -= 1;
    assert_int_equal(verify(statement()), STATUS_TRUNCATED);
    parts.record_size += 1;
    static const size_t STRUCTURE[] = {1, 2, 5}; /* specification, size, size of the value */
    for (size_t i = 0; i < sizeof STRUCTURE / sizeof STRUCTURE[0]; i++) {
        parts.record[STRUCTURE[i]] ^= 1;
        assert_int_not_equal(verify(statement()), STATUS_OK);
        parts.record[STRUCTURE[i]] ^= 1;
    }
    assert_ok(verify(statement()));
}

/* Every other choice in ALGORITHMS, and an offer that lacks ours. */
static void other_algorithms_are_refused(void **state) {
    (void)state;
    static const struct {
        size_t at;
        uint8_t value;
    } CASES[] = {
        {ALGORITHMS_AT + 6, 0},     /* no measurement specification */
        {ALGORITHMS_AT + 7, 0},     /* no opaque format */
        {ALGORITHMS_AT + 8, 0x04},  /* measurements with SHA-384 */
        {ALGORITHMS_AT + 8, 0x00},  /* raw measurements only */
        {ALGORITHMS_AT + 12, 0x80}, /* P-384 */
        {ALGORITHMS_AT + 12, 0x90}, /* both */
        {ALGORITHMS_AT + 12, 0},    /* none */
        {ALGORITHMS_AT + 16, 0x02}, /* SHA-384 */
        {ALGORITHMS_AT + 38, 0x10}, /* secp384r1 */
        {ALGORITHMS_AT + 42, 0x01}, /* AES-128-GCM */
        {ALGORITHMS_AT + 50, 0},    /* no key schedule */
        {NEGOTIATE_AT + 8, 0x80},   /* P-384 offered only */
        {NEGOTIATE_AT + 12, 0x02},  /* SHA-384 offered only */
        {VERSION_AT + 7, 0x11},     /* SPDM 1.1 only */
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        uint8_t before = parts.vca[CASES[i].at];
        assert_int_not_equal(before, CASES[i].value);
        parts.vca[CASES[i].at] = CASES[i].value;
        assert_int_equal(verify(statement()), STATUS_UNSUPPORTED);
        parts.vca[CASES[i].at] = before;
    }
    assert_ok(verify(statement()));
}

static void a_negotiation_of_other_messages_is_refused(void **state) {
    (void)state;
    static const size_t MESSAGES[] = {GET_VERSION_AT,  VERSION_AT,   GET_CAPABILITIES_AT,
                                      CAPABILITIES_AT, NEGOTIATE_AT, ALGORITHMS_AT};
    for (size_t i = 0; i < sizeof MESSAGES / sizeof MESSAGES[0]; i++) {
        for (size_t k = 0; k < 2; k++) { /* version and code */
            parts.vca[MESSAGES[i] + k] ^= 0x04;
            assert_int_equal(verify(statement()), STATUS_INVALID);
            parts.vca[MESSAGES[i] + k] ^= 0x04;
        }
    }
    /* Capabilities that nobody may claim. */
    parts.vca[GET_CAPABILITIES_AT + 10] |= 0x01; /* a public key and a certificate */
    assert_int_equal(verify(statement()), STATUS_INVALID);
    parts.vca[GET_CAPABILITIES_AT + 10] &= 0xFE;
    parts.vca[CAPABILITIES_AT + 12] ^= 1; /* sizes that differ without chunking */
    assert_int_equal(verify(statement()), STATUS_INVALID);
    parts.vca[CAPABILITIES_AT + 12] ^= 1;
    /* Without its end, without its beginning. */
    parts.vca_size -= 4;
    assert_int_not_equal(verify(statement()), STATUS_OK);
    parts.vca_size = 0;
    assert_int_not_equal(verify(statement()), STATUS_OK);
}

static void altered_cut_or_longer_is_refused(void **state) {
    (void)state;
    struct bytes transcript = statement();
    for (size_t i = 0; i < transcript.size; i++) {
        for (unsigned flip = 1; flip <= 0x80; flip <<= 1) {
            buffer[i] ^= (uint8_t)flip;
            assert_int_not_equal(verify(transcript), STATUS_OK);
            buffer[i] ^= (uint8_t)flip;
        }
        assert_int_not_equal(verify(bytes_of(buffer, i)), STATUS_OK);
    }
    buffer[transcript.size] = 0;
    assert_int_equal(verify(bytes_of(buffer, transcript.size + 1)), STATUS_INVALID);
    assert_ok(verify(transcript));
}

/* Two exchanges in one transcript: a device that was asked twice signed both, and neither stands
 * for what the verifier asked. */
static void two_exchanges_are_refused(void **state) {
    (void)state;
    struct bytes first = statement();
    size_t exchange = first.size - SPDM_SIGNATURE_SIZE - parts.vca_size;
    assert_true(parts.vca_size + exchange <= sizeof parts.vca);
    memcpy(&parts.vca[parts.vca_size], &buffer[parts.vca_size], exchange);
    parts.vca_size += exchange;
    assert_int_not_equal(verify(statement()), STATUS_OK);
}

static void signed_for_another_purpose_is_refused(void **state) {
    static const enum spdm_signing_role ROLES[] = {SPDM_SIGN_CHALLENGE, SPDM_SIGN_KEY_EXCHANGE,
                                                   SPDM_SIGN_FINISH};
    uint8_t hash[CRYPTO_DIGEST_SIZE];
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    (void)state;
    struct bytes transcript = statement();
    size_t covered = transcript.size - SPDM_SIGNATURE_SIZE;
    crypto_sha256(bytes_of(buffer, covered), hash);
    for (size_t i = 0; i < sizeof ROLES / sizeof ROLES[0]; i++) {
        spdm_signing_digest(ROLES[i], hash, digest);
        assert_ok(crypto_p256_sign(fixture.device.private_key, digest, &buffer[covered]));
        assert_int_equal(verify(transcript), STATUS_BAD_SIGNATURE);
    }
    assert_ok(crypto_p256_sign(fixture.device.private_key, hash, &buffer[covered]));
    assert_int_equal(verify(transcript), STATUS_BAD_SIGNATURE);
    struct bytes record;
    assert_int_equal(
        spdm_measurement_verify(statement(), fixture.stranger.public_key, nonce, &record),
        STATUS_BAD_SIGNATURE);
}

/* The engines' own: outside and inside a session, with a nonce of the caller's. */
static void a_caller_chooses_the_nonce_in_and_outside_a_session(void **state) {
    struct spdm_requester *requester = &fixture.requester;
    (void)state;
    assert_ok(fixture_connect(&fixture));
    for (unsigned inside = 0; inside < 2; inside++) {
        struct bytes record;
        uint8_t other[SPDM_NONCE_SIZE];
        memset(nonce, (int)(0x50 + inside), sizeof nonce);
        assert_ok(spdm_requester_measurements(requester, SPDM_MEASUREMENT_ALL, nonce));
        assert_ok(fixture_run(&fixture));
        struct bytes transcript = spdm_requester_measurement_transcript(requester);
        assert_ok(spdm_measurement_verify(transcript, fixture.device.public_key, nonce, &record));
        assert_true(bytes_equal(record, spdm_requester_result(requester)));
        memset(other, (int)(0x51 - inside), sizeof other);
        assert_int_equal(
            spdm_measurement_verify(transcript, fixture.device.public_key, other, &record),
            STATUS_REPLAYED);
        /* One block only: good for the requester, no statement for a third party. */
        assert_ok(spdm_requester_measurements(requester, 1, nonce));
        assert_ok(fixture_run(&fixture));
        assert_int_equal(spdm_measurement_verify(spdm_requester_measurement_transcript(requester),
                                                 fixture.device.public_key, nonce, &record),
                         STATUS_INVALID);
        if (inside == 0) {
            assert_ok(spdm_requester_open_session(requester));
            assert_ok(fixture_run(&fixture));
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_whole_statement_is_accepted, start),
        cmocka_unit_test_setup(another_nonce_is_replayed, start),
        cmocka_unit_test_setup(another_slot_is_refused, start),
        cmocka_unit_test_setup(another_request_or_response_is_refused, start),
        cmocka_unit_test_setup(an_unsigned_exchange_is_refused, start),
        cmocka_unit_test_setup(a_record_is_as_many_blocks_as_it_says, start),
        cmocka_unit_test_setup(other_algorithms_are_refused, start),
        cmocka_unit_test_setup(a_negotiation_of_other_messages_is_refused, start),
        cmocka_unit_test_setup(altered_cut_or_longer_is_refused, start),
        cmocka_unit_test_setup(two_exchanges_are_refused, start),
        cmocka_unit_test_setup(signed_for_another_purpose_is_refused, start),
        cmocka_unit_test_setup(a_caller_chooses_the_nonce_in_and_outside_a_session, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
