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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
