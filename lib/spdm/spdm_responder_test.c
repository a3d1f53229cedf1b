/* What the responder refuses, and with which ERROR. */
#include "spdm/spdm_negotiation.h"
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

static void assert_error(uint8_t version, uint8_t code, uint8_t data) {
    assert_in_range(fixture.last_response_size, 4, 16);
    assert_int_equal(fixture.last_response[1], SPDM_ERROR);
    assert_int_equal(fixture.last_response[2], code);
    assert_int_equal(fixture.last_response[3], data);
    assert_int_equal(fixture.last_response[0], version);
}

static void refused(struct bytes message, uint8_t code) {
    assert_ok(fixture_send(&fixture, message));
    assert_error(SPDM_VERSION_12, code,
                 code == SPDM_ERROR_UNSUPPORTED_REQUEST ? message.data[1] : 0);
}

static void refused_inside(struct bytes message, uint8_t code) {
    assert_ok(fixture_send_inside(&fixture, message));
    assert_error(SPDM_VERSION_12, code,
                 code == SPDM_ERROR_UNSUPPORTED_REQUEST ? message.data[1] : 0);
}

static void answered(struct bytes message) {
    assert_ok(fixture_send(&fixture, message));
    assert_int_equal(fixture.last_response[1], message.data[1] & 0x7F);
}

static void answered_inside(struct bytes message) {
    assert_ok(fixture_send_inside(&fixture, message));
    assert_int_equal(fixture.last_response[1], message.data[1] & 0x7F);
}

static struct bytes capabilities(uint32_t flags, uint32_t transfer, uint32_t longest) {
    static uint8_t message[20];
    struct writer writer;
    writer_init(&writer, message, sizeof message);
    spdm_capabilities_write(&writer, SPDM_GET_CAPABILITIES, 0, flags);
    writer.size = 12;
    write_u32le(&writer, transfer);
    write_u32le(&writer, longest);
    return writer_bytes(&writer);
}

static uint8_t algorithms[64];

static struct bytes good_algorithms(void) {
    struct writer writer;
    writer_init(&writer, algorithms, sizeof algorithms);
    spdm_algorithms_write_request(&writer);
    return writer_bytes(&writer);
}

#define VERSION MESSAGE(0x10, 0x84, 0, 0)

static void negotiate(uint32_t flags, uint32_t transfer) {
    answered(VERSION);
    answered(capabilities(flags, transfer, transfer));
    answered(good_algorithms());
}

static void nothing_before_its_time(void **state) {
    (void)state;
    static const uint8_t CODES[] = {SPDM_GET_CAPABILITIES,
                                    SPDM_NEGOTIATE_ALGORITHMS,
                                    SPDM_GET_DIGESTS,
                                    SPDM_GET_CERTIFICATE,
                                    SPDM_CHALLENGE,
                                    SPDM_GET_MEASUREMENTS,
                                    SPDM_KEY_EXCHANGE,
                                    SPDM_FINISH,
                                    SPDM_END_SESSION,
                                    SPDM_GET_CSR,
                                    SPDM_SET_CERTIFICATE,
                                    SPDM_VENDOR_DEFINED_REQUEST,
                                    SPDM_GET_ENCAPSULATED_REQUEST,
                                    SPDM_DELIVER_ENCAPSULATED_RESPONSE};
    for (size_t i = 0; i < sizeof CODES; i++) {
        fixture_start(&fixture, 0, 0);
        assert_ok(fixture_send(&fixture, MESSAGE(0x12, CODES[i], 0, 0)));
        assert_error(SPDM_VERSION_10, SPDM_ERROR_UNEXPECTED_REQUEST, 0);
        if (CODES[i] != SPDM_GET_CAPABILITIES) {
            answered(VERSION);
            assert_ok(fixture_send(&fixture, MESSAGE(0x12, CODES[i], 0, 0)));
            assert_error(SPDM_VERSION_10, SPDM_ERROR_UNEXPECTED_REQUEST, 0);
        }
    }
    fixture_start(&fixture, 0, 0);
    answered(VERSION);
    assert_ok(fixture_send(&fixture, good_algorithms()));
    assert_error(SPDM_VERSION_10, SPDM_ERROR_UNEXPECTED_REQUEST, 0);
}

