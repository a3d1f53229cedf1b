/*
 * Against scripted servers: what other debug servers do differently, and what none should do. The
 * real thing is tested in host/virtual_board.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/endpoint.h"
#include "board/rsp.h"
#include "debug_port/debug_port.h"

#define SCRIPT_MAX    16
#define RAW           "raw:" /* sent as it is, not as a packet */
#define SILENCE       "raw:"
#define SHORT_TIMEOUT 300

/* One server: for each request that begins with `request` (NULL: the interrupt byte), `replies`
 * are sent. After the last one the connection is closed. */
struct script {
    const char *request;
    const char *replies[3];
};

static struct {
    char directory[64];
    char endpoint[96];
    int listen_fd;
    pthread_t thread;
    const struct script *script;
} server;

static struct debug_port *port;
static struct error error;

static void send_reply(int fd, const char *reply) {
    uint8_t packet[RSP_PACKET_MAX];
    struct writer writer;

    writer_init(&writer, packet, sizeof(packet));
    if (strncmp(reply, RAW, strlen(RAW)) == 0)
        rsp_write_text(&writer, reply + strlen(RAW));
    else
        rsp_encode(&writer, bytes_of(reply, strlen(reply)));
    (void)send(fd, packet, writer.size, MSG_NOSIGNAL);
}

static void *serve(void *unused) {
    struct rsp_parser parser;
    const struct script *step = server.script;
    uint8_t byte;
    int fd = accept(server.listen_fd, NULL, NULL);

    (void)unused;
    rsp_parser_init(&parser);
    while (step->replies[0] != NULL && recv(fd, &byte, 1, 0) == 1) {
        enum rsp_event event = rsp_feed(&parser, byte);
        if (event != RSP_PACKET && event != RSP_INTERRUPT)
            continue;
        if ((event == RSP_INTERRUPT) != (step->request == NULL) ||
            (step->request != NULL &&
             strncmp((const char *)parser.payload, step->request, strlen(step->request)) != 0)) {
            send_reply(fd, "unexpected");
            continue;
        }
        for (size_t i = 0; i < 3 && step->replies[i] != NULL; i++)
            send_reply(fd, step->replies[i]);
        step++;
    }
    if (step > server.script && strcmp(step[-1].replies[0], SILENCE) == 0)
        (void)recv(fd, &byte, 1, 0); /* stays connected, says nothing */
    close(fd);
    return NULL;
}

static void start(const struct script *script) {
    struct endpoint endpoint;

    (void)snprintf(server.directory, sizeof(server.directory), "/tmp/nusec-debug-XXXXXX");
    assert_non_null(mkdtemp(server.directory));
    (void)snprintf(server.endpoint, sizeof(server.endpoint), "unix:%s/debug", server.directory);
    assert_int_equal(endpoint_parse(server.endpoint, &endpoint, &error), 0);
    server.listen_fd = endpoint_listen(&endpoint, &error);
    assert_true(server.listen_fd >= 0);
    (void)fcntl(server.listen_fd, F_SETFL, 0);
    server.script = script;
    assert_int_equal(pthread_create(&server.thread, NULL, serve, NULL), 0);
}

static int open_port(const struct script *script, int timeout_ms) {
    start(script);
    return debug_port_open(&port, server.endpoint, timeout_ms, &error);
}

static void finish(void) {
    debug_port_close(port);
    port = NULL;
    (void)pthread_join(server.thread, NULL);
    close(server.listen_fd);
    (void)unlink(server.endpoint + strlen("unix:"));
    (void)rmdir(server.directory);
}

/* As QEMU: a stop nobody asked for comes first, and stale ones later. */
static void unsolicited_stops_are_drained(void **state) {
    static const struct script script[] = {{"qSupported", {"T02thread:01;", "PacketSize=1000"}},
                                           {"?", {"T02thread:01;", "T02thread:01;"}},
                                           {"m38000000,2", {"O68690a", "T05", "a1b2"}},
                                           {0}};
    uint8_t out[2];

    (void)state;
    assert_int_equal(open_port(script, 5000), 0);
    assert_int_equal(debug_port_read(port, 0x38000000u, out, sizeof(out), &error), 0);
    assert_memory_equal(out, "\xa1\xb2", 2);
    finish();
}

