#include "spdm_bridge/bridge.h"

#include "spdm_bridge/socket_frame.h"

#define HELLO "Server Hello!" /* what spdm-emu's responder answers; with its terminator */

static int carry(struct uart_link *link, int client, const struct socket_frame *frame,
                 int timeout_ms, struct error *error) {
    struct mctp_message answer;
    if (frame->size < 1) {
        return error_set(error, ERROR_BAD_REQUEST, "an empty message");
    }
    struct bytes body = bytes_slice(bytes_of(frame->payload, frame->size), 1, frame->size - 1);
    if (uart_link_exchange(link, frame->payload[0], body, timeout_ms, &answer, error) != 0) {
        return -1;
    }
    /* The type byte is in front of the body, in the same buffer. */
    return socket_frame_write(client, SOCKET_COMMAND_NORMAL,
                              bytes_of(link->buffer, 1 + answer.size), error);
}

int bridge_serve(struct uart_link *link, int client, int timeout_ms, struct error *error) {
    static uint8_t payload[1 + SPDM_RECORD_MAX];
    struct bytes nothing = bytes_of(NULL, 0);
    for (;;) {
        struct socket_frame frame = {.payload = payload, .capacity = sizeof payload};
        int result = 0;
        switch (socket_frame_read(client, &frame, error)) {
        case SOCKET_CLOSED: return 0;
        case SOCKET_FAILED: return -1;
        case SOCKET_OK: break;
        }
        switch (frame.command) {
        case SOCKET_COMMAND_NORMAL: result = carry(link, client, &frame, timeout_ms, error); break;
        case SOCKET_COMMAND_TEST:
            result =
                socket_frame_write(client, frame.command, bytes_of(HELLO, sizeof HELLO), error);
            break;
        case SOCKET_COMMAND_CONTINUE:
            result = socket_frame_write(client, frame.command, nothing, error);
            break;
        case SOCKET_COMMAND_SHUTDOWN:
            return socket_frame_write(client, frame.command, nothing, error);
        default: result = socket_frame_write(client, SOCKET_COMMAND_UNKNOWN, nothing, error); break;
        }
        if (result != 0) {
            return -1;
        }
    }
}
