/* Somebody sits on the wire: cuts, flips, replays, substitutes. */
#include "spdm/testing/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define assert_ok(expression) assert_int_equal(expression, STATUS_OK)

static struct fixture fixture;
static struct spdm_requester *const requester = &fixture.requester;
static struct spdm_responder *const responder = &fixture.responder;

/* Everything one side can say, up to the end of a session. */
static enum status whole_dialog(void) {
    enum status status = fixture_open(&fixture);
    for (int i = 0; i < 5 && status == STATUS_OK; i++) {
        struct bytes chain = bytes_of(fixture.stranger.blob, fixture.stranger.blob_size);
        switch (i) {
        case 0: status = spdm_requester_vendor(requester, bytes_of("ping", 4)); break;
        case 1: status = spdm_requester_get_csr(requester, bytes_of("i", 1)); break;
        case 2: status = spdm_requester_set_certificate(requester, 1, chain); break;
        case 3: status = spdm_requester_measurements(requester, 0xFF, NULL); break;
        default: status = spdm_requester_end_session(requester); break;
        }
        if (status == STATUS_OK) {
            status = fixture_run(&fixture);
        }
    }
    return status;
}

/* A copy of the message as the receiver will read it: opened, if it is a record. */
static struct bytes readable(const struct fixture *f, bool to_device, uint8_t type,
                             const uint8_t *message, size_t size, uint8_t *copy) {
    struct spdm_channel channel =
        to_device ? f->responder.session.request : f->requester.session.response;
    struct bytes inner = bytes_of(copy, size);
    memcpy(copy, message, size);
    if (type == SPDM_TYPE_SECURED) {
        assert_ok(spdm_secured_open(&channel, copy, size, &inner));
    }
    return inner;
}

/* Sends `message` to the responder as the requester could: sealed if in a session. */
static enum status give_to_device(struct fixture *f, uint8_t type, struct bytes message,
                                  struct bytes *answer) {
    static uint8_t wire[SPDM_RECORD_MAX];
    static uint8_t response[SPDM_RECORD_MAX];
    struct spdm_session *session = &f->responder.session;
    struct spdm_channel back = session->response;
    struct spdm_channel channel = session->request;
    struct writer writer;
    size_t size = message.size;
    writer_init(&writer, response, sizeof response);
    if (type == SPDM_TYPE_SECURED) {
        memmove(&wire[SPDM_SECURED_OFFSET], message.data, message.size);
        assert_ok(
            spdm_secured_seal(&channel, session->id, wire, sizeof wire, message.size, 0, &size));
    } else {
        memcpy(wire, message.data, message.size);
    }
    enum status status = spdm_responder_handle(&f->responder, type, wire, size, &writer, &type);
    *answer = writer_bytes(&writer);
    if (status == STATUS_OK && type == SPDM_TYPE_SECURED) {
        assert_ok(spdm_secured_open(&back, response, writer.size, answer));
    }
    return status;
}

static struct fixture saved;
static unsigned int tried;

/* Before a request goes out: every shorter one and a longer one must be refused. */
static bool cut_requests(struct fixture *f, bool to_device, uint8_t *type, uint8_t *message,
                         size_t *size) {
    static uint8_t copy[SPDM_RECORD_MAX + 1];
    if (!to_device) {
        return true;
    }
    struct bytes whole = readable(f, true, *type, message, *size, copy);
    saved = *f;
    for (size_t cut = 0; cut <= whole.size + 1; cut++) {
        struct bytes answer;
        if (cut == whole.size) {
            continue;
        }
        enum status status = give_to_device(f, *type, bytes_of(whole.data, cut), &answer);
        if (status == STATUS_OK) {
            assert_int_equal(answer.data[1], SPDM_ERROR);
        } else {
            assert_int_equal(status, STATUS_BUSY);
        }
        *f = saved;
        tried++;
    }
    return true;
}

static void requests_cut_anywhere_are_refused(void **state) {
    (void)state;
    fixture_start(&fixture, 0, 0);
    fixture.tap = cut_requests;
    tried = 0;
    assert_ok(whole_dialog());
    assert_true(tried > 700);
}

