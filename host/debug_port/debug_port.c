#include "debug_port/debug_port.h"

#include "base/clock.h"
#include "base/endpoint.h"
#include "board/rsp.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Servers accept fewer than their PacketSize says; this is safe with all of them. */
#define CHUNK_BYTES      1024u
#define REGISTER_SP      13u
#define REGISTER_PC      15u
#define REGISTER_XPSR    25u
#define XPSR_THUMB       0x01000000u
#define RESEND_LIMIT     3
#define INTERRUPT_BYTE   0x03
#define RECEIVE_CAPACITY 4096

struct debug_port {
    int fd;
    int timeout_ms;
    bool acknowledge; /* until QStartNoAckMode */
    bool running;
    struct rsp_parser parser;
    uint8_t received[RECEIVE_CAPACITY];
    size_t received_size;
    size_t received_taken;
    uint8_t reply[RSP_PAYLOAD_MAX + 1]; /* the last one, run lengths expanded, zero-terminated */
    size_t reply_size;
};

static int lost(struct error *error) {
    return error_set(error, ERROR_DEVICE_DEBUG, "the debug server closed the connection");
}

static int send_all(struct debug_port *port, struct bytes data, struct error *error) {
    uint64_t deadline = clock_monotonic_ms() + (uint64_t)port->timeout_ms;

    while (data.size > 0) {
        struct pollfd poll_fd = {.fd = port->fd, .events = POLLOUT};
        ssize_t sent = send(port->fd, data.data, data.size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            data = bytes_slice(data, (size_t)sent, data.size - (size_t)sent);
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            return lost(error);
        if (clock_monotonic_ms() >= deadline)
            return error_set(error, ERROR_TIMEOUT, "the debug server takes no more data");
        (void)poll(&poll_fd, 1, 100);
    }
    return 0;
}

static int send_byte(struct debug_port *port, uint8_t byte, struct error *error) {
    return send_all(port, bytes_of(&byte, 1), error);
}

static int receive_more(struct debug_port *port, uint64_t deadline, struct error *error) {
    for (;;) {
        struct pollfd poll_fd = {.fd = port->fd, .events = POLLIN};
        uint64_t now = clock_monotonic_ms();
        ssize_t got;
        if (now >= deadline)
            return error_set(error, ERROR_TIMEOUT, "the debug server does not answer");
        if (poll(&poll_fd, 1, (int)(deadline - now)) <= 0)
            continue;
        got = recv(port->fd, port->received, sizeof(port->received), MSG_DONTWAIT);
        if (got > 0) {
            port->received_size = (size_t)got;
            port->received_taken = 0;
            return 0;
        }
        if (got == 0 || (errno != EAGAIN && errno != EINTR))
            return lost(error);
    }
}

/* The next acknowledgement, packet, or broken packet. */
static int next_event(struct debug_port *port, uint64_t deadline, enum rsp_event *event,
                      struct error *error) {
    for (;;) {
        while (port->received_taken < port->received_size) {
            *event = rsp_feed(&port->parser, port->received[port->received_taken++]);
            if (*event != RSP_NOTHING)
                return 0;
        }
        if (receive_more(port, deadline, error) != 0)
            return -1;
    }
}

static int keep_reply(struct debug_port *port, struct error *error) {
    struct writer writer;

    writer_init(&writer, port->reply, RSP_PAYLOAD_MAX);
    rsp_expand(bytes_of(port->parser.payload, port->parser.size), &writer);
    if (writer_check(&writer) != STATUS_OK)
        return error_set(error, ERROR_DEVICE_DEBUG, "the debug server sent a broken reply");
    port->reply_size = writer.size;
    port->reply[writer.size] = 0;
    return 0;
}

/* A server that is gone meanwhile has answered all the same; the next request will notice. */
static void acknowledge(struct debug_port *port) {
    struct error ignored;

    if (port->acknowledge)
        (void)send_byte(port, '+', &ignored);
}

static int receive_packet(struct debug_port *port, uint64_t deadline, struct bytes resend,
                          struct error *error) {
    int resends = 0;

    for (;;) {
        enum rsp_event event;
        if (next_event(port, deadline, &event, error) != 0)
            return -1;
        if (event == RSP_PACKET) {
            acknowledge(port);
            return keep_reply(port, error);
        }
        if ((event != RSP_NACK && event != RSP_BAD) || !port->acknowledge)
            continue;
        if (++resends > RESEND_LIMIT)
            return error_set(error, ERROR_DEVICE_DEBUG, "the debug connection garbles packets");
        if (event == RSP_BAD && send_byte(port, '-', error) != 0)
            return -1;
        if (event == RSP_NACK && send_all(port, resend, error) != 0)
            return -1;
    }
}

/* A stop reply that nobody asked for, or console output: not an answer to a request. */
static bool is_unsolicited(const struct debug_port *port) {
    uint8_t first = port->reply[0];

    return port->reply_size > 0 && (first == 'T' || first == 'S' || first == 'W' || first == 'X' ||
                                    (first == 'O' && strcmp((const char *)port->reply, "OK") != 0));
}

static int send_request(struct debug_port *port, struct bytes payload, struct writer *packet,
                        struct error *error) {
    rsp_encode(packet, payload);
    if (writer_check(packet) != STATUS_OK)
        return error_set(error, ERROR_INTERNAL, "debug request too long");
    return send_all(port, writer_bytes(packet), error);
}

enum reply_kind { REPLY_ANSWER, REPLY_STOP };

static int request(struct debug_port *port, struct bytes payload, enum reply_kind kind,
                   struct error *error) {
    uint64_t deadline = clock_monotonic_ms() + (uint64_t)port->timeout_ms;
    uint8_t buffer[RSP_PACKET_MAX];
    struct writer packet;

    writer_init(&packet, buffer, sizeof(buffer));
    if (send_request(port, payload, &packet, error) != 0)
        return -1;
    do {
        if (receive_packet(port, deadline, writer_bytes(&packet), error) != 0)
            return -1;
    } while (is_unsolicited(port) != (kind == REPLY_STOP));
    return 0;
}

static int request_text(struct debug_port *port, const char *text, enum reply_kind kind,
                        struct error *error) {
    return request(port, bytes_of(text, strlen(text)), kind, error);
}

static int expect_ok(const struct debug_port *port, const char *what, struct error *error) {
    if (strcmp((const char *)port->reply, "OK") == 0)
        return 0;
    error_set(error, ERROR_DEVICE_DEBUG, "the debug server refused to %s", what);
    return error_detail(error, "reply \"%.60s\"", (const char *)port->reply);
}

/* "E.text", or "E" and two digits: not to the request, but to the one who makes it. */
static int expect_no_refusal(const struct debug_port *port, struct error *error) {
    const char *reply = (const char *)port->reply;

    if (reply[0] != 'E')
        return 0;
    if (reply[1] == '.')
        return error_set(error, ERROR_DEVICE_DEBUG, "refused: %.100s", reply + 2);
    error_set(error, ERROR_DEVICE_DEBUG, "the debug server refuses");
    return error_detail(error, "reply \"%.60s\"", reply);
}

/* A server that halts on attach sends a stop reply on its own first; `?` asks for another one, and
 * the harmless extra one is drained by the next request. */
static int attach(struct debug_port *port, struct error *error) {
    if (request_text(port, "qSupported:", REPLY_ANSWER, error) != 0 ||
        expect_no_refusal(port, error) != 0)
        return -1;
    if (strstr((const char *)port->reply, "QStartNoAckMode+") != NULL) {
        if (request_text(port, "QStartNoAckMode", REPLY_ANSWER, error) != 0 ||
            expect_ok(port, "switch acknowledgements off", error) != 0)
            return -1;
        port->acknowledge = false;
    }
    if (request_text(port, "?", REPLY_STOP, error) != 0)
        return -1;
    if (port->reply[0] == 'W' || port->reply[0] == 'X')
        return error_set(error, ERROR_DEVICE_DEBUG, "the debug server has no target");
    return 0;
}

int debug_port_open(struct debug_port **port, const char *endpoint, int timeout_ms,
                    struct error *error) {
    struct endpoint parsed;
    struct debug_port *opened = NULL;

    *port = NULL;
    if (endpoint_parse(endpoint, &parsed, error) != 0)
        return -1;
    if (parsed.kind == ENDPOINT_SERIAL)
        return error_set(error, ERROR_USAGE, "a debug port is \"unix:PATH\" or \"tcp:HOST:PORT\"");
    opened = calloc(1, sizeof(*opened));
    if (opened == NULL)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    rsp_parser_init(&opened->parser);
    opened->timeout_ms = timeout_ms;
    opened->acknowledge = true;
    opened->fd = endpoint_connect(&parsed, timeout_ms, error);
    if (opened->fd < 0) {
        free(opened);
        return -1;
    }
    if (attach(opened, error) != 0) {
        error_prefix(error, "attach to %s", endpoint);
        if (error->code == ERROR_DEVICE_DEBUG)
            error_hint(error, "a chip whose debug port is locked, or that has no power, refuses");
        debug_port_close(opened);
        return -1;
    }
    *port = opened;
    return 0;
}

static enum debug_port_answer answer_of(const struct error *error) {
    switch (error->code) {
    case ERROR_DEVICE_DEBUG: return DEBUG_PORT_REFUSED;
    case ERROR_TIMEOUT: return DEBUG_PORT_SILENT;
    default: return DEBUG_PORT_ABSENT;
    }
}

int debug_port_probe(const char *endpoint, int timeout_ms, enum debug_port_answer *answer,
                     struct error *error) {
    struct debug_port *port = NULL;
    struct error leaving;
    *answer = DEBUG_PORT_ABSENT;
    if (debug_port_open(&port, endpoint, timeout_ms, error) != 0 || port == NULL) {
        *answer = answer_of(error);
        return error->code == ERROR_USAGE || error->code == ERROR_INTERNAL ? -1 : 0;
    }
    *answer = DEBUG_PORT_OPEN;
    /* A server that lets go badly has let us in all the same. */
    (void)debug_port_detach(port, &leaving);
    debug_port_close(port);
    return 0;
}

void debug_port_close(struct debug_port *port) {
    if (port == NULL)
        return;
    close(port->fd);
    free(port);
}

int debug_port_halt(struct debug_port *port, struct error *error) {
    uint64_t deadline = clock_monotonic_ms() + (uint64_t)port->timeout_ms;

    if (!port->running)
        return 0;
    if (send_byte(port, INTERRUPT_BYTE, error) != 0)
        return -1;
    do {
        if (receive_packet(port, deadline, bytes_of(NULL, 0), error) != 0)
            return -1;
    } while (port->reply[0] != 'T' && port->reply[0] != 'S');
    port->running = false;
    return 0;
}

static int require_halted(const struct debug_port *port, struct error *error) {
    if (port->running)
        return error_set(error, ERROR_INTERNAL, "debug access to a running core");
    return 0;
}

static int read_chunk(struct debug_port *port, uint32_t address, uint8_t *out, size_t size,
                      struct error *error) {
    uint8_t buffer[32];
    struct writer writer;
    struct reader reader;

    writer_init(&writer, buffer, sizeof(buffer));
    rsp_write_text(&writer, "m");
    rsp_write_number(&writer, address);
    rsp_write_text(&writer, ",");
    rsp_write_number(&writer, (uint32_t)size);
    if (request(port, writer_bytes(&writer), REPLY_ANSWER, error) != 0)
        return -1;
    reader_init(&reader, bytes_of(port->reply, port->reply_size));
    rsp_read_hex(&reader, out, size);
    if (reader_finish(&reader) == STATUS_OK)
        return 0;
    memset(out, 0, size);
    error_set(error, ERROR_DEVICE_DEBUG, "the debug server refused to read %zu bytes at 0x%08x",
              size, address);
    return error_detail(error, "reply \"%.60s\"", (const char *)port->reply);
}

int debug_port_read(struct debug_port *port, uint32_t address, uint8_t *out, size_t size,
                    struct error *error) {
    if (require_halted(port, error) != 0)
        return -1;
    for (size_t done = 0; done < size; done += CHUNK_BYTES) {
        size_t count = size - done < CHUNK_BYTES ? size - done : CHUNK_BYTES;
        if (read_chunk(port, address + (uint32_t)done, out + done, count, error) != 0)
            return -1;
    }
    return 0;
}

static int write_chunk(struct debug_port *port, uint32_t address, struct bytes data,
                       struct error *error) {
    uint8_t buffer[2 * CHUNK_BYTES + 32];
    struct writer writer;

    writer_init(&writer, buffer, sizeof(buffer));
    rsp_write_text(&writer, "M");
    rsp_write_number(&writer, address);
    rsp_write_text(&writer, ",");
    rsp_write_number(&writer, (uint32_t)data.size);
    rsp_write_text(&writer, ":");
    rsp_write_hex(&writer, data);
    if (request(port, writer_bytes(&writer), REPLY_ANSWER, error) != 0)
        return -1;
    if (expect_ok(port, "write memory", error) != 0)
        return error_prefix(error, "0x%08x", address);
    return 0;
}

int debug_port_write(struct debug_port *port, uint32_t address, struct bytes data,
                     struct error *error) {
    if (require_halted(port, error) != 0)
        return -1;
    for (size_t done = 0; done < data.size; done += CHUNK_BYTES) {
        size_t count = data.size - done < CHUNK_BYTES ? data.size - done : CHUNK_BYTES;
        if (write_chunk(port, address + (uint32_t)done, bytes_slice(data, done, count), error) != 0)
            return -1;
    }
    return 0;
}

/* Registers travel in the target's byte order: little-endian on every Cortex-M. */
int debug_port_read_register(struct debug_port *port, unsigned number, uint32_t *value,
                             struct error *error) {
    uint8_t buffer[16];
    uint8_t word[4];
    struct writer writer;
    struct reader reader;

    *value = 0;
    if (require_halted(port, error) != 0)
        return -1;
    writer_init(&writer, buffer, sizeof(buffer));
    rsp_write_text(&writer, "p");
    rsp_write_number(&writer, number);
    if (request(port, writer_bytes(&writer), REPLY_ANSWER, error) != 0)
        return -1;
    reader_init(&reader, bytes_of(port->reply, port->reply_size));
    rsp_read_hex(&reader, word, sizeof(word));
    if (reader_finish(&reader) != STATUS_OK)
        return error_set(error, ERROR_DEVICE_DEBUG, "the debug server has no register %u", number);
    reader_init(&reader, bytes_of(word, sizeof(word)));
    *value = read_u32le(&reader);
    return 0;
}

int debug_port_write_register(struct debug_port *port, unsigned number, uint32_t value,
                              struct error *error) {
    uint8_t buffer[32];
    uint8_t word[4];
    struct writer writer;

    if (require_halted(port, error) != 0)
        return -1;
    writer_init(&writer, word, sizeof(word));
    write_u32le(&writer, value);
    writer_init(&writer, buffer, sizeof(buffer));
    rsp_write_text(&writer, "P");
    rsp_write_number(&writer, number);
    rsp_write_text(&writer, "=");
    rsp_write_hex(&writer, bytes_of(word, sizeof(word)));
    if (request(port, writer_bytes(&writer), REPLY_ANSWER, error) != 0)
        return -1;
    return expect_ok(port, "write a register", error);
}

int debug_port_run(struct debug_port *port, struct error *error) {
    uint8_t buffer[16];
    struct writer packet;

    if (port->running)
        return 0;
    writer_init(&packet, buffer, sizeof(buffer));
    if (send_request(port, bytes_of("c", 1), &packet, error) != 0)
        return -1;
    port->running = true; /* answered by the next stop reply, which debug_port_halt waits for */
    return 0;
}

int debug_port_start(struct debug_port *port, uint32_t stack_top, uint32_t entry,
                     struct error *error) {
    if (debug_port_write_register(port, REGISTER_SP, stack_top, error) != 0 ||
        debug_port_write_register(port, REGISTER_XPSR, XPSR_THUMB, error) != 0 ||
        debug_port_write_register(port, REGISTER_PC, entry & ~1u, error) != 0)
        return -1;
    return debug_port_run(port, error);
}

int debug_port_detach(struct debug_port *port, struct error *error) {
    if (debug_port_halt(port, error) != 0 || request_text(port, "D", REPLY_ANSWER, error) != 0)
        return -1;
    port->running = true;
    return expect_ok(port, "detach", error);
}
