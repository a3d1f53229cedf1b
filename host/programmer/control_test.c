/* The control socket against clients that are wrong, rude or gone. */
#include "programmer/control.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct fixture {
    char directory[64];
    char path[96];
    struct control *control;
    pthread_t thread;
};

static int echo(void *context, const json_t *params, struct control_call *call, json_t **result,
                struct error *error) {
    (void)context;
    (void)call;
    (void)error;
    *result = json_deep_copy(params);
    return 0;
}

static int refuse(void *context, const json_t *params, struct control_call *call, json_t **result,
                  struct error *error) {
    (void)context;
    (void)params;
    (void)call;
    (void)result;
    (void)error_set(error, ERROR_JOB_FULL, "no more");
    return error_hint(error, "order more");
}

static int count(void *context, const json_t *params, struct control_call *call, json_t **result,
                 struct error *error) {
    json_int_t to = json_integer_value(json_object_get(params, "to"));
    (void)context;
    (void)error;
    for (json_int_t i = 0; i < to; i++)
        control_event(call, json_pack("{s:I}", "i", i));
    *result = json_pack("{s:I}", "to", to);
    return 0;
}

static const struct control_method methods[] = {
    {"echo", echo}, {"refuse", refuse}, {"count", count}};

static void *serve(void *argument) {
    control_run(argument);
    return NULL;
}

static int setup(void **state) {
    struct error error;
    struct fixture *fixture = calloc(1, sizeof *fixture);
    (void)snprintf(fixture->directory, sizeof fixture->directory, "/tmp/nusec-control-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    (void)snprintf(fixture->path, sizeof fixture->path, "%s/socket", fixture->directory);
    const struct control_options options = {
        .socket_path = fixture->path, .methods = methods, .method_count = 3};
    fixture->control = control_open(&options, &error);
    assert_non_null(fixture->control);
    assert_int_equal(pthread_create(&fixture->thread, NULL, serve, fixture->control), 0);
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    control_stop(fixture->control);
    assert_int_equal(pthread_join(fixture->thread, NULL), 0);
    control_close(fixture->control);
    assert_int_not_equal(access(fixture->path, F_OK), 0);
    assert_int_equal(rmdir(fixture->directory), 0);
    free(fixture);
    return 0;
}

static int dial(const struct fixture *fixture) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", fixture->path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void say(int fd, const char *text, size_t size) {
    while (size > 0) {
        ssize_t sent = send(fd, text, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return; /* the daemon hung up, which is for the test to see in hear() */
        text += sent;
        size -= (size_t)sent;
    }
}

/* One line as JSON; NULL when the daemon closed the connection. */
static json_t *hear(int fd) {
    char line[65536];
    size_t size = 0;
    while (size < sizeof line - 1) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&ready, 1, 20000), 1);
        if (recv(fd, line + size, 1, 0) <= 0)
            return NULL;
        if (line[size] == '\n')
            break;
        size++;
    }
    json_t *object = json_loadb(line, size, 0, NULL);
    assert_non_null(object);
    return object;
}

static json_t *ask(int fd, const char *line) {
    say(fd, line, strlen(line));
    return hear(fd);
}

static void expect_error(json_t *answer, const char *code) {
    assert_non_null(answer);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(answer, "error"), "code")), code);
    assert_null(json_object_get(answer, "result"));
    json_decref(answer);
}

static void test_result_and_error(void **state) {
    int fd = dial(*state);
    json_t *answer = ask(fd, "{\"id\":7,\"method\":\"echo\",\"params\":{\"a\":[1]}}\n");
    assert_int_equal(json_integer_value(json_object_get(answer, "id")), 7);
    assert_int_equal(json_array_size(json_object_get(json_object_get(answer, "result"), "a")), 1);
    json_decref(answer);
    answer = ask(fd, "{\"id\":8,\"method\":\"refuse\"}\n");
    const json_t *error = json_object_get(answer, "error");
    assert_string_equal(json_string_value(json_object_get(error, "hint")), "order more");
    expect_error(answer, "job_full");
    (void)close(fd);
}

static void test_bad_lines(void **state) {
    static const struct {
        const char *line;
        const char *code;
    } cases[] = {
        {"\n", "bad_request"},
        {"nonsense\n", "bad_request"},
        {"{\"id\":1\n", "bad_request"},
        {"[1,2]\n", "bad_request"},
        {"\"echo\"\n", "bad_request"},
        {"{\"id\":1}\n", "bad_request"},
        {"{\"method\":\"echo\"}\n", "bad_request"},
        {"{\"id\":\"one\",\"method\":\"echo\"}\n", "bad_request"},
        {"{\"id\":1.5,\"method\":\"echo\"}\n", "bad_request"},
        {"{\"id\":1,\"method\":17}\n", "bad_request"},
        {"{\"id\":1,\"method\":\"echo\",\"params\":[]}\n", "bad_request"},
        {"{\"id\":1,\"id\":2,\"method\":\"echo\"}\n", "bad_request"},
        {"{\"id\":1,\"method\":\"echo\"} trailing\n", "bad_request"},
        {"{\"id\":1,\"method\":\"ech\"}\n", "unsupported"},
        {"{\"id\":1,\"method\":\"echo2\"}\n", "unsupported"},
        {"{\"id\":1,\"method\":\"\"}\n", "unsupported"},
        {"\xff\xfe\n", "bad_request"},
    };
    int fd = dial(*state);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_error(ask(fd, cases[i].line), cases[i].code);
    /* and the connection is still good */
    json_t *answer = ask(fd, "{\"id\":2,\"method\":\"echo\"}\n");
    assert_non_null(json_object_get(answer, "result"));
    json_decref(answer);
    (void)close(fd);
}

