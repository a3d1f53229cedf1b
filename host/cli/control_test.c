#include "cli/control.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* A programmer that reads one request and answers with a fixed text. */
struct programmer {
    char path[64];
    char endpoint[80];
    int listener;
    const char *answer;
    char request[1024];
    pthread_t thread;
};

static void *serve(void *context) {
    struct programmer *programmer = context;
    int peer = accept(programmer->listener, NULL, NULL);
    size_t size = 0;

    while (peer >= 0 && size + 1 < sizeof(programmer->request) &&
           memchr(programmer->request, '\n', size) == NULL) {
        ssize_t got =
            read(peer, programmer->request + size, sizeof(programmer->request) - 1 - size);
        if (got <= 0)
            break;
        size += (size_t)got;
    }
    if (write(peer, programmer->answer, strlen(programmer->answer)) < 0)
        programmer->request[0] = '\0';
    (void)close(peer);
    return NULL;
}

static void start(struct programmer *programmer, const char *answer) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    memset(programmer, 0, sizeof(*programmer));
    programmer->answer = answer;
    (void)snprintf(programmer->path, sizeof(programmer->path), "/tmp/nusec_control_%d",
                   (int)getpid());
    (void)snprintf(programmer->endpoint, sizeof(programmer->endpoint), "unix:%s", programmer->path);
    (void)unlink(programmer->path);
    memcpy(address.sun_path, programmer->path, strlen(programmer->path) + 1);
    programmer->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(programmer->listener, (const struct sockaddr *)&address, sizeof(address)),
                     0);
    assert_int_equal(listen(programmer->listener, 1), 0);
    assert_int_equal(pthread_create(&programmer->thread, NULL, serve, programmer), 0);
}

static void stop(struct programmer *programmer) {
    assert_int_equal(pthread_join(programmer->thread, NULL), 0);
    (void)close(programmer->listener);
    (void)unlink(programmer->path);
}

static void count_event(void *context, const json_t *event) {
    *(int *)context += (int)json_integer_value(json_object_get(event, "n"));
}

static json_t *call(const char *answer, int *events, char *request, struct error *error) {
    struct programmer programmer;

    start(&programmer, answer);
    struct control *control = control_open(programmer.endpoint, error);
    assert_non_null(control);
    json_t *result = control_call(control, "produce", json_pack("{s:s}", "job_id", "job-1"),
                                  count_event, events, error);
    control_close(control);
    stop(&programmer);
    if (request != NULL)
        memcpy(request, programmer.request, sizeof(programmer.request));
    return result;
}

static void a_call_is_one_line_and_events_come_before_the_result(void **state) {
    struct error error;
    char request[1024];
    int events = 0;

    (void)state;
    json_t *result = call("{\"id\":1,\"event\":{\"n\":2}}\n{\"id\":1,\"event\":{\"n\":3}}\n"
                          "{\"id\":1,\"result\":{\"identified\":1}}\n",
                          &events, request, &error);
    assert_non_null(result);
    assert_int_equal(json_integer_value(json_object_get(result, "identified")), 1);
    assert_int_equal(events, 5);
    assert_string_equal(request,
                        "{\"id\":1,\"method\":\"produce\",\"params\":{\"job_id\":\"job-1\"}}\n");
    json_decref(result);
}

static void the_programmers_own_error_is_reported(void **state) {
    struct error error;
    int events = 0;

    (void)state;
    assert_null(call("{\"id\":1,\"error\":{\"code\":\"job_full\",\"message\":\"all made\","
                     "\"hint\":\"order more\"}}\n",
                     &events, NULL, &error));
    assert_int_equal(error.code, ERROR_JOB_FULL);
    assert_string_equal(error.message, "all made");
    assert_string_equal(error.hint, "order more");
}

static void nonsense_and_silence_are_errors(void **state) {
    static const struct {
        const char *answer;
        enum error_code code;
    } cases[] = {
        {"", ERROR_OFFLINE},
        {"{\"id\":1,\"result\":{\"identified\":1}}", ERROR_OFFLINE}, /* the line never ended */
        {"{\"id\":1,\"event\":{\"n\":1}}\n", ERROR_OFFLINE},
        {"hello\n", ERROR_BAD_REQUEST},
        {"[]\n", ERROR_BAD_REQUEST},
        {"\n", ERROR_BAD_REQUEST},
        {"{\"id\":1}\n", ERROR_BAD_REQUEST},
        {"{\"id\":1,\"result\":{}} trailing\n", ERROR_BAD_REQUEST},
    };
    struct error error;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int events = 0;
        assert_null(call(cases[i].answer, &events, NULL, &error));
        assert_int_equal(error.code, cases[i].code);
        assert_true(error.message[0] != '\0');
    }
}

static void nobody_listening_is_offline(void **state) {
    struct error error;

    (void)state;
    assert_null(control_open("unix:/nonexistent/programmer.sock", &error));
    assert_int_equal(error.code, ERROR_OFFLINE);
    assert_null(control_open("/dev/null", &error));
    assert_int_equal(error.code, ERROR_USAGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_is_one_line_and_events_come_before_the_result),
        cmocka_unit_test(the_programmers_own_error_is_reported),
        cmocka_unit_test(nonsense_and_silence_are_errors),
        cmocka_unit_test(nobody_listening_is_offline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
