/*
 * The small pieces every host program uses; mostly what they must refuse.
 */
#include "base/clock.h"
#include "base/encoding.h"
#include "base/endpoint.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/options.h"
#include "base/process.h"
#include "base/scrap_statement.h"
#include "base/test_support.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct error error;
static char directory[TEST_DIRECTORY_SIZE];

static int set_up(void **state) {
    (void)state;
    test_directory_make(directory);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    test_directory_remove(directory);
    return 0;
}

static const char *in_directory(const char *name) {
    return test_path(directory, name);
}

/* error */

static void every_code_has_its_own_row(void **state) {
    (void)state;
    for (int a = 0; a < ERROR_CODE_COUNT; a++) {
        enum error_code code = (enum error_code)a;
        assert_non_null(error_name(code));
        assert_int_equal(error_code_of_name(error_name(code)), a);
        assert_true(a == 0 || (error_http_status(code) >= 400 && error_http_status(code) < 600));
        assert_true(error_exit_code(code) < 64);
        for (int b = 0; b < a; b++)
            assert_int_not_equal(error_exit_code(code), error_exit_code((enum error_code)b));
    }
    assert_int_equal(error_code_of_name("no_such_name"), ERROR_INTERNAL);
    assert_string_equal(error_name((enum error_code)999), "internal");
}

static void messages_are_bounded(void **state) {
    (void)state;
    char longer[600];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_int_equal(error_set(&error, ERROR_DENIED, "%s", longer), -1);
    assert_int_equal(strlen(error.message), sizeof(error.message) - 1);
    error_hint(&error, "%s", longer);
    error_detail(&error, "%s", longer);
    error_prefix(&error, "%s", "where");
    assert_int_equal(strncmp(error.message, "where: xxx", 10), 0);
    assert_int_equal(strlen(error.message), sizeof(error.message) - 1);
    error_set(&error, ERROR_EXPIRED, "inner");
    error_set(&error, ERROR_DENIED, "outer of %s", error.message);
    assert_string_equal(error.message, "outer of inner");
    assert_string_equal(error.hint, "");
    error_set_errno(&error, ENOSPC, "x");
    assert_int_equal(error.code, ERROR_STORAGE_FULL);
    error_set_errno(&error, ENOENT, "x");
    assert_int_equal(error.code, ERROR_NOT_FOUND);
    error_set_errno(&error, EIO, "x");
    assert_int_equal(error.code, ERROR_STORAGE);
}

/* log */

static void log_lines_cannot_be_forged(void **state) {
    (void)state;
    struct buffer text = {0};
    const char *path = in_directory("log");
    int saved = dup(STDERR_FILENO);
    int file = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(dup2(file, STDERR_FILENO), STDERR_FILENO);
    log_start("test", LOG_LEVEL_INFO);
    log_info("unit.reserved", "uid", "00FF", "evil", "a\n2026 info test forged x=1\x1b[0m\xff", "n",
             LOG_NUMBER(-5));
    log_debug("not.shown", "a", "b");
    log_start("nusec", LOG_LEVEL_WARN);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(file);
    assert_int_equal(file_read(path, 4096, &text, &error), 0);
    const char *line = buffer_text(&text);
    assert_non_null(strstr(line, " info test unit.reserved uid=00FF evil=\"a\\x0a2026 info test "
                                 "forged x=1\\x1b[0m\\xff\" n=-5\n"));
    assert_ptr_equal(strchr(line, '\n'), line + text.size - 1);
    buffer_free(&text);
}

/* encoding */

static void hex_is_strict(void **state) {
    (void)state;
    uint8_t out[2];
    char text[5];
    assert_int_equal(hex_decode("aBcD", out, 2), 0);
    assert_int_equal(out[0], 0xAB);
    hex_encode(bytes_of(out, 2), text);
    assert_string_equal(text, "abcd");
    hex_encode_upper(bytes_of(out, 2), text);
    assert_string_equal(text, "ABCD");
    const char *const wrong[] = {"abc", "abcde", "", "ab d", "abcg", "0xab", "+1-2"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(hex_decode(wrong[i], out, 2), -1);
        assert_int_equal(out[0] | out[1], 0);
    }
}

