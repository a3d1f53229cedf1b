#include "attack/relay.h"

#include "attack/debug_proxy.h"
#include "attack/uart_proxy.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define READ_CHUNK 2048

bool relay_uart(void *context, enum relay_direction direction, struct bytes input,
                struct writer out[RELAY_DIRECTIONS]) {
    bool to_board = direction == RELAY_TO_BOARD;

    uart_proxy_feed(context, to_board ? UART_TO_DEVICE : UART_TO_PROGRAMMER, input,
                    &out[direction]);
    return true;
}

bool relay_debug(void *context, enum relay_direction direction, struct bytes input,
                 struct writer out[RELAY_DIRECTIONS]) {
    struct debug_filter *filter = context;
    bool to_board = direction == RELAY_TO_BOARD;

    debug_filter_feed(filter, to_board ? DEBUG_TO_BOARD : DEBUG_TO_PROGRAMMER, input,
                      &out[RELAY_TO_BOARD], &out[RELAY_TO_PROGRAMMER]);
    return !filter->is_closed;
}

static struct sockaddr_un address_of(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    memcpy(address.sun_path, path, strnlen(path, sizeof(address.sun_path) - 1));
    return address;
}

static bool send_all(int fd, struct bytes bytes) {
    while (bytes.size > 0) {
        ssize_t sent = send(fd, bytes.data, bytes.size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        bytes = bytes_slice(bytes, (size_t)sent, bytes.size - (size_t)sent);
    }
    return true;
}

/* `fds` by where the bytes go. False when the connection is over. */
static bool pump(struct relay *relay, enum relay_direction direction, const int fds[2]) {
    uint8_t input[READ_CHUNK];
    struct writer out[RELAY_DIRECTIONS];
    ssize_t got = recv(fds[1 - direction], input, sizeof(input), 0);
    bool alive = got > 0;

    if (!alive)
        return false;
    for (int i = 0; i < RELAY_DIRECTIONS; i++)
        writer_init(&out[i], relay->out[i], RELAY_OUT_MAX);
    alive = relay->filter(relay->context, direction, bytes_of(input, (size_t)got), out);
    for (int i = 0; i < RELAY_DIRECTIONS; i++)
        alive =
            writer_check(&out[i]) == STATUS_OK && send_all(fds[i], writer_bytes(&out[i])) && alive;
    return alive;
}

static bool carry(struct relay *relay, int programmer, int board) {
    const int fds[RELAY_DIRECTIONS] = {
        [RELAY_TO_BOARD] = board, [RELAY_TO_PROGRAMMER] = programmer};
    struct pollfd ready[] = {{.fd = programmer, .events = POLLIN},
                             {.fd = board, .events = POLLIN},
                             {.fd = relay->stop[0], .events = POLLIN}};

    for (;;) {
        if (poll(ready, 3, -1) < 0)
            continue;
        if (ready[2].revents != 0)
            return false;
        if (ready[0].revents != 0 && !pump(relay, RELAY_TO_BOARD, fds))
            return true;
        if (ready[1].revents != 0 && !pump(relay, RELAY_TO_PROGRAMMER, fds))
            return true;
    }
}

static bool serve_one(struct relay *relay) {
    struct pollfd ready[] = {{.fd = relay->listener, .events = POLLIN},
                             {.fd = relay->stop[0], .events = POLLIN}};
    const struct sockaddr_un address = address_of(relay->board_path);
    bool go_on = true;

    if (poll(ready, 2, -1) < 0)
        return true;
    if (ready[1].revents != 0)
        return false;
    int programmer = accept(relay->listener, NULL, NULL);
    int board = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (programmer >= 0 && board >= 0 &&
        connect(board, (const struct sockaddr *)&address, sizeof(address)) == 0)
        go_on = carry(relay, programmer, board);
    if (board >= 0)
        (void)close(board);
    if (programmer >= 0)
        (void)close(programmer);
    return go_on;
}

static void *serve(void *context) {
    struct relay *relay = context;

    while (serve_one(relay))
        ;
    return NULL;
}

int relay_start(struct relay *relay, const char *listen_path, const char *board_path,
                relay_filter *filter, void *context) {
    const struct sockaddr_un address = address_of(listen_path);

    memset(relay, 0, sizeof(*relay));
    (void)snprintf(relay->listen_path, sizeof(relay->listen_path), "%s", listen_path);
    (void)snprintf(relay->board_path, sizeof(relay->board_path), "%s", board_path);
    relay->filter = filter;
    relay->context = context;
    (void)unlink(listen_path);
    relay->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (relay->listener < 0 ||
        bind(relay->listener, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(relay->listener, 4) != 0 || pipe(relay->stop) != 0)
        return -1;
    errno = pthread_create(&relay->thread, NULL, serve, relay);
    return errno == 0 ? 0 : -1;
}

void relay_stop(struct relay *relay) {
    (void)close(relay->stop[1]);
    (void)pthread_join(relay->thread, NULL);
    (void)close(relay->stop[0]);
    (void)close(relay->listener);
    (void)unlink(relay->listen_path);
}
