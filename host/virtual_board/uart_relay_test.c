#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "virtual_board/uart_relay.h"

#define BAUD             115200u
#define BYTES_PER_SECOND (BAUD / 10)
/* A machine that is busy with everything else. */
#define PATIENCE_US 60000000u

static struct uart_relay relay;
static struct board board;
static int client; /* the far ends */
static int chip;

static void start(uint32_t baud) {
    int pair[2];

    memset(&board, 0, sizeof(board));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    board.uart_fd = pair[0];
    chip = pair[1];
    uart_relay_init(&relay, &board, baud);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    uart_relay_attach(&relay, pair[0]);
    client = pair[1];
}

static int teardown(void **state) {
    (void)state;
    uart_relay_drop(&relay);
    close(board.uart_fd);
    close(client);
    close(chip);
    return 0;
}

/* One turn of the launcher's loop. */
static void turn(int longest_ms) {
    struct pollfd fds[2];
    int timeout;

    uart_relay_prepare(&relay, fds);
    timeout = uart_relay_timeout_ms(&relay);
    (void)poll(fds, 2, timeout >= 0 && timeout < longest_ms ? timeout : longest_ms);
    uart_relay_move(&relay, fds);
}

/* Both ways at once: how many microseconds `size` bytes took in the slower direction. */
static uint64_t transfer(size_t size) {
    static uint8_t buffer[4096];
    uint64_t began = clock_monotonic_us();
    size_t sent[2] = {0, 0};
    size_t got[2] = {0, 0};
    const int ends[2] = {client, chip};

    while (got[0] < size || got[1] < size) {
        assert_true(clock_monotonic_us() - began < PATIENCE_US);
        for (int i = 0; i < 2; i++) {
            size_t room = size - sent[i] < sizeof(buffer) ? size - sent[i] : sizeof(buffer);
            ssize_t count = room == 0 ? 0 : send(ends[i], buffer, room, 0);
            sent[i] += count > 0 ? (size_t)count : 0;
            count = recv(ends[1 - i], buffer, sizeof(buffer), 0);
            got[i] += count > 0 ? (size_t)count : 0;
        }
        turn(1);
    }
    return clock_monotonic_us() - began;
}

static void bytes_take_their_time_both_ways(void **state) {
    const size_t size = 5760; /* half a second */
    uint64_t took;

    (void)state;
    start(BAUD);
    took = transfer(size);
    print_message("%zu bytes each way in %llu us\n", size, (unsigned long long)took);
    assert_true(took >= size * 1000000u / BYTES_PER_SECOND);
}

static void the_rate_is_kept_by_a_late_launcher(void **state) {
    uint8_t buffer[4096];
    ssize_t got;

    (void)state;
    start(BAUD);
    memset(buffer, 1, sizeof(buffer));
    assert_int_equal(send(client, buffer, sizeof(buffer), 0), sizeof(buffer));
    turn(1); /* takes them in */
    (void)poll(NULL, 0, 200);
    turn(1);
    got = recv(chip, buffer, sizeof(buffer), 0);
    assert_true(got >= (ssize_t)BYTES_PER_SECOND / 5); /* what 200 ms carried, not one turn's */
}

/* The line becomes free between the two questions. */
static void no_moment_is_missed(void **state) {
    struct pollfd fds[2];
    uint8_t byte = 1;

    (void)state;
    start(BAUD);
    assert_int_equal(send(client, &byte, 1, 0), 1);
    turn(1);
    uart_relay_prepare(&relay, fds);
    (void)poll(NULL, 0, 2);
    assert_int_equal(uart_relay_timeout_ms(&relay), 1);
}

static void an_idle_line_does_not_catch_up(void **state) {
    uint8_t buffer[2000];

    (void)state;
    start(300); /* 30 bytes a second */
    (void)poll(NULL, 0, 300);
    assert_int_equal(send(client, buffer, sizeof(buffer), 0), sizeof(buffer));
    turn(1);
    turn(1);
    assert_int_equal(recv(chip, buffer, sizeof(buffer), 0), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(uart_relay_timeout_ms(&relay), 1);
}

static void without_a_rate_nothing_waits(void **state) {
    uint8_t buffer[4000];

    (void)state;
    start(0);
    assert_int_equal(send(client, buffer, sizeof(buffer), 0), sizeof(buffer));
    turn(0);
    assert_int_equal(uart_relay_timeout_ms(&relay), -1);
    turn(0);
    assert_int_equal(recv(chip, buffer, sizeof(buffer), 0), sizeof(buffer));
}

static void a_power_cut_loses_what_was_on_the_line(void **state) {
    uint8_t buffer[1000];

    (void)state;
    start(300);
    assert_int_equal(send(client, buffer, sizeof(buffer), 0), sizeof(buffer));
    turn(1);
    assert_int_equal(uart_relay_timeout_ms(&relay), 1);
    uart_relay_clear(&relay);
    assert_int_equal(uart_relay_timeout_ms(&relay), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(bytes_take_their_time_both_ways, teardown),
        cmocka_unit_test_teardown(the_rate_is_kept_by_a_late_launcher, teardown),
        cmocka_unit_test_teardown(no_moment_is_missed, teardown),
        cmocka_unit_test_teardown(an_idle_line_does_not_catch_up, teardown),
        cmocka_unit_test_teardown(without_a_rate_nothing_waits, teardown),
        cmocka_unit_test_teardown(a_power_cut_loses_what_was_on_the_line, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
