/*
 * A man in the middle on the UART between programmer and chip, for tests/e2e/mitm.bats.
 *
 *     mitm_proxy LISTEN-SOCKET CONNECT-SOCKET to-device|to-programmer ACTION NUMBER
 *
 * It takes every MCTP packet off the line and frames it again, with a good check sequence, so that
 * what it does is not caught by the link layer but must be caught by the protocol above. ACTION is
 * done to packet NUMBER (from 1) of the direction given, counted over all connections:
 *
 *     pass        nothing (to learn how many packets there are)
 *     flip        one bit in the middle of the payload
 *     drop        the packet is not sent
 *     repeat      it is sent twice
 *     replay      the packet sent four before it in this direction is sent again, after it
 *     substitute  its payload is replaced by that of the packet before
 *     truncate    the second half of its payload is cut off
 *     flood       from here on every packet of this direction has one bit flipped
 *     noise       bytes that are no frame come before it
 *     break       its check sequence is wrong
 *     hang-up     the connection is closed instead
 *
 * On SIGTERM it prints "to-device A to-programmer B acted C": a test in which C is 0 proves
 * nothing.
 */
#include "mctp/mctp.h"
#include "mctp/mctp_serial.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define HISTORY 4

enum { TO_DEVICE, TO_PROGRAMMER, DIRECTIONS };
static const char *const direction_names[DIRECTIONS] = {"to-device", "to-programmer"};

struct packet {
    uint8_t data[MCTP_SERIAL_PACKET_MAX];
    size_t size;
};

struct direction {
    struct mctp_serial_deframer deframer;
    struct packet sent[HISTORY]; /* as they came, the latest first */
    unsigned long count;
    int output;
};

struct proxy {
    struct direction directions[DIRECTIONS];
    int attacked;
    const char *action;
    unsigned long number;
    unsigned long acted;
};

static volatile sig_atomic_t stopped;

static void on_signal(int signal_number) {
    (void)signal_number;
    stopped = 1;
}

static int fail(const char *what) {
    perror(what);
    return EXIT_FAILURE;
}

static struct sockaddr_un address_of(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    return address;
}