static void base64_is_strict(void **state) {
    (void)state;
    uint8_t out[8];
    size_t size;
    for (size_t n = 0; n <= 8; n++) {
        char *text = base64_encode(bytes_of("\xff\x00_data!", n));
        assert_int_equal(base64_decode(text, out, sizeof(out), &size), 0);
        assert_int_equal(size, n);
        assert_memory_equal(out, "\xff\x00_data!", n);
        assert_int_equal(base64_decode(text, out, n == 0 ? 0 : n - 1, &size), n == 0 ? 0 : -1);
        free(text);
    }
    const char *const wrong[] = {
        "YQ",    "YQ=",  "YR==",     "YWJ=", " YWJj", "YWJj ", "YWJj\n", "YW\nJj",
        "YWJj=", "=YWJ", "YQ==YQ==", "Y===", "-_-_",  "YW Jj", "====",   "YWJjYQ"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(base64_decode(wrong[i], out, sizeof(out), &size), -1);
        assert_int_equal(size, 0);
    }
}

/* buffer */

static void buffer_grows_and_consumes(void **state) {
    (void)state;
    struct buffer buffer = {0};
    assert_string_equal(buffer_text(&buffer), "");
    for (int i = 0; i < 1000; i++)
        buffer_print(&buffer, "%03d", i);
    assert_int_equal(buffer.size, 3000);
    assert_int_equal(strlen(buffer_text(&buffer)), 3000);
    buffer_consume(&buffer, 2994);
    assert_memory_equal(buffer.data, "998999", 6);
    buffer_consume(&buffer, 100);
    assert_int_equal(buffer.size, 0);
    assert_null(buffer_reserve(&buffer, SIZE_MAX - 4));
    assert_int_equal(buffer_check(&buffer, &error), -1);
    buffer_append(&buffer, "x", 1); /* the failure sticks */
    assert_int_equal(buffer.size, 0);
    buffer_free(&buffer);
    assert_int_equal(buffer_check(&buffer, &error), 0);
}

/* file */

static void files_are_written_whole(void **state) {
    (void)state;
    struct buffer read = {0};
    struct stat status;
    const char *path = in_directory("file");
    assert_int_equal(file_write_durable(path, bytes_of("one", 3), 0640, &error), 0);
    assert_int_equal(file_write_durable(path, bytes_of("second", 6), 0600, &error), 0);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(file_read(path, 6, &read, &error), 0);
    assert_string_equal(buffer_text(&read), "second");
    assert_int_equal(file_read(path, 5, &read, &error), -1);
    assert_int_equal(error.code, ERROR_TOO_LARGE);
    assert_int_equal(file_create_durable(path, bytes_of("x", 1), 0600, &error), -1);
    assert_int_equal(error.code, ERROR_CONFLICT);
    assert_int_equal(file_create_durable(in_directory("new"), bytes_of("x", 1), 0600, &error), 0);
    assert_int_equal(file_read(in_directory("absent"), 5, &read, &error), -1);
    assert_int_equal(error.code, ERROR_NOT_FOUND);
    assert_int_equal(file_write_durable(in_directory("no/such"), bytes_of("x", 1), 0600, &error),
                     -1);
    buffer_free(&read);
}