static void replies_may_be_compressed_or_repeated(void **state) {
    static const struct script script[] = {{"qSupported", {"QStartNoAckMode+"}},
                                           {"QStartNoAckMode", {"OK"}},
                                           {"?", {"S05"}},
                                           {"m0,8", {"0*,"}}, /* 16 digits */
                                           {0}};
    static const uint8_t zero[8];
    uint8_t out[8] = {1};

    (void)state;
    assert_int_equal(open_port(script, 5000), 0);
    assert_int_equal(debug_port_read(port, 0, out, sizeof(out), &error), 0);
    assert_memory_equal(out, zero, sizeof(out));
    finish();
}

static void a_garbled_packet_is_asked_for_again(void **state) {
    static const struct script script[] = {{"qSupported", {"raw:+$bad#00", "PacketSize=400"}},
                                           {"?", {"raw:-", "S05"}},
                                           {"?", {"S05"}},
                                           {0}};

    (void)state;
    assert_int_equal(open_port(script, 5000), 0);
    finish();
}

static void endless_garbage_is_given_up(void **state) {
    static const struct script script[] = {
        {"qSupported", {"raw:$a#00$a#00$a#00$a#00$a#00"}}, {"x", {SILENCE}}, {0}};

    (void)state;
    assert_int_equal(open_port(script, 5000), -1);
    assert_int_equal(error.code, ERROR_DEVICE_DEBUG);
    assert_null(port);
    finish();
}

static void silence_is_a_timeout(void **state) {
    static const struct script script[] = {{"qSupported", {SILENCE}}, {0}};

    (void)state;
    assert_int_equal(open_port(script, SHORT_TIMEOUT), -1);
    assert_int_equal(error.code, ERROR_TIMEOUT);
    finish();
}

static void a_closed_connection_is_a_refusal(void **state) {
    static const struct script script[] = {{0}};

    (void)state;
    assert_int_equal(open_port(script, 5000), -1);
    assert_int_equal(error.code, ERROR_DEVICE_DEBUG);
    assert_true(error.hint[0] != '\0');
    finish();
}

static void no_target_is_a_refusal(void **state) {
    static const struct script script[] = {{"qSupported", {""}}, {"?", {"W00"}}, {0}};

    (void)state;
    assert_int_equal(open_port(script, 5000), -1);
    assert_int_equal(error.code, ERROR_DEVICE_DEBUG);
    finish();
}

static enum debug_port_answer probe(const struct script *script) {
    enum debug_port_answer answer = DEBUG_PORT_ABSENT;

    start(script);
    assert_int_equal(debug_port_probe(server.endpoint, SHORT_TIMEOUT, &answer, &error), 0);
    finish();
    return answer;
}

/* A server that is down or hangs proves nothing about the chip. */
static void a_probe_tells_refusal_from_silence(void **state) {
    static const struct script lets_in[] = {
        {"qSupported", {""}}, {"?", {"S05"}}, {"D", {"OK"}}, {0}};
    static const struct script lets_in_and_hangs_up[] = {{"qSupported", {""}}, {"?", {"S05"}}, {0}};
    static const struct script hangs_up[] = {{0}};
    static const struct script has_no_target[] = {{"qSupported", {""}}, {"?", {"W00"}}, {0}};
    static const struct script says_nothing[] = {{"qSupported", {SILENCE}}, {0}};
    enum debug_port_answer answer = DEBUG_PORT_OPEN;

    (void)state;
    assert_int_equal(probe(lets_in), DEBUG_PORT_OPEN);
    assert_int_equal(probe(lets_in_and_hangs_up), DEBUG_PORT_OPEN);
    assert_int_equal(probe(hangs_up), DEBUG_PORT_REFUSED);
    assert_int_equal(probe(has_no_target), DEBUG_PORT_REFUSED);
    assert_int_equal(probe(says_nothing), DEBUG_PORT_SILENT);
    assert_int_equal(debug_port_probe("unix:/nonexistent/debug", 100, &answer, &error), 0);
    assert_int_equal(answer, DEBUG_PORT_ABSENT);
    assert_int_equal(error.code, ERROR_OFFLINE);
    assert_int_equal(debug_port_probe("/dev/ttyS0", 100, &answer, &error), -1);
}

