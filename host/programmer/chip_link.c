#include "programmer/chip_link_internal.h"

#include "base/clock.h"
#include "base/endpoint.h"
#include "base/secret.h"
#include "devauth/devauth.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define OPEN_MS       3000
#define WRITE_MS      5000
#define SLICE_MS      100
#define CONNECT_TRIES 4
#define READ_CHUNK    512

int chip_link_error(struct error *error, const char *what) {
    (void)error_set(error, ERROR_DEVICE_LINK, "UART: %s", what);
    return error_hint(error, "check the cable and that nothing else has the port open");
}

int chip_link_open(struct chip_link *link, const char *endpoint,
                   const struct chip_link_options *options, struct error *error) {
    struct endpoint parsed;
    memset(link, 0, sizeof *link);
    link->fd = -1;
    link->stop = options->stop;
    link->answer_ms = options->answer_ms > 0 ? options->answer_ms : CHIP_LINK_ANSWER_MS;
    link->connect_ms = CHIP_LINK_CONNECT_MS;
    spdm_requester_init(&link->requester, options->requester);
    mctp_serial_init(&link->deframer);
    mctp_init(&link->endpoint, MCTP_REQUESTER, MCTP_EID_PROGRAMMER, MCTP_EID_DEVICE,
              link->reassembly, sizeof link->reassembly);
    if (endpoint_parse(endpoint, &parsed, error) != 0)
        return -1;
    link->fd = endpoint_connect(&parsed, OPEN_MS, error);
    if (link->fd < 0)
        return error_prefix(error, "UART");
    int flags = fcntl(link->fd, F_GETFL);
    if (flags < 0 || fcntl(link->fd, F_SETFL, flags | O_NONBLOCK) != 0) {
        chip_link_close(link);
        return chip_link_error(error, "cannot be set up");
    }
    return 0;
}

void chip_link_close(struct chip_link *link) {
    if (link->fd >= 0)
        (void)close(link->fd);
    spdm_requester_reset(&link->requester);
    secret_wipe(link->message, sizeof link->message);
    secret_wipe(link->reassembly, sizeof link->reassembly);
    link->fd = -1;
}

int chip_link_wait(const struct chip_link *link, short events, uint64_t deadline_ms) {
    for (;;) {
        uint64_t now = clock_monotonic_ms();
        if (now >= deadline_ms)
            return 0;
        if (atomic_load(link->stop))
            return -1;
        uint64_t left = deadline_ms - now;
        struct pollfd ready = {.fd = link->fd, .events = events};
        int count = poll(&ready, 1, left < SLICE_MS ? (int)left : SLICE_MS);
        if (count > 0)
            return 1;
        if (count < 0 && errno != EINTR)
            return -1;
    }
}

static int write_all(struct chip_link *link, struct bytes data, struct error *error) {
    uint64_t deadline = clock_monotonic_ms() + WRITE_MS;
    size_t sent = 0;
    while (sent < data.size) {
        ssize_t count = write(link->fd, data.data + sent, data.size - sent);
        if (count > 0)
            sent += (size_t)count;
        else if (count < 0 && errno != EAGAIN && errno != EINTR)
            return chip_link_error(error, "writing failed");
        else if (chip_link_wait(link, POLLOUT, deadline) <= 0)
            return chip_link_error(error, "the target does not take data");
    }
    link->bytes += data.size;
    return 0;
}

int chip_link_send_frames(struct chip_link *link, struct error *error) {
    uint8_t packet[MCTP_PACKET_MAX];
    uint8_t frame[MCTP_SERIAL_FRAME_MAX];
    for (;;) {
        struct writer packet_writer;
        struct writer frame_writer;
        writer_init(&packet_writer, packet, sizeof packet);
        writer_init(&frame_writer, frame, sizeof frame);
        enum status status = mctp_send_next(&link->endpoint, &packet_writer);
        if (status == STATUS_BUSY)
            return 0;
        if (status != STATUS_OK ||
            mctp_serial_frame(writer_bytes(&packet_writer), &frame_writer) != STATUS_OK)
            return error_set(error, ERROR_INTERNAL, "a packet could not be framed");
        if (write_all(link, writer_bytes(&frame_writer), error) != 0)
            return -1;
    }
}

