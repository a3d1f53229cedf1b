#include "attest/attest.h"

#include "spdm/spdm_measurement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static uint8_t buffer[ATTEST_RECORD_MAX + 1];
static struct writer writer;
static struct attest written;
static struct attest back;

static int start(void **state) {
    (void)state;
    memset(&written, 0, sizeof written);
    memset(&back, 0, sizeof back);
    written.image[0] = 1;
    written.otp[1] = 2;
    written.life_cycle = 2;
    written.flags = DEVAUTH_FLAG_DEBUG_LOCKED | DEVAUTH_FLAG_KEYS;
    written.bl2[2] = 3;
    written.bl3[3] = 4;
    written.keys.bl3_key_hash[4] = 5;
    written.versions.stage = DEVAUTH_STAGE_APPLICATION;
    written.versions.bl3.security_counter = 6;
    writer_init(&writer, buffer, ATTEST_RECORD_MAX);
    attest_write(&writer, &written);
    assert_int_equal(writer_check(&writer), STATUS_OK);
    return 0;
}

static void it_is_read_back(void **state) {
    (void)state;
    assert_int_equal(attest_read(writer_bytes(&writer), &back), STATUS_OK);
    assert_memory_equal(&written, &back, sizeof back);
}

static void cut_or_longer_records_are_refused(void **state) {
    (void)state;
    for (size_t cut = 0; cut < writer.size; cut++) {
        assert_int_not_equal(attest_read(bytes_of(buffer, cut), &back), STATUS_OK);
        assert_int_equal(back.life_cycle, 0);
    }
    assert_int_not_equal(attest_read(bytes_of(buffer, writer.size + 1), &back), STATUS_OK);
}

/* Every byte that is structure, not value: index, specification, sizes, type. */
static void other_blocks_are_refused(void **state) {
    struct reader reader;
    struct spdm_measurement block;
    unsigned blocks = 0;
    (void)state;
    reader_init(&reader, writer_bytes(&writer));
    while (reader_remaining(&reader) > 0) {
        size_t at = reader.position;
        for (size_t i = at; i < at + 7; i++) {
            buffer[i] ^= 0x40;
            assert_int_not_equal(attest_read(writer_bytes(&writer), &back), STATUS_OK);
            buffer[i] ^= 0x40;
        }
        spdm_measurement_next(&reader, &block);
        blocks++;
    }
    assert_int_equal(blocks, 7);
    assert_int_equal(reader_finish(&reader), STATUS_OK);
}

/* Offsets of the blocks in the record: header of 7 bytes, then the value. */
static const size_t BLOCKS[] = {0, 39, 78, 87, 126, 165, 268, 308};
enum { COUNT = 7 };

static void every_block_stands_once_and_in_its_place(void **state) {
    uint8_t other[ATTEST_RECORD_MAX + 128];
    struct writer changed;
    (void)state;
    assert_int_equal(writer.size, BLOCKS[COUNT]);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(buffer[BLOCKS[i]], i + 1);
        /* One missing, one twice, two exchanged. */
        for (size_t k = 0; k < COUNT; k++) {
            writer_init(&changed, other, sizeof other);
            for (size_t j = 0; j < COUNT; j++) {
                size_t from = j == i ? k : j == k ? i : j;
                write_bytes(&changed, bytes_slice(writer_bytes(&writer), BLOCKS[from],
                                                  BLOCKS[from + 1] - BLOCKS[from]));
            }
            enum status status = attest_read(writer_bytes(&changed), &back);
            assert_true(i == k ? status == STATUS_OK : status != STATUS_OK);
        }
        writer_init(&changed, other, sizeof other);
        write_bytes(&changed, bytes_slice(writer_bytes(&writer), 0, BLOCKS[i]));
        write_bytes(&changed,
                    bytes_slice(writer_bytes(&writer), BLOCKS[i + 1], writer.size - BLOCKS[i + 1]));
        assert_int_not_equal(attest_read(writer_bytes(&changed), &back), STATUS_OK);
        writer_init(&changed, other, sizeof other);
        write_bytes(&changed, bytes_slice(writer_bytes(&writer), 0, BLOCKS[i + 1]));
        write_bytes(&changed,
                    bytes_slice(writer_bytes(&writer), BLOCKS[i], writer.size - BLOCKS[i]));
        assert_int_not_equal(attest_read(writer_bytes(&changed), &back), STATUS_OK);
        assert_int_equal(back.image[0], 0);
    }
}

/* Well formed, but a byte longer or shorter than that block is. */
static void values_of_another_size_are_refused(void **state) {
    uint8_t other[ATTEST_RECORD_MAX + 128];
    static const uint8_t value[128];
    struct spdm_measurement block;
    struct writer changed;
    struct reader reader;
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        for (int longer = -1; longer <= 1; longer++) {
            writer_init(&changed, other, sizeof other);
            reader_init(&reader, writer_bytes(&writer));
            for (size_t k = 0; k < COUNT; k++) {
                spdm_measurement_next(&reader, &block);
                size_t size = k == i ? (size_t)((int)block.value.size + longer) : block.value.size;
                spdm_measurement_write(&changed, block.index, block.type, bytes_of(value, size));
            }
            assert_true((attest_read(writer_bytes(&changed), &back) == STATUS_OK) == (longer == 0));
        }
    }
}

/* The types of docs/formats/devauth.md and no others. */
static void values_of_another_type_are_refused(void **state) {
    static const uint8_t TYPES[COUNT] = {0x01, 0x02, 0x83, 0x01, 0x01, 0x83, 0x83};
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        for (unsigned type = 0; type < 256; type++) {
            buffer[BLOCKS[i] + 4] = (uint8_t)type;
            assert_true((attest_read(writer_bytes(&writer), &back) == STATUS_OK) ==
                        (type == TYPES[i]));
        }
        buffer[BLOCKS[i] + 4] = TYPES[i];
    }
}

static void a_small_writer_fails(void **state) {
    struct writer small;
    (void)state;
    for (size_t size = 0; size < BLOCKS[COUNT]; size++) {
        writer_init(&small, buffer, size);
        attest_write(&small, &written);
        assert_int_equal(writer_check(&small), STATUS_NO_SPACE);
    }
}

static void a_block_twice_is_refused(void **state) {
    (void)state;
    spdm_measurement_write(&writer, DEVAUTH_MEASUREMENT_VERSIONS, 0x83, bytes_of(buffer, 33));
    assert_int_not_equal(attest_read(writer_bytes(&writer), &back), STATUS_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(it_is_read_back, start),
        cmocka_unit_test_setup(cut_or_longer_records_are_refused, start),
        cmocka_unit_test_setup(other_blocks_are_refused, start),
        cmocka_unit_test_setup(a_block_twice_is_refused, start),
        cmocka_unit_test_setup(every_block_stands_once_and_in_its_place, start),
        cmocka_unit_test_setup(values_of_another_size_are_refused, start),
        cmocka_unit_test_setup(values_of_another_type_are_refused, start),
        cmocka_unit_test_setup(a_small_writer_fails, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
