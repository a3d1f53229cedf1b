#include "virtual_board/testing_chip.h"

#include "mctp/mctp.h"
#include "mctp/mctp_serial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <sys/socket.h>

bool testing_chip_answers(int uart, int timeout_ms) {
    static const uint8_t get_version[] = {0x10, 0x84, 0x00, 0x00};
    struct mctp_serial_deframer deframer;
    struct mctp_endpoint endpoint;
    struct mctp_message message;
    uint8_t reassembly[512];
    uint8_t packet[MCTP_PACKET_MAX];
    uint8_t frame[MCTP_SERIAL_FRAME_MAX];
    struct writer packet_writer;
    struct writer frame_writer;
    struct pollfd poll_fd = {.fd = uart, .events = POLLIN};
    uint8_t byte;

    mctp_serial_init(&deframer);
    mctp_init(&endpoint, MCTP_REQUESTER, MCTP_EID_PROGRAMMER, MCTP_EID_DEVICE, reassembly,
              sizeof(reassembly));
    mctp_send(&endpoint, MCTP_TYPE_SPDM, bytes_of(get_version, sizeof(get_version)));
    writer_init(&packet_writer, packet, sizeof(packet));
    writer_init(&frame_writer, frame, sizeof(frame));
    assert_int_equal(mctp_send_next(&endpoint, &packet_writer), STATUS_OK);
    assert_int_equal(mctp_serial_frame(writer_bytes(&packet_writer), &frame_writer), STATUS_OK);
    assert_int_equal(send(uart, frame, frame_writer.size, MSG_NOSIGNAL), frame_writer.size);
    while (poll(&poll_fd, 1, timeout_ms) == 1 && recv(uart, &byte, 1, 0) == 1) {
        struct bytes received;
        if (mctp_serial_receive(&deframer, byte, &received) &&
            mctp_receive(&endpoint, received, &message) == STATUS_OK)
            return message.size > 1 && message.body[1] == 0x04;
    }
    return false;
}