static void versions_must_match(void **state) {
    (void)state;
    fixture_start(&fixture, 0, 0);
    assert_ok(fixture_send(&fixture, MESSAGE(0x12, 0x84, 0, 0)));
    assert_error(SPDM_VERSION_10, SPDM_ERROR_VERSION_MISMATCH, 0);
    answered(VERSION);
    assert_ok(fixture_send(&fixture, MESSAGE(0x11, SPDM_GET_CAPABILITIES, 0, 0)));
    assert_error(SPDM_VERSION_10, SPDM_ERROR_VERSION_MISMATCH, 0);
    assert_ok(fixture_connect(&fixture));
    refused(MESSAGE(0x11, SPDM_GET_DIGESTS, 0, 0), SPDM_ERROR_VERSION_MISMATCH);
    refused(MESSAGE(0x13, SPDM_KEY_EXCHANGE, 0, 0), SPDM_ERROR_VERSION_MISMATCH);
}

static void responses_and_fragments_are_not_answered(void **state) {
    (void)state;
    uint8_t type;
    uint8_t message[4] = {0x12, SPDM_ERROR, 1, 0};
    struct writer writer;
    uint8_t response[SPDM_RECORD_MAX];
    fixture_start(&fixture, 0, 0);
    writer_init(&writer, response, sizeof response);
    assert_int_equal(fixture_send(&fixture, MESSAGE(0x12, SPDM_ERROR, 1, 0)), STATUS_BUSY);
    assert_int_equal(fixture_send(&fixture, MESSAGE(0x12, SPDM_DIGESTS, 0, 0)), STATUS_BUSY);
    /* Another message type; a record without a session. */
    assert_int_equal(spdm_responder_handle(responder, 0x7E, message, 4, &writer, &type),
                     STATUS_BUSY);
    assert_int_equal(
        spdm_responder_handle(responder, SPDM_TYPE_SECURED, message, 4, &writer, &type),
        STATUS_BUSY);
    assert_ok(fixture_send(&fixture, MESSAGE(0x12, 0x84, 0)));
    assert_error(SPDM_VERSION_10, SPDM_ERROR_INVALID_REQUEST, 0);
}

static void capabilities_must_be_consistent(void **state) {
    (void)state;
    static const uint32_t BAD[] = {
        SPDM_CAP_KEY_EX | SPDM_CAP_CERT,                 /* no channel */
        SPDM_CAP_ENCRYPT | SPDM_CAP_MAC | SPDM_CAP_CERT, /* no key exchange */
        SPDM_CAP_CERT | SPDM_CAP_CHAL | SPDM_CAP_HBEAT,  /* of sessions only */
        SPDM_CAPS_REQUESTER | SPDM_CAP_PUB_KEY_ID,       /* two identities */
        SPDM_CAP_CHAL,                                   /* no identity */
        SPDM_CAP_CERT,                                   /* no use for it */
        SPDM_CAP_KEY_EX | SPDM_CAP_ENCRYPT | SPDM_CAP_MAC | SPDM_CAP_MUT_AUTH,
    };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        fixture_start(&fixture, 0, 0);
        answered(VERSION);
        assert_ok(fixture_send(&fixture, capabilities(BAD[i], 4608, 4608)));
        assert_error(SPDM_VERSION_12, SPDM_ERROR_INVALID_REQUEST, 0);
        answered(capabilities(SPDM_CAPS_REQUESTER, 4608, 4608));
    }
}

static void sizes_must_be_consistent(void **state) {
    (void)state;
    static const struct {
        uint32_t flags;
        uint32_t transfer;
        uint32_t longest;
    } BAD[] = {{SPDM_CAPS_REQUESTER, 41, 41},
               {SPDM_CAPS_REQUESTER, 4608, 4607},
               {SPDM_CAPS_REQUESTER, 1024, 4608},
               {SPDM_CAPS_REQUESTER | SPDM_CAP_CHUNK, 4608, 1024}};
    fixture_start(&fixture, 0, 0);
    answered(VERSION);
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        assert_ok(
            fixture_send(&fixture, capabilities(BAD[i].flags, BAD[i].transfer, BAD[i].longest)));
        assert_error(SPDM_VERSION_12, SPDM_ERROR_INVALID_REQUEST, 0);
    }
    answered(capabilities(SPDM_CAPS_REQUESTER | SPDM_CAP_CHUNK, 1024, 4608));
}

