#include "cli/uid_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define UID_A "00112233445566778899AABBCCDDEEFF"
#define UID_B "FF112233445566778899AABBCCDDEE00"

static char path[] = "/tmp/nusec_uid_list_XXXXXX";

static void write_file(const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fputs(text, file) >= 0, 1);
    assert_int_equal(fclose(file), 0);
}

static json_t *read_file(const char *text, struct error *error) {
    const struct option_list none = {.count = 0};

    write_file(text);
    return uid_list_read(&none, path, error);
}

static void joins_options_and_file(void **state) {
    const struct option_list uids = {.items = {"00112233445566778899aabbccddeeff"}, .count = 1};
    struct error error;

    (void)state;
    write_file("# from the vendor\r\n\r\n \"" UID_B "\" , lot 7\r\n");
    json_t *list = uid_list_read(&uids, path, &error);
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(json_string_value(json_array_get(list, 0)), UID_A);
    assert_string_equal(json_string_value(json_array_get(list, 1)), UID_B);
    json_decref(list);
}

/* The column that is called so counts, wherever it is. */
static void reads_a_vendors_csv(void **state) {
    static const char *const files[] = {
        "\xEF\xBB\xBFlot;UID;made\r\n7;" UID_A ";\"a; b\"\r\n7;\"" UID_B "\";c\r\n",
        "uid,lot\n" UID_A ",7\n" UID_B "\n",
        "# lot 7\n\"note, free\",\"Uid\"\n\"x, y\"," UID_A "\nz," UID_B,
    };
    struct error error;

    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        json_t *list = read_file(files[i], &error);
        if (list == NULL)
            fail_msg("%zu: %s", i, error.message);
        assert_int_equal(json_array_size(list), 2);
        assert_string_equal(json_string_value(json_array_get(list, 0)), UID_A);
        assert_string_equal(json_string_value(json_array_get(list, 1)), UID_B);
        json_decref(list);
    }
    /* a line that ends before the column is malformed, and named */
    assert_null(read_file("lot,uid\n7," UID_A "\n8\n", &error));
    assert_non_null(strstr(error.message, "line 3"));
}

static void nothing_given_is_an_empty_list(void **state) {
    const struct option_list none = {.count = 0};
    struct error error;

    (void)state;
    json_t *list = uid_list_read(&none, NULL, &error);
    assert_true(json_is_array(list));
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);
}

static void refuses_what_is_no_uid(void **state) {
    static const char *const files[] = {
        "serial,lot\n" UID_A ",7\n",         /* a heading without "uid" is not guessed at */
        "\"" UID_A ",7\"\n",                 /* one field */
        "00112233445566778899AABBCCDDEEF\n", /* 31 digits */
        UID_A "0\n",
        "G0112233445566778899AABBCCDDEEFF\n",
        "0011 2233445566778899AABBCCDDEEFF\n",
    };
    struct error error;

    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        assert_null(read_file(files[i], &error));
        assert_int_equal(error.code, ERROR_USAGE);
        assert_non_null(strstr(error.message, "line 1"));
    }
}

/* Either would allow what was meant to be kept out. */
static void refuses_a_file_that_lists_nothing(void **state) {
    static const char *const files[] = {"", "\n\n", "uid,lot\n", "UID\n# lot 7\n"};
    const struct option_list uids = {.items = {UID_A}, .count = 1};
    struct error error;

    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        assert_null(read_file(files[i], &error));
        assert_int_equal(error.code, ERROR_USAGE);
        assert_non_null(strstr(error.message, "lists no UID"));
    }
    assert_null(uid_list_read(&uids, path, &error));
}

static void refuses_a_zero_byte(void **state) {
    static const char text[] = UID_A "\n\0\n" UID_B "\n";
    const struct option_list none = {.count = 0};
    struct error error;
    FILE *file = fopen(path, "w");

    (void)state;
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, sizeof(text) - 1, file), sizeof(text) - 1);
    assert_int_equal(fclose(file), 0);
    assert_null(uid_list_read(&none, path, &error));
    assert_non_null(strstr(error.message, "zero byte"));
}

static void refuses_a_uid_twice(void **state) {
    struct error error;

    (void)state;
    assert_null(read_file(UID_A "\n" UID_B "\n00112233445566778899aabbccddeeff\n", &error));
    assert_non_null(strstr(error.message, "twice"));
    assert_non_null(strstr(error.message, "line 3"));
}

static void refuses_a_missing_file(void **state) {
    const struct option_list none = {.count = 0};
    struct error error;

    (void)state;
    assert_null(uid_list_read(&none, "/nonexistent/uids.csv", &error));
    assert_int_equal(error.code, ERROR_NOT_FOUND);
}

static int make_path(void **state) {
    (void)state;
    int descriptor = mkstemp(path);
    return descriptor < 0 ? -1 : close(descriptor);
}

static int remove_path(void **state) {
    (void)state;
    return unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joins_options_and_file),
        cmocka_unit_test(reads_a_vendors_csv),
        cmocka_unit_test(nothing_given_is_an_empty_list),
        cmocka_unit_test(refuses_what_is_no_uid),
        cmocka_unit_test(refuses_a_file_that_lists_nothing),
        cmocka_unit_test(refuses_a_zero_byte),
        cmocka_unit_test(refuses_a_uid_twice),
        cmocka_unit_test(refuses_a_missing_file),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