/* Before an answer comes in: every shorter one and a longer one must make the operation fail. */
static bool cut_responses(struct fixture *f, bool to_device, uint8_t *type, uint8_t *message,
                          size_t *size) {
    static uint8_t copy[SPDM_RECORD_MAX + 1];
    static uint8_t wire[SPDM_RECORD_MAX + 1];
    if (to_device) {
        return true;
    }
    struct bytes whole = readable(f, false, *type, message, *size, copy);
    saved = *f;
    for (size_t cut = 0; cut <= whole.size + 1; cut++) {
        struct spdm_channel channel = f->requester.session.response;
        size_t length = cut;
        if (cut == whole.size) {
            continue;
        }
        if (*type == SPDM_TYPE_SECURED) {
            memcpy(&wire[SPDM_SECURED_OFFSET], whole.data, cut);
            assert_ok(spdm_secured_seal(&channel, f->requester.session.id, wire, sizeof wire, cut,
                                        0, &length));
        } else {
            memcpy(wire, whole.data, cut);
        }
        assert_int_not_equal(spdm_requester_input(&f->requester, *type, wire, length), STATUS_OK);
        assert_int_equal(spdm_requester_state(&f->requester), SPDM_REQUESTER_FAILED);
        assert_int_not_equal(spdm_requester_failure(&f->requester), STATUS_OK);
        *f = saved;
        tried++;
    }
    return true;
}

static void responses_cut_anywhere_are_refused(void **state) {
    (void)state;
    fixture_start(&fixture, 0, 0);
    fixture.tap = cut_responses;
    tried = 0;
    assert_ok(whole_dialog());
    assert_true(tried > 700);
}

/* Flips one bit of the n-th byte that passes (counting both directions). */
static size_t flip_at;
static uint8_t flip_bit;
static size_t passed;
static bool flipped_in_session;
static bool flip(struct fixture *f, bool to_device, uint8_t *type, uint8_t *message, size_t *size) {
    (void)f;
    (void)to_device;
    if (flip_at >= passed && flip_at < passed + *size) {
        message[flip_at - passed] ^= flip_bit;
        flipped_in_session = *type == SPDM_TYPE_SECURED;
    }
    passed += *size;
    return true;
}

/* Success is only ever success with the right peer and the same keys. */
static void assert_true_success(void) {
    assert_memory_equal(requester->peer_key, fixture.device.public_key, CRYPTO_PUBLIC_KEY_SIZE);
    assert_memory_equal(requester->session.request.key, responder->session.request.key,
                        CRYPTO_GCM_KEY_SIZE);
    assert_memory_equal(responder->mutual.public_key, fixture.host.public_key,
                        CRYPTO_PUBLIC_KEY_SIZE);
    assert_int_equal(spdm_requester_privilege(requester), SPDM_PRIVILEGE_PRIVILEGED);
    assert_int_equal(spdm_responder_privilege(responder), SPDM_PRIVILEGE_PRIVILEGED);
}

static void flipped_bits_never_make_a_false_session(void **state) {
    (void)state;
    unsigned int opened = 0;
    unsigned int failed = 0;
    fixture_start(&fixture, 0, 0);
    fixture.tap = flip;
    flip_at = SIZE_MAX;
    passed = 0;
    assert_ok(fixture_open(&fixture));
    size_t total = passed;
    for (flip_at = 0; flip_at < total; flip_at++) {
        flip_bit = (uint8_t)(1U << flip_at % 8);
        passed = 0;
        spdm_responder_reset(responder);
        flipped_in_session = false;
        enum status status = fixture_open(&fixture);
        if (status == STATUS_OK) {
            assert_false(flipped_in_session);
            assert_true_success();
            opened++;
        } else {
            assert_int_equal(spdm_requester_privilege(requester), SPDM_PRIVILEGE_NONE);
            failed++;
        }
    }
    assert_true(failed > 1000);
    /* Parameters that mean nothing and enter no transcript of the session: of GET_DIGESTS,
     * DIGESTS, GET_CERTIFICATE, CERTIFICATE. */
    assert_in_range(opened, 1, 16);
}

