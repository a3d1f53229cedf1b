/*
 * The whole path in one process: socket client, bridge, MCTP serial line, responder, each end in
 * its own thread; and what a client or a line that does not behave gets.
 */
#include "spdm_bridge/bridge.h"
#include "spdm_bridge/client.h"
#include "spdm_bridge/identity.h"
#include "spdm_bridge/socket_frame.h"
#include "spdm_bridge/test_device.h"

#include "crypto/crypto.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define ANSWER_TIMEOUT_MS 5000
#define SILENCE_MS        50

/* Written by testdata/make-chains.sh. */
static struct buffer device_chain;
static struct buffer requester_chain;
static struct buffer root;
static struct buffer other_root;
static struct test_device device;
static uint8_t requester_key[32];

static int line[2];        /* host's end, device's end */
static int socket_pair[2]; /* client's end, bridge's end */
static pthread_t device_thread;
static pthread_t bridge_thread;
static int bridge_timeout_ms;
static int bridge_result;

static void *run_device(void *unused) {
    struct error error = {0};
    (void)unused;
    (void)test_device_serve(&device, line[1], &error);
    return NULL;
}

static void *run_bridge(void *unused) {
    static struct uart_link link;
    struct error error = {0};
    (void)unused;
    uart_link_start(&link, line[0]);
    bridge_result = bridge_serve(&link, socket_pair[1], bridge_timeout_ms, &error);
    (void)shutdown(socket_pair[1], SHUT_RDWR);
    return NULL;
}

static int load(void **state) {
    struct error error = {0};
    (void)state;
    assert_int_equal(crypto_init(NULL, NULL), STATUS_OK);
    assert_int_equal(identity_read_certificates("testdata/device.pem", &device_chain, &error), 0);
    assert_int_equal(identity_read_certificates("testdata/requester.pem", &requester_chain, &error),
                     0);
    assert_int_equal(identity_read_certificates("testdata/root.pem", &root, &error), 0);
    assert_int_equal(identity_read_certificates("testdata/other_root.pem", &other_root, &error), 0);
    assert_int_equal(identity_read_key("testdata/device.key", device.private_key, &error), 0);
    assert_int_equal(identity_read_key("testdata/requester.key", requester_key, &error), 0);
    device.chain = buffer_bytes(&device_chain);
    return 0;
}

static int unload(void **state) {
    (void)state;
    buffer_free(&device_chain);
    buffer_free(&requester_chain);
    buffer_free(&root);
    buffer_free(&other_root);
    return 0;
}

static int start(void **state) {
    (void)state;
    device.requester_root = buffer_bytes(&root);
    bridge_timeout_ms = ANSWER_TIMEOUT_MS;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, line), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, socket_pair), 0);
    assert_int_equal(pthread_create(&device_thread, NULL, run_device, NULL), 0);
    return 0;
}

static void start_bridge(void) {
    assert_int_equal(pthread_create(&bridge_thread, NULL, run_bridge, NULL), 0);
}

static int stop(void **state) {
    (void)state;
    (void)close(socket_pair[0]);
    assert_int_equal(pthread_join(bridge_thread, NULL), 0);
    (void)close(socket_pair[1]);
    (void)close(line[0]);
    assert_int_equal(pthread_join(device_thread, NULL), 0);
    (void)close(line[1]);
    return 0;
}

static int carry(void *context, uint8_t type, struct bytes message, uint8_t *answer_type,
                 uint8_t *answer, size_t capacity, size_t *size, struct error *error) {
    uint8_t payload[1 + SPDM_RECORD_MAX];
    struct socket_frame frame = {.payload = payload, .capacity = sizeof payload};
    (void)context;
    payload[0] = type;
    memcpy(&payload[1], message.data, message.size);
    assert_int_equal(socket_frame_write(socket_pair[0], SOCKET_COMMAND_NORMAL,
                                        bytes_of(payload, 1 + message.size), error),
                     0);
    assert_int_equal(socket_frame_read(socket_pair[0], &frame, error), SOCKET_OK);
    assert_int_equal(frame.command, SOCKET_COMMAND_NORMAL);
    assert_in_range(frame.size, 1, 1 + capacity);
    *answer_type = payload[0];
    *size = frame.size - 1;
    memcpy(answer, &payload[1], *size);
    return 0;
}

static int run_requester(const struct buffer *trusted, const struct buffer *chain, char **report) {
    struct client_identity identity = {.root = buffer_bytes(trusted)};
    struct error error = {0};
    size_t size = 0;
    if (chain != NULL) {
        identity.chain = buffer_bytes(chain);
        memcpy(identity.private_key, requester_key, sizeof requester_key);
    }
    FILE *out = open_memstream(report, &size);
    assert_non_null(out);
    int result = client_run(carry, NULL, &identity, out, &error);
    fclose(out);
    return result;
}

