#include "image/testing/fixture.h"

#include <string.h>

#define START (IMAGE_HEADER_SIZE + 4)

/* Payload of 4 bytes; both areas with one entry of 2 bytes each. */
static uint8_t memory[START + 10 + 10];
static struct bytes slot;
static struct image_header header;

static int build(void **state) {
    (void)state;
    struct writer writer;
    header = (struct image_header){
        .header_size = IMAGE_HEADER_SIZE, .protected_size = 10, .payload_size = 4};
    writer_init(&writer, memory, sizeof memory);
    write_fill(&writer, 0, START);
    write_u16le(&writer, IMAGE_TLV_PROTECTED_INFO_MAGIC);
    write_u16le(&writer, 10);
    image_tlv_write(&writer, 0xA1, bytes_of("pr", 2));
    write_u16le(&writer, IMAGE_TLV_INFO_MAGIC);
    write_u16le(&writer, 10);
    image_tlv_write(&writer, 0x1234, bytes_of("un", 2));
    slot = bytes_of(memory, sizeof memory);
    assert_status(writer_check(&writer), STATUS_OK);
    return 0;
}

static void assert_entry(const struct image_tlv_iterator *iterator, const struct image_tlv *tlv,
                         uint16_t type, enum image_tlv_area area, const char *text) {
    uint8_t data[2];
    assert_int_equal(tlv->type, type);
    assert_int_equal(tlv->area, area);
    assert_status(image_tlv_read(iterator, tlv, data, sizeof data), STATUS_OK);
    assert_memory_equal(data, text, sizeof data);
}

static void walks_both_areas(void **state) {
    (void)state;
    const struct image_source source = image_source_of(&slot);
    struct image_tlv_iterator iterator;
    struct image_tlv tlv;
    assert_status(image_tlv_open(&iterator, &source, &header), STATUS_OK);
    assert_int_equal(iterator.end, sizeof memory);
    assert_status(image_tlv_next(&iterator, &tlv), STATUS_OK);
    assert_entry(&iterator, &tlv, 0xA1, IMAGE_TLV_PROTECTED, "pr");
    assert_status(image_tlv_next(&iterator, &tlv), STATUS_OK);
    assert_entry(&iterator, &tlv, 0x1234, IMAGE_TLV_UNPROTECTED, "un");
    assert_status(image_tlv_next(&iterator, &tlv), STATUS_NOT_FOUND);
    assert_status(image_tlv_next(&iterator, &tlv), STATUS_NOT_FOUND);
}

static void walks_empty_areas(void **state) {
    (void)state;
    const uint8_t empty[] = {0x08, 0x69, 4, 0, 0x07, 0x69, 4, 0};
    const struct image_source source = image_source_of(&slot);
    struct image_tlv_iterator iterator;
    struct image_tlv tlv;
    memcpy(&memory[START], empty, sizeof empty);
    header.protected_size = 4;
    assert_status(image_tlv_open(&iterator, &source, &header), STATUS_OK);
    assert_status(image_tlv_next(&iterator, &tlv), STATUS_NOT_FOUND);
    memcpy(&memory[START], &empty[4], 4);
    header.protected_size = 0;
    assert_status(image_tlv_open(&iterator, &source, &header), STATUS_OK);
    assert_status(image_tlv_next(&iterator, &tlv), STATUS_NOT_FOUND);
}

static enum status walk(void) {
    const struct image_source source = image_source_of(&slot);
    struct image_tlv_iterator iterator;
    struct image_tlv tlv;
    enum status status = image_tlv_open(&iterator, &source, &header);
    while (status == STATUS_OK) {
        status = image_tlv_next(&iterator, &tlv);
    }
    return status;
}

static void refuses_wrong_infos(void **state) {
    (void)state;
    static const struct {
        size_t offset;
        uint8_t value;
        enum status status;
    } CASES[] = {
        {START, 0x07, STATUS_INVALID},        {START + 1, 0x68, STATUS_INVALID},
        {START + 2, 9, STATUS_INVALID},       {START + 2, 11, STATUS_INVALID},
        {START + 10, 0x08, STATUS_INVALID},   {START + 12, 3, STATUS_INVALID},
        {START + 12, 0, STATUS_INVALID},      {START + 12, 11, STATUS_TRUNCATED},
        {START + 13, 0xFF, STATUS_TRUNCATED}, {START + 12, 9, STATUS_INVALID},
        {START + 12, 7, STATUS_INVALID},
    };
    assert_status(walk(), STATUS_NOT_FOUND);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        (void)build(NULL);
        memory[CASES[i].offset] = CASES[i].value;
        assert_status(walk(), CASES[i].status);
    }
}

/* Whatever size an entry states, it ends exactly where its area does or the walk is refused. */
static void refuses_entries_that_leave_their_area(void **state) {
    (void)state;
    static const size_t SIZES[] = {START + 4 + 2, START + 10 + 4 + 2};
    for (size_t i = 0; i < 2; i++) {
        for (unsigned size = 0; size <= UINT8_MAX; size++) {
            (void)build(NULL);
            memory[SIZES[i]] = (uint8_t)size;
            assert_status(walk(), size == 2 ? STATUS_NOT_FOUND : STATUS_INVALID);
        }
        memory[SIZES[i]] = 2;
        memory[SIZES[i] + 1] = 0xFF;
        assert_status(walk(), STATUS_INVALID);
    }
}

static void refuses_every_truncated_slot(void **state) {
    (void)state;
    for (size_t size = 0; size < sizeof memory; size++) {
        slot = bytes_of(memory, size);
        assert_status(walk(), STATUS_TRUNCATED);
    }
}

static void reads_exact_sizes_only(void **state) {
    (void)state;
    const struct image_source source = image_source_of(&slot);
    struct image_tlv_iterator iterator;
    struct image_tlv tlv;
    uint8_t data[3] = {1, 1, 1};
    assert_status(image_tlv_open(&iterator, &source, &header), STATUS_OK);
    assert_status(image_tlv_next(&iterator, &tlv), STATUS_OK);
    assert_status(image_tlv_read(&iterator, &tlv, data, 3), STATUS_NO_SPACE);
    assert_memory_equal(data, "\0\0\0", 3);
    assert_status(image_tlv_read(&iterator, &tlv, data, 1), STATUS_NO_SPACE);
}

/* A port's read function is never asked for anything outside the slot. */
static void sources_are_bounded(void **state) {
    (void)state;
    const struct image_source source = image_source_of(&slot);
    uint8_t data[8];
    uint32_t end = sizeof memory;
    assert_status(image_source_read(&source, end, data, 0), STATUS_OK);
    assert_status(image_source_read(&source, end - 8, data, 8), STATUS_OK);
    memset(data, 0xEE, sizeof data);
    assert_status(image_source_read(&source, end - 7, data, 8), STATUS_TRUNCATED);
    assert_memory_equal(data, "\0\0\0\0\0\0\0\0", 8);
    assert_status(image_source_read(&source, end + 1, data, 0), STATUS_TRUNCATED);
    assert_status(image_source_read(&source, UINT32_MAX, data, 8), STATUS_TRUNCATED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(walks_both_areas, build),
        cmocka_unit_test_setup(walks_empty_areas, build),
        cmocka_unit_test_setup(refuses_wrong_infos, build),
        cmocka_unit_test_setup(refuses_entries_that_leave_their_area, build),
        cmocka_unit_test_setup(refuses_every_truncated_slot, build),
        cmocka_unit_test_setup(reads_exact_sizes_only, build),
        cmocka_unit_test_setup(sources_are_bounded, build),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
