#include "cli/command.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct output_column columns[] = {
    {"NAME", "name", OUTPUT_TEXT},
    {"KEY", "key", OUTPUT_SHORT},
    {"WHEN", "when", OUTPUT_TIME},
};

/* Output of one call as text; the caller frees it. */
struct capture {
    char *text;
    size_t size;
    FILE *file;
};

static void capture_start(struct capture *capture) {
    capture->file = open_memstream(&capture->text, &capture->size);
    assert_non_null(capture->file);
}

static void capture_expect(struct capture *capture, const char *expected) {
    assert_int_equal(fclose(capture->file), 0);
    assert_string_equal(capture->text, expected);
    free(capture->text);
}

static json_t *parse(const char *text) {
    json_t *value = json_loads(text, 0, NULL);
    assert_non_null(value);
    return value;
}

static void a_table_is_aligned(void **state) {
    struct capture capture;
    json_t *rows = parse("[{\"name\":\"a\",\"key\":\"00112233445566778899\",\"when\":1795176000},"
                         "{\"name\":\"longer\",\"key\":null}]");

    (void)state;
    capture_start(&capture);
    output_table(capture.file, columns, 3, rows);
    capture_expect(&capture, "NAME    KEY               WHEN\n"
                             "a       0011223344556677  2026-11-20T12:00:00Z\n"
                             "longer  -                 -\n");
    json_decref(rows);
}

static void no_rows_are_said(void **state) {
    struct capture capture;
    json_t *rows = parse("[]");

    (void)state;
    capture_start(&capture);
    output_table(capture.file, columns, 3, rows);
    capture_expect(&capture, "none\n");
    json_decref(rows);
}

/* A product name must not be able to move the cursor or change the title of the window. */
static void control_characters_never_reach_the_terminal(void **state) {
    struct capture capture;
    json_t *object = parse("{\"name\":\"a\\u001b[2Jb\\u009bc\\rd\\u007f\\u00e9\"}");

    (void)state;
    capture_start(&capture);
    output_fields(capture.file, columns, 1, object);
    capture_expect(&capture, "NAME  a?[2Jb?\x9B"
                             "c?d?\xC3\xA9\n");
    json_decref(object);
}

static void error_text_is_cleaned_too(void **state) {
    struct capture capture;
    struct error error;

    (void)state;
    (void)error_set(&error, ERROR_DENIED, "no\033[1m");
    (void)error_hint(&error, "ask\n");
    capture_start(&capture);
    output_error(capture.file, &error);
    capture_expect(&capture, "nusec: no?[1m\n       ask?\n");
}

static void errors_as_json_carry_the_code_name(void **state) {
    struct capture capture;
    struct error error;

    (void)state;
    (void)error_set(&error, ERROR_JOB_FULL, "all 4 \"units\" are made");
    capture_start(&capture);
    output_json_error(capture.file, &error);
    assert_int_equal(fclose(capture.file), 0);
    json_t *object = parse(capture.text);
    const json_t *inner = json_object_get(object, "error");
    assert_string_equal(json_string_value(json_object_get(inner, "code")), "job_full");
    assert_string_equal(json_string_value(json_object_get(inner, "message")),
                        "all 4 \"units\" are made");
    json_decref(object);
    free(capture.text);
}

static void progress_into_a_pipe_is_a_line_per_event(void **state) {
    struct capture capture;
    struct progress progress;
    static const char *const events[] = {
        "{\"site\":\"a\",\"state\":\"attach\",\"seconds\":0.1}",
        "{\"site\":\"a\",\"state\":\"keys\",\"uid\":\"0011\",\"seconds\":1.25}",
        "{\"other\":1}",
        "{\"site\":\"a\",\"state\":\"failed\",\"seconds\":2,\"message\":\"no answer\"}",
    };

    (void)state;
    capture_start(&capture);
    progress_init(&progress, capture.file, PROGRESS_LINES, 0, -1);
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        json_t *event = parse(events[i]);
        progress_event(&progress, event);
        json_decref(event);
    }
    progress_finish(&progress);
    capture_expect(&capture, "a        attach         -                                   0.1 s\n"
                             "a        keys           0011                                1.2 s\n"
                             "a        failed         0011                                2.0 s"
                             "  no answer\n");
}

static void progress_on_a_terminal_redraws(void **state) {
    struct capture capture;
    struct progress progress;
    json_t *event = parse("{\"site\":\"a\",\"state\":\"keys\",\"percent\":50}");

    (void)state;
    capture_start(&capture);
    progress_init(&progress, capture.file, PROGRESS_TERMINAL, 50, 7);
    progress_event(&progress, event);
    progress_event(&progress, event);
    /* Cut at 49 columns: a line that wraps would not be overwritten. */
    capture_expect(&capture, "\r\033[KPASS 0   FAIL 0   REMAINING 7\n"
                             "\r\033[Ka        ##########.......... keys              0\n"
                             "\033[2A\r\033[KPASS 0   FAIL 0   REMAINING 7\n"
                             "\r\033[Ka        ##########.......... keys              0\n");
    json_decref(event);
}