/* False when the peer is gone. */
static bool send_all(int descriptor, struct bytes bytes) {
    while (bytes.size > 0) {
        ssize_t sent = send(descriptor, bytes.data, bytes.size, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes = bytes_slice(bytes, (size_t)sent, bytes.size - (size_t)sent);
    }
    return true;
}

static bool send_packet(int descriptor, const struct packet *packet, uint8_t check_error) {
    uint8_t frame[MCTP_SERIAL_FRAME_MAX];
    struct writer writer;

    writer_init(&writer, frame, sizeof(frame));
    if (mctp_serial_frame(bytes_of(packet->data, packet->size), &writer) != STATUS_OK)
        return true; /* nothing left of it */
    struct bytes bytes = writer_bytes(&writer);
    frame[bytes.size - 2] ^= check_error;
    return send_all(descriptor, bytes);
}

static void flip(struct packet *packet) {
    packet->data[MCTP_HEADER_SIZE + (packet->size - MCTP_HEADER_SIZE) / 2] ^= 0x10;
}

/* Header (sequence number, tag) of one packet, payload of another. */
static struct packet substitute(const struct packet *packet, const struct packet *payload) {
    struct packet mixed = *payload;

    memcpy(mixed.data, packet->data, MCTP_HEADER_SIZE);
    if (mixed.size < MCTP_SERIAL_PACKET_MIN)
        mixed.size = MCTP_SERIAL_PACKET_MIN;
    return mixed;
}

static bool send_noise(int descriptor) {
    static const uint8_t noise[] = {0x00, 0xFF, 0x7E, 0x01, 0xFF, 0x7D, 0x7D, 0x7E, 0x7E,
                                    0x01, 0x05, 0x7E, 0x02, 0x00, 0x55, 0xAA, 0x7E, 0x01};
    return send_all(descriptor, bytes_of(noise, sizeof(noise)));
}

/* The attacked packet. False when the connection ends. */
static bool attack(struct proxy *proxy, struct direction *direction, struct packet packet) {
    const char *action = proxy->action;
    const struct packet *history = direction->sent;

    proxy->acted++;
    if (strcmp(action, "drop") == 0)
        return true;
    if (strcmp(action, "hang-up") == 0)
        return false;
    if (strcmp(action, "noise") == 0 && !send_noise(direction->output))
        return false;
    if (strcmp(action, "flip") == 0 || strcmp(action, "flood") == 0)
        flip(&packet);
    if (strcmp(action, "truncate") == 0)
        packet.size -= (packet.size - MCTP_HEADER_SIZE) / 2;
    if (strcmp(action, "substitute") == 0)
        packet = substitute(&packet, &history[1]);
    if (!send_packet(direction->output, &packet, strcmp(action, "break") == 0 ? 0x01 : 0))
        return false;
    if (strcmp(action, "repeat") == 0)
        return send_packet(direction->output, &packet, 0);
    if (strcmp(action, "replay") == 0)
        return send_packet(direction->output, &history[HISTORY - 1], 0);
    return true;
}

static bool is_attacked(const struct proxy *proxy, const struct direction *direction) {
    if (direction != &proxy->directions[proxy->attacked] || strcmp(proxy->action, "pass") == 0)
        return false;
    if (strcmp(proxy->action, "flood") == 0)
        return direction->count >= proxy->number;
    return direction->count == proxy->number;
}

static bool forward(struct proxy *proxy, struct direction *direction, struct bytes bytes) {
    struct packet packet = {.size = bytes.size};

    memcpy(packet.data, bytes.data, bytes.size);
    memmove(&direction->sent[1], &direction->sent[0], (HISTORY - 1) * sizeof(packet));
    direction->sent[0] = packet;
    direction->count++;
    if (is_attacked(proxy, direction))
        return attack(proxy, direction, packet);
    return send_packet(direction->output, &packet, 0);
}

/* Reads what there is from one side. False when it, or the other side, is gone. */
static bool pump(struct proxy *proxy, struct direction *direction, int input) {
    uint8_t bytes[512];
    struct bytes packet;

    ssize_t size = recv(input, bytes, sizeof(bytes), 0);
    for (ssize_t i = 0; i < size; i++) {
        if (mctp_serial_receive(&direction->deframer, bytes[i], &packet) &&
            !forward(proxy, direction, packet))
            return false;
    }
    return size > 0;
}

static void relay(struct proxy *proxy, int programmer, int device) {
    struct pollfd sides[DIRECTIONS] = {
        [TO_DEVICE] = {programmer, POLLIN, 0}, [TO_PROGRAMMER] = {device, POLLIN, 0}};
    bool alive = true;

    proxy->directions[TO_DEVICE].output = device;
    proxy->directions[TO_PROGRAMMER].output = programmer;
    for (int i = 0; i < DIRECTIONS; i++)
        mctp_serial_init(&proxy->directions[i].deframer);
    while (alive && !stopped) {
        if (poll(sides, DIRECTIONS, -1) < 0)
            continue;
        for (int i = 0; i < DIRECTIONS && alive; i++) {
            if (sides[i].revents != 0)
                alive = pump(proxy, &proxy->directions[i], sides[i].fd);
        }
    }
}

static void serve(struct proxy *proxy, int listener, const char *connect_path) {
    const struct sockaddr_un address = address_of(connect_path);

    while (!stopped) {
        int programmer = accept(listener, NULL, NULL);
        if (programmer < 0)
            continue;
        int device = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(device, (const struct sockaddr *)&address, sizeof(address)) == 0)
            relay(proxy, programmer, device);
        (void)close(device);
        (void)close(programmer);
    }
}

static int listen_on(const char *path) {
    const struct sockaddr_un address = address_of(path);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)unlink(path);
    if (bind(listener, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(listener, 4) != 0)
        return -1;
    return listener;
}

int main(int argc, char **argv) {
    static struct proxy proxy;
    const struct sigaction on_stop = {.sa_handler = on_signal}; /* no SA_RESTART: poll returns */

    if (argc != 6) {
        (void)fprintf(stderr, "usage: mitm_proxy LISTEN CONNECT DIRECTION ACTION NUMBER\n");
        return 2;
    }
    proxy.attacked = strcmp(argv[3], direction_names[TO_DEVICE]) == 0 ? TO_DEVICE : TO_PROGRAMMER;
    proxy.action = argv[4];
    proxy.number = strtoul(argv[5], NULL, 10);
    (void)sigaction(SIGTERM, &on_stop, NULL);
    int listener = listen_on(argv[1]);
    if (listener < 0)
        return fail(argv[1]);
    (void)printf("ready\n");
    (void)fflush(stdout);
    serve(&proxy, listener, argv[2]);
    (void)printf("to-device %lu to-programmer %lu acted %lu\n", proxy.directions[TO_DEVICE].count,
                 proxy.directions[TO_PROGRAMMER].count, proxy.acted);
    (void)unlink(argv[1]);
    return EXIT_SUCCESS;
}
