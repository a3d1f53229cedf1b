#include "hal/device_link.h"

#include "devauth/devauth.h"

_Static_assert(MCTP_EID_DEVICE == DEVAUTH_DEVICE_EID && MCTP_PAYLOAD_MAX == DEVAUTH_LINK_MAX &&
                   SPDM_MESSAGE_MAX == DEVAUTH_MESSAGE_MAX && SPDM_VENDOR_ID == DEVAUTH_VENDOR_ID,
               "the profile and the engines agree");

/* Bytes taken from the UART at once. */
#define READ_CHUNK 64

void device_link_start(struct device_link *link, const struct hal *hal, device_link_handler *handle,
                       device_link_sent *sent, void *context) {
    link->hal = hal;
    link->handle = handle;
    link->sent = sent;
    link->context = context;
    link->overruns = 0;
    mctp_serial_init(&link->deframer);
    mctp_init(&link->endpoint, MCTP_RESPONDER, MCTP_EID_DEVICE, MCTP_EID_PROGRAMMER, link->request,
              sizeof link->request);
}

void device_link_set_payload(struct device_link *link, uint16_t payload) {
    mctp_set_payload(&link->endpoint, payload);
}

static enum status send_response(struct device_link *link, uint8_t type, struct bytes response) {
    uint8_t packet[MCTP_PACKET_MAX];
    uint8_t frame[MCTP_SERIAL_FRAME_MAX];
    struct writer packet_writer;
    struct writer frame_writer;
    mctp_send(&link->endpoint, type, response);
    for (;;) {
        writer_init(&packet_writer, packet, sizeof packet);
        enum status status = mctp_send_next(&link->endpoint, &packet_writer);
        if (status == STATUS_BUSY) {
            return STATUS_OK;
        }
        writer_init(&frame_writer, frame, sizeof frame);
        if (status == STATUS_OK) {
            status = mctp_serial_frame(writer_bytes(&packet_writer), &frame_writer);
        }
        if (status == STATUS_OK) {
            status = link->hal->link_write(frame, frame_writer.size);
        }
        if (status != STATUS_OK) {
            return status;
        }
    }
}

static void answer(struct device_link *link, const struct mctp_message *message) {
    struct writer response;
    uint8_t type = 0;
    writer_init(&response, link->response, sizeof link->response);
    enum status status =
        link->handle(link->context, message->type, message->body, message->size, &response, &type);
    if (status != STATUS_OK) {
        return;
    }
    /* An answer that cannot be sent is lost like one on a broken cable: the requester times out. */
    if (send_response(link, type, writer_bytes(&response)) == STATUS_OK && link->sent != NULL) {
        link->sent(link->context);
    }
}

enum device_link_activity device_link_poll(struct device_link *link) {
    uint8_t bytes[READ_CHUNK];
    size_t taken = 0;
    if (link->hal->link_overrun()) {
        link->overruns++;
    }
    if (link->hal->link_read(bytes, sizeof bytes, &taken) != STATUS_OK || taken == 0) {
        return DEVICE_LINK_IDLE;
    }
    for (size_t i = 0; i < taken; i++) {
        struct bytes packet;
        struct mctp_message message;
        if (mctp_serial_receive(&link->deframer, bytes[i], &packet) &&
            mctp_receive(&link->endpoint, packet, &message) == STATUS_OK) {
            answer(link, &message);
        }
    }
    return DEVICE_LINK_ACTIVE;
}
