#include "mctp/mctp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define assert_ok(expression) assert_int_equal(expression, STATUS_OK)
#define MESSAGE_MAX           600
#define PACKETS_MAX           16

static struct mctp_endpoint host;
static struct mctp_endpoint device;
static uint8_t host_buffer[1 + MESSAGE_MAX];
static uint8_t device_buffer[1 + MESSAGE_MAX];
static uint8_t body[MESSAGE_MAX + 1];
static uint8_t packets[PACKETS_MAX][MCTP_PACKET_MAX];
static size_t sizes[PACKETS_MAX];
static struct mctp_message message;

static void start(void) {
    mctp_init(&host, MCTP_REQUESTER, MCTP_EID_PROGRAMMER, MCTP_EID_DEVICE, host_buffer,
              sizeof host_buffer);
    mctp_init(&device, MCTP_RESPONDER, MCTP_EID_DEVICE, MCTP_EID_PROGRAMMER, device_buffer,
              sizeof device_buffer);
    for (size_t i = 0; i < sizeof body; i++) {
        body[i] = (uint8_t)i;
    }
}

/* The packets of the message that was begun. */
static unsigned int send_packets(struct mctp_endpoint *from) {
    unsigned int count = 0;
    for (;;) {
        struct writer writer;
        writer_init(&writer, packets[count], MCTP_PACKET_MAX);
        enum status status = mctp_send_next(from, &writer);
        if (status == STATUS_BUSY) {
            return count;
        }
        assert_ok(status);
        sizes[count++] = writer.size;
        assert_true(count < PACKETS_MAX);
    }
}

/* The packets of one message. */
static unsigned int fragment(struct mctp_endpoint *from, uint8_t type, size_t size) {
    mctp_send(from, type, bytes_of(body, size));
    return send_packets(from);
}

/* The same in a stream. */
static unsigned int fragment_again(struct mctp_endpoint *from, uint8_t type, size_t size) {
    mctp_send_again(from, type, bytes_of(body, size));
    return send_packets(from);
}

static enum status deliver(struct mctp_endpoint *to, unsigned int index) {
    return mctp_receive(to, bytes_of(packets[index], sizes[index]), &message);
}

static enum status deliver_all(struct mctp_endpoint *to, unsigned int count) {
    enum status status = STATUS_LINK;
    for (unsigned int i = 0; i < count; i++) {
        status = deliver(to, i);
        if (i + 1 < count) {
            assert_int_equal(status, STATUS_BUSY);
        }
    }
    return status;
}

static void messages_of_every_size_survive(void **state) {
    (void)state;
    start();
    for (size_t size = 0; size <= MESSAGE_MAX; size++) {
        unsigned int count = fragment(&host, MCTP_TYPE_SPDM, size);
        assert_int_equal(count, (1 + size + 63) / 64);
        assert_ok(deliver_all(&device, count));
        assert_int_equal(message.type, MCTP_TYPE_SPDM);
        assert_int_equal(message.size, size);
        assert_memory_equal(message.body, body, size);
        /* And an answer of the same size, which carries the request's tag. */
        count = fragment(&device, MCTP_TYPE_SECURED, size);
        assert_int_equal(packets[0][3] & 0x0F, host.tag);
        assert_ok(deliver_all(&host, count));
        assert_int_equal(message.type, MCTP_TYPE_SECURED);
        assert_int_equal(message.size, size);
    }
    assert_int_equal(device.statistics.dropped, 0);
    assert_int_equal(device.statistics.messages, MESSAGE_MAX + 1);
}

static void payload_size_is_agreed_and_clamped(void **state) {
    (void)state;
    start();
    mctp_set_payload(&host, 1);
    assert_int_equal(host.payload_max, MCTP_PAYLOAD_BASELINE);
    mctp_set_payload(&host, 5000);
    assert_int_equal(fragment(&host, MCTP_TYPE_SPDM, MESSAGE_MAX), 3);
    assert_int_equal(sizes[0], MCTP_PACKET_MAX);
    assert_ok(deliver_all(&device, 3));
    assert_memory_equal(message.body, body, MESSAGE_MAX);
}

static void the_known_packet_is_sent(void **state) {
    (void)state;
    static const uint8_t EXPECTED[] = {0x01, 0x09, 0x08, 0xC8, 0x05, 0x10, 0x84, 0x00, 0x00};
    start();
    host.tag = 7; /* the next one is 0 */
    body[0] = 0x10;
    body[1] = 0x84;
    body[2] = 0;
    body[3] = 0;
    assert_int_equal(fragment(&host, MCTP_TYPE_SPDM, 4), 1);
    assert_int_equal(sizes[0], sizeof EXPECTED);
    assert_memory_equal(packets[0], EXPECTED, sizeof EXPECTED);
}

