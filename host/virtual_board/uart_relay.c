#include "virtual_board/uart_relay.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void uart_relay_init(struct uart_relay *relay, struct board *board) {
    memset(relay, 0, sizeof(*relay));
    relay->board = board;
    relay->client_fd = -1;
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

    if (got > 0)
        direction->size += (size_t)got;
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

static bool give_out(int fd, struct uart_direction *direction) {
    ssize_t sent = send(fd, direction->data, direction->size, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (sent < 0)
        return errno == EAGAIN || errno == EINTR;
    direction->size -= (size_t)sent;
    memmove(direction->data, direction->data + sent, direction->size);
    return true;
}

static short wanted(const struct uart_direction *in, const struct uart_direction *out) {
    short events = 0;

    if (in->size < sizeof(in->data))
        events = (short)(events | POLLIN);
    if (out->size > 0)
        events = (short)(events | POLLOUT);
    return events;
}

void uart_relay_prepare(const struct uart_relay *relay, struct pollfd fds[2]) {
    fds[0] = (struct pollfd){.fd = relay->client_fd,
                             .events = wanted(&relay->to_chip, &relay->to_client)};
    fds[1] = (struct pollfd){.fd = relay->board->uart_fd,
                             .events = wanted(&relay->to_client, &relay->to_chip)};
}

static void move_client(struct uart_relay *relay, short events) {
    if ((events & (POLLIN | POLLHUP | POLLERR)) != 0 &&
        relay->to_chip.size < sizeof(relay->to_chip.data) &&
        !take_in(relay->client_fd, &relay->to_chip)) {
        uart_relay_drop(relay);
        return;
    }
    if ((events & POLLOUT) != 0 && !give_out(relay->client_fd, &relay->to_client))
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
        (void)give_out(chip, &relay->to_chip);
    if (relay->client_fd < 0)
        relay->to_client.size = 0;
}
