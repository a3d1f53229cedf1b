/*
 * The device link on a socket. The bytes still in the socket are those still on the wire; only a
 * stall loses some, as many as a UART at 115200 baud would have brought in meanwhile.
 */
#include "native.h"

#include "common/board_model.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#define FIFO_SIZE        16u
#define BYTES_PER_SECOND 11520u
#define LONGEST_STALL    65536u /* us; an erase is 20,000 */
#define WAIT_MS          1000

static struct {
    uint8_t fifo[FIFO_SIZE];
    size_t held;
    uint32_t lost;
} receiver;

/* The launcher is gone: there is no board any more. */
static _Noreturn void unplugged(void) {
    exit(0);
}

static size_t receive(uint8_t *out, size_t size) {
    ssize_t got = recv(NATIVE_UART_FD, out, size, MSG_DONTWAIT);

    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        unplugged();
    return got < 0 ? 0 : (size_t)got;
}

enum status native_link_read(uint8_t *out, size_t size, size_t *taken) {
    size_t count = size < receiver.held ? size : receiver.held;

    native_enter_idle();
    native_leave_idle();
    memcpy(out, receiver.fifo, count);
    receiver.held -= count;
    memmove(receiver.fifo, receiver.fifo + count, receiver.held);
    *taken = count > 0 || size == 0 ? count : receive(out, size);
    return STATUS_OK;
}

enum status native_link_write(const uint8_t *data, size_t size) {
    while (size > 0) {
        struct pollfd poll_fd = {.fd = NATIVE_UART_FD, .events = POLLOUT};
        ssize_t sent = send(NATIVE_UART_FD, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0) {
            data += sent;
            size -= (size_t)sent;
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            unplugged();
        native_enter_idle();
        (void)poll(&poll_fd, 1, WAIT_MS);
        native_leave_idle();
    }
    return STATUS_OK;
}

bool native_link_overrun(void) {
    uint32_t lost = receiver.lost;

    receiver.lost = 0;
    if (lost > 0)
        board_register_add(BOARD_REGISTER_OVERRUNS, lost);
    return lost > 0;
}

void native_link_wait(void) {
    struct pollfd poll_fd = {.fd = NATIVE_UART_FD, .events = POLLIN};

    if (receiver.held > 0)
        return;
    native_enter_idle();
    (void)poll(&poll_fd, 1, WAIT_MS);
    native_leave_idle();
}

void native_link_stall(uint32_t microseconds) {
    static uint8_t arrived[LONGEST_STALL / 1000u * BYTES_PER_SECOND / 1000u + 1];
    struct timespec time = {.tv_sec = 0, .tv_nsec = (long)microseconds * 1000};
    size_t most = (size_t)microseconds * BYTES_PER_SECOND / 1000000u;
    size_t count;
    size_t kept;

    /* Linux sleeps 50 us longer than asked by default, nearly twice the 60 us of a write. */
    (void)prctl(PR_SET_TIMERSLACK, 1uL);
    native_enter_idle(); /* a debugger need not wait for the erase of a whole slot */
    while (nanosleep(&time, &time) != 0)
        ;
    native_leave_idle();
    if (most == 0)
        return;
    count = receive(arrived, most < sizeof(arrived) ? most : sizeof(arrived));
    kept = count < FIFO_SIZE - receiver.held ? count : FIFO_SIZE - receiver.held;
    memcpy(receiver.fifo + receiver.held, arrived, kept);
    receiver.held += kept;
    receiver.lost += (uint32_t)(count - kept);
}

uint64_t native_clock_us(void) {
    static struct timespec start;
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    if (start.tv_sec == 0)
        start = now;
    return (uint64_t)(now.tv_sec - start.tv_sec) * 1000000u +
           (uint64_t)(now.tv_nsec - start.tv_nsec) / 1000u;
}