static void a_requester_gets_through(void **state) {
    (void)state;
    char *report = NULL;
    start_bridge();
    assert_int_equal(run_requester(&root, &requester_chain, &report), 0);
    assert_non_null(strstr(report, "mutually authenticated"));
    assert_non_null(strstr(report, "end of session: ok"));
    free(report);
    assert_int_equal(run_requester(&root, NULL, &report), 0);
    assert_non_null(strstr(report, "responder authenticated"));
    free(report);
}

static void a_device_under_another_root_is_not_believed(void **state) {
    (void)state;
    char *report = NULL;
    start_bridge();
    assert_int_equal(run_requester(&other_root, NULL, &report), -1);
    assert_null(strstr(report, "chain: ok"));
    free(report);
}

static void a_requester_under_another_root_is_not_believed(void **state) {
    (void)state;
    char *report = NULL;
    device.requester_root = buffer_bytes(&other_root);
    start_bridge();
    assert_int_equal(run_requester(&root, &requester_chain, &report), -1);
    assert_null(strstr(report, "session: ok"));
    free(report);
}

static void ask(uint32_t command, struct bytes payload, struct socket_frame *answer) {
    struct error error = {0};
    assert_int_equal(socket_frame_write(socket_pair[0], command, payload, &error), 0);
    assert_int_equal(socket_frame_read(socket_pair[0], answer, &error), SOCKET_OK);
}

static void housekeeping_is_answered_by_the_bridge(void **state) {
    (void)state;
    uint8_t payload[64];
    struct socket_frame answer = {.payload = payload, .capacity = sizeof payload};
    struct error error = {0};
    start_bridge();
    ask(SOCKET_COMMAND_TEST, bytes_of("Client Hello!", 14), &answer);
    assert_int_equal(answer.command, SOCKET_COMMAND_TEST);
    assert_int_equal(answer.size, 14);
    ask(SOCKET_COMMAND_CONTINUE, bytes_of(NULL, 0), &answer);
    assert_int_equal(answer.command, SOCKET_COMMAND_CONTINUE);
    ask(0x8001, bytes_of(NULL, 0), &answer);
    assert_int_equal(answer.command, SOCKET_COMMAND_UNKNOWN);
    ask(SOCKET_COMMAND_SHUTDOWN, bytes_of(NULL, 0), &answer);
    assert_int_equal(answer.command, SOCKET_COMMAND_SHUTDOWN);
    assert_int_equal(socket_frame_read(socket_pair[0], &answer, &error), SOCKET_CLOSED);
    assert_int_equal(bridge_result, 0);
}

/* Raw bytes that are no acceptable frame end the client's connection. */
static void malformed_frames_are_refused(void **state) {
    (void)state;
    static const uint8_t CASES[][12] = {
        {0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1},             /* another transport */
        {0, 0, 0, 1, 0, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF}, /* too long */
        {0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0},             /* no message in it */
    };
    size_t index = *(const size_t *)*state;
    uint8_t payload[64];
    struct socket_frame answer = {.payload = payload, .capacity = sizeof payload};
    struct error error = {0};
    start_bridge();
    assert_int_equal(write(socket_pair[0], CASES[index], 12), 12);
    assert_int_not_equal(socket_frame_read(socket_pair[0], &answer, &error), SOCKET_OK);
    assert_int_equal(bridge_result, -1);
}

static void a_silent_device_costs_the_connection(void **state) {
    (void)state;
    uint8_t payload[64];
    struct socket_frame answer = {.payload = payload, .capacity = sizeof payload};
    struct error error = {0};
    bridge_timeout_ms = SILENCE_MS;
    start_bridge();
    /* A response is not answered by any responder. */
    assert_int_equal(socket_frame_write(socket_pair[0], SOCKET_COMMAND_NORMAL,
                                        bytes_of("\x05\x12\x01\x00\x00", 5), &error),
                     0);
    assert_int_not_equal(socket_frame_read(socket_pair[0], &answer, &error), SOCKET_OK);
    assert_int_equal(bridge_result, -1);
}

int main(void) {
    static size_t cases[] = {0, 1, 2};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_requester_gets_through, start, stop),
        cmocka_unit_test_setup_teardown(a_device_under_another_root_is_not_believed, start, stop),
        cmocka_unit_test_setup_teardown(a_requester_under_another_root_is_not_believed, start,
                                        stop),
        cmocka_unit_test_setup_teardown(housekeeping_is_answered_by_the_bridge, start, stop),
        cmocka_unit_test_prestate_setup_teardown(malformed_frames_are_refused, start, stop,
                                                 &cases[0]),
        cmocka_unit_test_prestate_setup_teardown(malformed_frames_are_refused, start, stop,
                                                 &cases[1]),
        cmocka_unit_test_prestate_setup_teardown(malformed_frames_are_refused, start, stop,
                                                 &cases[2]),
        cmocka_unit_test_setup_teardown(a_silent_device_costs_the_connection, start, stop),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
