#include "image/testing/fixture.h"

#include <string.h>

static const struct image_header HEADER = {
    .header_size = 0x400,
    .protected_size = 12,
    .payload_size = 0x12345,
    .flags = IMAGE_FLAG_AES_256,
    .version = {1, 2, 0x0304, 0x05060708},
};

static uint8_t raw[IMAGE_HEADER_SIZE];

static int write_header(void **state) {
    (void)state;
    struct writer writer;
    writer_init(&writer, raw, sizeof raw);
    image_header_write(&writer, &HEADER);
    assert_int_equal(writer.size, sizeof raw);
    return 0;
}

static enum status parse(struct image_header *header) {
    return image_header_parse(bytes_of(raw, sizeof raw), header);
}

static void bytes_as_published(void **state) {
    (void)state;
    static const uint8_t EXPECTED[IMAGE_HEADER_SIZE] = {
        0x3D, 0xB8, 0xF3, 0x96, 0, 0, 0, 0, 0x00, 0x04, 12,   0,    0x45, 0x23, 0x01, 0x00,
        0x08, 0,    0,    0,    1, 2, 4, 3, 0x08, 0x07, 0x06, 0x05, 0,    0,    0,    0};
    assert_memory_equal(raw, EXPECTED, sizeof raw);
}

static void round_trip(void **state) {
    (void)state;
    struct image_header header;
    assert_status(parse(&header), STATUS_OK);
    assert_memory_equal(&header, &HEADER, sizeof header);
    assert_int_equal(image_header_tlv_offset(&header), 0x12745);
    assert_int_equal(image_header_content_key_size(&header), 32);
}

static void refuses_other_sizes(void **state) {
    (void)state;
    struct image_header header;
    uint8_t longer[IMAGE_HEADER_SIZE + 1] = {0};
    memcpy(longer, raw, sizeof raw);
    for (size_t size = 0; size < sizeof raw; size++) {
        assert_status(image_header_parse(bytes_of(raw, size), &header), STATUS_TRUNCATED);
    }
    assert_status(image_header_parse(bytes_of(longer, sizeof longer), &header), STATUS_INVALID);
}

/* One field changed by `size` bytes at `offset`; the header must come back zeroed. */
static void assert_refused(size_t offset, const char *bytes, size_t size, enum status expected) {
    static const struct image_header ZERO;
    struct image_header header;
    (void)write_header(NULL);
    memset(&header, 0xEE, sizeof header);
    memcpy(&raw[offset], bytes, size);
    assert_status(parse(&header), expected);
    assert_memory_equal(&header, &ZERO, sizeof header);
}

static void refuses_bad_fields(void **state) {
    (void)state;
    assert_refused(0, "\x3C", 1, STATUS_NOT_FOUND);
    assert_refused(3, "\x97", 1, STATUS_NOT_FOUND);
    assert_refused(4, "\x01", 1, STATUS_INVALID);     /* load address nobody asked for */
    assert_refused(8, "\x1F\x00", 2, STATUS_INVALID); /* header smaller than itself */
    assert_refused(8, "\x00\x00", 2, STATUS_INVALID);
    assert_refused(10, "\x03", 1, STATUS_INVALID); /* no room for the area info */
    assert_refused(10, "\x01", 1, STATUS_INVALID);
    assert_refused(12, "\0\0\0\0", 4, STATUS_INVALID); /* nothing to run */
    assert_refused(12, "\xFF\xFF\xFF\xFF", 4, STATUS_INVALID);
    assert_refused(12, "\xF0\xFB\xFF\xFF", 4, STATUS_INVALID); /* area infos wrap round */
    assert_refused(28, "\x01", 1, STATUS_INVALID);
    assert_refused(31, "\x80", 1, STATUS_INVALID);
    assert_refused(16, "\x0C", 1, STATUS_UNSUPPORTED);     /* both key sizes */
    assert_refused(16, "\x20\x01", 2, STATUS_UNSUPPORTED); /* RAM and ROM */
    assert_refused(16, "\x01", 1, STATUS_UNSUPPORTED);
    assert_refused(17, "\x02", 1, STATUS_UNSUPPORTED); /* compressed */
    assert_refused(19, "\x80", 1, STATUS_UNSUPPORTED);
}

static void largest_sizes_that_add_up(void **state) {
    (void)state;
    struct image_header header;
    /* 0x400 + this + 12 + 4 is the last that fits. */
    static const uint8_t PAYLOAD_SIZE[] = {0xEF, 0xFB, 0xFF, 0xFF};
    memcpy(&raw[12], PAYLOAD_SIZE, sizeof PAYLOAD_SIZE);
    assert_status(parse(&header), STATUS_OK);
    assert_int_equal(image_header_tlv_offset(&header), UINT32_MAX - 16);
}

static void versions_compare_without_build(void **state) {
    (void)state;
    static const struct image_version ORDER[] = {{0, 0, 0, 9}, {0, 0, 1, 0}, {0, 0, 0x100, 0},
                                                 {0, 1, 0, 0}, {1, 0, 0, 0}, {2, 0, 0, 0}};
    for (size_t a = 0; a < 6; a++) {
        for (size_t b = 0; b < 6; b++) {
            int order = image_version_compare(&ORDER[a], &ORDER[b]);
            assert_int_equal(order < 0, a < b);
            assert_int_equal(order > 0, a > b);
        }
    }
    const struct image_version other_build = {2, 0, 0, 7};
    assert_int_equal(image_version_compare(&ORDER[5], &other_build), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(bytes_as_published, write_header),
        cmocka_unit_test_setup(round_trip, write_header),
        cmocka_unit_test_setup(refuses_other_sizes, write_header),
        cmocka_unit_test_setup(refuses_bad_fields, write_header),
        cmocka_unit_test_setup(largest_sizes_that_add_up, write_header),
        cmocka_unit_test(versions_compare_without_build),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
