#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/der.h"

#include <string.h>

/* A reader over literal bytes. */
#define READER(...)                                                                                \
    reader_of((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static struct reader reader_of(const uint8_t *data, size_t size) {
    struct reader reader;
    reader_init(&reader, bytes_of(data, size));
    return reader;
}

static void assert_bytes(struct bytes found, const char *expected, size_t size) {
    assert_int_equal(found.size, size);
    assert_memory_equal(found.data, expected, size);
}

static void test_reads_values_in_order(void **state) {
    (void)state;
    struct reader reader =
        READER(0x30, 0x0C, 0x04, 0x02, 'h', 'i', 0x05, 0x00, 0x01, 0x01, 0xFF, 0x02, 0x01, 0x7F);
    struct reader inner;
    der_enter(&reader, DER_SEQUENCE, &inner);
    assert_int_equal(reader_finish(&reader), STATUS_OK);
    assert_int_equal(der_peek_tag(&inner), DER_OCTET_STRING);
    assert_bytes(der_read(&inner, DER_OCTET_STRING), "hi", 2);
    assert_int_equal(der_read(&inner, DER_NULL).size, 0);
    assert_true(der_read_boolean(&inner));
    assert_int_equal(der_read_u32(&inner), 0x7F);
    assert_int_equal(der_peek_tag(&inner), 0);
    assert_int_equal(reader_finish(&inner), STATUS_OK);
}

static void test_reads_any_and_whole_elements(void **state) {
    (void)state;
    struct reader reader = READER(0xA3, 0x03, 0x02, 0x01, 0x02, 0x30, 0x01, 0x55);
    uint8_t tag = 0;
    assert_bytes(der_read_any(&reader, &tag), "\x02\x01\x02", 3);
    assert_int_equal(tag, DER_CONTEXT_CONSTRUCTED(3));
    assert_bytes(der_read_element(&reader, DER_SEQUENCE), "\x30\x01\x55", 3);
    assert_int_equal(reader_finish(&reader), STATUS_OK);
}

static void test_a_wrong_tag_sticks(void **state) {
    (void)state;
    struct reader reader = READER(0x04, 0x01, 0x55, 0x05, 0x00);
    struct reader inner;
    assert_int_equal(der_read(&reader, DER_UTF8_STRING).size, 0);
    assert_int_equal(der_read(&reader, DER_NULL).size, 0);
    der_enter(&reader, DER_NULL, &inner);
    assert_int_equal(reader_finish(&inner), STATUS_TRUNCATED);
    assert_int_equal(reader_finish(&reader), STATUS_TRUNCATED);
    reader = READER(0x04, 0x01, 0x55);
    assert_int_equal(der_read_element(&reader, DER_SEQUENCE).size, 0);
    assert_int_equal(reader_check(&reader), STATUS_TRUNCATED);
}

static void assert_refused(struct reader reader) {
    uint8_t tag = 0xEE;
    assert_int_equal(der_read_any(&reader, &tag).size, 0);
    assert_int_equal(tag, 0);
    assert_int_equal(reader_check(&reader), STATUS_TRUNCATED);
}

static void test_refuses_malformed_tags_and_lengths(void **state) {
    (void)state;
    assert_refused(reader_of(NULL, 0));
    assert_refused(READER(0x04));
    assert_refused(READER(0x00, 0x00));
    assert_refused(READER(0x1F, 0x01, 0x00)); /* tag number in further bytes */
    assert_refused(READER(0xBF, 0x01, 0x00));
    assert_refused(READER(0x04, 0x02, 0x55));       /* shorter than it says */
    assert_refused(READER(0x30, 0x80, 0x00, 0x00)); /* indefinite */
    assert_refused(READER(0x04, 0x81));
    assert_refused(READER(0x04, 0x81, 0x01, 0x55)); /* long form of a short length */
    assert_refused(READER(0x04, 0x82, 0x00, 0x01, 0x55));
    assert_refused(READER(0x04, 0x82, 0x01));
    assert_refused(READER(0x04, 0x83, 0x00, 0x00, 0x01, 0x55));
    assert_refused(READER(0x04, 0x84, 0xFF, 0xFF, 0xFF, 0xFF, 0x55));
    assert_refused(READER(0x04, 0xFF, 0x55));
    uint8_t not_minimal[3 + 0xFF] = {0x04, 0x82, 0x00, 0xFF};
    assert_refused(reader_of(not_minimal, sizeof not_minimal));
    uint8_t also_not_minimal[3 + 0x7F] = {0x04, 0x81, 0x7F};
    assert_refused(reader_of(also_not_minimal, sizeof also_not_minimal));
}

static void test_refuses_malformed_booleans(void **state) {
    (void)state;
    struct reader readers[] = {READER(0x01, 0x01, 0x01), READER(0x01, 0x00),
                               READER(0x01, 0x02, 0xFF, 0xFF), READER(0x02, 0x01, 0xFF)};
    for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++) {
        assert_false(der_read_boolean(&readers[i]));
        assert_int_equal(reader_check(&readers[i]), STATUS_TRUNCATED);
    }
    struct reader no = READER(0x01, 0x01, 0x00);
    assert_false(der_read_boolean(&no));
    assert_int_equal(reader_finish(&no), STATUS_OK);
}

static void test_reads_integers(void **state) {
    (void)state;
    struct reader reader = READER(0x02, 0x01, 0x00, 0x02, 0x02, 0x00, 0x80, 0x02, 0x04, 0x7F, 0xFF,
                                  0xFF, 0xFF, 0x02, 0x05, 0x00, 0xFF, 0xFF, 0xFF, 0xFF);
    assert_int_equal(der_read_u32(&reader), 0);
    assert_int_equal(der_read_u32(&reader), 0x80);
    assert_int_equal(der_read_u32(&reader), 0x7FFFFFFF);
    assert_int_equal(der_read_u32(&reader), 0xFFFFFFFF);
    assert_int_equal(reader_finish(&reader), STATUS_OK);
    reader = READER(0x02, 0x02, 0x01, 0x02);
    uint8_t out[4] = {0xEE, 0xEE, 0xEE, 0xEE};
    der_read_unsigned(&reader, out, sizeof out);
    assert_memory_equal(out, "\x00\x00\x01\x02", 4);
}

static void test_refuses_malformed_integers(void **state) {
    (void)state;
    struct reader readers[] = {
        READER(0x02, 0x00),             /* empty */
        READER(0x02, 0x01, 0x80),       /* negative */
        READER(0x02, 0x02, 0x00, 0x7F), /* a zero too many */
        READER(0x02, 0x02, 0x00, 0x00),
        READER(0x02, 0x05, 0x01, 0x00, 0x00, 0x00, 0x00),       /* 2^32 */
        READER(0x02, 0x06, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF), /* longer still */
        READER(0x0A, 0x01, 0x01),                               /* ENUMERATED */
    };
    for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++) {
        struct reader copy = readers[i];
        uint8_t out[4] = {0xEE, 0xEE, 0xEE, 0xEE};
        assert_int_equal(der_read_u32(&readers[i]), 0);
        assert_int_equal(reader_check(&readers[i]), STATUS_TRUNCATED);
        der_read_unsigned(&copy, out, sizeof out);
        assert_memory_equal(out, "\0\0\0\0", 4);
    }
}

