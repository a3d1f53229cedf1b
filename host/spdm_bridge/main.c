/*
 * spdm-socket-bridge: a device's UART as a socket of DMTF's spdm-emu, and the other way round, our
 * requester against such a socket.
 */
#include "spdm_bridge/bridge.h"
#include "spdm_bridge/client.h"
#include "spdm_bridge/identity.h"
#include "spdm_bridge/socket_frame.h"

#include "base/endpoint.h"
#include "base/log.h"
#include "base/options.h"
#include "base/secret.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECT_TIMEOUT_MS 5000
#define ANSWER_TIMEOUT_MS  20000

static struct {
    const char *uart;
    const char *listen;
    const char *connect;
    const char *root;
    const char *chain;
    const char *key;
    uint64_t timeout_ms;
    uint64_t portion;
    bool once;
} arguments = {.timeout_ms = ANSWER_TIMEOUT_MS};

static const struct option_entry ENTRIES[] = {
    {OPTION_TEXT, "uart", "ENDPOINT", "the device: unix:/path, tcp:host:port or a serial device",
     &arguments.uart, OPTION_OPTIONAL},
    {OPTION_TEXT, "listen", "HOST:PORT", "offer it to socket requesters here", &arguments.listen,
     OPTION_OPTIONAL},
    {OPTION_FLAG, "once", NULL, "end after the first socket client", &arguments.once,
     OPTION_OPTIONAL},
    {OPTION_NUMBER, "timeout", "MS", "how long a device may take to answer (default 20000)",
     &arguments.timeout_ms, OPTION_OPTIONAL},
    {OPTION_TEXT, "connect", "HOST:PORT", "run our requester against a socket responder",
     &arguments.connect, OPTION_OPTIONAL},
    {OPTION_TEXT, "root", "FILE", "root certificate the responder must have", &arguments.root,
     OPTION_OPTIONAL},
    {OPTION_TEXT, "chain", "FILE", "our own certificates, root first, to authenticate ourselves",
     &arguments.chain, OPTION_OPTIONAL},
    {OPTION_TEXT, "key", "FILE", "private key (PEM) of the last of them", &arguments.key,
     OPTION_OPTIONAL},
    {OPTION_NUMBER, "portion", "BYTES", "ask for certificates in portions of this size",
     &arguments.portion, OPTION_OPTIONAL},
};

static const struct option_set OPTIONS = {
    "spdm-socket-bridge",
    "--uart ENDPOINT --listen HOST:PORT | --connect HOST:PORT --root FILE "
    "[--chain FILE --key FILE] | --uart ENDPOINT --root FILE ...",
    "Carries SPDM between a device's UART and the socket protocol of DMTF's spdm-emu. With "
    "--root, runs our own requester against the socket or the UART.",
    ENTRIES,
    sizeof ENTRIES / sizeof ENTRIES[0],
    0,
    0};

/* HOST:PORT as the endpoint it is; anything with a scheme stays. */
static int parse_socket(const char *text, struct endpoint *endpoint, struct error *error) {
    char full[300];
    bool bare = strncmp(text, "tcp:", 4) != 0 && strncmp(text, "unix:", 5) != 0;
    (void)snprintf(full, sizeof full, "%s%s", bare ? "tcp:" : "", text);
    return endpoint_parse(full, endpoint, error);
}

static int open_uart(struct error *error) {
    struct endpoint endpoint;
    if (endpoint_parse(arguments.uart, &endpoint, error) != 0) {
        return -1;
    }
    return endpoint_connect(&endpoint, CONNECT_TIMEOUT_MS, error);
}

static int run_bridge(struct error *error) {
    static struct uart_link link;
    struct endpoint endpoint;
    if (parse_socket(arguments.listen, &endpoint, error) != 0) {
        return -1;
    }
    int uart = open_uart(error);
    int listener = uart < 0 ? -1 : endpoint_listen(&endpoint, error);
    if (listener < 0) {
        return -1;
    }
    uart_link_start(&link, uart);
    log_info("bridge.listening", "address", arguments.listen);
    int result = 0;
    do {
        struct pollfd poller = {.fd = listener, .events = POLLIN};
        (void)poll(&poller, 1, -1);
        int client = accept(listener, NULL, NULL);
        if (client < 0) {
            continue;
        }
        result = bridge_serve(&link, client, (int)arguments.timeout_ms, error);
        if (result != 0) {
            log_error_event("bridge.client", error);
        }
        (void)close(client);
    } while (!arguments.once && error->code != ERROR_DEVICE_LINK);
    (void)close(listener);
    (void)close(uart);
    return result;
}