static void negotiation_may_be_repeated_but_not_changed(void **state) {
    (void)state;
    uint8_t first[64];
    fixture_start(&fixture, 0, 0);
    answered(VERSION);
    answered(capabilities(SPDM_CAPS_REQUESTER_MUTUAL, 4608, 4608));
    memcpy(first, fixture.last_response, 20);
    refused(capabilities(SPDM_CAPS_REQUESTER, 4608, 4608), SPDM_ERROR_UNEXPECTED_REQUEST);
    answered(capabilities(SPDM_CAPS_REQUESTER_MUTUAL, 4608, 4608));
    assert_memory_equal(first, fixture.last_response, 20);
    answered(good_algorithms());
    refused(capabilities(SPDM_CAPS_REQUESTER_MUTUAL, 4608, 4608), SPDM_ERROR_UNEXPECTED_REQUEST);
    struct bytes other = good_algorithms();
    algorithms[32 + 2] |= 0x10; /* another group offered as well */
    refused(other, SPDM_ERROR_UNEXPECTED_REQUEST);
    answered(good_algorithms());
    assert_ok(fixture_open(&fixture));
}

/* The retried messages enter the transcript once, so the session still opens. */
static bool send_twice(struct fixture *f, bool to_device, uint8_t *type, uint8_t *message,
                       size_t *size) {
    uint8_t copy[64];
    uint8_t answer[64];
    struct writer writer;
    bool negotiation =
        message[1] == SPDM_GET_CAPABILITIES || message[1] == SPDM_NEGOTIATE_ALGORITHMS;
    if (to_device && *type == SPDM_TYPE_CLEAR && negotiation) {
        memcpy(copy, message, *size);
        writer_init(&writer, answer, sizeof answer);
        assert_ok(spdm_responder_handle(&f->responder, *type, copy, *size, &writer, type));
    }
    return true;
}

static void a_retried_negotiation_counts_once(void **state) {
    (void)state;
    fixture_start(&fixture, 0, 0);
    fixture.tap = send_twice;
    assert_ok(fixture_open(&fixture));
}

static void algorithms_must_fit(void **state) {
    (void)state;
    static const struct {
        size_t offset;
        uint8_t value;
    } BAD[] = {
        {2, 3},     {2, 5},                 /* number of tables */
        {4, 0x2F},  {4, 0x31},              /* length */
        {6, 0},     {7, 0},                 /* measurement specification, opaque format */
        {8, 0x80},  {12, 2},                /* signature and hash algorithms */
        {28, 21},   {29, 21},               /* external algorithms */
        {33, 0x10}, {33, 0x30},             /* fixed size of a table */
        {33, 0x2F}, {32, 6},                /* external algorithms of a table; order */
        {34, 0x10}, {38, 0x01}, {46, 0x02}, /* group, cipher, key schedule */
        {36, 2},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        fixture_start(&fixture, 0, 0);
        answered(VERSION);
        answered(capabilities(SPDM_CAPS_REQUESTER, 4608, 4608));
        struct bytes message = good_algorithms();
        algorithms[BAD[i].offset] = BAD[i].value;
        refused(message, SPDM_ERROR_INVALID_REQUEST);
    }
}

static void requester_key_is_selected_only_for_mutual_authentication(void **state) {
    (void)state;
    fixture_start(&fixture, 0, 0);
    negotiate(SPDM_CAPS_REQUESTER, 4608);
    assert_memory_equal(&fixture.last_response[44], "\x04\x20\x00\x00", 4);
    negotiate(SPDM_CAPS_REQUESTER_MUTUAL, 4608);
    assert_memory_equal(&fixture.last_response[44], "\x04\x20\x10\x00", 4);
}

