#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/testing_board.h"
#include "native.h"

static int wire; /* the other end */

void native_enter_idle(void) {
}

void native_leave_idle(void) {
}

static int setup(void **state) {
    int pair[2];

    (void)state;
    testing_board_reset();
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        return -1;
    wire = dup(pair[1]);
    close(pair[1]);
    if (pair[0] != NATIVE_UART_FD) {
        (void)dup2(pair[0], NATIVE_UART_FD);
        close(pair[0]);
    }
    return wire > NATIVE_UART_FD ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    close(wire);
    close(NATIVE_UART_FD);
    return 0;
}

static size_t read_all(uint8_t *out, size_t size) {
    size_t total = 0;
    size_t taken;

    do {
        assert_int_equal(native_link_read(out + total, size - total, &taken), STATUS_OK);
        total += taken;
    } while (taken > 0 && total < size);
    return total;
}

static void bytes_go_both_ways(void **state) {
    uint8_t out[8];

    (void)state;
    assert_int_equal(read_all(out, sizeof(out)), 0); /* never blocks */
    assert_int_equal(send(wire, "ping", 4, 0), 4);
    assert_int_equal(read_all(out, sizeof(out)), 4);
    assert_memory_equal(out, "ping", 4);
    assert_int_equal(native_link_write((const uint8_t *)"pong", 4), STATUS_OK);
    assert_int_equal(recv(wire, out, sizeof(out), 0), 4);
    assert_memory_equal(out, "pong", 4);
    assert_false(native_link_overrun());
}

static void a_stall_loses_what_the_fifo_cannot_hold(void **state) {
    uint8_t sent[300];
    uint8_t out[300];
    size_t got;

    (void)state;
    for (size_t i = 0; i < sizeof(sent); i++)
        sent[i] = (uint8_t)i;
    assert_int_equal(send(wire, sent, sizeof(sent), 0), sizeof(sent));
    native_link_stall(20000); /* 230 bytes at 115200 baud: 16 kept, 70 still on the wire */
    got = read_all(out, sizeof(out));
    assert_int_equal(got, 16 + 70);
    assert_memory_equal(out, sent, 16);
    assert_memory_equal(out + 16, sent + 230, 70);
    assert_true(native_link_overrun());
    assert_false(native_link_overrun()); /* told once */
    assert_int_equal(board_register_read(BOARD_REGISTER_OVERRUNS), 230 - 16);
}

static void a_short_stall_loses_nothing(void **state) {
    uint8_t out[32];

    (void)state;
    assert_int_equal(send(wire, "0123456789abcdefghij", 20, 0), 20);
    native_link_stall(60);
    native_link_stall(1000); /* 11 bytes */
    assert_int_equal(read_all(out, sizeof(out)), 20);
    assert_memory_equal(out, "0123456789abcdefghij", 20);
    assert_false(native_link_overrun());
}

static void many_stalls_fill_the_fifo_once(void **state) {
    uint8_t out[64];

    (void)state;
    assert_int_equal(send(wire, "0123456789abcdefghijklmnopqrstuv", 32, 0), 32);
    native_link_stall(1000);
    native_link_stall(1000); /* the second eleven do not fit any more */
    assert_int_equal(read_all(out, sizeof(out)), 16 + 10);
    assert_memory_equal(out, "0123456789abcdefmnopqrstuv", 26);
    assert_true(native_link_overrun());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bytes_go_both_ways, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stall_loses_what_the_fifo_cannot_hold, setup, teardown),
        cmocka_unit_test_setup_teardown(a_short_stall_loses_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(many_stalls_fill_the_fifo_once, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