/* What fails to be written leaves the old contents and no litter. */
static void full_disk_keeps_the_old_file(void **state) {
    (void)state;
    struct buffer read = {0};
    const char *path = in_directory("kept");
    assert_int_equal(file_write_durable(path, bytes_of("old", 3), 0600, &error), 0);
    pid_t child = fork();
    if (child == 0) {
        /* A file size limit of zero makes write() fail like a full disk does. */
        struct error e;
        const struct rlimit none = {0, 0};
        (void)signal(SIGXFSZ, SIG_IGN);
        (void)setrlimit(RLIMIT_FSIZE, &none);
        _exit(file_write_durable(path, bytes_of("new", 3), 0600, &e) == -1 ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(file_read(path, 5, &read, &error), 0);
    assert_string_equal(buffer_text(&read), "old");
    const char *const list[] = {"ls", directory, NULL};
    struct buffer names = {0};
    assert_int_equal(test_run(list, bytes_of(NULL, 0), STDOUT_FILENO, &names), 0);
    assert_non_null(strstr(buffer_text(&names), "kept"));
    assert_null(strstr(buffer_text(&names), "tmp"));
    buffer_free(&names);
    buffer_free(&read);
}

static void locks_exclude_other_processes(void **state) {
    (void)state;
    const char *path = in_directory("lock");
    int lock = file_lock(path, &error);
    assert_true(lock >= 0);
    assert_int_equal(file_lock(path, &error), -1);
    assert_int_equal(error.code, ERROR_BUSY);
    close(lock);
    lock = file_lock(path, &error);
    assert_true(lock >= 0);
    close(lock);
}

static void directories_are_private(void **state) {
    (void)state;
    struct stat status;
    const char *path = in_directory("a/b/c");
    assert_int_equal(directory_create_private(path, &error), 0);
    assert_int_equal(directory_create_private(path, &error), 0);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    assert_int_equal(file_write_durable(in_directory("f"), bytes_of("x", 1), 0600, &error), 0);
    assert_int_equal(directory_create_private(in_directory("f/g"), &error), -1);
    assert_int_equal(directory_create_private("", &error), -1);
}

static int read_secret(const char *contents, size_t size, mode_t mode, char out[256]) {
    const char *path = in_directory("secret");
    assert_int_equal(file_write_durable(path, bytes_of(contents, size), mode, &error), 0);
    return file_read_secret(path, out, &error);
}

static void secrets_are_guarded(void **state) {
    (void)state;
    char out[256];
    char longer[256];
    memset(longer, 'x', sizeof(longer));
    assert_int_equal(read_secret("1234\n", 5, 0600, out), 0);
    assert_string_equal(out, "1234");
    assert_int_equal(read_secret("pass phrase\r\n", 13, 0400, out), 0);
    assert_string_equal(out, "pass phrase");
    assert_int_equal(read_secret("1234", 4, 0640, out), -1);
    assert_int_equal(error.code, ERROR_DENIED);
    assert_int_equal(read_secret("1234", 4, 0604, out), -1);
    assert_int_equal(read_secret("123\n", 4, 0600, out), -1);
    assert_int_equal(read_secret("12\0"
                                 "34",
                                 5, 0600, out),
                     -1);
    assert_int_equal(read_secret(longer, 255, 0600, out), 0);
    assert_int_equal(read_secret(longer, 256, 0600, out), -1);
    assert_int_equal(symlink(in_directory("secret"), in_directory("link")), 0);
    assert_int_equal(file_read_secret(in_directory("link"), out, &error), -1);
}

/* json */

static json_t *parse(const char *text) {
    return json_parse_object(bytes_of(text, strlen(text)), &error);
}

static void json_is_typed(void **state) {
    (void)state;
    json_t *object = parse("{\"s\":\"text\",\"n\":7,\"neg\":-1,\"big\":4294967296,\"b\":true,"
                           "\"a\":[1,2],\"o\":{},\"hex\":\"00ff\",\"b64\":\"YWJj\",\"null\":null}");
    const char *text;
    uint64_t number;
    uint32_t small;
    bool flag;
    json_t *value;
    uint8_t out[3];
    size_t size;
    assert_non_null(object);
    assert_int_equal(json_read_string(object, "s", &text, &error), 0);
    assert_string_equal(text, "text");
    assert_int_equal(json_read_u64(object, "n", &number, &error), 0);
    assert_int_equal(number, 7);
    assert_int_equal(json_read_bool(object, "b", &flag, &error), 0);
    assert_int_equal(json_read_array(object, "a", 2, &value, &error), 0);
    assert_int_equal(json_read_hex(object, "hex", out, 2, &error), 0);
    assert_int_equal(json_read_base64(object, "b64", out, 3, &size, &error), 0);
    assert_memory_equal(out, "abc", 3);
    assert_int_equal(json_read_u64(object, "neg", &number, &error), -1);
    assert_int_equal(json_read_u32(object, "big", &small, &error), -1);
    assert_int_equal(json_read_u64(object, "s", &number, &error), -1);
    assert_int_equal(json_read_string(object, "n", &text, &error), -1);
    assert_int_equal(json_read_string(object, "absent", &text, &error), -1);
    assert_int_equal(json_read_string(object, "null", &text, &error), -1);
    assert_int_equal(json_read_array(object, "a", 1, &value, &error), -1);
    assert_int_equal(json_read_array(object, "o", 1, &value, &error), -1);
    assert_int_equal(json_read_hex(object, "hex", out, 3, &error), -1);
    assert_int_equal(json_read_base64(object, "b64", out, 2, &size, &error), -1);
    text = "kept";
    assert_int_equal(json_read_optional_string(object, "null", &text, &error), 0);
    assert_string_equal(text, "kept");
    assert_int_equal(json_read_optional_string(object, "n", &text, &error), -1);
    json_decref(object);
}

static void bad_json_is_refused(void **state) {
    (void)state;
    const char *const wrong[] = {
        "", "[]", "{", "{}x", "\"s\"", "{\"a\":1,\"a\":2}", "nul", "{a:1}", "{\"a\":\"\xff\"}"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_null(parse(wrong[i]));
        assert_int_equal(error.code, ERROR_BAD_REQUEST);
    }
    struct buffer deep = {0};
    for (int i = 0; i < 100000; i++)
        buffer_append_text(&deep, "{\"a\":");
    assert_null(json_parse_object(buffer_bytes(&deep), &error));
    buffer_free(&deep);
}

/* options */

static struct {
    bool verbose;
    const char *data;
    uint64_t count;
    struct option_list uids;
} given;

static const struct option_entry entries[] = {
    {OPTION_TEXT, "data", "DIR", "where", &given.data, OPTION_REQUIRED},
    {OPTION_NUMBER, "count", "N", "how many", &given.count, OPTION_OPTIONAL},
    {OPTION_LIST, "uid", "HEX", "one", &given.uids, OPTION_OPTIONAL},
    {OPTION_FLAG, "verbose", NULL, "more", &given.verbose, OPTION_OPTIONAL},
};
static const struct option_set set = {"nusec test", "--data DIR", "Tests.", entries, 4, 0, 1};

static enum options_result parse_line(const char *line, struct option_list *operands) {
    static char copy[256];
    static char *argv[32];
    int argc = 0;
    memset(&given, 0, sizeof(given));
    snprintf(copy, sizeof(copy), "program %s", line);
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " "))
        argv[argc++] = word;
    return options_parse(&set, argc, argv, operands, &error);
}