static void slots_and_offsets_are_bounded(void **state) {
    (void)state;
    fixture_start(&fixture, 0, 0);
    assert_ok(fixture_connect(&fixture));
    for (uint8_t slot = 1; slot < 16; slot++) {
        uint8_t challenge[36] = {0x12, SPDM_CHALLENGE, slot, 0};
        uint8_t measurements[37] = {0x12, SPDM_GET_MEASUREMENTS, 1, 0xFF};
        measurements[36] = slot;
        refused(MESSAGE(0x12, SPDM_GET_CERTIFICATE, slot, 0, 0, 0, 0xFF, 0xFF),
                SPDM_ERROR_INVALID_REQUEST);
        refused(bytes_of(challenge, sizeof challenge), SPDM_ERROR_INVALID_REQUEST);
        refused(bytes_of(measurements, sizeof measurements), SPDM_ERROR_INVALID_REQUEST);
    }
    uint8_t size = (uint8_t)fixture.device.blob_size;
    assert_int_equal(size, fixture.device.blob_size);
    refused(MESSAGE(0x12, SPDM_GET_CERTIFICATE, 0, 0, size, 0, 1, 0), SPDM_ERROR_INVALID_REQUEST);
    refused(MESSAGE(0x12, SPDM_GET_CERTIFICATE, 0, 0, 0xFF, 0xFF, 1, 0),
            SPDM_ERROR_INVALID_REQUEST);
    refused(MESSAGE(0x12, SPDM_GET_CERTIFICATE, 0, 0, 0, 0, 0, 0), SPDM_ERROR_INVALID_REQUEST);
    answered(MESSAGE(0x12, SPDM_GET_CERTIFICATE, 0, 0, (uint8_t)(size - 1), 0, 0xFF, 0xFF));
    assert_int_equal(fixture.last_response_size, 9);
}

static void summary_types_are_three(void **state) {
    (void)state;
    fixture_start(&fixture, 0, 0);
    assert_ok(fixture_connect(&fixture));
    for (unsigned int type = 0; type < 256; type++) {
        uint8_t challenge[36] = {0x12, SPDM_CHALLENGE, 0, (uint8_t)type};
        if (type == 0 || type == 1 || type == 0xFF) {
            answered(bytes_of(challenge, sizeof challenge));
            assert_int_equal(fixture.last_response_size, type == 0 ? 134 : 166);
        } else {
            refused(bytes_of(challenge, sizeof challenge), SPDM_ERROR_INVALID_REQUEST);
        }
    }
}

static void measurement_indices_are_those_there_are(void **state) {
    (void)state;
    fixture_start(&fixture, 0, 0);
    assert_ok(fixture_connect(&fixture));
    answered(MESSAGE(0x12, SPDM_GET_MEASUREMENTS, 0, 0));
    assert_int_equal(fixture.last_response[2], 3);
    assert_memory_equal(&fixture.last_response[4], "\0\0\0\0", 4);
    for (unsigned int index = 1; index < 0xFF; index++) {
        struct bytes message = MESSAGE(0x12, SPDM_GET_MEASUREMENTS, 0, (uint8_t)index);
        if (index == 1 || index == 2 || index == 0xFD) {
            answered(message);
            assert_int_equal(fixture.last_response[4], 1);
        } else {
            refused(message, SPDM_ERROR_INVALID_REQUEST);
        }
    }
}

/* An unsigned exchange belongs to the next signature, unless an ERROR or another request came. */
static void errors_and_other_requests_reset_l1(void **state) {
    (void)state;
    fixture_start(&fixture, 0, 0);
    assert_ok(fixture_connect(&fixture));
    answered(MESSAGE(0x12, SPDM_GET_MEASUREMENTS, 0, 1));
    assert_ok(spdm_requester_measurements(requester, SPDM_MEASUREMENT_ALL, NULL));
    assert_int_equal(fixture_run(&fixture), STATUS_BAD_SIGNATURE);
    answered(MESSAGE(0x12, SPDM_GET_MEASUREMENTS, 0, 1));
    refused(MESSAGE(0x12, SPDM_GET_MEASUREMENTS, 0, 9), SPDM_ERROR_INVALID_REQUEST);
    assert_ok(spdm_requester_measurements(requester, SPDM_MEASUREMENT_ALL, NULL));
    assert_ok(fixture_run(&fixture));
    answered(MESSAGE(0x12, SPDM_GET_MEASUREMENTS, 0, 1));
    answered(MESSAGE(0x12, SPDM_GET_DIGESTS, 0, 0));
    assert_ok(spdm_requester_measurements(requester, SPDM_MEASUREMENT_ALL, NULL));
    assert_ok(fixture_run(&fixture));
}

/* KEY_EXCHANGE and its like break off a CHALLENGE in preparation. */
static void m1_starts_again_after_other_requests(void **state) {
    (void)state;
    fixture_start(&fixture, 0, 0);
    assert_ok(fixture_connect(&fixture));
    assert_ok(spdm_requester_measurements(requester, 1, NULL));
    assert_ok(fixture_run(&fixture));
    assert_ok(spdm_requester_challenge(requester));
    assert_ok(fixture_run(&fixture));
    /* Whereas a digest more than the requester knows of is seen. */
    assert_ok(fixture_connect(&fixture));
    answered(MESSAGE(0x12, SPDM_GET_CERTIFICATE, 0, 0, 0, 0, 1, 0));
    assert_ok(spdm_requester_challenge(requester));
    assert_int_equal(fixture_run(&fixture), STATUS_BAD_SIGNATURE);
}

