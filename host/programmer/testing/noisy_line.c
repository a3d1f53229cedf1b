#include "programmer/testing/noisy_line.h"

#include "base/endpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK 256

struct noisy_line {
    char endpoint[160];
    struct endpoint target;
    enum noise noise;
    unsigned period;
    int listener;
    atomic_bool stop;
    atomic_uint spoiled;
    unsigned passed; /* bytes since the last spoiled one */
    pthread_t thread;
};

static void send_all(int fd, const uint8_t *data, size_t size) {
    while (size > 0) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        data += sent;
        size -= (size_t)sent;
    }
}

static void byte_pass(struct noisy_line *line, int to, uint8_t byte) {
    static const uint8_t garbage[] = {0x7E, 0x01, 0xFF, 0x7D, 0x00, 0x7E, 0x7E, 0x55};
    bool spoil = ++line->passed >= line->period;
    if (spoil) {
        line->passed = 0;
        atomic_fetch_add(&line->spoiled, 1);
    }
    if (spoil && line->noise == NOISE_DROP)
        return;
    if (spoil && line->noise == NOISE_INSERT)
        send_all(to, garbage, sizeof garbage);
    if (spoil && line->noise == NOISE_FLIP)
        byte ^= 0x04;
    send_all(to, &byte, 1);
}

static bool pass(struct noisy_line *line, int from, int to) {
    uint8_t chunk[CHUNK];
    ssize_t size = recv(from, chunk, sizeof chunk, 0);
    for (ssize_t i = 0; i < size; i++)
        byte_pass(line, to, chunk[i]);
    return size > 0;
}

static void relay(struct noisy_line *line, int near, int far) {
    bool open = true;
    while (open && !atomic_load(&line->stop)) {
        struct pollfd ready[2] = {{.fd = near, .events = POLLIN}, {.fd = far, .events = POLLIN}};
        if (poll(ready, 2, 50) <= 0)
            continue;
        if (ready[0].revents != 0)
            open = pass(line, near, far);
        if (open && ready[1].revents != 0)
            open = pass(line, far, near);
    }
}

static void *line_thread(void *argument) {
    struct noisy_line *line = argument;
    while (!atomic_load(&line->stop)) {
        struct error error;
        struct pollfd ready = {.fd = line->listener, .events = POLLIN};
        if (poll(&ready, 1, 50) <= 0)
            continue;
        int near = accept(line->listener, NULL, NULL);
        int far = endpoint_connect(&line->target, 2000, &error);
        if (near >= 0 && far >= 0)
            relay(line, near, far);
        if (near >= 0)
            (void)close(near);
        if (far >= 0)
            (void)close(far);
    }
    return NULL;
}

struct noisy_line *noisy_line_start(const char *directory, const char *target, enum noise noise,
                                    unsigned period) {
    struct error error;
    struct endpoint own;
    struct noisy_line *line = calloc(1, sizeof *line);
    assert_non_null(line);
    line->noise = noise;
    line->period = period;
    (void)snprintf(line->endpoint, sizeof line->endpoint, "unix:%s/noisy", directory);
    assert_int_equal(endpoint_parse(target, &line->target, &error), 0);
    assert_int_equal(endpoint_parse(line->endpoint, &own, &error), 0);
    line->listener = endpoint_listen(&own, &error);
    assert_true(line->listener >= 0);
    assert_int_equal(pthread_create(&line->thread, NULL, line_thread, line), 0);
    return line;
}

const char *noisy_line_endpoint(const struct noisy_line *line) {
    return line->endpoint;
}

unsigned noisy_line_stop(struct noisy_line *line) {
    unsigned spoiled;
    atomic_store(&line->stop, true);
    assert_int_equal(pthread_join(line->thread, NULL), 0);
    (void)close(line->listener);
    spoiled = atomic_load(&line->spoiled);
    free(line);
    return spoiled;
}
