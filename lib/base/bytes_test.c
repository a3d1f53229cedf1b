#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bytes.h"

#include <string.h>

static const uint8_t DIGITS[] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF};

static struct reader reader_of(const void *data, size_t size) {
    struct reader reader;
    reader_init(&reader, bytes_of(data, size));
    return reader;
}

static void test_slice_stays_inside(void **state) {
    (void)state;
    struct bytes whole = bytes_of(DIGITS, sizeof DIGITS);
    assert_ptr_equal(bytes_slice(whole, 2, 3).data, DIGITS + 2);
    assert_int_equal(bytes_slice(whole, 2, 3).size, 3);
    assert_int_equal(bytes_slice(whole, 8, 0).size, 0);
    assert_int_equal(bytes_slice(whole, 0, 9).size, 0);
    assert_int_equal(bytes_slice(whole, 9, 0).size, 0);
    assert_int_equal(bytes_slice(whole, 4, SIZE_MAX).size, 0);
    assert_int_equal(bytes_slice(whole, SIZE_MAX, 2).size, 0);
    assert_null(bytes_slice(whole, 1, 8).data);
    assert_int_equal(bytes_slice(bytes_of(NULL, 0), 0, 0).size, 0);
}

static void test_equal_compares_size_and_contents(void **state) {
    (void)state;
    struct bytes whole = bytes_of(DIGITS, sizeof DIGITS);
    uint8_t copy[sizeof DIGITS];
    memcpy(copy, DIGITS, sizeof copy);
    assert_true(bytes_equal(whole, bytes_of(copy, sizeof copy)));
    assert_false(bytes_equal(whole, bytes_of(copy, sizeof copy - 1)));
    copy[7] ^= 1;
    assert_false(bytes_equal(whole, bytes_of(copy, sizeof copy)));
    assert_true(bytes_equal(bytes_of(NULL, 0), bytes_of(copy, 0)));
}

static void test_reads_both_byte_orders(void **state) {
    (void)state;
    struct reader reader = reader_of(DIGITS, sizeof DIGITS);
    assert_int_equal(read_u8(&reader), 0x01);
    assert_int_equal(read_u16le(&reader), 0x4523);
    assert_int_equal(read_u16be(&reader), 0x6789);
    assert_int_equal(read_u24le(&reader), 0xEFCDAB);
    assert_int_equal(reader_finish(&reader), STATUS_OK);
    reader = reader_of(DIGITS, sizeof DIGITS);
    assert_int_equal(read_u32le(&reader), 0x67452301);
    assert_int_equal(read_u32be(&reader), 0x89ABCDEF);
    assert_int_equal(reader_finish(&reader), STATUS_OK);
    reader = reader_of(DIGITS, sizeof DIGITS);
    assert_true(read_u64le(&reader) == 0xEFCDAB8967452301);
    reader = reader_of(DIGITS, sizeof DIGITS);
    assert_true(read_u64be(&reader) == 0x0123456789ABCDEF);
}

static void test_reads_runs(void **state) {
    (void)state;
    uint8_t copy[2];
    struct reader reader = reader_of(DIGITS, sizeof DIGITS);
    assert_ptr_equal(read_bytes(&reader, 3).data, DIGITS);
    read_skip(&reader, 1);
    read_copy(&reader, copy, sizeof copy);
    assert_memory_equal(copy, DIGITS + 4, 2);
    assert_int_equal(reader_remaining(&reader), 2);
    assert_int_equal(reader_check(&reader), STATUS_OK);
    assert_int_equal(reader_finish(&reader), STATUS_INVALID);
    assert_ptr_equal(read_rest(&reader).data, DIGITS + 6);
    assert_int_equal(reader_finish(&reader), STATUS_OK);
    assert_int_equal(read_rest(&reader).size, 0);
    assert_int_equal(reader_finish(&reader), STATUS_OK);
}

/* A read past the end yields zero, consumes nothing, and every later read fails too. */
static void test_a_failed_read_sticks(void **state) {
    (void)state;
    uint8_t copy[4] = {0xEE, 0xEE, 0xEE, 0xEE};
    struct reader reader = reader_of(DIGITS, 3);
    assert_int_equal(read_u32be(&reader), 0);
    assert_int_equal(read_u8(&reader), 0);
    assert_int_equal(read_bytes(&reader, 0).size, 0);
    read_copy(&reader, copy, sizeof copy);
    assert_int_equal(copy[0] | copy[1] | copy[2] | copy[3], 0);
    assert_int_equal(reader_remaining(&reader), 0);
    assert_int_equal(reader_check(&reader), STATUS_TRUNCATED);
    assert_int_equal(reader_finish(&reader), STATUS_TRUNCATED);
}

