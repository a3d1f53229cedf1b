#include "network.h"

#include "daemon.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK   4096
#define POLL_MS 50

struct connection {
    struct network *network;
    unsigned generation;
    int fd[2]; /* programmer, server */
};

/* True when the cut falls into these bytes: the part before it still goes through. */
static bool is_cut(struct network *network, enum network_direction direction, ssize_t *count) {
    if (!atomic_load(&network->armed[direction]))
        return false;
    long left = atomic_fetch_sub(&network->bytes_left[direction], *count);
    if (left > *count || !atomic_exchange(&network->armed[direction], false))
        return false;
    *count = left > 0 ? left : 0;
    atomic_fetch_add(&network->generation, 1);
    atomic_fetch_add(&network->cuts, 1);
    return true;
}

static bool send_all(int fd, const uint8_t *data, size_t size) {
    while (size > 0) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        data += sent;
        size -= (size_t)sent;
    }
    return true;
}

/* False at the end of the connection. */
static bool pump(struct connection *connection, enum network_direction direction) {
    uint8_t chunk[CHUNK];
    int from = direction == NETWORK_TO_SERVER ? 0 : 1;
    ssize_t count = recv(connection->fd[from], chunk, sizeof chunk, 0);
    if (count <= 0)
        return false;
    bool cut = is_cut(connection->network, direction, &count);
    return send_all(connection->fd[1 - from], chunk, (size_t)count) && !cut;
}

static void relay(struct connection *connection) {
    struct network *network = connection->network;
    struct pollfd ready[2] = {{.fd = connection->fd[0], .events = POLLIN},
                              {.fd = connection->fd[1], .events = POLLIN}};
    while (!atomic_load(&network->stop) &&
           connection->generation == atomic_load(&network->generation)) {
        if (poll(ready, 2, POLL_MS) < 0)
            return;
        if (ready[0].revents != 0 && !pump(connection, NETWORK_TO_SERVER))
            return;
        if (ready[1].revents != 0 && !pump(connection, NETWORK_TO_PROGRAMMER))
            return;
    }
}

static void *serve(void *argument) {
    struct connection *connection = argument;
    struct network *network = connection->network;
    struct error error;
    connection->fd[1] = endpoint_connect(&network->server, 2000, &error);
    if (connection->fd[1] >= 0) {
        relay(connection);
        (void)close(connection->fd[1]);
    }
    (void)close(connection->fd[0]);
    free(connection);
    atomic_fetch_sub(&network->connections, 1);
    return NULL;
}

static void start(struct network *network, int fd) {
    pthread_t thread;
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        abort();
    *connection = (struct connection){
        .network = network, .generation = atomic_load(&network->generation), .fd = {fd, -1}};
    atomic_fetch_add(&network->connections, 1);
    if (pthread_create(&thread, NULL, serve, connection) != 0)
        abort();
    (void)pthread_detach(thread);
}

static void *accept_all(void *argument) {
    struct network *network = argument;
    struct pollfd ready = {.fd = network->listener, .events = POLLIN};
    while (!atomic_load(&network->stop)) {
        if (poll(&ready, 1, POLL_MS) <= 0)
            continue;
        int fd = accept4(network->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            start(network, fd);
    }
    return NULL;
}

int network_open(struct network *network, struct error *error) {
    const struct endpoint here = {.kind = ENDPOINT_TCP, .address = "127.0.0.1", .port = "0"};
    struct sockaddr_in address = {0};
    socklen_t size = sizeof address;
    network->listener = endpoint_listen(&here, error);
    if (network->listener < 0)
        return -1;
    if (getsockname(network->listener, (struct sockaddr *)&address, &size) != 0)
        return error_set(error, ERROR_INTERNAL, "getsockname");
    network->port = ntohs(address.sin_port);
    if (pthread_create(&network->thread, NULL, accept_all, network) != 0)
        return error_set(error, ERROR_INTERNAL, "no thread");
    return 0;
}

void network_cut_after(struct network *network, enum network_direction direction, long bytes) {
    atomic_store(&network->bytes_left[direction], bytes);
    atomic_store(&network->armed[direction], true);
}

void network_close(struct network *network) {
    atomic_store(&network->stop, true);
    (void)pthread_join(network->thread, NULL);
    while (atomic_load(&network->connections) > 0)
        storm_sleep_ms(10);
    (void)close(network->listener);
}
