/* Vectors: RFC 8949, appendix A, as far as they are in the subset; the refusals are our own. */
#include "cose/cbor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static uint8_t buffer[64];
static struct writer out;

static int start(void **state) {
    (void)state;
    writer_init(&out, buffer, sizeof buffer);
    return 0;
}

static void assert_written(const char *bytes, size_t size) {
    assert_int_equal(writer_check(&out), STATUS_OK);
    assert_int_equal(out.size, size);
    assert_memory_equal(buffer, bytes, size);
    out.size = 0;
}

/* `text` is a string literal that may contain zero bytes. */
#define ASSERT_WRITTEN(text) assert_written(text, sizeof(text) - 1)
#define READER(text)         reader_of(text, sizeof(text) - 1)

static struct reader reader_of(const char *bytes, size_t size) {
    struct reader reader;
    reader_init(&reader, bytes_of(bytes, size));
    return reader;
}

static void integers_are_written_shortest(void **state) {
    (void)state;
    cbor_write_uint(&out, 0);
    ASSERT_WRITTEN("\x00");
    cbor_write_uint(&out, 23);
    ASSERT_WRITTEN("\x17");
    cbor_write_uint(&out, 24);
    ASSERT_WRITTEN("\x18\x18");
    cbor_write_uint(&out, 255);
    ASSERT_WRITTEN("\x18\xff");
    cbor_write_uint(&out, 256);
    ASSERT_WRITTEN("\x19\x01\x00");
    cbor_write_uint(&out, 1000000);
    ASSERT_WRITTEN("\x1a\x00\x0f\x42\x40");
    cbor_write_uint(&out, 1000000000000);
    ASSERT_WRITTEN("\x1b\x00\x00\x00\xe8\xd4\xa5\x10\x00");
    cbor_write_uint(&out, UINT64_MAX);
    ASSERT_WRITTEN("\x1b\xff\xff\xff\xff\xff\xff\xff\xff");
    cbor_write_int(&out, -1);
    ASSERT_WRITTEN("\x20");
    cbor_write_int(&out, -7);
    ASSERT_WRITTEN("\x26");
    cbor_write_int(&out, -1000);
    ASSERT_WRITTEN("\x39\x03\xe7");
    cbor_write_int(&out, INT64_MIN);
    ASSERT_WRITTEN("\x3b\x7f\xff\xff\xff\xff\xff\xff\xff");
}

static void other_items_are_written(void **state) {
    (void)state;
    cbor_write_bytes(&out, bytes_of("\x01\x02\x03\x04", 4));
    ASSERT_WRITTEN("\x44\x01\x02\x03\x04");
    cbor_write_text(&out, "IETF");
    ASSERT_WRITTEN("\x64IETF");
    cbor_write_array(&out, 25);
    ASSERT_WRITTEN("\x98\x19");
    cbor_write_map(&out, 2);
    ASSERT_WRITTEN("\xa2");
    cbor_write_tag(&out, 18);
    ASSERT_WRITTEN("\xd2");
    cbor_write_bool(&out, false);
    cbor_write_bool(&out, true);
    cbor_write_null(&out);
    ASSERT_WRITTEN("\xf4\xf5\xf6");
}

static void written_items_are_read_back(void **state) {
    static const uint64_t values[] = {0,      1,       23,         24,          255,       256,
                                      0xFFFF, 0x10000, 0xFFFFFFFF, 0x100000000, UINT64_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct reader reader;
        out.size = 0;
        cbor_write_uint(&out, values[i]);
        assert_int_equal(out.size, cbor_head_size(values[i]));
        reader_init(&reader, writer_bytes(&out));
        assert_true(cbor_read_uint(&reader) == values[i]);
        assert_int_equal(reader_finish(&reader), STATUS_OK);
    }
    static const int64_t signed_values[] = {0, -1, -24, -25, -256, -257, INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < sizeof signed_values / sizeof signed_values[0]; i++) {
        struct reader reader;
        out.size = 0;
        cbor_write_int(&out, signed_values[i]);
        reader_init(&reader, writer_bytes(&out));
        assert_true(cbor_read_int(&reader) == signed_values[i]);
        assert_int_equal(reader_finish(&reader), STATUS_OK);
    }
}