static void test_line_with_zero_byte(void **state) {
    static const char line[] = "{\"id\":1,\0\"method\":\"echo\"}\n";
    int fd = dial(*state);
    say(fd, line, sizeof line - 1);
    expect_error(hear(fd), "bad_request");
    (void)close(fd);
}

static void test_oversized_line(void **state) {
    int fd = dial(*state);
    size_t size = CONTROL_LINE_LIMIT + 65536;
    char *line = malloc(size);
    assert_non_null(line);
    memset(line, 'x', size);
    say(fd, line, size);
    expect_error(hear(fd), "too_large");
    assert_null(hear(fd)); /* hung up: the rest of the line is of no use */
    free(line);
    (void)close(fd);
    fd = dial(*state);
    json_decref(ask(fd, "{\"id\":1,\"method\":\"echo\"}\n"));
    (void)close(fd);
}

static void test_pieces_and_pipelining(void **state) {
    static const char lines[] = "{\"id\":1,\"method\":\"echo\"}\n{\"id\":2,\"method\":\"echo\"}\n"
                                "{\"id\":3,\"method\":\"echo\"}\n";
    int fd = dial(*state);
    for (size_t i = 0; i < sizeof lines - 1; i++)
        say(fd, lines + i, 1);
    for (int i = 1; i <= 3; i++) {
        json_t *answer = hear(fd);
        assert_int_equal(json_integer_value(json_object_get(answer, "id")), i);
        json_decref(answer);
    }
    say(fd, lines, sizeof lines - 1);
    for (int i = 1; i <= 3; i++)
        json_decref(hear(fd));
    (void)close(fd);
}

static void test_events_before_result(void **state) {
    int fd = dial(*state);
    json_t *answer = ask(fd, "{\"id\":5,\"method\":\"count\",\"params\":{\"to\":3}}\n");
    for (int i = 0; i < 3; i++) {
        const json_t *event = json_object_get(answer, "event");
        assert_int_equal(json_integer_value(json_object_get(event, "i")), i);
        assert_int_equal(json_integer_value(json_object_get(answer, "id")), 5);
        json_decref(answer);
        answer = hear(fd);
    }
    assert_non_null(json_object_get(answer, "result"));
    json_decref(answer);
    (void)close(fd);
}

/* A client that never reads is cut off; the method runs to its end and others are served. */
static void test_client_that_does_not_read(void **state) {
    int deaf = dial(*state);
    static const char line[] = "{\"id\":5,\"method\":\"count\",\"params\":{\"to\":200000}}\n";
    say(deaf, line, sizeof line - 1);
    int fd = dial(*state);
    json_t *answer = ask(fd, "{\"id\":1,\"method\":\"echo\"}\n");
    assert_non_null(json_object_get(answer, "result"));
    json_decref(answer);
    (void)close(fd);
    char sink[65536];
    size_t heard = 0;
    for (;;) {
        struct pollfd ready = {.fd = deaf, .events = POLLIN};
        assert_int_equal(poll(&ready, 1, 20000), 1);
        ssize_t size = recv(deaf, sink, sizeof sink, 0);
        if (size <= 0)
            break;
        heard += (size_t)size;
        (void)usleep(1000);
    }
    assert_true(heard > 0 && heard < (size_t)200000 * 20);
    (void)close(deaf);
}

static void test_client_that_leaves(void **state) {
    static const char line[] = "{\"id\":5,\"method\":\"count\",\"params\":{\"to\":1000}}\n";
    for (int i = 0; i < 10; i++) {
        int fd = dial(*state);
        say(fd, line, i % 2 == 0 ? sizeof line - 1 : 10);
        (void)close(fd);
    }
    int fd = dial(*state);
    json_decref(ask(fd, "{\"id\":1,\"method\":\"echo\"}\n"));
    (void)close(fd);
}

static void test_too_many_clients(void **state) {
    int fds[CONTROL_CLIENT_LIMIT];
    for (int i = 0; i < CONTROL_CLIENT_LIMIT; i++) {
        fds[i] = dial(*state);
        json_decref(ask(fds[i], "{\"id\":1,\"method\":\"echo\"}\n"));
    }
    int extra = dial(*state);
    assert_null(hear(extra));
    (void)close(extra);
    for (int i = 0; i < CONTROL_CLIENT_LIMIT; i++)
        (void)close(fds[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_result_and_error, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(test_line_with_zero_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(test_oversized_line, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pieces_and_pipelining, setup, teardown),
        cmocka_unit_test_setup_teardown(test_events_before_result, setup, teardown),
        cmocka_unit_test_setup_teardown(test_client_that_does_not_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_client_that_leaves, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_many_clients, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