static int request_send(struct chip_link *link, struct error *error) {
    struct writer message;
    uint8_t type = 0;
    writer_init(&message, link->message, sizeof link->message);
    enum status status = spdm_requester_output(&link->requester, &message, &type);
    if (status != STATUS_OK)
        return 0; /* the requester is FAILED and says why */
    mctp_send(&link->endpoint, type, writer_bytes(&message));
    return chip_link_send_frames(link, error);
}

static void bulk_take(struct chip_link *link, struct bytes message) {
    if (link->bulk == NULL)
        return; /* the last word of a transfer that is over */
    enum status status = bulk_sender_handle(link->bulk, message);
    (void)status; /* in the sender, too */
}

/* Feeds one received byte; the state of the requester, or of the bulk sender, says what came of it.
 */
static void byte_take(struct chip_link *link, uint8_t byte) {
    struct bytes packet;
    struct mctp_message message;
    if (!mctp_serial_receive(&link->deframer, byte, &packet))
        return;
    if (mctp_receive(&link->endpoint, packet, &message) != STATUS_OK)
        return;
    if (message.type == BULK_MCTP_TYPE) {
        bulk_take(link, bytes_of(message.body, message.size));
        return;
    }
    /* A late answer to an earlier message finds nobody waiting and is dropped here. */
    if (spdm_requester_state(&link->requester) == SPDM_REQUESTER_WAIT) {
        enum status status =
            spdm_requester_input(&link->requester, message.type, message.body, message.size);
        (void)status; /* in the state, too */
    }
}

int chip_link_receive(struct chip_link *link, struct error *error) {
    uint8_t chunk[READ_CHUNK];
    ssize_t count = read(link->fd, chunk, sizeof chunk);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (count <= 0)
        return chip_link_error(error, "the target's port was closed");
    link->bytes += (uint64_t)count;
    for (ssize_t i = 0; i < count; i++)
        byte_take(link, chunk[i]);
    return 0;
}

/* The answer must be whole by the deadline; a dribble of noise does not move it. */
static int answer_wait(struct chip_link *link, struct error *error) {
    bool connecting = link->requester.operation == SPDM_OPERATION_CONNECT;
    int patience =
        connecting && link->connect_ms < link->answer_ms ? link->connect_ms : link->answer_ms;
    uint64_t begin_us = clock_monotonic_us();
    uint64_t deadline = clock_monotonic_ms() + (uint64_t)patience;
    int failed = 0;
    while (failed == 0 && spdm_requester_state(&link->requester) == SPDM_REQUESTER_WAIT) {
        int ready = chip_link_wait(link, POLLIN, deadline);
        if (ready > 0)
            failed = chip_link_receive(link, error);
        else if (ready == 0)
            failed = chip_link_error(error, "the chip did not answer in time");
        else
            failed = error_set(error, ERROR_BUSY, "the programmer is stopping");
    }
    link->waited_us += clock_monotonic_us() - begin_us;
    return failed;
}

static int refused(const struct chip_link *link, struct error *error) {
    struct spdm_peer_error peer = spdm_requester_peer_error(&link->requester);
    if (peer.code != SPDM_ERROR_VENDOR)
        return error_set(error, ERROR_DEVICE_REFUSED, "the chip answered with SPDM error 0x%02X",
                         peer.code);
    (void)error_set(error, ERROR_DEVICE_REFUSED, "the chip refused: %s",
                    status_name(peer.vendor_status));
    if (peer.vendor_status == STATUS_DEBUGGED)
        return error_hint(error, "no debugger may be attached while keys are made");
    return -1;
}