static void longer_than_needed_is_refused(void **state) {
    static const struct {
        const char *bytes;
        size_t size;
    } cases[] = {
        {"\x18\x17", 2},
        {"\x19\x00\xff", 3},
        {"\x1a\x00\x00\xff\xff", 5},
        {"\x1b\x00\x00\x00\x00\xff\xff\xff\xff", 9},
        {"\x38\x00", 2},
        {"\x58\x01\x61", 3},
        {"\x78\x01\x61", 3},
        {"\x98\x01\x00", 3},
        {"\xb8\x00", 2},
        {"\xd8\x12\x00", 3},
        {"\xf8\x14", 2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct reader reader = reader_of(cases[i].bytes, cases[i].size);
        cbor_skip(&reader);
        assert_int_not_equal(reader_check(&reader), STATUS_OK);
    }
}

static void what_is_not_in_the_subset_is_refused(void **state) {
    static const char *const cases[] = {
        "\x5f\x41\x61\xff",                     /* indefinite byte string */
        "\x7f\x61\x61\xff",                     /* indefinite text */
        "\x9f\xff",                             /* indefinite array */
        "\xbf\xff",                             /* indefinite map */
        "\xff",                                 /* a lone break */
        "\xf7",                                 /* undefined */
        "\xf9\x3c\x01",                         /* half float */
        "\xfa\x3f\x80\x01\x01",                 /* float */
        "\xfb\x3f\xf1\x01\x01\x01\x01\x01\x01", /* double */
        "\xf0",                                 /* simple(16) */
        "\xe0",                                 /* simple(0) */
        "\x1c",
        "\x1d",
        "\x1e",
        "\x1f",                 /* reserved */
        "\x62\xc0\x80",         /* text: overlong */
        "\x63\xed\xa0\x80",     /* text: surrogate */
        "\x64\xf4\x90\x80\x80", /* text: above U+10FFFF */
        "\x61\xff",
        "\x61\x80",
        "\x62\xc3\x28",
        "\x62\x61\xc3",
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct reader reader = reader_of(cases[i], strlen(cases[i]));
        cbor_skip(&reader);
        assert_int_not_equal(reader_check(&reader), STATUS_OK);
    }
}

static void text_that_is_utf8_is_taken(void **state) {
    (void)state;
    struct reader reader = READER("\x6a"
                                  "a\xc3\xbc\xe6\xb0\xb4\xf0\x90\x85\x91");
    assert_int_equal(cbor_read_text(&reader).size, 10);
    assert_int_equal(reader_finish(&reader), STATUS_OK);
}

static void map_keys_must_be_in_order_and_once(void **state) {
    static const struct {
        const char *bytes;
        size_t size;
        bool is_good;
    } cases[] = {
        {"\xa2\x01\x00\x02\x00", 5, true},          {"\xa2\x02\x00\x01\x00", 5, false},
        {"\xa2\x01\x00\x01\x00", 5, false},         {"\xa2\x17\x00\x18\x18\x00", 6, true},
        {"\xa2\x18\x18\x00\x17\x00", 6, false},     {"\xa2\x01\x00\x20\x00", 5, true},
        {"\xa2\x61\x62\x00\x61\x61\x00", 7, false}, {"\xa2\x61\x61\x00\x61\x62\x00", 7, true},
        {"\x81\xa2\x02\x00\x01\x00", 6, false}, /* nested: found too */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct reader reader = reader_of(cases[i].bytes, cases[i].size);
        cbor_skip(&reader);
        assert_int_equal(reader_finish(&reader) == STATUS_OK, cases[i].is_good);
    }
}

static void walking_a_map(void **state) {
    struct cbor_map map;
    (void)state;
    struct reader reader = READER("\xa2\x01\x26\x18\x21\x41\x55");
    cbor_read_map(&reader, &map);
    assert_true(cbor_map_next(&reader, &map));
    assert_int_equal(cbor_read_int(&reader), 1);
    assert_int_equal(cbor_read_int(&reader), -7);
    assert_true(cbor_map_next(&reader, &map));
    cbor_expect_uint(&reader, 33);
    assert_int_equal(cbor_read_bytes(&reader).size, 1);
    assert_false(cbor_map_next(&reader, &map));
    assert_int_equal(reader_finish(&reader), STATUS_OK);
}

static void counts_cannot_exceed_the_input(void **state) {
    struct cbor_map map;
    (void)state;
    struct reader reader = READER("\x9b\xff\xff\xff\xff\xff\xff\xff\xff");
    assert_int_equal(cbor_read_array(&reader), 0);
    assert_true(reader.failed);
    reader = READER("\xba\x00\x01\x00\x00\x00\x00");
    cbor_read_map(&reader, &map);
    assert_int_equal(map.remaining, 0);
    assert_false(cbor_map_next(&reader, &map));
    assert_true(reader.failed);
    reader = READER("\x5b\xff\xff\xff\xff\xff\xff\xff\xff\x00");
    assert_int_equal(cbor_read_bytes(&reader).size, 0);
    assert_true(reader.failed);
}

static void nesting_is_bounded(void **state) {
    uint8_t nested[4096];
    struct reader reader;
    (void)state;
    memset(nested, 0x81, sizeof nested);
    nested[CBOR_DEPTH_MAX - 1] = 0x00;
    reader_init(&reader, bytes_of(nested, CBOR_DEPTH_MAX));
    cbor_skip(&reader);
    assert_int_equal(reader_finish(&reader), STATUS_OK);
    nested[CBOR_DEPTH_MAX - 1] = 0x81;
    nested[CBOR_DEPTH_MAX] = 0x00;
    reader_init(&reader, bytes_of(nested, CBOR_DEPTH_MAX + 1));
    cbor_skip(&reader);
    assert_true(reader.failed);
    nested[CBOR_DEPTH_MAX] = 0x81;
    reader_init(&reader, bytes_of(nested, sizeof nested));
    cbor_skip(&reader);
    assert_true(reader.failed);
    memset(nested, 0xC1, sizeof nested); /* tags nest too */
    reader_init(&reader, bytes_of(nested, sizeof nested));
    cbor_skip(&reader);
    assert_true(reader.failed);
}

static void wrong_types_yield_zero_and_stick(void **state) {
    uint8_t fixed[4] = {1, 2, 3, 4};
    static const uint8_t zero[4];
    (void)state;
    struct reader reader = READER("\x43"
                                  "abc");
    assert_true(cbor_read_uint(&reader) == 0);
    assert_true(reader.failed);
    assert_int_equal(cbor_read_bytes(&reader).size, 0);
    reader = READER("\x43"
                    "abc");
    cbor_read_fixed(&reader, fixed, sizeof fixed);
    assert_true(reader.failed);
    assert_memory_equal(fixed, zero, sizeof zero);
    reader = READER("\x1b\x80\x00\x00\x00\x00\x00\x00\x00");
    assert_int_equal(cbor_read_int(&reader), 0);
    assert_true(reader.failed);
    reader = READER("\xf6");
    assert_false(cbor_read_bool(&reader));
    assert_true(reader.failed);
    reader = READER("\xf5");
    cbor_read_null(&reader);
    assert_true(reader.failed);
    reader = READER("\x01");
    cbor_expect_uint(&reader, 2);
    assert_true(reader.failed);
    reader = READER("\x63"
                    "abc");
    cbor_expect_text(&reader, "abd");
    assert_true(reader.failed);
    reader = READER("");
    assert_int_equal(cbor_peek(&reader), CBOR_NONE);
    cbor_skip(&reader);
    assert_true(reader.failed);
}

static void an_item_is_returned_whole(void **state) {
    (void)state;
    struct reader reader = READER("\x82\x01\xa1\x61x\xf6\x00");
    struct bytes item = cbor_read_item(&reader);
    assert_int_equal(item.size, 6);
    assert_int_equal(reader_remaining(&reader), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(integers_are_written_shortest, start),
        cmocka_unit_test_setup(other_items_are_written, start),
        cmocka_unit_test_setup(written_items_are_read_back, start),
        cmocka_unit_test(longer_than_needed_is_refused),
        cmocka_unit_test(what_is_not_in_the_subset_is_refused),
        cmocka_unit_test(text_that_is_utf8_is_taken),
        cmocka_unit_test(map_keys_must_be_in_order_and_once),
        cmocka_unit_test(walking_a_map),
        cmocka_unit_test(counts_cannot_exceed_the_input),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(wrong_types_yield_zero_and_stick),
        cmocka_unit_test(an_item_is_returned_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