static void flipped_bits_in_a_session_end_it(void **state) {
    (void)state;
    fixture_start(&fixture, 0, 0);
    assert_ok(fixture_open(&fixture));
    fixture.tap = flip;
    flip_at = SIZE_MAX;
    passed = 0;
    assert_ok(spdm_requester_vendor(requester, bytes_of("ping", 4)));
    assert_ok(fixture_run(&fixture));
    size_t total = passed;
    saved = fixture;
    for (flip_at = 0; flip_at < total * 8; flip_at++) {
        size_t bit = flip_at;
        fixture = saved;
        flip_at = bit / 8;
        flip_bit = (uint8_t)(1U << bit % 8);
        passed = 0;
        assert_ok(spdm_requester_vendor(requester, bytes_of("ping", 4)));
        assert_int_not_equal(fixture_run(&fixture), STATUS_OK);
        assert_int_equal(spdm_requester_result(requester).size, 0);
        assert_int_equal(spdm_requester_privilege(requester), SPDM_PRIVILEGE_NONE);
        flip_at = bit;
    }
}

/* Keeps the first record of each direction and plays it again in place of the second. */
static uint8_t kept[2][SPDM_RECORD_MAX];
static size_t kept_size[2];
static unsigned int kept_count[2];
static int replay_direction;
static bool replay(struct fixture *f, bool to_device, uint8_t *type, uint8_t *message,
                   size_t *size) {
    (void)f;
    int direction = to_device ? 1 : 0;
    if (*type == SPDM_TYPE_SECURED && kept_count[direction]++ == 0) {
        memcpy(kept[direction], message, *size);
        kept_size[direction] = *size;
    } else if (*type == SPDM_TYPE_SECURED && direction == replay_direction) {
        memcpy(message, kept[direction], kept_size[direction]);
        *size = kept_size[direction];
    }
    return true;
}

static void replayed_records_end_the_session(void **state) {
    (void)state;
    for (replay_direction = 0; replay_direction < 2; replay_direction++) {
        fixture_start(&fixture, 0, 0);
        assert_ok(fixture_open(&fixture));
        memset(kept_count, 0, sizeof kept_count);
        fixture.tap = replay;
        assert_ok(spdm_requester_vendor(requester, bytes_of("ping", 4)));
        assert_ok(fixture_run(&fixture));
        assert_ok(spdm_requester_vendor(requester, bytes_of("ping", 4)));
        assert_int_not_equal(fixture_run(&fixture), STATUS_OK);
        assert_int_equal(spdm_requester_privilege(requester), SPDM_PRIVILEGE_NONE);
        if (replay_direction == 1) {
            assert_int_equal(spdm_requester_peer_error(requester).code, SPDM_ERROR_DECRYPT);
            assert_int_equal(responder->session.phase, SPDM_SESSION_NONE);
        }
    }
}

/* Clear messages in a session are not believed, whatever they say. */
static void clear_messages_do_not_touch_a_session(void **state) {
    (void)state;
    uint8_t error[] = {0x12, SPDM_ERROR, SPDM_ERROR_DECRYPT, 0};
    uint8_t other[64] = {1, 2, 3, 4};
    uint8_t wire[SPDM_RECORD_MAX];
    struct writer writer;
    uint8_t type = 0;
    fixture_start(&fixture, 0, 0);
    assert_ok(fixture_open(&fixture));
    assert_ok(spdm_requester_vendor(requester, bytes_of("ping", 4)));
    writer_init(&writer, wire, sizeof wire);
    assert_ok(spdm_requester_output(requester, &writer, &type));
    assert_int_equal(type, SPDM_TYPE_SECURED);
    assert_int_equal(spdm_requester_input(requester, SPDM_TYPE_CLEAR, error, sizeof error),
                     STATUS_BUSY);
    assert_int_equal(spdm_requester_input(requester, SPDM_TYPE_SECURED, other, sizeof other),
                     STATUS_BUSY);
    struct writer response;
    uint8_t answer[SPDM_RECORD_MAX];
    writer_init(&response, answer, sizeof answer);
    assert_ok(spdm_responder_handle(responder, type, wire, writer.size, &response, &type));
    assert_ok(spdm_requester_input(requester, type, answer, response.size));
    assert_int_equal(spdm_requester_state(requester), SPDM_REQUESTER_DONE);
}

/* An impostor device: the true chain, but its own key behind it. */
static void a_stolen_chain_is_not_enough(void **state) {
    (void)state;
    fixture_start(&fixture, 0, 0);
    memcpy(fixture.device.private_key, fixture.stranger.private_key, CRYPTO_PRIVATE_KEY_SIZE);
    assert_int_equal(fixture_open(&fixture), STATUS_BAD_SIGNATURE);
    assert_int_equal(spdm_requester_privilege(requester), SPDM_PRIVILEGE_NONE);
}

