#include "mctp/mctp_serial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define assert_ok(expression) assert_int_equal(expression, STATUS_OK)

/* GET_VERSION as openbmc/libmctp frames it. */
static const uint8_t KNOWN_PACKET[] = {0x01, 0x09, 0x08, 0xC8, 0x05, 0x10, 0x84, 0x00, 0x00};
static const uint8_t KNOWN_FRAME[] = {0x7E, 0x01, 0x09, 0x01, 0x09, 0x08, 0xC8, 0x05,
                                      0x10, 0x84, 0x00, 0x00, 0x73, 0xF5, 0x7E};

static struct mctp_serial_deframer deframer;

/* The same bytes in every run. */
static uint32_t seed;
static uint8_t any_byte(void) {
    seed = seed * 1664525U + 1013904223U;
    return (uint8_t)(seed >> 24);
}

static uint8_t frame[MCTP_SERIAL_FRAME_MAX];
static uint8_t got[MCTP_SERIAL_PACKET_MAX];
static size_t got_size;

/* Feeds bytes; how many packets came out, the last one in `got`. */
static unsigned int feed(struct bytes input) {
    unsigned int packets = 0;
    for (size_t i = 0; i < input.size; i++) {
        struct bytes packet;
        if (mctp_serial_receive(&deframer, input.data[i], &packet)) {
            memcpy(got, packet.data, packet.size);
            got_size = packet.size;
            packets++;
        } else {
            assert_int_equal(packet.size, 0);
        }
    }
    return packets;
}

static bool got_is(struct bytes packet) {
    return bytes_equal(bytes_of(got, got_size), packet);
}

static size_t make_frame(struct bytes packet) {
    struct writer writer;
    writer_init(&writer, frame, sizeof frame);
    assert_ok(mctp_serial_frame(packet, &writer));
    return writer.size;
}

static void the_known_frame_is_made_and_read(void **state) {
    (void)state;
    struct bytes packet = bytes_of(KNOWN_PACKET, sizeof KNOWN_PACKET);
    assert_int_equal(make_frame(packet), sizeof KNOWN_FRAME);
    assert_memory_equal(frame, KNOWN_FRAME, sizeof KNOWN_FRAME);
    mctp_serial_init(&deframer);
    assert_int_equal(feed(bytes_of(KNOWN_FRAME, sizeof KNOWN_FRAME)), 1);
    assert_true(got_is(packet));
}

static void every_size_and_byte_survives(void **state) {
    (void)state;
    uint8_t packet[MCTP_SERIAL_PACKET_MAX];
    mctp_serial_init(&deframer);
    seed = 1;
    unsigned int raw_check = 0;
    for (unsigned int round = 0; round < 40; round++) {
        for (size_t size = MCTP_SERIAL_PACKET_MIN; size <= sizeof packet; size++) {
            for (size_t i = 0; i < size; i++) {
                packet[i] = round % 4 == 0 ? (uint8_t)(0x7D + any_byte() % 2) : any_byte();
            }
            size_t length = make_frame(bytes_of(packet, size));
            raw_check += frame[length - 2] == 0x7E || frame[length - 3] == 0x7E ||
                         frame[length - 2] == 0x7D || frame[length - 3] == 0x7D;
            assert_int_equal(feed(bytes_of(frame, length)), 1);
            assert_true(got_is(bytes_of(packet, size)));
        }
    }
    assert_true(raw_check > 20); /* flags and escapes in the check sequence did occur */
    assert_int_equal(deframer.dropped, 0);
}

static void packets_have_bounds(void **state) {
    (void)state;
    uint8_t packet[MCTP_SERIAL_PACKET_MAX + 1] = {0};
    struct writer writer;
    writer_init(&writer, frame, sizeof frame);
    assert_int_equal(mctp_serial_frame(bytes_of(packet, MCTP_SERIAL_PACKET_MIN - 1), &writer),
                     STATUS_INVALID);
    assert_int_equal(mctp_serial_frame(bytes_of(packet, sizeof packet), &writer), STATUS_INVALID);
    writer_init(&writer, frame, sizeof KNOWN_FRAME - 1);
    assert_int_equal(mctp_serial_frame(bytes_of(KNOWN_PACKET, sizeof KNOWN_PACKET), &writer),
                     STATUS_NO_SPACE);
}

static void frames_may_share_a_flag_or_lack_one(void **state) {
    (void)state;
    uint8_t line[64];
    size_t size = sizeof KNOWN_FRAME;
    mctp_serial_init(&deframer);
    memcpy(line, KNOWN_FRAME, size);
    memcpy(&line[size], &KNOWN_FRAME[1], size - 1);
    assert_int_equal(feed(bytes_of(line, 2 * size - 1)), 2);
    mctp_serial_init(&deframer);
    memcpy(line, KNOWN_FRAME, size - 1);
    memcpy(&line[size - 1], KNOWN_FRAME, size);
    assert_int_equal(feed(bytes_of(line, 2 * size - 1)), 2);
}