static void test_expects_the_oid(void **state) {
    (void)state;
    static const uint8_t WANTED[] = {0x2A, 0x03, 0x04};
    struct reader right = READER(0x06, 0x03, 0x2A, 0x03, 0x04);
    der_expect_oid(&right, bytes_of(WANTED, sizeof WANTED));
    assert_int_equal(reader_finish(&right), STATUS_OK);
    struct reader wrong[] = {READER(0x06, 0x03, 0x2A, 0x03, 0x05), READER(0x06, 0x02, 0x2A, 0x03),
                             READER(0x06, 0x04, 0x2A, 0x03, 0x04, 0x05),
                             READER(0x04, 0x03, 0x2A, 0x03, 0x04), READER(0x06, 0x00)};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        der_expect_oid(&wrong[i], bytes_of(WANTED, sizeof WANTED));
        assert_int_equal(reader_check(&wrong[i]), STATUS_TRUNCATED);
    }
}

static void test_bit_strings_have_no_unused_bits(void **state) {
    (void)state;
    struct reader right = READER(0x03, 0x03, 0x00, 0xAB, 0xCD);
    assert_bytes(der_read_bit_string(&right), "\xAB\xCD", 2);
    struct reader wrong[] = {READER(0x03, 0x02, 0x01, 0xAA), READER(0x03, 0x00),
                             READER(0x04, 0x02, 0x00, 0xAA), READER(0x03, 0x03, 0x00, 0xAA)};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(der_read_bit_string(&wrong[i]).size, 0);
        assert_int_equal(reader_check(&wrong[i]), STATUS_TRUNCATED);
    }
}

