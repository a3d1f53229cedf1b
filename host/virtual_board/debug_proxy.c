#include "virtual_board/debug_proxy.h"

#include "base/clock.h"
#include "virtual_board/access.h"
#include "virtual_board/debug_requests.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* The longest private-key operation, on a machine busy with many boards. */
#define KEY_BUSY_TIMEOUT_MS 60000
#define SEND_TIMEOUT_S      5
/* For the first request of somebody who is going to be refused. */
#define REFUSAL_TIMEOUT_MS 1000

void debug_proxy_init(struct debug_proxy *proxy, struct board *board) {
    memset(proxy, 0, sizeof(*proxy));
    proxy->board = board;
    proxy->client_fd = -1;
    proxy->refused.fd = -1;
}

static int change_breakpoints(struct debug_proxy *proxy, enum cpu_breakpoint what) {
    for (size_t i = 0; i < proxy->breakpoint_count; i++) {
        bool done;
        if (cpu_breakpoint(&proxy->board->cpu, what, proxy->breakpoints[i], &done) != 0)
            return -1;
    }
    return 0;
}

static bool key_is_busy(const struct debug_proxy *proxy) {
    return board_memory_read(&proxy->board->memory, BOARD_REGISTER_KEY_BUSY) != 0;
}

static int run_until_key_is_gone(struct debug_proxy *proxy) {
    uint64_t deadline = clock_monotonic_ms() + KEY_BUSY_TIMEOUT_MS;
    struct timespec pause = {.tv_sec = 0, .tv_nsec = 1000000};

    if (cpu_resume(&proxy->board->cpu) != 0)
        return -1;
    while (key_is_busy(proxy)) {
        if (clock_monotonic_ms() >= deadline || !board_is_alive(proxy->board))
            return -1;
        (void)nanosleep(&pause, NULL);
    }
    return cpu_halt(&proxy->board->cpu);
}

/* The core is halted; makes sure it is not halted with a private key in its registers. */
int debug_proxy_settle(struct debug_proxy *proxy) {
    if (!key_is_busy(proxy))
        return 0;
    if (change_breakpoints(proxy, CPU_BREAKPOINT_REMOVE) != 0)
        return -1;
    while (key_is_busy(proxy)) {
        if (run_until_key_is_gone(proxy) != 0)
            return -1;
    }
    return change_breakpoints(proxy, CPU_BREAKPOINT_INSERT);
}

int debug_proxy_halt(struct debug_proxy *proxy) {
    return cpu_halt(&proxy->board->cpu) != 0 ? -1 : debug_proxy_settle(proxy);
}

static bool client_has_left(const struct debug_proxy *proxy) {
    struct pollfd client = {.fd = proxy->client_fd, .events = POLLRDHUP};

    return proxy->client_fd >= 0 && poll(&client, 1, 0) == 1 &&
           (client.revents & (POLLRDHUP | POLLHUP)) != 0;
}

static void end_refusal(struct debug_proxy *proxy) {
    if (proxy->refused.fd >= 0)
        close(proxy->refused.fd);
    proxy->refused.fd = -1;
}

static void refuse(struct debug_proxy *proxy, int client_fd, const char *reason) {
    end_refusal(proxy);
    proxy->refused.fd = client_fd;
    proxy->refused.reason = reason;
    proxy->refused.deadline_ms = clock_monotonic_ms() + REFUSAL_TIMEOUT_MS;
    rsp_parser_init(&proxy->refused.parser);
}

/* Nothing is read beyond the first request: the rest meets a closed connection. */
void debug_proxy_refused(struct debug_proxy *proxy) {
    uint8_t buffer[128];
    struct writer writer;
    uint8_t byte;

    for (;;) {
        ssize_t got = recv(proxy->refused.fd, &byte, 1, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got <= 0)
            break;
        if (rsp_feed(&proxy->refused.parser, byte) != RSP_PACKET)
            continue;
        writer_init(&writer, buffer, sizeof(buffer));
        write_u8(&writer, '+');
        rsp_encode(&writer, bytes_of(proxy->refused.reason, strlen(proxy->refused.reason)));
        (void)send(proxy->refused.fd, buffer, writer.size, MSG_NOSIGNAL | MSG_DONTWAIT);
        break;
    }
    end_refusal(proxy);
}

int debug_proxy_timeout_ms(const struct debug_proxy *proxy) {
    return proxy->refused.fd >= 0 ? REFUSAL_TIMEOUT_MS : -1;
}

void debug_proxy_tick(struct debug_proxy *proxy) {
    if (proxy->refused.fd >= 0 && clock_monotonic_ms() >= proxy->refused.deadline_ms)
        end_refusal(proxy);
}

void debug_proxy_close(struct debug_proxy *proxy) {
    debug_proxy_drop(proxy);
    end_refusal(proxy);
}

/* NULL if this debugger may come in. "E." and text is the protocol's way to give a reason. */
static const char *why_not(const struct debug_proxy *proxy) {
    if (proxy->client_fd >= 0)
        return "E.another debugger is attached";
    if (proxy->board->child == 0)
        return "E.the board has no power";
    return board_debug_is_open(proxy->board) ? NULL : "E.the chip's debug port is locked";
}