/* An impostor device with a chain of its own. */
static bool stranger_answers(struct fixture *f, bool to_device, uint8_t *type, uint8_t *message,
                             size_t *size) {
    (void)type;
    (void)message;
    (void)size;
    if (to_device) {
        memcpy(f->device.blob, f->stranger.blob, sizeof f->device.blob);
        memcpy(f->device.private_key, f->stranger.private_key, CRYPTO_PRIVATE_KEY_SIZE);
    }
    return true;
}

static void a_foreign_chain_is_not_accepted(void **state) {
    (void)state;
    fixture_start(&fixture, 0, 0);
    fixture.tap = stranger_answers;
    assert_int_equal(fixture_connect(&fixture), STATUS_BAD_CERTIFICATE);
    assert_int_equal(spdm_requester_open_session(requester), STATUS_BAD_STATE);
    assert_int_equal(spdm_requester_chain(requester).size, 0);
    assert_null(spdm_requester_peer_key(requester));
}

/* Either ephemeral key replaced by one the attacker knows. */
static bool substitute_to_device;
static bool substitute(struct fixture *f, bool to_device, uint8_t *type, uint8_t *message,
                       size_t *size) {
    uint8_t code = to_device ? SPDM_KEY_EXCHANGE : SPDM_KEY_EXCHANGE_RSP;
    (void)size;
    if (*type == SPDM_TYPE_CLEAR && to_device == substitute_to_device && message[1] == code) {
        memcpy(&message[40], f->stranger.public_key, CRYPTO_PUBLIC_KEY_SIZE);
    }
    return true;
}

static void substituted_ephemeral_keys_are_noticed(void **state) {
    (void)state;
    for (int direction = 0; direction < 2; direction++) {
        fixture_start(&fixture, 0, 0);
        substitute_to_device = direction == 1;
        fixture.tap = substitute;
        assert_int_equal(fixture_open(&fixture), STATUS_BAD_SIGNATURE);
    }
}

/* Talking a requester out of mutual authentication would cost it its authority. */
static bool downgrade(struct fixture *f, bool to_device, uint8_t *type, uint8_t *message,
                      size_t *size) {
    (void)f;
    (void)size;
    if (to_device && *type == SPDM_TYPE_CLEAR && message[1] == SPDM_GET_CAPABILITIES) {
        message[9] &= (uint8_t) ~((SPDM_CAP_MUT_AUTH | SPDM_CAP_ENCAP) >> 8);
    }
    return true;
}

static void downgrades_are_noticed(void **state) {
    (void)state;
    fixture_start(&fixture, 0, 0);
    fixture.tap = downgrade;
    assert_int_equal(fixture_open(&fixture), STATUS_BAD_SIGNATURE);
}

/* A lost message fails the operation; the pair comes back with a new connection. */
static unsigned int lose;
static bool lose_one(struct fixture *f, bool to_device, uint8_t *type, uint8_t *message,
                     size_t *size) {
    (void)to_device;
    (void)type;
    (void)message;
    (void)size;
    return f->carried != lose;
}

static void any_lost_message_is_survived(void **state) {
    (void)state;
    fixture_start(&fixture, 0, 0);
    assert_ok(whole_dialog());
    unsigned int total = fixture.carried;
    fixture.tap = lose_one;
    for (lose = 1; lose <= total; lose++) {
        fixture.carried = 0;
        assert_int_equal(whole_dialog(), STATUS_LINK);
        fixture.carried = total + 1;
        assert_ok(whole_dialog());
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_cut_anywhere_are_refused),
        cmocka_unit_test(responses_cut_anywhere_are_refused),
        cmocka_unit_test(flipped_bits_never_make_a_false_session),
        cmocka_unit_test(flipped_bits_in_a_session_end_it),
        cmocka_unit_test(replayed_records_end_the_session),
        cmocka_unit_test(clear_messages_do_not_touch_a_session),
        cmocka_unit_test(a_stolen_chain_is_not_enough),
        cmocka_unit_test(a_foreign_chain_is_not_accepted),
        cmocka_unit_test(substituted_ephemeral_keys_are_noticed),
        cmocka_unit_test(downgrades_are_noticed),
        cmocka_unit_test(any_lost_message_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
