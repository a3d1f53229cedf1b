/*
 * The men in the middle of this folder as a program, for attack.bats.
 *
 *     attack_proxy LISTEN-SOCKET BOARD-SOCKET uart DIRECTION KIND MESSAGE RECORDING
 *     attack_proxy LISTEN-SOCKET BOARD-SOCKET debug KIND ADDRESS MASK REQUEST
 *
 * DIRECTION is to-device or to-programmer; KIND as in uart_proxy.h and debug_proxy.h. "uart ...
 * pass" writes RECORDING, the replaying kinds read it, "-" stands for none.
 *
 * Prints "ready", and on SIGTERM "to-device A to-programmer B changed C" or "requests A changed C":
 * a test in which C is 0 proves nothing.
 */
#include "attack/debug_proxy.h"
#include "attack/relay.h"
#include "attack/uart_proxy.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARGUMENTS_MAX 8

static int fail(const char *what) {
    perror(what);
    return EXIT_FAILURE;
}

static int no_such_attack(const char *name) {
    (void)fprintf(stderr, "no such attack: %s\n", name);
    return 2;
}

/* SIGTERM is blocked from the start, so the relay's thread never sees it. */
static int relay_until_stopped(char **argv, relay_filter *filter, void *context) {
    static struct relay relay;
    sigset_t signals;
    int number;

    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL);
    if (relay_start(&relay, argv[1], argv[2], filter, context) != 0)
        return -1;
    (void)puts("ready");
    (void)fflush(stdout);
    (void)sigwait(&signals, &number);
    relay_stop(&relay);
    return 0;
}

static int transfer_recording(const char *path, const char *mode,
                              struct uart_recording *recording) {
    FILE *file;
    size_t count;

    if (strcmp(path, "-") == 0)
        return 0;
    file = fopen(path, mode);
    if (file == NULL)
        return -1;
    count = mode[0] == 'r' ? fread(recording, sizeof(*recording), 1, file)
                           : fwrite(recording, sizeof(*recording), 1, file);
    return fclose(file) == 0 && count == 1 ? 0 : -1;
}

static int proxy_uart(char **argv) {
    static struct uart_recording recording;
    static struct uart_proxy proxy;
    struct uart_attack attack = {.recording = &recording};

    while (attack.kind < UART_ATTACK_KINDS && strcmp(argv[5], uart_attack_name(attack.kind)) != 0)
        attack.kind++;
    if (attack.kind == UART_ATTACK_KINDS)
        return no_such_attack(argv[5]);
    attack.direction = strcmp(argv[4], "to-device") == 0 ? UART_TO_DEVICE : UART_TO_PROGRAMMER;
    attack.message = (unsigned)strtoul(argv[6], NULL, 10);
    if (attack.kind != UART_PASS && transfer_recording(argv[7], "r", &recording) != 0)
        return fail(argv[7]);
    uart_proxy_init(&proxy, &attack);
    if (attack.kind == UART_PASS)
        proxy.record = &recording;
    if (relay_until_stopped(argv, relay_uart, &proxy) != 0)
        return fail(argv[1]);
    if (attack.kind == UART_PASS && transfer_recording(argv[7], "w", &recording) != 0)
        return fail(argv[7]);
    (void)printf("to-device %u to-programmer %u changed %u\n", proxy.streams[UART_TO_DEVICE].count,
                 proxy.streams[UART_TO_PROGRAMMER].count, proxy.changed);
    return EXIT_SUCCESS;
}

static int proxy_debug(char **argv) {
    static struct debug_filter filter;
    struct debug_attack attack = {0};

    while (attack.kind < DEBUG_ATTACK_KINDS && strcmp(argv[4], debug_attack_name(attack.kind)) != 0)
        attack.kind++;
    if (attack.kind == DEBUG_ATTACK_KINDS)
        return no_such_attack(argv[4]);
    attack.address = (uint32_t)strtoul(argv[5], NULL, 0);
    attack.mask = (uint8_t)strtoul(argv[6], NULL, 0);
    attack.packet = (unsigned)strtoul(argv[7], NULL, 10);
    debug_filter_init(&filter, &attack);
    if (relay_until_stopped(argv, relay_debug, &filter) != 0)
        return fail(argv[1]);
    (void)printf("requests %u changed %u\n", filter.requests, filter.changed);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
    if (argc == ARGUMENTS_MAX && strcmp(argv[3], "uart") == 0)
        return proxy_uart(argv);
    if (argc == ARGUMENTS_MAX && strcmp(argv[3], "debug") == 0)
        return proxy_debug(argv);
    (void)fprintf(stderr, "usage: see attack_proxy.c\n");
    return 2;
}