void debug_proxy_attach(struct debug_proxy *proxy, int client_fd) {
    struct timeval timeout = {.tv_sec = SEND_TIMEOUT_S, .tv_usec = 0};
    struct board_memory *memory = &proxy->board->memory;
    const char *reason;

    /* On a busy machine the end of one connection and the next one are seen together; what the
     * first had to say comes first. */
    while (client_has_left(proxy))
        debug_proxy_receive(proxy);
    reason = why_not(proxy);
    if (reason != NULL) {
        refuse(proxy, client_fd, reason);
        return;
    }
    (void)setsockopt(client_fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    proxy->client_fd = client_fd;
    proxy->acknowledge = true;
    proxy->breakpoint_count = 0;
    rsp_parser_init(&proxy->parser);
    /* Before the halt, so that no firmware step runs halted-at without knowing. */
    board_memory_write(memory, BOARD_REGISTER_DEBUG_ATTACHES,
                       board_memory_read(memory, BOARD_REGISTER_DEBUG_ATTACHES) + 1);
    board_memory_write(memory, BOARD_REGISTER_DEBUG_ATTACHED, 1);
    if (debug_proxy_halt(proxy) != 0)
        debug_proxy_drop(proxy);
}

void debug_proxy_drop(struct debug_proxy *proxy) {
    if (proxy->client_fd < 0)
        return;
    close(proxy->client_fd);
    proxy->client_fd = -1;
    if (proxy->board->child != 0) {
        /* Breakpoints can only be taken out of a halted core. */
        if (proxy->breakpoint_count > 0 && cpu_halt(&proxy->board->cpu) == 0)
            (void)change_breakpoints(proxy, CPU_BREAKPOINT_REMOVE);
        (void)cpu_resume(&proxy->board->cpu);
    }
    proxy->breakpoint_count = 0;
    board_memory_write(&proxy->board->memory, BOARD_REGISTER_DEBUG_ATTACHED, 0);
}

static void send_client(struct debug_proxy *proxy, struct bytes data) {
    while (data.size > 0) {
        ssize_t sent = send(proxy->client_fd, data.data, data.size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0) {
            debug_proxy_drop(proxy);
            return;
        }
        data = bytes_slice(data, (size_t)sent, data.size - (size_t)sent);
    }
}

static void send_reply(struct debug_proxy *proxy, struct bytes payload) {
    uint8_t buffer[RSP_PACKET_MAX];
    struct writer writer;

    writer_init(&writer, buffer, sizeof(buffer));
    rsp_encode(&writer, payload);
    if (writer_check(&writer) == STATUS_OK)
        send_client(proxy, writer_bytes(&writer));
}

static void send_stop(struct debug_proxy *proxy, const char *signal) {
    send_reply(proxy, bytes_of(signal, strlen(signal)));
}

static void handle_packet(struct debug_proxy *proxy) {
    uint8_t buffer[RSP_PAYLOAD_MAX];
    struct writer reply;
    enum debug_result result;

    /* The life cycle may have closed the port at a reset since the last request. */
    if (!board_debug_is_open(proxy->board)) {
        debug_proxy_drop(proxy);
        return;
    }
    if (proxy->acknowledge)
        send_client(proxy, bytes_of("+", 1));
    if (proxy->client_fd < 0)
        return;
    writer_init(&reply, buffer, sizeof(buffer));
    result = debug_request(proxy, &reply);
    if (writer_check(&reply) != STATUS_OK)
        result = DEBUG_LOST;
    if (result == DEBUG_REPLY || result == DEBUG_DETACH)
        send_reply(proxy, writer_bytes(&reply));
    if (result == DEBUG_DETACH || result == DEBUG_LOST)
        debug_proxy_drop(proxy);
}

static void handle_event(struct debug_proxy *proxy, enum rsp_event event) {
    switch (event) {
    case RSP_PACKET: handle_packet(proxy); break;
    case RSP_BAD:
        if (proxy->acknowledge)
            send_client(proxy, bytes_of("-", 1));
        break;
    case RSP_INTERRUPT:
        if (!proxy->board->cpu.running)
            break;
        if (!board_debug_is_open(proxy->board) || debug_proxy_halt(proxy) != 0)
            debug_proxy_drop(proxy);
        else
            send_stop(proxy, "T02thread:01;");
        break;
    default: break;
    }
}

void debug_proxy_receive(struct debug_proxy *proxy) {
    uint8_t buffer[4096];
    ssize_t got = recv(proxy->client_fd, buffer, sizeof(buffer), MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        debug_proxy_drop(proxy);
        return;
    }
    for (ssize_t i = 0; i < got && proxy->client_fd >= 0; i++)
        handle_event(proxy, rsp_feed(&proxy->parser, buffer[i]));
}

void debug_proxy_stub(struct debug_proxy *proxy) {
    if (cpu_check_stop(&proxy->board->cpu) != 0) {
        debug_proxy_drop(proxy);
        board_power_off(proxy->board); /* the stub is gone, and so is the chip */
        return;
    }
    if (proxy->client_fd < 0 || !board_debug_is_open(proxy->board) ||
        debug_proxy_settle(proxy) != 0)
        debug_proxy_drop(proxy);
    else
        send_stop(proxy, "T05thread:01;");
}