static void sessions_are_required_where_they_are(void **state) {
    (void)state;
    struct bytes heartbeat = MESSAGE(0x12, SPDM_HEARTBEAT, 0, 0);
    struct bytes key_update = MESSAGE(0x12, SPDM_KEY_UPDATE, 1, 0);
    fixture_start(&fixture, 0, 0);
    assert_ok(fixture_connect(&fixture));
    refused(MESSAGE(0x12, SPDM_FINISH, 0, 0), SPDM_ERROR_SESSION_REQUIRED);
    refused(MESSAGE(0x12, SPDM_END_SESSION, 0, 0), SPDM_ERROR_SESSION_REQUIRED);
    refused(MESSAGE(0x12, SPDM_GET_CSR, 0, 0, 0, 0, 0, 0), SPDM_ERROR_UNEXPECTED_REQUEST);
    refused(MESSAGE(0x12, SPDM_SET_CERTIFICATE, 0, 0), SPDM_ERROR_UNEXPECTED_REQUEST);
    refused(MESSAGE(0x12, SPDM_GET_ENCAPSULATED_REQUEST, 0, 0), SPDM_ERROR_UNEXPECTED_REQUEST);
    refused(heartbeat, SPDM_ERROR_UNSUPPORTED_REQUEST);
    refused(key_update, SPDM_ERROR_UNSUPPORTED_REQUEST);
    refused(MESSAGE(0x12, 0x85, 0, 0), SPDM_ERROR_UNSUPPORTED_REQUEST); /* CHUNK_SEND */
    refused(MESSAGE(0x12, 0xFF, 0x83, 0), SPDM_ERROR_UNSUPPORTED_REQUEST);
    assert_ok(fixture_open(&fixture));
    refused_inside(heartbeat, SPDM_ERROR_UNSUPPORTED_REQUEST);
    refused_inside(key_update, SPDM_ERROR_UNSUPPORTED_REQUEST);
}

static void an_established_session_has_its_limits(void **state) {
    (void)state;
    uint8_t key_exchange[122] = {0x12, SPDM_KEY_EXCHANGE};
    uint8_t challenge[36] = {0x12, SPDM_CHALLENGE};
    fixture_start(&fixture, 0, 0);
    assert_ok(fixture_open(&fixture));
    refused_inside(VERSION, SPDM_ERROR_VERSION_MISMATCH);
    refused_inside(MESSAGE(0x12, SPDM_GET_VERSION, 0, 0), SPDM_ERROR_UNEXPECTED_REQUEST);
    refused_inside(bytes_of(key_exchange, sizeof key_exchange), SPDM_ERROR_UNEXPECTED_REQUEST);
    refused_inside(bytes_of(challenge, sizeof challenge), SPDM_ERROR_UNEXPECTED_REQUEST);
    refused_inside(MESSAGE(0x12, SPDM_FINISH, 0, 0), SPDM_ERROR_UNEXPECTED_REQUEST);
    refused_inside(MESSAGE(0x12, SPDM_GET_ENCAPSULATED_REQUEST, 0, 0),
                   SPDM_ERROR_UNEXPECTED_REQUEST);
    refused_inside(MESSAGE(0x12, SPDM_DELIVER_ENCAPSULATED_RESPONSE, 1, 0, 0x12, 1, 0, 0),
                   SPDM_ERROR_UNEXPECTED_REQUEST);
    refused_inside(MESSAGE(0x12, SPDM_END_SESSION, 0, 0, 0), SPDM_ERROR_INVALID_REQUEST);
    refused_inside(MESSAGE(0x12, SPDM_GET_CSR, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0),
                   SPDM_ERROR_INVALID_REQUEST);
    refused_inside(MESSAGE(0x12, SPDM_SET_CERTIFICATE, 8, 0), SPDM_ERROR_INVALID_REQUEST);
    answered_inside(MESSAGE(0x12, SPDM_GET_DIGESTS, 0, 0));
    answered_inside(MESSAGE(0x12, SPDM_END_SESSION, 0, 0));
    assert_int_equal(fixture_send_inside(&fixture, VERSION), STATUS_BUSY);
}