/* Our requester's messages as socket frames. */
static int carry_socket(void *context, uint8_t type, struct bytes message, uint8_t *answer_type,
                        uint8_t *answer, size_t capacity, size_t *size, struct error *error) {
    static uint8_t payload[1 + SPDM_RECORD_MAX];
    const int *fd = context;
    struct socket_frame frame = {.payload = payload, .capacity = sizeof payload};
    struct writer writer;
    writer_init(&writer, payload, sizeof payload);
    write_u8(&writer, type);
    write_bytes(&writer, message);
    if (socket_frame_write(*fd, SOCKET_COMMAND_NORMAL, writer_bytes(&writer), error) != 0) {
        return -1;
    }
    enum socket_result result = socket_frame_read(*fd, &frame, error);
    if (result == SOCKET_FAILED) {
        return -1;
    }
    if (result == SOCKET_CLOSED || frame.command != SOCKET_COMMAND_NORMAL || frame.size < 1 ||
        frame.size - 1 > capacity) {
        return error_set(error, ERROR_DEVICE_LINK, "the responder hung up or sent no message");
    }
    *answer_type = payload[0];
    *size = frame.size - 1;
    memcpy(answer, &payload[1], *size);
    return 0;
}

static int carry_uart(void *context, uint8_t type, struct bytes message, uint8_t *answer_type,
                      uint8_t *answer, size_t capacity, size_t *size, struct error *error) {
    struct mctp_message received;
    if (uart_link_exchange(context, type, message, (int)arguments.timeout_ms, &received, error) !=
        0) {
        return -1;
    }
    if (received.size > capacity) {
        return error_set(error, ERROR_TOO_LARGE, "the answer is too long");
    }
    *answer_type = received.type;
    *size = received.size;
    memcpy(answer, received.body, received.size);
    return 0;
}

/* spdm-emu's responder serves on after CONTINUE and ends after SHUTDOWN. */
static void say_goodbye(int fd) {
    struct error ignored = {0};
    uint8_t payload[16];
    struct socket_frame frame = {.payload = payload, .capacity = sizeof payload};
    if (socket_frame_write(fd, SOCKET_COMMAND_SHUTDOWN, bytes_of(NULL, 0), &ignored) == 0) {
        (void)socket_frame_read(fd, &frame, &ignored);
    }
}

static int run_requester(const struct client_identity *identity, struct error *error) {
    static struct uart_link link;
    struct endpoint endpoint;
    if (arguments.connect == NULL) {
        int uart = open_uart(error);
        if (uart < 0) {
            return -1;
        }
        uart_link_start(&link, uart);
        int result = client_run(carry_uart, &link, identity, stdout, error);
        (void)close(uart);
        return result;
    }
    if (parse_socket(arguments.connect, &endpoint, error) != 0) {
        return -1;
    }
    int fd = endpoint_connect(&endpoint, CONNECT_TIMEOUT_MS, error);
    if (fd < 0) {
        return -1;
    }
    int result = client_run(carry_socket, &fd, identity, stdout, error);
    say_goodbye(fd);
    (void)close(fd);
    return result;
}

static int run_client(struct error *error) {
    struct client_identity identity = {.portion = (uint16_t)arguments.portion};
    struct buffer root = {0};
    struct buffer chain = {0};
    int result = identity_read_certificates(arguments.root, &root, error);
    if (result == 0 && arguments.chain != NULL) {
        result = arguments.key == NULL ? error_set(error, ERROR_USAGE, "--chain needs --key")
                                       : identity_read_certificates(arguments.chain, &chain, error);
        if (result == 0) {
            result = identity_read_key(arguments.key, identity.private_key, error);
        }
    }
    if (result == 0) {
        identity.root = buffer_bytes(&root);
        identity.chain = buffer_bytes(&chain);
        result = run_requester(&identity, error);
    }
    secret_wipe(&identity, sizeof identity);
    buffer_free(&root);
    buffer_free(&chain);
    return result;
}

int main(int argc, char **argv) {
    struct error error = {0};
    int result = -1;
    log_start("spdm-socket-bridge", LOG_LEVEL_INFO);
    switch (options_parse(&OPTIONS, argc, argv, NULL, &error)) {
    case OPTIONS_HELP: options_help(&OPTIONS, stdout); return 0;
    case OPTIONS_FAILED: break;
    case OPTIONS_OK:
        if (arguments.uart != NULL && arguments.listen != NULL) {
            result = run_bridge(&error);
        } else if (arguments.root != NULL &&
                   (arguments.connect != NULL || arguments.uart != NULL)) {
            result = run_client(&error);
        } else {
            (void)error_set(&error, ERROR_USAGE,
                            "either --uart and --listen, or --root and --connect or --uart");
        }
        break;
    }
    if (result != 0) {
        log_error_event("failed", &error);
        return error_exit_code(error.code);
    }
    return 0;
}