static void options_are_parsed(void **state) {
    (void)state;
    struct option_list operands;
    assert_int_equal(parse_line("--data=d x --count 5 --verbose --uid a --uid b", &operands),
                     OPTIONS_OK);
    assert_string_equal(given.data, "d");
    assert_int_equal(given.count, 5);
    assert_true(given.verbose);
    assert_int_equal(given.uids.count, 2);
    assert_string_equal(given.uids.items[1], "b");
    assert_int_equal(operands.count, 1);
    assert_string_equal(operands.items[0], "x");
    assert_int_equal(parse_line("--data d -- --verbose", &operands), OPTIONS_OK);
    assert_string_equal(operands.items[0], "--verbose");
    assert_false(given.verbose);
    assert_int_equal(parse_line("--data d --help --nonsense", &operands), OPTIONS_HELP);
    assert_int_equal(parse_line("-h", NULL), OPTIONS_HELP);
}

static void wrong_options_are_refused(void **state) {
    (void)state;
    const char *const wrong[] = {"",
                                 "--dat d",
                                 "--data",
                                 "--data d --data e",
                                 "--data d --count",
                                 "--data d --count -1",
                                 "--data d --count 5x",
                                 "--data d --count=",
                                 "--data d --count 99999999999999999999",
                                 "--data d --verbose=yes",
                                 "--data d -v",
                                 "--data d one two",
                                 "--data d --unknown"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(parse_line(wrong[i], NULL), OPTIONS_FAILED);
        assert_int_equal(error.code, ERROR_USAGE);
        assert_string_equal(error.hint, "nusec test --help");
    }
}