/* A real KEY_EXCHANGE, as the requester sends it. */
static uint8_t captured[256];
static size_t captured_size;
static bool capture(struct fixture *f, bool to_device, uint8_t *type, uint8_t *message,
                    size_t *size) {
    (void)f;
    if (to_device && *type == SPDM_TYPE_CLEAR && message[1] == SPDM_KEY_EXCHANGE) {
        memcpy(captured, message, *size);
        captured_size = *size;
    }
    return true;
}

static void key_exchange_is_checked(void **state) {
    (void)state;
    static const struct {
        size_t offset;
        uint8_t value;
    } BAD[] = {{2, 2},    {2, 0xFE}, {3, 1},   {3, 0xFF}, {104, 0xFF}, {105, 0xFF},
               {104, 15}, {106, 2},  {112, 6}, {116, 0},  {117, 0x10}};
    fixture_start(&fixture, 0, 0);
    fixture.tap = capture;
    assert_ok(fixture_open(&fixture));
    fixture.tap = NULL;
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        uint8_t message[sizeof captured];
        assert_ok(fixture_connect(&fixture));
        memcpy(message, captured, captured_size);
        message[BAD[i].offset] = BAD[i].value;
        refused(bytes_of(message, captured_size), SPDM_ERROR_INVALID_REQUEST);
        answered(bytes_of(captured, captured_size));
    }
    uint8_t off_curve[sizeof captured];
    assert_ok(fixture_connect(&fixture));
    memcpy(off_curve, captured, captured_size);
    off_curve[60] ^= 1;
    refused(bytes_of(off_curve, captured_size), SPDM_ERROR_INVALID_REQUEST);
    assert_int_equal(responder->session.phase, SPDM_SESSION_NONE);
}

static void there_is_one_session(void **state) {
    (void)state;
    fixture_start(&fixture, 0, SPDM_CAPS_REQUESTER);
    fixture.tap = capture;
    assert_ok(fixture_open(&fixture));
    fixture.tap = NULL;
    refused(bytes_of(captured, captured_size), SPDM_ERROR_SESSION_LIMIT_EXCEEDED);
    assert_ok(spdm_requester_vendor(requester, bytes_of("x", 1)));
    assert_ok(fixture_run(&fixture));
    /* A half-open handshake is in the way until GET_VERSION. */
    assert_ok(fixture_handshake(&fixture));
    refused(bytes_of(captured, captured_size), SPDM_ERROR_SESSION_LIMIT_EXCEEDED);
    assert_ok(fixture_open(&fixture));
}

static void the_handshake_takes_finish_only(void **state) {
    (void)state;
    fixture_start(&fixture, 0, SPDM_CAPS_REQUESTER);
    assert_ok(fixture_handshake(&fixture));
    refused_inside(MESSAGE(0x12, SPDM_END_SESSION, 0, 0), SPDM_ERROR_UNEXPECTED_REQUEST);
    refused_inside(MESSAGE(0x12, SPDM_GET_MEASUREMENTS, 0, 1), SPDM_ERROR_UNEXPECTED_REQUEST);
    refused_inside(MESSAGE(0x12, SPDM_VENDOR_DEFINED_REQUEST, 0, 0), SPDM_ERROR_UNEXPECTED_REQUEST);
    refused_inside(MESSAGE(0x12, SPDM_GET_CSR, 0, 0, 0, 0, 0, 0), SPDM_ERROR_UNEXPECTED_REQUEST);
    refused_inside(MESSAGE(0x12, SPDM_GET_DIGESTS, 0, 0), SPDM_ERROR_UNEXPECTED_REQUEST);
    refused_inside(MESSAGE(0x12, SPDM_GET_ENCAPSULATED_REQUEST, 0, 0),
                   SPDM_ERROR_UNEXPECTED_REQUEST);
    assert_ok(fixture_run(&fixture));
    assert_int_equal(spdm_requester_privilege(requester), SPDM_PRIVILEGE_READ_ONLY);
}