static int failure(const struct chip_link *link, struct error *error) {
    enum status status = spdm_requester_failure(&link->requester);
    switch (status) {
    case STATUS_PEER_ERROR: return refused(link, error);
    case STATUS_LINK:
    case STATUS_CLOSED: return chip_link_error(error, "the session was lost");
    case STATUS_BAD_SIGNATURE:
    case STATUS_BAD_CERTIFICATE:
    case STATUS_MISMATCH:
    case STATUS_DENIED:
        return error_set(error, ERROR_DEVICE_UNTRUSTED, "the chip's proof does not hold: %s",
                         status_name(status));
    default:
        return error_set(error, ERROR_DEVICE_LINK, "the chip's answer makes no sense: %s",
                         status_name(status));
    }
}

int chip_link_run(struct chip_link *link, enum status started, struct error *error) {
    if (started != STATUS_OK)
        return error_set(error, ERROR_DEVICE_REFUSED, "the operation is not possible now: %s",
                         status_name(started));
    for (;;) {
        int failed = 0;
        switch (spdm_requester_state(&link->requester)) {
        case SPDM_REQUESTER_SEND: failed = request_send(link, error); break;
        case SPDM_REQUESTER_WAIT: failed = answer_wait(link, error); break;
        case SPDM_REQUESTER_DONE: return 0;
        default: return failure(link, error);
        }
        if (failed != 0) {
            spdm_requester_abort(&link->requester, STATUS_LINK);
            return -1;
        }
    }
}

static int payload_agree(struct chip_link *link, struct error *error) {
    uint8_t request[8];
    struct writer writer;
    struct bytes answer;
    uint16_t agreed = 0;
    writer_init(&writer, request, sizeof request);
    devauth_request_link_payload(&writer, MCTP_PAYLOAD_MAX);
    if (chip_link_command(link, writer_bytes(&writer), &answer, error) != 0)
        return -1;
    if (devauth_read_link_payload(answer, &agreed) != STATUS_OK || agreed < MCTP_PAYLOAD_BASELINE)
        return chip_link_error(error, "the chip's packet size makes no sense");
    mctp_set_payload(&link->endpoint, agreed);
    return 0;
}

/* Not worth another try: the chip is off, gone, or runs nothing of ours. */
static int silent(struct error *error) {
    (void)error_set(error, ERROR_TIMEOUT, "UART: the chip does not answer at all");
    return error_hint(error, "check the cable, the power, and that nothing else has the port open");
}

int chip_link_call(struct chip_link *link, int patience_ms, struct error *error) {
    int answer_ms = link->answer_ms;
    link->connect_ms = patience_ms;
    /* After a fault the chip may be back at the baseline; it takes any size up to what it agreed.
     */
    mctp_set_payload(&link->endpoint, MCTP_PAYLOAD_BASELINE);
    int failed = chip_link_run(link, spdm_requester_connect(&link->requester), error);
    link->connect_ms = CHIP_LINK_CONNECT_MS;
    /* Nothing is computed for this answer either, and a chip may be on its way down. */
    link->answer_ms = answer_ms < CHIP_LINK_CONNECT_MS ? answer_ms : CHIP_LINK_CONNECT_MS;
    if (failed == 0)
        failed = payload_agree(link, error);
    link->answer_ms = answer_ms;
    return failed;
}

int chip_link_connect(struct chip_link *link, struct error *error) {
    int failed = -1;
    for (int i = 0; i < CONNECT_TRIES && failed != 0; i++) {
        failed = chip_link_call(link, CHIP_LINK_CONNECT_MS, error);
        if (failed != 0 && error->code != ERROR_DEVICE_LINK)
            return -1;
    }
    return failed != 0 ? silent(error) : 0;
}

int chip_link_command(struct chip_link *link, struct bytes payload, struct bytes *answer,
                      struct error *error) {
    if (chip_link_run(link, spdm_requester_vendor(&link->requester, payload), error) != 0)
        return -1;
    *answer = spdm_requester_result(&link->requester);
    return 0;
}
