#include "spdm_bridge/uart_link.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

void uart_link_start(struct uart_link *link, int fd) {
    link->fd = fd;
    mctp_serial_init(&link->deframer);
    mctp_init(&link->endpoint, MCTP_REQUESTER, MCTP_EID_PROGRAMMER, MCTP_EID_DEVICE, link->buffer,
              sizeof link->buffer);
}

static int write_all(int fd, struct bytes bytes, struct error *error) {
    size_t done = 0;
    while (done < bytes.size) {
        ssize_t count = write(fd, &bytes.data[done], bytes.size - done);
        if (count < 0 && errno != EINTR) {
            return error_set(error, ERROR_DEVICE_LINK, "the device's UART is gone");
        }
        done += count > 0 ? (size_t)count : 0;
    }
    return 0;
}

static int send_packets(struct uart_link *link, struct error *error) {
    for (;;) {
        uint8_t packet[MCTP_PACKET_MAX];
        uint8_t frame[MCTP_SERIAL_FRAME_MAX];
        struct writer packet_writer;
        struct writer frame_writer;
        writer_init(&packet_writer, packet, sizeof packet);
        writer_init(&frame_writer, frame, sizeof frame);
        if (mctp_send_next(&link->endpoint, &packet_writer) != STATUS_OK) {
            return 0;
        }
        if (mctp_serial_frame(writer_bytes(&packet_writer), &frame_writer) != STATUS_OK) {
            return error_set(error, ERROR_INTERNAL, "a packet could not be framed");
        }
        if (write_all(link->fd, writer_bytes(&frame_writer), error) != 0) {
            return -1;
        }
    }
}

/* True when these bytes complete the answer. */
static bool take(struct uart_link *link, struct bytes input, struct mctp_message *answer) {
    bool whole = false;
    for (size_t i = 0; i < input.size; i++) {
        struct bytes packet;
        struct mctp_message message;
        if (mctp_serial_receive(&link->deframer, input.data[i], &packet) &&
            mctp_receive(&link->endpoint, packet, &message) == STATUS_OK) {
            *answer = message;
            whole = true;
        }
    }
    return whole;
}

int uart_link_exchange(struct uart_link *link, uint8_t type, struct bytes body, int timeout_ms,
                       struct mctp_message *answer, struct error *error) {
    uint64_t deadline = clock_monotonic_ms() + (uint64_t)timeout_ms;
    mctp_send(&link->endpoint, type, body);
    if (send_packets(link, error) != 0) {
        return -1;
    }
    for (;;) {
        uint8_t input[512];
        struct pollfd poller = {.fd = link->fd, .events = POLLIN};
        uint64_t now = clock_monotonic_ms();
        if (now >= deadline || poll(&poller, 1, (int)(deadline - now)) == 0) {
            return error_set(error, ERROR_TIMEOUT, "the device did not answer");
        }
        ssize_t count = read(link->fd, input, sizeof input);
        if (count == 0 || (count < 0 && errno != EINTR && errno != EAGAIN)) {
            return error_set(error, ERROR_DEVICE_LINK, "the device's UART is gone");
        }
        if (count > 0 && take(link, bytes_of(input, (size_t)count), answer)) {
            return 0;
        }
    }
}