static void finish_is_checked(void **state) {
    (void)state;
    uint8_t finish[4 + 64 + 32] = {0x12, SPDM_FINISH};
    fixture_start(&fixture, 0, SPDM_CAPS_REQUESTER);
    assert_ok(fixture_handshake(&fixture));
    refused_inside(bytes_of(finish, 4), SPDM_ERROR_INVALID_REQUEST);
    refused_inside(bytes_of(finish, 35), SPDM_ERROR_INVALID_REQUEST);
    refused_inside(bytes_of(finish, 37), SPDM_ERROR_INVALID_REQUEST);
    finish[3] = 1; /* slot */
    refused_inside(bytes_of(finish, 36), SPDM_ERROR_INVALID_REQUEST);
    finish[3] = 0;
    finish[2] = 1; /* signature, though none was asked for */
    refused_inside(bytes_of(finish, 100), SPDM_ERROR_INVALID_REQUEST);
    refused_inside(bytes_of(finish, 36), SPDM_ERROR_INVALID_REQUEST);
    finish[2] = 0;
    refused_inside(bytes_of(finish, 36), SPDM_ERROR_DECRYPT);
    assert_int_equal(responder->session.phase, SPDM_SESSION_NONE);
    assert_int_equal(fixture_send_inside(&fixture, bytes_of(finish, 36)), STATUS_BUSY);
    assert_ok(fixture_open(&fixture));
}

static void small_requesters_get_small_answers(void **state) {
    (void)state;
    fixture_start(&fixture, 0, 0);
    fixture.tap = capture;
    assert_ok(fixture_open(&fixture));
    fixture.tap = NULL;
    negotiate(SPDM_CAPS_REQUESTER, 64);
    answered(MESSAGE(0x12, SPDM_GET_CERTIFICATE, 0, 0, 0, 0, 0xFF, 0xFF));
    assert_int_equal(fixture.last_response_size, 64);
    assert_ok(fixture_send(&fixture, MESSAGE(0x12, SPDM_GET_MEASUREMENTS, 0, 0xFF)));
    assert_error(SPDM_VERSION_12, SPDM_ERROR_RESPONSE_TOO_LARGE, 0);
    assert_int_equal(fixture.last_response_size, 8);
    assert_ok(fixture_send(&fixture, bytes_of(captured, captured_size)));
    assert_error(SPDM_VERSION_12, SPDM_ERROR_RESPONSE_TOO_LARGE, 0);
    assert_int_equal(responder->session.phase, SPDM_SESSION_NONE);
}

static void measurements_that_do_not_fit_are_an_error(void **state) {
    (void)state;
    fixture_start(&fixture, 0, 0);
    assert_ok(fixture_connect(&fixture));
    fixture.measurement_size = SPDM_MESSAGE_MAX - 64;
    refused(MESSAGE(0x12, SPDM_GET_MEASUREMENTS, 0, 0xFF), SPDM_ERROR_RESPONSE_TOO_LARGE);
    fixture.measurement_size = SPDM_MESSAGE_MAX - 300;
    answered(MESSAGE(0x12, SPDM_GET_MEASUREMENTS, 0, 0xFF));
}

static void foreign_vendors_are_refused(void **state) {
    (void)state;
    fixture_start(&fixture, 0, 0);
    assert_ok(fixture_connect(&fixture));
    answered(MESSAGE(0x12, 0xFE, 0, 0, 4, 0, 4, 0xD9, 0x7E, 0, 0, 1, 0, 1));
    refused(MESSAGE(0x12, 0xFE, 0, 0, 4, 0, 4, 0x9C, 0x01, 0, 0, 1, 0, 1),
            SPDM_ERROR_INVALID_REQUEST);
    refused(MESSAGE(0x12, 0xFE, 0, 0, 3, 0, 4, 0xD9, 0x7E, 0, 0, 1, 0, 1),
            SPDM_ERROR_INVALID_REQUEST);
    refused(MESSAGE(0x12, 0xFE, 0, 0, 3, 0, 2, 0x01, 0x00, 1, 0, 1), SPDM_ERROR_INVALID_REQUEST);
    refused(MESSAGE(0x12, 0xFE, 0, 0, 4, 0, 4, 0xD9, 0x7E, 0, 0, 2, 0, 1),
            SPDM_ERROR_INVALID_REQUEST);
    refused(MESSAGE(0x12, 0xFE, 0, 0, 4, 0, 4, 0xD9, 0x7E, 0, 0, 0, 0, 1),
            SPDM_ERROR_INVALID_REQUEST);
}

