#include "virtual_board/uart_relay.h"

#include "base/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BITS_PER_BYTE 10u /* with start and stop bit */
#define NS_PER_SECOND 1000000000u

void uart_relay_init(struct uart_relay *relay, struct board *board, uint32_t baud) {
    memset(relay, 0, sizeof(*relay));
    relay->board = board;
    relay->client_fd = -1;
    relay->baud = baud;
}

static uint64_t now_ns(void) {
    return clock_monotonic_us() * 1000u;
}

/* How long the line takes for so many bytes. */
static uint64_t line_ns(const struct uart_relay *relay, size_t bytes) {
    return (uint64_t)bytes * BITS_PER_BYTE * NS_PER_SECOND / relay->baud;
}

/* How many bytes the line has had time for. */
static size_t ready(const struct uart_relay *relay, const struct uart_direction *direction) {
    uint64_t now = relay->baud == 0 ? 0 : now_ns();
    size_t passed;

    if (relay->baud == 0)
        return direction->size;
    if (now <= direction->free_at_ns)
        return 0;
    passed = (size_t)((now - direction->free_at_ns) / line_ns(relay, 1));
    return passed < direction->size ? passed : direction->size;
}

static bool client_has_left(const struct uart_relay *relay) {
    struct pollfd client = {.fd = relay->client_fd, .events = POLLRDHUP};

    return relay->client_fd >= 0 && poll(&client, 1, 0) == 1 &&
           (client.revents & (POLLRDHUP | POLLHUP)) != 0;
}

void uart_relay_attach(struct uart_relay *relay, int client_fd) {
    /* On a busy machine the end of one connection and the next one are seen together. Bytes that
     * the first left behind are lost, as on a cable that was pulled. */
    if (client_has_left(relay))
        uart_relay_drop(relay);
    if (relay->client_fd >= 0) {
        close(client_fd);
        return;
    }
    relay->client_fd = client_fd;
    relay->to_client.size = 0;
}

void uart_relay_drop(struct uart_relay *relay) {
    if (relay->client_fd >= 0)
        close(relay->client_fd);
    relay->client_fd = -1;
    relay->to_client.size = 0;
}

void uart_relay_clear(struct uart_relay *relay) {
    relay->to_chip.size = 0;
}

/* False when the other end is gone. */
static bool take_in(int fd, struct uart_direction *direction) {
    size_t room = sizeof(direction->data) - direction->size;
    ssize_t got = recv(fd, direction->data + direction->size, room, MSG_DONTWAIT);
    uint64_t now = now_ns();

    if (direction->size == 0 && direction->free_at_ns < now)
        direction->free_at_ns = now;

    if (got > 0)
        direction->size += (size_t)got;
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

static bool give_out(const struct uart_relay *relay, int fd, struct uart_direction *direction) {
    size_t size = ready(relay, direction);
    ssize_t sent = send(fd, direction->data, size, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (sent < 0)
        return errno == EAGAIN || errno == EINTR;
    if (relay->baud != 0)
        direction->free_at_ns += line_ns(relay, (size_t)sent);
    direction->size -= (size_t)sent;
    memmove(direction->data, direction->data + sent, direction->size);
    return true;
}

static short wanted(const struct uart_relay *relay, const struct uart_direction *in,
                    const struct uart_direction *out) {
    short events = 0;

    if (in->size < sizeof(in->data))
        events = (short)(events | POLLIN);
    if (ready(relay, out) > 0)
        events = (short)(events | POLLOUT);
    return events;
}

void uart_relay_prepare(const struct uart_relay *relay, struct pollfd fds[2]) {
    fds[0] = (struct pollfd){.fd = relay->client_fd,
                             .events = wanted(relay, &relay->to_chip, &relay->to_client)};
    fds[1] = (struct pollfd){.fd = relay->board->uart_fd,
                             .events = wanted(relay, &relay->to_client, &relay->to_chip)};
}

int uart_relay_timeout_ms(const struct uart_relay *relay) {
    const struct uart_direction *const directions[] = {&relay->to_chip, &relay->to_client};

    /* Also when the line is ready by now: uart_relay_prepare, a moment ago, may have found it busy.
     */
    for (size_t i = 0; i < sizeof(directions) / sizeof(directions[0]); i++) {
        if (relay->baud != 0 && directions[i]->size > 0)
            return 1; /* about eleven bytes at 115200 */
    }
    return -1;
}

static void move_client(struct uart_relay *relay, short events) {
    if ((events & (POLLIN | POLLHUP | POLLERR)) != 0 &&
        relay->to_chip.size < sizeof(relay->to_chip.data) &&
        !take_in(relay->client_fd, &relay->to_chip)) {
        uart_relay_drop(relay);
        return;
    }
    if ((events & POLLOUT) != 0 && !give_out(relay, relay->client_fd, &relay->to_client))
        uart_relay_drop(relay);
}

void uart_relay_move(struct uart_relay *relay, const struct pollfd fds[2]) {
    int chip = relay->board->uart_fd;

    if (relay->client_fd >= 0 && fds[0].fd == relay->client_fd)
        move_client(relay, fds[0].revents);
    if (chip < 0) {
        relay->to_chip.size = 0;
        return;
    }
    if (fds[1].fd != chip)
        return;
    /* The end of the chip's side is noticed as the end of its process, not here. */
    if ((fds[1].revents & POLLIN) != 0)
        (void)take_in(chip, &relay->to_client);
    if ((fds[1].revents & POLLOUT) != 0)
        (void)give_out(relay, chip, &relay->to_chip);
    if (relay->client_fd < 0)
        relay->to_client.size = 0;
}