static void errors_and_short_answers_are_failures(void **state) {
    static const char *const answers[] = {"E01", "", "a1", "a1b2c3", "zzzz", "OK"};
    uint8_t out[2];

    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        const struct script script[] = {
            {"qSupported", {""}}, {"?", {"S05"}}, {"m", {answers[i]}}, {0}};
        assert_int_equal(open_port(script, 5000), 0);
        memset(out, 0x5A, sizeof(out));
        assert_int_equal(debug_port_read(port, 0, out, sizeof(out), &error), -1);
        assert_int_equal(error.code, ERROR_DEVICE_DEBUG);
        assert_memory_equal(out, "\0\0", 2);
        finish();
    }
}

static void refused_writes_are_failures(void **state) {
    static const struct script script[] = {
        {"qSupported", {""}}, {"?", {"S05"}}, {"M80000000,1:00", {"E01"}}, {"Pf=", {"E01"}}, {0}};

    (void)state;
    assert_int_equal(open_port(script, 5000), 0);
    assert_int_equal(debug_port_write(port, 0x80000000u, bytes_of("", 1), &error), -1);
    assert_int_equal(error.code, ERROR_DEVICE_DEBUG);
    assert_int_equal(debug_port_write_register(port, 15, 0, &error), -1);
    finish();
}

static void running_and_halting(void **state) {
    static const struct script script[] = {
        {"qSupported", {""}},     {"?", {"S05"}},          {"Pd=00200038", {"OK"}},
        {"P19=00000001", {"OK"}}, {"Pf=40001038", {"OK"}}, {"c", {"raw:+"}},
        {NULL, {"T02"}},          {"D", {"OK"}},           {0}};
    uint8_t out[4];

    (void)state;
    assert_int_equal(open_port(script, 5000), 0);
    assert_int_equal(debug_port_start(port, 0x38002000u, 0x38100041u, &error), 0);
    assert_int_equal(debug_port_read(port, 0, out, sizeof(out), &error), -1); /* it runs */
    assert_int_equal(debug_port_halt(port, &error), 0);
    assert_int_equal(debug_port_detach(port, &error), 0);
    finish();
}

static void memory_that_forgets_is_noticed(void **state) {
    static const struct script script[] = {{"qSupported", {""}},
                                           {"?", {"S05"}},
                                           {"p19", {"00000001"}},
                                           {"M38100000,", {"OK"}},
                                           {"m38100000,", {"0*,0*,0*,0*,0*,0*,0*,0*,0*,0*,0*,"}},
                                           {0}};
    uint8_t image[88] = {0};
    const struct devauth_image_header header = {.family = "TEST",
                                                .load_address = 0x38100000u,
                                                .image_size = sizeof(image),
                                                .entry = 0x38100041u,
                                                .stack_top = 0x38190000u,
                                                .parameters_address = 0x38120000u,
                                                .parameters_capacity = 0x100u,
                                                .mailbox_address = 0x38122000u};
    const struct devauth_parameters parameters = {bytes_of("r", 1), bytes_of("p", 1)};
    struct devauth_mailbox mailbox;

    (void)state;
    devauth_image_write(&header, image);
    assert_int_equal(open_port(script, 5000), 0);
    assert_int_equal(debug_port_load_devauth(port, bytes_of(image, sizeof(image)), &parameters,
                                             1000, &mailbox, &error),
                     -1);
    assert_int_equal(error.code, ERROR_DEVICE_DEBUG);
    assert_non_null(strstr(error.message, "does not hold"));
    finish();
}

static void serial_endpoints_are_refused(void **state) {
    (void)state;
    assert_int_equal(debug_port_open(&port, "/dev/ttyS0", 100, &error), -1);
    assert_int_equal(error.code, ERROR_USAGE);
    assert_int_equal(debug_port_open(&port, "unix:/nonexistent/debug", 100, &error), -1);
    assert_int_equal(error.code, ERROR_OFFLINE);
    debug_port_close(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unsolicited_stops_are_drained),
        cmocka_unit_test(replies_may_be_compressed_or_repeated),
        cmocka_unit_test(a_garbled_packet_is_asked_for_again),
        cmocka_unit_test(endless_garbage_is_given_up),
        cmocka_unit_test(silence_is_a_timeout),
        cmocka_unit_test(a_closed_connection_is_a_refusal),
        cmocka_unit_test(no_target_is_a_refusal),
        cmocka_unit_test(a_probe_tells_refusal_from_silence),
        cmocka_unit_test(errors_and_short_answers_are_failures),
        cmocka_unit_test(refused_writes_are_failures),
        cmocka_unit_test(running_and_halting),
        cmocka_unit_test(memory_that_forgets_is_noticed),
        cmocka_unit_test(serial_endpoints_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