static void rows_keep_the_order_of_the_command_line(void **state) {
    struct capture capture;
    struct progress progress;
    json_t *event = parse("{\"site\":\"b\",\"state\":\"keys\"}");

    (void)state;
    capture_start(&capture);
    progress_init(&progress, capture.file, PROGRESS_TERMINAL, 43, -1);
    progress_add_site(&progress, "a");
    progress_add_site(&progress, "b");
    progress_event(&progress, event);
    capture_expect(&capture, "\r\033[KPASS 0   FAIL 0   REMAINING ?\n"
                             "\r\033[Ka        .................... waiting     \n"
                             "\r\033[Kb        .................... keys        \n");
    json_decref(event);
}

/* The word, the bin and what to do, without a colour; and the totals. */
static void an_ended_unit_is_a_verdict(void **state) {
    struct capture capture;
    struct progress progress;
    json_t *good =
        parse("{\"site\":\"a\",\"unit\":{\"state\":\"done\",\"uid\":\"0011\",\"seconds\":9,"
              "\"resumed\":true},\"totals\":{\"done\":3,\"failed\":0,\"remaining\":2}}");
    json_t *bad =
        parse("{\"site\":\"a\",\"unit\":{\"state\":\"failed\",\"code\":\"device_link\","
              "\"reason\":\"no answer\"},\"totals\":{\"done\":3,\"failed\":1,\"remaining\":2}}");

    (void)state;
    capture_start(&capture);
    progress_init(&progress, capture.file, PROGRESS_LINES, 0, -1);
    progress_event(&progress, good);
    progress_event(&progress, bad);
    capture_expect(&capture,
                   "a        ======= PASS ======= done           0011 9.0 s  resumed where it was "
                   "cut off\n         PASS 3   FAIL 0   REMAINING 2\n"
                   "a        !!! FAIL  bin 4 !!!! failed         - 0.0 s  check power, cables and "
                   "socket, then the same board again (no answer)\n"
                   "         PASS 3   FAIL 1   REMAINING 2\n");
    json_decref(good);
    json_decref(bad);
}

/* Every code of a failed unit has a bin; what nobody thought of is the chip's fault. */
static void every_end_has_its_bin(void **state) {
    static const struct {
        const char *unit;
        enum verdict_bin bin;
    } cases[] = {
        {"{\"state\":\"done\"}", VERDICT_PASS},
        {"{\"state\":\"already_done\"}", VERDICT_BEFORE},
        {"{\"state\":\"open\",\"code\":\"device_link\"}", VERDICT_AGAIN},
        {"{\"state\":\"failed\",\"code\":\"device_debug\"}", VERDICT_CONTACT},
        {"{\"state\":\"failed\",\"code\":\"bad_csr\"}", VERDICT_CHIP},
        {"{\"state\":\"failed\",\"code\":\"uid_denied\"}", VERDICT_REFUSED},
        {"{\"state\":\"failed\",\"code\":\"unit_scrapped\"}", VERDICT_REFUSED},
        {"{\"state\":\"failed\",\"code\":\"job_paused\"}", VERDICT_LINE},
        {"{\"state\":\"failed\"}", VERDICT_CHIP},
        {"{\"state\":7}", VERDICT_CHIP},
        {"{}", VERDICT_CHIP},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *unit = parse(cases[i].unit);
        const struct verdict verdict = verdict_of(unit);
        assert_int_equal(verdict.bin, cases[i].bin);
        assert_int_equal(verdict.is_pass, verdict.bin <= VERDICT_BEFORE);
        assert_int_equal(verdict.action[0] == '\0', verdict.is_pass);
        json_decref(unit);
    }
}

static void more_sites_than_rows_are_ignored(void **state) {
    struct capture capture;
    struct progress progress;

    (void)state;
    capture_start(&capture);
    progress_init(&progress, capture.file, PROGRESS_LINES, 0, -1);
    for (int i = 0; i < PROGRESS_SITES_MAX + 5; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "site%d", i);
        json_t *event = json_pack("{s:s,s:s}", "site", name, "state", "attach");
        progress_event(&progress, event);
        json_decref(event);
    }
    assert_int_equal(progress.site_count, PROGRESS_SITES_MAX);
    assert_int_equal(fclose(capture.file), 0);
    free(capture.text);
}

static void paths_are_encoded(void **state) {
    (void)state;
    char *path = command_path("/v1/devices/%s?job=%s", "../a b", "\xC3\xA9&x=1");
    assert_string_equal(path, "/v1/devices/..%2Fa%20b?job=%C3%A9%26x%3D1");
    free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_is_aligned),
        cmocka_unit_test(no_rows_are_said),
        cmocka_unit_test(control_characters_never_reach_the_terminal),
        cmocka_unit_test(error_text_is_cleaned_too),
        cmocka_unit_test(errors_as_json_carry_the_code_name),
        cmocka_unit_test(progress_into_a_pipe_is_a_line_per_event),
        cmocka_unit_test(progress_on_a_terminal_redraws),
        cmocka_unit_test(rows_keep_the_order_of_the_command_line),
        cmocka_unit_test(an_ended_unit_is_a_verdict),
        cmocka_unit_test(every_end_has_its_bin),
        cmocka_unit_test(more_sites_than_rows_are_ignored),
        cmocka_unit_test(paths_are_encoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