static void test_sizes_near_the_limit_do_not_wrap(void **state) {
    (void)state;
    struct reader reader = reader_of(DIGITS, sizeof DIGITS);
    read_skip(&reader, 4);
    assert_int_equal(read_bytes(&reader, SIZE_MAX).size, 0);
    assert_int_equal(reader_check(&reader), STATUS_TRUNCATED);
    uint8_t buffer[4];
    struct writer writer;
    writer_init(&writer, buffer, sizeof buffer);
    write_u8(&writer, 1);
    assert_null(write_reserve(&writer, SIZE_MAX));
    assert_int_equal(writer_check(&writer), STATUS_NO_SPACE);
}

static void test_the_empty_input(void **state) {
    (void)state;
    struct reader reader = reader_of(NULL, 0);
    assert_int_equal(read_bytes(&reader, 0).size, 0);
    read_copy(&reader, NULL, 0);
    assert_int_equal(reader_finish(&reader), STATUS_OK);
    assert_int_equal(read_u8(&reader), 0);
    assert_int_equal(reader_finish(&reader), STATUS_TRUNCATED);
    struct writer writer;
    writer_init(&writer, NULL, 0);
    write_bytes(&writer, bytes_of(NULL, 0));
    assert_int_equal(writer_check(&writer), STATUS_OK);
    write_u8(&writer, 0);
    assert_int_equal(writer_check(&writer), STATUS_NO_SPACE);
}

static void test_writes_both_byte_orders(void **state) {
    (void)state;
    static const uint8_t EXPECTED[] = {0x01, 0x02, 0x01, 0x03, 0x02, 0x01, 0x04, 0x03, 0x02,
                                       0x01, 0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01,
                                       0x01, 0x02, 0x01, 0x02, 0x03, 0x04, 0x01, 0x02, 0x03,
                                       0x04, 0x05, 0x06, 0x07, 0x08, 0xAA, 0xAA, 0x01, 0x23};
    uint8_t buffer[sizeof EXPECTED];
    struct writer writer;
    writer_init(&writer, buffer, sizeof buffer);
    write_u8(&writer, 0x01);
    write_u16le(&writer, 0x0102);
    write_u24le(&writer, 0x010203);
    write_u32le(&writer, 0x01020304);
    write_u64le(&writer, 0x0102030405060708);
    write_u16be(&writer, 0x0102);
    write_u32be(&writer, 0x01020304);
    write_u64be(&writer, 0x0102030405060708);
    write_fill(&writer, 0xAA, 2);
    write_bytes(&writer, bytes_of(DIGITS, 2));
    assert_int_equal(writer_check(&writer), STATUS_OK);
    assert_true(bytes_equal(writer_bytes(&writer), bytes_of(EXPECTED, sizeof EXPECTED)));
}

/* A write that does not fit leaves the bytes behind the buffer alone and spoils the whole result.
 */
static void test_a_failed_write_sticks(void **state) {
    (void)state;
    uint8_t buffer[8];
    memset(buffer, 0xEE, sizeof buffer);
    struct writer writer;
    writer_init(&writer, buffer, 5);
    write_u16be(&writer, 0x1234);
    write_u32be(&writer, 0x55667788);
    write_u8(&writer, 0x99);
    assert_int_equal(writer_check(&writer), STATUS_NO_SPACE);
    assert_int_equal(writer_bytes(&writer).size, 0);
    for (size_t i = 2; i < sizeof buffer; i++) {
        assert_int_equal(buffer[i], 0xEE);
    }
}

static void test_patches_only_what_was_written(void **state) {
    (void)state;
    uint8_t buffer[8] = {0};
    static const uint8_t EXPECTED[] = {0x00, 0x34, 0x12, 0x56, 0x34, 0x12};
    struct writer writer;
    writer_init(&writer, buffer, sizeof buffer);
    write_fill(&writer, 0, 6);
    write_patch_u16le(&writer, 1, 0x1234);
    write_patch_u24le(&writer, 3, 0x123456);
    assert_true(bytes_equal(writer_bytes(&writer), bytes_of(EXPECTED, sizeof EXPECTED)));
    write_patch_u16le(&writer, 5, 0xFFFF);
    assert_int_equal(writer_check(&writer), STATUS_NO_SPACE);
    assert_int_equal(buffer[5], 0x12);
    assert_int_equal(buffer[6], 0);
    writer_init(&writer, buffer, sizeof buffer);
    write_patch_u24le(&writer, SIZE_MAX, 1);
    assert_int_equal(writer_check(&writer), STATUS_NO_SPACE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slice_stays_inside),
        cmocka_unit_test(test_equal_compares_size_and_contents),
        cmocka_unit_test(test_reads_both_byte_orders),
        cmocka_unit_test(test_reads_runs),
        cmocka_unit_test(test_a_failed_read_sticks),
        cmocka_unit_test(test_sizes_near_the_limit_do_not_wrap),
        cmocka_unit_test(test_the_empty_input),
        cmocka_unit_test(test_writes_both_byte_orders),
        cmocka_unit_test(test_a_failed_write_sticks),
        cmocka_unit_test(test_patches_only_what_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