static void test_writes_values(void **state) {
    (void)state;
    uint8_t buffer[64];
    struct writer writer;
    writer_init(&writer, buffer, sizeof buffer);
    size_t sequence = der_begin(&writer, DER_SEQUENCE);
    der_write_u32(&writer, 0);
    der_write_u32(&writer, 0x80);
    der_write_u32(&writer, 0x12345678);
    der_write_unsigned(&writer, bytes_of("\x00\x00\xFF", 3));
    der_write_unsigned(&writer, bytes_of(NULL, 0));
    der_write_boolean(&writer, true);
    der_write_boolean(&writer, false);
    der_write_null(&writer);
    size_t context = der_begin(&writer, DER_CONTEXT_CONSTRUCTED(0));
    der_write(&writer, DER_UTF8_STRING, bytes_of("hi", 2));
    der_end(&writer, context);
    der_write_bit_string(&writer, bytes_of("\xAB", 1));
    der_end(&writer, sequence);
    assert_int_equal(writer_check(&writer), STATUS_OK);
    static const uint8_t EXPECTED[] = {0x30, 0x26, 0x02, 0x01, 0x00, 0x02, 0x02, 0x00, 0x80, 0x02,
                                       0x04, 0x12, 0x34, 0x56, 0x78, 0x02, 0x02, 0x00, 0xFF, 0x02,
                                       0x01, 0x00, 0x01, 0x01, 0xFF, 0x01, 0x01, 0x00, 0x05, 0x00,
                                       0xA0, 0x04, 0x0C, 0x02, 'h',  'i',  0x03, 0x02, 0x00, 0xAB};
    assert_bytes(writer_bytes(&writer), (const char *)EXPECTED, sizeof EXPECTED);
}

/* Around every change in the size of the length, what is written is read back. */
static void test_lengths_round_trip(void **state) {
    (void)state;
    static const size_t SIZES[] = {0, 1, 0x7F, 0x80, 0xFF, 0x100, 0x1234, 0xFFFF};
    static uint8_t contents[0x10000];
    static uint8_t buffer[0x10000 + 16];
    for (size_t i = 0; i < sizeof contents; i++) {
        contents[i] = (uint8_t)(i * 7 + i / 256);
    }
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        size_t header = SIZES[i] < 0x80 ? 2 : SIZES[i] < 0x100 ? 3 : 4;
        struct writer writer;
        writer_init(&writer, buffer, header + SIZES[i]);
        der_write(&writer, DER_OCTET_STRING, bytes_of(contents, SIZES[i]));
        assert_int_equal(writer_check(&writer), STATUS_OK);
        assert_int_equal(writer.size, header + SIZES[i]);
        struct reader reader;
        reader_init(&reader, writer_bytes(&writer));
        assert_true(bytes_equal(der_read(&reader, DER_OCTET_STRING), bytes_of(contents, SIZES[i])));
        assert_int_equal(reader_finish(&reader), STATUS_OK);
        /* One byte less room: the length no longer fits. */
        writer_init(&writer, buffer, header + SIZES[i] - 1);
        der_write(&writer, DER_OCTET_STRING, bytes_of(contents, SIZES[i]));
        assert_int_equal(writer_check(&writer), STATUS_NO_SPACE);
    }
    struct writer writer;
    writer_init(&writer, buffer, sizeof buffer);
    der_write(&writer, DER_OCTET_STRING, bytes_of(contents, 0x10000));
    assert_int_equal(writer_check(&writer), STATUS_NO_SPACE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_values_in_order),
        cmocka_unit_test(test_reads_any_and_whole_elements),
        cmocka_unit_test(test_a_wrong_tag_sticks),
        cmocka_unit_test(test_refuses_malformed_tags_and_lengths),
        cmocka_unit_test(test_refuses_malformed_booleans),
        cmocka_unit_test(test_reads_integers),
        cmocka_unit_test(test_refuses_malformed_integers),
        cmocka_unit_test(test_expects_the_oid),
        cmocka_unit_test(test_bit_strings_have_no_unused_bits),
        cmocka_unit_test(test_writes_values),
        cmocka_unit_test(test_lengths_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
