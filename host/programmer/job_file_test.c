/* Files of one unit: kept, read, forgotten, and cleaned away with their job. */
#include "programmer/job_file.h"

#include "base/file.h"
#include "programmer/retention.h"
#include "programmer/testing/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t first[16] = {0xAB};
static const uint8_t second[16] = {0xCD};

struct fixture {
    char *directory;
    char job_directory[160];
    struct job job;
};

static int setup(void **state) {
    struct error error;
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->directory = scratch_make();
    (void)snprintf(fixture->job_directory, sizeof fixture->job_directory, "%s/jobs/job-1",
                   fixture->directory);
    assert_int_equal(directory_create_private(fixture->job_directory, &error), 0);
    fixture->job.directory = fixture->job_directory;
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    scratch_remove(fixture->directory);
    free(fixture);
    return 0;
}

static void keep(struct fixture *fixture, const uint8_t uid[16], const char *text) {
    struct error error;
    if (job_file_keep(&fixture->job, uid, JOB_FILE_RECORD, bytes_of(text, strlen(text)), &error) !=
        0)
        fail_msg("%s", error.message);
}

static void expect(struct fixture *fixture, const uint8_t uid[16], const char *text) {
    struct error error = {0};
    struct buffer found = {0};
    int failed = job_file_read(&fixture->job, uid, JOB_FILE_RECORD, &found, &error);
    assert_int_equal(failed, text != NULL ? 0 : -1);
    if (text != NULL)
        assert_string_equal(buffer_text(&found), text);
    else
        assert_int_equal(error.code, ERROR_NOT_FOUND);
    buffer_free(&found);
}

static void test_kept_per_unit(void **state) {
    struct fixture *fixture = *state;
    expect(fixture, first, NULL);
    job_file_forget(&fixture->job, first, JOB_FILE_RECORD); /* there is none */
    keep(fixture, first, "one");
    keep(fixture, second, "two");
    keep(fixture, first, "one again");
    expect(fixture, first, "one again");
    expect(fixture, second, "two");
    job_file_forget(&fixture->job, first, JOB_FILE_RECORD);
    expect(fixture, first, NULL);
    expect(fixture, second, "two");
}

static void test_too_long_is_refused(void **state) {
    struct fixture *fixture = *state;
    static char text[JOB_FILE_MAX + 2];
    struct error error = {0};
    struct buffer found = {0};
    memset(text, 'x', JOB_FILE_MAX + 1);
    keep(fixture, first, text);
    assert_int_equal(job_file_read(&fixture->job, first, JOB_FILE_RECORD, &found, &error), -1);
    assert_int_equal(error.code, ERROR_TOO_LARGE);
    buffer_free(&found);
}

static void test_gone_with_the_job(void **state) {
    struct fixture *fixture = *state;
    keep(fixture, first, "one");
    keep(fixture, second, "two");
    scratch_write(fixture->job_directory, "ledger", bytes_of("x", 1));
    retention_clean(fixture->directory, "job-1");
    assert_false(file_exists(fixture->job_directory));
    retention_clean(fixture->directory, "job-1"); /* nothing left to do */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kept_per_unit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_long_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gone_with_the_job, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
