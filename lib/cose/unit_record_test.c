#include "cose/unit_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static uint8_t buffer[UNIT_RECORD_PAYLOAD_MAX + 1];
static uint8_t transcript[UNIT_RECORD_TRANSCRIPT_MAX + 1];
static char text[UNIT_RECORD_TEXT_MAX + 1];
static struct writer writer;
static struct unit_record record;
static struct unit_record back;

static int start(void **state) {
    (void)state;
    memset(text, 'x', sizeof text);
    record = (struct unit_record){.unit_id = {1},
                                  .uid = {2},
                                  .job_id = bytes_of("job-1", 5),
                                  .nonce = {3},
                                  .transcript = bytes_of(transcript, 500),
                                  .site = bytes_of("left", 4),
                                  .milliseconds = 12345};
    writer_init(&writer, buffer, sizeof buffer);
    return 0;
}

static void it_is_read_back(void **state) {
    (void)state;
    unit_record_write(&writer, &record);
    assert_int_equal(writer_check(&writer), STATUS_OK);
    assert_int_equal(unit_record_parse(writer_bytes(&writer), &back), STATUS_OK);
    assert_memory_equal(back.unit_id, record.unit_id, sizeof back.unit_id);
    assert_memory_equal(back.uid, record.uid, sizeof back.uid);
    assert_memory_equal(back.nonce, record.nonce, sizeof back.nonce);
    assert_true(bytes_equal(back.job_id, record.job_id));
    assert_true(bytes_equal(back.transcript, record.transcript));
    assert_true(bytes_equal(back.site, record.site));
    assert_int_equal(back.milliseconds, 12345);
}

static void the_largest_fits(void **state) {
    (void)state;
    record.job_id = record.site = bytes_of(text, UNIT_RECORD_TEXT_MAX);
    record.transcript = bytes_of(transcript, UNIT_RECORD_TRANSCRIPT_MAX);
    record.milliseconds = UINT64_MAX;
    writer_init(&writer, buffer, UNIT_RECORD_PAYLOAD_MAX);
    unit_record_write(&writer, &record);
    assert_int_equal(writer_check(&writer), STATUS_OK);
    assert_int_equal(unit_record_parse(writer_bytes(&writer), &back), STATUS_OK);
}

static void nothing_out_of_bounds_is_written(void **state) {
    const struct unit_record good = record;
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        record = good;
        struct bytes *field = i < 2 ? &record.job_id : i < 4 ? &record.site : &record.transcript;
        size_t most = i < 4 ? UNIT_RECORD_TEXT_MAX : UNIT_RECORD_TRANSCRIPT_MAX;
        *field = bytes_of(i < 4 ? (const void *)text : transcript, i % 2 == 0 ? 0 : most + 1);
        writer_init(&writer, buffer, sizeof buffer);
        unit_record_write(&writer, &record);
        assert_int_not_equal(writer_check(&writer), STATUS_OK);
        assert_int_equal(writer.size, 0);
    }
}

static void cut_longer_or_altered_ones_are_refused(void **state) {
    (void)state;
    unit_record_write(&writer, &record);
    for (size_t cut = 0; cut < writer.size; cut++) {
        assert_int_not_equal(unit_record_parse(bytes_of(buffer, cut), &back), STATUS_OK);
        assert_int_equal(back.transcript.size, 0);
    }
    assert_int_equal(unit_record_parse(bytes_of(buffer, writer.size + 1), &back), STATUS_INVALID);
    buffer[0] = 0xA6;
    assert_int_not_equal(unit_record_parse(writer_bytes(&writer), &back), STATUS_OK);
    buffer[0] = 0xA7;
    buffer[1] = 2;
    assert_int_not_equal(unit_record_parse(writer_bytes(&writer), &back), STATUS_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(it_is_read_back, start),
        cmocka_unit_test_setup(the_largest_fits, start),
        cmocka_unit_test_setup(nothing_out_of_bounds_is_written, start),
        cmocka_unit_test_setup(cut_longer_or_altered_ones_are_refused, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