static void help_names_every_option(void **state) {
    (void)state;
    char text[1024] = "";
    FILE *out = fmemopen(text, sizeof(text), "w");
    options_help(&set, out);
    fclose(out);
    assert_non_null(strstr(text, "usage: nusec test --data DIR\n\nTests.\n"));
    assert_non_null(strstr(text, "--data DIR"));
    assert_non_null(strstr(text, "where (required)"));
    assert_non_null(strstr(text, "--verbose"));
}

/* endpoint */

static void endpoints_are_parsed(void **state) {
    (void)state;
    struct endpoint endpoint;
    assert_int_equal(endpoint_parse("unix:/run/x", &endpoint, &error), 0);
    assert_int_equal(endpoint.kind, ENDPOINT_UNIX);
    assert_string_equal(endpoint.address, "/run/x");
    assert_int_equal(endpoint_parse("tcp:[::1]:8443", &endpoint, &error), 0);
    assert_string_equal(endpoint.address, "::1");
    assert_string_equal(endpoint.port, "8443");
    assert_int_equal(endpoint_parse("/dev/ttyACM0@921600", &endpoint, &error), 0);
    assert_string_equal(endpoint.address, "/dev/ttyACM0");
    assert_int_equal(endpoint.baud, 921600);
    assert_int_equal(endpoint_parse("/dev/ttyACM0", &endpoint, &error), 0);
    assert_int_equal(endpoint.baud, 115200);
    const char *const wrong[] = {
        "",         "unix:",    "tcp:host", "tcp:host:", "tcp::80",    "tcp:h:65536",
        "tcp:h:8x", "http://x", "ttyACM0",  "/dev/x@",   "/dev/x@9z9", "tcp:h:-1"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(endpoint_parse(wrong[i], &endpoint, &error), -1);
    char longer[300] = "unix:/";
    memset(longer + 6, 'x', sizeof(longer) - 7);
    longer[sizeof(longer) - 1] = '\0';
    assert_int_equal(endpoint_parse(longer, &endpoint, &error), -1);
}

static void core_files_are_forbidden(void **state) {
    (void)state;
    struct rlimit limit = {1, 1};
    process_forbid_core_dumps();
    assert_int_equal(getrlimit(RLIMIT_CORE, &limit), 0);
    assert_int_equal(limit.rlim_cur, 0);
    assert_int_equal(limit.rlim_max, 0); /* nobody raises it again */
}

static void a_listener_removes_sockets_only(void **state) {
    (void)state;
    char text[160];
    struct endpoint endpoint;
    struct stat status;
    snprintf(text, sizeof(text), "unix:%s", in_directory("precious"));
    assert_int_equal(endpoint_parse(text, &endpoint, &error), 0);
    int file = open(in_directory("precious"), O_CREAT | O_WRONLY, 0600);
    assert_true(file >= 0);
    close(file);
    assert_int_equal(endpoint_listen(&endpoint, &error), -1);
    assert_int_equal(stat(in_directory("precious"), &status), 0);
    assert_true(S_ISREG(status.st_mode));
    unlink(in_directory("precious"));
}

static void sockets_connect(void **state) {
    (void)state;
    char text[160];
    struct endpoint endpoint;
    struct stat status;
    snprintf(text, sizeof(text), "unix:%s", in_directory("socket"));
    assert_int_equal(endpoint_parse(text, &endpoint, &error), 0);
    assert_int_equal(endpoint_connect(&endpoint, 100, &error), -1);
    assert_int_equal(error.code, ERROR_OFFLINE);
    for (int i = 0; i < 2; i++) { /* the second time the socket file is a stale one */
        int listener = endpoint_listen(&endpoint, &error);
        assert_true(listener >= 0);
        assert_int_equal(stat(in_directory("socket"), &status), 0);
        assert_int_equal(status.st_mode & 0777, 0600);
        int client = endpoint_connect(&endpoint, 1000, &error);
        assert_true(client >= 0);
        int server = accept(listener, NULL, NULL);
        assert_true(server >= 0);
        assert_int_equal(write(client, "x", 1), 1);
        char byte;
        assert_int_equal(read(server, &byte, 1), 1);
        close(server);
        close(client);
        close(listener);
    }
    assert_int_equal(endpoint_parse("tcp:127.0.0.1:1", &endpoint, &error), 0);
    assert_int_equal(endpoint_connect(&endpoint, 500, &error), -1);
    assert_int_equal(error.code, ERROR_OFFLINE);
    assert_int_equal(endpoint_parse("/dev/null", &endpoint, &error), 0);
    assert_int_equal(endpoint_connect(&endpoint, 500, &error), -1); /* no terminal */
    assert_int_equal(endpoint_listen(&endpoint, &error), -1);
}

/* clock */

static void times_are_written(void **state) {
    (void)state;
    char text[21];
    clock_format(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00Z");
    clock_format(UINT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59Z");
    assert_true(clock_now_s(&clock_system) > 1700000000u);
    assert_true(clock_monotonic_us() / 1000 >= clock_monotonic_ms() - 1000);
}

/* The vector of docs/formats/unit_record.md. */
static void the_statement_of_a_scrapped_unit(void **state) {
    uint8_t unit_id[16], uid[16], digest[32];
    char text[65];
    (void)state;
    for (uint8_t i = 0; i < 16; i++) {
        unit_id[i] = i;
        uid[i] = (uint8_t)(i * 0x11);
    }
    scrap_statement_digest(unit_id, uid, "bent pin", digest);
    hex_encode(bytes_of(digest, sizeof digest), text);
    assert_string_equal(text, "fc56734cffd238a961c0ce3e3b2a83449623c88f5d0d7736b84907d21dff9670");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_its_own_row),
        cmocka_unit_test(messages_are_bounded),
        cmocka_unit_test(log_lines_cannot_be_forged),
        cmocka_unit_test(hex_is_strict),
        cmocka_unit_test(base64_is_strict),
        cmocka_unit_test(buffer_grows_and_consumes),
        cmocka_unit_test(files_are_written_whole),
        cmocka_unit_test(full_disk_keeps_the_old_file),
        cmocka_unit_test(locks_exclude_other_processes),
        cmocka_unit_test(directories_are_private),
        cmocka_unit_test(secrets_are_guarded),
        cmocka_unit_test(json_is_typed),
        cmocka_unit_test(bad_json_is_refused),
        cmocka_unit_test(options_are_parsed),
        cmocka_unit_test(wrong_options_are_refused),
        cmocka_unit_test(help_names_every_option),
        cmocka_unit_test(endpoints_are_parsed),
        cmocka_unit_test(a_listener_removes_sockets_only),
        cmocka_unit_test(core_files_are_forbidden),
        cmocka_unit_test(sockets_connect),
        cmocka_unit_test(times_are_written),
        cmocka_unit_test(the_statement_of_a_scrapped_unit),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