static void a_stage_without_authority_has_less(void **state) {
    (void)state;
    fixture_start(&fixture, SPDM_CAPS_BASIC, 0);
    const struct spdm_responder_config config = responder->config;
    spdm_responder_init_basic(responder, &config);
    assert_ok(fixture_open(&fixture));
    assert_int_equal(spdm_responder_privilege(responder), SPDM_PRIVILEGE_READ_ONLY);
    refused_inside(MESSAGE(0x12, SPDM_GET_CSR, 0, 0, 0, 0, 0, 0), SPDM_ERROR_UNSUPPORTED_REQUEST);
    refused_inside(MESSAGE(0x12, SPDM_SET_CERTIFICATE, 0, 0), SPDM_ERROR_UNSUPPORTED_REQUEST);
    refused_inside(MESSAGE(0x12, SPDM_GET_ENCAPSULATED_REQUEST, 0, 0),
                   SPDM_ERROR_UNSUPPORTED_REQUEST);
}

/* No code for them, so not even a capability that should not be there brings them back. */
static void a_stage_without_identity_has_least(void **state) {
    static const uint8_t CODES[] = {SPDM_GET_DIGESTS,
                                    SPDM_GET_CERTIFICATE,
                                    SPDM_CHALLENGE,
                                    SPDM_GET_MEASUREMENTS,
                                    SPDM_KEY_EXCHANGE,
                                    SPDM_FINISH,
                                    SPDM_END_SESSION,
                                    SPDM_GET_CSR,
                                    SPDM_SET_CERTIFICATE,
                                    SPDM_GET_ENCAPSULATED_REQUEST,
                                    SPDM_DELIVER_ENCAPSULATED_RESPONSE};
    static const uint32_t CAPABILITIES[] = {0, SPDM_CAPS_PROVISIONING};
    static uint8_t answer[SPDM_RECORD_MAX];
    uint8_t record[64] = {0};
    (void)state;
    for (size_t i = 0; i < sizeof CAPABILITIES / sizeof CAPABILITIES[0]; i++) {
        struct writer response;
        uint8_t type = 0;
        fixture_start(&fixture, 0, 0);
        struct spdm_responder_config config = responder->config;
        config.capabilities = CAPABILITIES[i];
        spdm_responder_init_plain(responder, &config);
        negotiate(SPDM_CAPS_REQUESTER_MUTUAL, SPDM_MESSAGE_MAX);
        for (size_t j = 0; j < sizeof CODES; j++) {
            refused(MESSAGE(0x12, CODES[j], 0, 0), SPDM_ERROR_UNSUPPORTED_REQUEST);
        }
        answered(MESSAGE(0x12, 0xFE, 0, 0, 4, 0, 4, 0xD9, 0x7E, 0, 0, 1, 0, 1));
        /* And a record of no session is nobody's. */
        writer_init(&response, answer, sizeof answer);
        assert_int_equal(spdm_responder_handle(responder, SPDM_TYPE_SECURED, record, sizeof record,
                                               &response, &type),
                         STATUS_BUSY);
        assert_int_equal(response.size, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stage_without_identity_has_least),
        cmocka_unit_test(nothing_before_its_time),
        cmocka_unit_test(versions_must_match),
        cmocka_unit_test(responses_and_fragments_are_not_answered),
        cmocka_unit_test(capabilities_must_be_consistent),
        cmocka_unit_test(sizes_must_be_consistent),
        cmocka_unit_test(negotiation_may_be_repeated_but_not_changed),
        cmocka_unit_test(a_retried_negotiation_counts_once),
        cmocka_unit_test(algorithms_must_fit),
        cmocka_unit_test(requester_key_is_selected_only_for_mutual_authentication),
        cmocka_unit_test(slots_and_offsets_are_bounded),
        cmocka_unit_test(summary_types_are_three),
        cmocka_unit_test(measurement_indices_are_those_there_are),
        cmocka_unit_test(errors_and_other_requests_reset_l1),
        cmocka_unit_test(m1_starts_again_after_other_requests),
        cmocka_unit_test(sessions_are_required_where_they_are),
        cmocka_unit_test(an_established_session_has_its_limits),
        cmocka_unit_test(key_exchange_is_checked),
        cmocka_unit_test(there_is_one_session),
        cmocka_unit_test(the_handshake_takes_finish_only),
        cmocka_unit_test(finish_is_checked),
        cmocka_unit_test(small_requesters_get_small_answers),
        cmocka_unit_test(measurements_that_do_not_fit_are_an_error),
        cmocka_unit_test(foreign_vendors_are_refused),
        cmocka_unit_test(a_stage_without_authority_has_less),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
