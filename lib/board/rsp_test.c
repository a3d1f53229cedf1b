#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "board/rsp.h"

static struct rsp_parser parser;

/* Feeds `text` and returns the last event that was not NOTHING. */
static enum rsp_event feed(const void *text, size_t size) {
    enum rsp_event last = RSP_NOTHING;

    for (size_t i = 0; i < size; i++) {
        enum rsp_event event = rsp_feed(&parser, ((const uint8_t *)text)[i]);
        if (event != RSP_NOTHING)
            last = event;
    }
    return last;
}

static enum rsp_event feed_text(const char *text) {
    return feed(text, strlen(text));
}

static int setup(void **state) {
    (void)state;
    rsp_parser_init(&parser);
    return 0;
}

static void packets_are_found_in_noise(void **state) {
    (void)state;
    assert_int_equal(feed_text("x+y$OK#9a"), RSP_PACKET);
    assert_int_equal(parser.size, 2);
    assert_string_equal((const char *)parser.payload, "OK");
    assert_int_equal(feed_text("$#00"), RSP_PACKET);
    assert_int_equal(parser.size, 0);
    assert_int_equal(feed_text("+"), RSP_ACK);
    assert_int_equal(feed_text("-"), RSP_NACK);
    assert_int_equal(feed_text("\x03"), RSP_INTERRUPT);
    assert_int_equal(feed_text("$m\x03$OK#9A"), RSP_PACKET); /* started over; 0x03 was data */
    assert_string_equal((const char *)parser.payload, "OK");
}

static void broken_packets_are_reported_once(void **state) {
    (void)state;
    assert_int_equal(feed_text("$OK#9b"), RSP_BAD);
    assert_int_equal(feed_text("$OK#zz"), RSP_BAD);
    assert_int_equal(feed_text("$OK#9z"), RSP_BAD);
    assert_int_equal(feed_text("$OK#9a"), RSP_PACKET);
}

static void long_packets_are_refused_not_overflown(void **state) {
    static const uint8_t end[] = {'#', '0', '0'};
    uint8_t packet[RSP_PAYLOAD_MAX + 64];

    (void)state;
    memset(packet, 0, sizeof(packet)); /* sum 0, so only the length is wrong */
    packet[0] = '$';
    memcpy(packet + sizeof(packet) - 3, end, sizeof(end));
    assert_int_equal(feed(packet, sizeof(packet)), RSP_BAD);
    memcpy(packet + RSP_PAYLOAD_MAX + 1, end, sizeof(end));
    assert_int_equal(feed(packet, RSP_PAYLOAD_MAX + 4), RSP_PACKET);
    assert_int_equal(parser.size, RSP_PAYLOAD_MAX);
}

static void random_bytes_never_confuse(void **state) {
    uint32_t seed = 1;

    (void)state;
    for (int i = 0; i < 300000; i++) {
        static const uint8_t likely[] = {'$', '#', '}', '*', '+', 0x03, '0', 'a'};
        uint8_t byte;
        seed = seed * 1664525u + 1013904223u;
        byte = (seed >> 31) != 0 ? likely[seed >> 8 & 7u] : (uint8_t)(seed >> 16);
        (void)rsp_feed(&parser, byte);
        assert_true(parser.size <= RSP_PAYLOAD_MAX);
    }
    assert_int_equal(feed_text("#00$OK#9a"), RSP_PACKET);
    assert_string_equal((const char *)parser.payload, "OK");
}

static void encoding_is_what_the_parser_reads(void **state) {
    uint8_t buffer[64];
    struct writer writer;

    (void)state;
    writer_init(&writer, buffer, sizeof(buffer));
    rsp_encode(&writer, bytes_of("m38000000,10", 12));
    assert_int_equal(feed(buffer, writer.size), RSP_PACKET);
    assert_string_equal((const char *)parser.payload, "m38000000,10");
    writer_init(&writer, buffer, 5);
    rsp_encode(&writer, bytes_of("OK", 2));
    assert_int_equal(writer_check(&writer), STATUS_NO_SPACE);
}

static void escapes_are_undone(void **state) {
    uint8_t data[] = {'A', 0x7D, 0x5D, 'B', 0x7D, 0x03};
    uint8_t cut[] = {'A', 0x7D};

    (void)state;
    assert_int_equal(rsp_unescape(data, sizeof(data)), 4);
    assert_memory_equal(data,
                        "A\x7D"
                        "B\x23",
                        4);
    assert_int_equal(rsp_unescape(cut, sizeof(cut)), SIZE_MAX);
    assert_int_equal(rsp_unescape(cut, 0), 0);
}

static enum status expand(const char *text, char *out, size_t capacity) {
    struct writer writer;

    writer_init(&writer, out, capacity);
    rsp_expand(bytes_of(text, strlen(text)), &writer);
    if (writer.size < capacity)
        out[writer.size] = '\0';
    return writer_check(&writer);
}

static void run_lengths_are_expanded(void **state) {
    char out[32];

    (void)state;
    assert_int_equal(expand("0* x", out, sizeof(out)), STATUS_OK);
    assert_string_equal(out, "0000x");
    assert_int_equal(expand("0*", out, sizeof(out)), STATUS_NO_SPACE); /* length missing */
    assert_int_equal(expand("0*\x1f", out, sizeof(out)), STATUS_NO_SPACE);
    assert_int_equal(expand("0*~", out, sizeof(out)), STATUS_NO_SPACE); /* 98 do not fit */
}

static uint32_t number(const char *text, enum status *status) {
    struct reader reader;
    uint32_t value;

    reader_init(&reader, bytes_of(text, strlen(text)));
    value = rsp_read_number(&reader);
    *status = reader_finish(&reader);
    return value;
}

static void numbers_are_strict(void **state) {
    static const char *const bad[] = {"", "g", "123456789", "0x10", "1,"};
    enum status status;
    char text[16];
    struct writer writer;

    (void)state;
    assert_int_equal(number("80000000", &status), 0x80000000u);
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(number("fF", &status), 0xFF);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        (void)number(bad[i], &status);
        assert_int_not_equal(status, STATUS_OK);
    }
    writer_init(&writer, text, sizeof(text));
    rsp_write_number(&writer, 0);
    rsp_write_number(&writer, 0x12345678);
    assert_memory_equal(text, "012345678", writer.size);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(packets_are_found_in_noise, setup),
        cmocka_unit_test_setup(broken_packets_are_reported_once, setup),
        cmocka_unit_test_setup(long_packets_are_refused_not_overflown, setup),
        cmocka_unit_test_setup(random_bytes_never_confuse, setup),
        cmocka_unit_test_setup(encoding_is_what_the_parser_reads, setup),
        cmocka_unit_test(escapes_are_undone),
        cmocka_unit_test(run_lengths_are_expanded),
        cmocka_unit_test(numbers_are_strict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