/* DSP0253 can be read as escaping the check sequence too. */
static void an_escaped_check_sequence_is_taken(void **state) {
    (void)state;
    unsigned int tried = 0;
    uint8_t line[MCTP_SERIAL_FRAME_MAX + 2];
    uint8_t packet[8] = {1, 2, 3, 4};
    mctp_serial_init(&deframer);
    for (unsigned int value = 0; value < 0x10000; value++) {
        packet[6] = (uint8_t)(value >> 8);
        packet[7] = (uint8_t)value;
        size_t size = make_frame(bytes_of(packet, sizeof packet));
        uint8_t *check = &frame[size - 3];
        bool special = check[0] == 0x7E || check[0] == 0x7D || check[1] == 0x7E || check[1] == 0x7D;
        if (!special) {
            continue;
        }
        size_t out = size - 3;
        memcpy(line, frame, out);
        for (int i = 0; i < 2; i++) {
            if (check[i] == 0x7E || check[i] == 0x7D) {
                line[out++] = 0x7D;
                line[out++] = check[i] ^ 0x20;
            } else {
                line[out++] = check[i];
            }
        }
        line[out++] = 0x7E;
        assert_int_equal(feed(bytes_of(line, out)), 1);
        assert_true(got_is(bytes_of(packet, sizeof packet)));
        tried++;
    }
    assert_true(tried > 500);
    assert_int_equal(deframer.dropped, 0);
}

/* Any flipped bit loses at most this frame and never yields another packet. */
static void a_damaged_frame_is_lost_and_the_next_is_not(void **state) {
    (void)state;
    uint8_t line[2 * sizeof KNOWN_FRAME];
    for (size_t bit = 8; bit < (sizeof KNOWN_FRAME - 1) * 8; bit++) {
        mctp_serial_init(&deframer);
        memcpy(line, KNOWN_FRAME, sizeof KNOWN_FRAME);
        line[bit / 8] ^= (uint8_t)(1U << bit % 8);
        unsigned int packets = feed(bytes_of(line, sizeof KNOWN_FRAME));
        assert_int_equal(packets, 0);
        /* A damaged count may swallow the next frame too, but not the one after it. */
        for (int i = 0; i < 2; i++) {
            packets += feed(bytes_of(KNOWN_FRAME, sizeof KNOWN_FRAME));
        }
        assert_in_range(packets, 1, 2);
        assert_true(got_is(bytes_of(KNOWN_PACKET, sizeof KNOWN_PACKET)));
    }
}

static void a_cut_frame_is_lost_and_the_next_is_not(void **state) {
    (void)state;
    for (size_t cut = 0; cut < sizeof KNOWN_FRAME - 3; cut++) {
        mctp_serial_init(&deframer);
        assert_int_equal(feed(bytes_of(KNOWN_FRAME, cut)), 0);
        unsigned int packets = feed(bytes_of(KNOWN_FRAME, sizeof KNOWN_FRAME));
        packets += feed(bytes_of(KNOWN_FRAME, sizeof KNOWN_FRAME));
        assert_in_range(packets, 1, 2);
        assert_true(got_is(bytes_of(KNOWN_PACKET, sizeof KNOWN_PACKET)));
    }
}

static void noise_before_frames_does_no_harm(void **state) {
    (void)state;
    uint8_t noise[256];
    mctp_serial_init(&deframer);
    seed = 2;
    for (int round = 0; round < 200; round++) {
        for (size_t i = 0; i < sizeof noise; i++) {
            noise[i] = any_byte();
        }
        (void)feed(bytes_of(noise, sizeof noise));
        /* Flags are never swallowed for longer than one announced frame. */
        uint8_t idle[MCTP_SERIAL_PACKET_MAX + 8];
        memset(idle, 0x7E, sizeof idle);
        (void)feed(bytes_of(idle, sizeof idle));
        assert_int_equal(feed(bytes_of(KNOWN_FRAME, sizeof KNOWN_FRAME)), 1);
        assert_true(got_is(bytes_of(KNOWN_PACKET, sizeof KNOWN_PACKET)));
    }
}

static void bad_escapes_revisions_and_counts_are_refused(void **state) {
    (void)state;
    static const struct {
        uint8_t bytes[8];
        size_t size;
        uint32_t dropped;
    } CASES[] = {
        {{0x7E, 0x01, 0x05, 0x7D, 0x00}, 5, 1}, /* no such escape */
        {{0x7E, 0x01, 0x05, 0x7D, 0x7E}, 5, 1}, /* escape, then a flag */
        {{0x7E, 0x01, 0x05, 0x01, 0x7E}, 5, 1}, /* flag inside */
        {{0x7E, 0x02, 0x05}, 3, 0},             /* revision */
        {{0x7E, 0x01, 0x04}, 3, 1},             /* too short */
        {{0x7E, 0x01, 0xFC}, 3, 1},             /* too long */
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        mctp_serial_init(&deframer);
        assert_int_equal(feed(bytes_of(CASES[i].bytes, CASES[i].size)), 0);
        assert_int_equal(deframer.dropped, CASES[i].dropped);
        assert_int_equal(feed(bytes_of(KNOWN_FRAME, sizeof KNOWN_FRAME)), 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_known_frame_is_made_and_read),
        cmocka_unit_test(every_size_and_byte_survives),
        cmocka_unit_test(packets_have_bounds),
        cmocka_unit_test(frames_may_share_a_flag_or_lack_one),
        cmocka_unit_test(an_escaped_check_sequence_is_taken),
        cmocka_unit_test(a_damaged_frame_is_lost_and_the_next_is_not),
        cmocka_unit_test(a_cut_frame_is_lost_and_the_next_is_not),
        cmocka_unit_test(noise_before_frames_does_no_harm),
        cmocka_unit_test(bad_escapes_revisions_and_counts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