static void a_lost_fragment_loses_the_message_only(void **state) {
    (void)state;
    start();
    for (unsigned int lost = 0; lost < 5; lost++) {
        unsigned int count = fragment(&host, MCTP_TYPE_SPDM, 300);
        assert_int_equal(count, 5);
        for (unsigned int i = 0; i < count; i++) {
            if (i != lost) {
                assert_int_not_equal(deliver(&device, i), STATUS_OK);
            }
        }
        count = fragment(&host, MCTP_TYPE_SPDM, 100);
        assert_ok(deliver_all(&device, count));
    }
}

static void repeated_and_swapped_fragments_are_refused(void **state) {
    (void)state;
    start();
    (void)fragment(&host, MCTP_TYPE_SPDM, 300);
    assert_int_equal(deliver(&device, 0), STATUS_BUSY);
    assert_int_equal(deliver(&device, 1), STATUS_BUSY);
    assert_int_equal(deliver(&device, 1), STATUS_LINK);
    assert_int_equal(deliver(&device, 2), STATUS_LINK); /* nothing in reassembly any more */
    (void)fragment(&host, MCTP_TYPE_SPDM, 300);
    assert_int_equal(deliver(&device, 0), STATUS_BUSY);
    assert_int_equal(deliver(&device, 2), STATUS_LINK);
    assert_true(device.statistics.dropped >= 3);
}

/* In every header field of every packet, a value that does not fit. */
static void misfit_headers_are_refused(void **state) {
    (void)state;
    static const struct {
        unsigned int packet;
        unsigned int field;
        uint8_t flip;
    } CASES[] = {
        {0, 0, 0x02}, {1, 0, 0x10}, /* header version */
        {0, 1, 0x01}, {1, 1, 0x01}, /* destination */
        {1, 2, 0x01},               /* source changes within a message */
        {1, 3, 0x10}, {2, 3, 0x30}, /* sequence */
        {1, 3, 0x01}, {1, 3, 0x08}, /* tag and its owner change */
        {0, 3, 0x08},               /* an answer nobody asked for */
        {0, 3, 0x80},               /* no start */
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        start();
        unsigned int count = fragment(&host, MCTP_TYPE_SPDM, 300);
        packets[CASES[i].packet][CASES[i].field] ^= CASES[i].flip;
        bool whole = false;
        for (unsigned int k = 0; k < count; k++) {
            whole = whole || deliver(&device, k) == STATUS_OK;
        }
        assert_false(whole);
        assert_true(device.statistics.dropped > 0);
        count = fragment(&host, MCTP_TYPE_SPDM, 300);
        assert_ok(deliver_all(&device, count));
    }
}

static void fragments_of_another_size_are_refused(void **state) {
    (void)state;
    start();
    (void)fragment(&host, MCTP_TYPE_SPDM, 300);
    sizes[1]--;
    assert_int_equal(deliver(&device, 0), STATUS_BUSY);
    assert_int_equal(deliver(&device, 1), STATUS_LINK);
    (void)fragment(&host, MCTP_TYPE_SPDM, 100);
    sizes[1] = sizes[0] + 1; /* the last may be shorter, not longer */
    assert_int_equal(deliver(&device, 0), STATUS_BUSY);
    assert_int_equal(deliver(&device, 1), STATUS_LINK);
}

static void messages_beyond_the_buffer_are_refused(void **state) {
    (void)state;
    start();
    unsigned int count = fragment(&host, MCTP_TYPE_SPDM, MESSAGE_MAX + 1);
    for (unsigned int i = 0; i < count; i++) {
        assert_int_equal(deliver(&device, i), i + 1 < count ? STATUS_BUSY : STATUS_LINK);
    }
    count = fragment(&host, MCTP_TYPE_SPDM, 10);
    assert_ok(deliver_all(&device, count));
}

static void a_new_start_breaks_off_the_old_message(void **state) {
    (void)state;
    start();
    (void)fragment(&host, MCTP_TYPE_SPDM, 300);
    assert_int_equal(deliver(&device, 0), STATUS_BUSY);
    unsigned int count = fragment(&host, MCTP_TYPE_SPDM, 10);
    assert_ok(deliver_all(&device, count));
    assert_int_equal(device.statistics.dropped, 1);
}

