/* Any bytes on the line, through deframer and reassembly of either end. */
#include "mctp/mctp.h"
#include "mctp/mctp_serial.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t buffer[512];
    struct mctp_serial_deframer deframer;
    struct mctp_endpoint endpoint;
    mctp_serial_init(&deframer);
    mctp_init(&endpoint, size % 2 == 0 ? MCTP_RESPONDER : MCTP_REQUESTER, MCTP_EID_DEVICE,
              MCTP_EID_PROGRAMMER, buffer, sizeof buffer);
    for (size_t i = 0; i < size; i++) {
        struct mctp_message message;
        struct bytes packet;
        if (mctp_serial_receive(&deframer, data[i], &packet) &&
            mctp_receive(&endpoint, packet, &message) == STATUS_OK && message.size > 0) {
            message.body[message.size - 1] ^= 1; /* the whole body is there and writable */
        }
    }
    return 0;
}