static void late_and_unasked_answers_are_refused(void **state) {
    (void)state;
    start();
    unsigned int count = fragment(&host, MCTP_TYPE_SPDM, 10);
    assert_ok(deliver_all(&device, count));
    (void)fragment(&device, MCTP_TYPE_SPDM, 20);
    uint8_t late[MCTP_PACKET_MAX];
    size_t late_size = sizes[0];
    memcpy(late, packets[0], late_size);
    (void)fragment(&host, MCTP_TYPE_SPDM, 10); /* asked again: the tag has moved on */
    assert_int_equal(mctp_receive(&host, bytes_of(late, late_size), &message), STATUS_LINK);
    /* A request is no answer. */
    (void)fragment(&host, MCTP_TYPE_SPDM, 10);
    packets[0][1] = MCTP_EID_PROGRAMMER;
    assert_int_equal(deliver(&host, 0), STATUS_LINK);
}

static void an_answer_to_any_message_of_a_stream_is_taken(void **state) {
    uint8_t answers[4][MCTP_PACKET_MAX];
    size_t answer_sizes[4];
    (void)state;
    start();
    assert_ok(deliver_all(&device, fragment(&host, MCTP_TYPE_SPDM, 10))); /* answered late */
    (void)fragment(&device, MCTP_TYPE_SPDM, 1);
    memcpy(answers[0], packets[0], answer_sizes[0] = sizes[0]);
    for (unsigned int i = 1; i < 4; i++) {
        unsigned int count = i == 1 ? fragment(&host, MCTP_TYPE_IANA, 300)
                                    : fragment_again(&host, MCTP_TYPE_IANA, 300);
        assert_ok(deliver_all(&device, count));
        assert_int_equal(message.type, MCTP_TYPE_IANA);
        (void)fragment(&device, MCTP_TYPE_IANA, i);
        memcpy(answers[i], packets[0], answer_sizes[i] = sizes[0]);
    }
    for (unsigned int i = 1; i < 4; i++) {
        assert_ok(mctp_receive(&host, bytes_of(answers[i], answer_sizes[i]), &message));
        assert_int_equal(message.size, i);
    }
    assert_int_equal(mctp_receive(&host, bytes_of(answers[0], answer_sizes[0]), &message),
                     STATUS_LINK);
    /* The next request of its own ends the stream. */
    (void)fragment(&host, MCTP_TYPE_SPDM, 10);
    assert_int_equal(mctp_receive(&host, bytes_of(answers[3], answer_sizes[3]), &message),
                     STATUS_LINK);
}

static void a_responder_has_no_tag_of_its_own_to_keep(void **state) {
    (void)state;
    start();
    assert_ok(deliver_all(&device, fragment(&host, MCTP_TYPE_SPDM, 10)));
    assert_ok(deliver_all(&host, fragment_again(&device, MCTP_TYPE_SPDM, 10)));
    assert_ok(deliver_all(&device, fragment(&host, MCTP_TYPE_SPDM, 10)));
    assert_ok(deliver_all(&host, fragment_again(&device, MCTP_TYPE_SPDM, 10)));
}

static void short_packets_are_refused(void **state) {
    (void)state;
    start();
    (void)fragment(&host, MCTP_TYPE_SPDM, 0);
    for (size_t size = 0; size < 5; size++) {
        sizes[0] = size;
        assert_int_equal(deliver(&device, 0), STATUS_LINK);
    }
    sizes[0] = 5;
    assert_ok(deliver(&device, 0));
    assert_int_equal(message.size, 0);
}

static void a_small_writer_loses_nothing(void **state) {
    (void)state;
    struct writer writer;
    start();
    mctp_send(&host, MCTP_TYPE_SPDM, bytes_of(body, 100));
    writer_init(&writer, packets[0], 10);
    assert_int_equal(mctp_send_next(&host, &writer), STATUS_NO_SPACE);
    writer_init(&writer, packets[0], MCTP_PACKET_MAX);
    assert_ok(mctp_send_next(&host, &writer));
    assert_int_equal(packets[0][3] & 0xC0, 0x80);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_of_every_size_survive),
        cmocka_unit_test(payload_size_is_agreed_and_clamped),
        cmocka_unit_test(the_known_packet_is_sent),
        cmocka_unit_test(a_lost_fragment_loses_the_message_only),
        cmocka_unit_test(repeated_and_swapped_fragments_are_refused),
        cmocka_unit_test(misfit_headers_are_refused),
        cmocka_unit_test(fragments_of_another_size_are_refused),
        cmocka_unit_test(messages_beyond_the_buffer_are_refused),
        cmocka_unit_test(a_new_start_breaks_off_the_old_message),
        cmocka_unit_test(late_and_unasked_answers_are_refused),
        cmocka_unit_test(an_answer_to_any_message_of_a_stream_is_taken),
        cmocka_unit_test(a_responder_has_no_tag_of_its_own_to_keep),
        cmocka_unit_test(short_packets_are_refused),
        cmocka_unit_test(a_small_writer_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
