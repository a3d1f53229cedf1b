/*
 * The device's end of the link, shared by every stage: bytes of the UART to MCTP messages to the
 * stage's SPDM responder, and its answers back. Nothing here decides anything; a byte that does not
 * belong to a good frame is dropped.
 *
 * Calling sequence: device_link_start, then device_link_poll for ever; hal->wait when it says IDLE.
 */
#ifndef NUSEC_HAL_DEVICE_LINK_H
#define NUSEC_HAL_DEVICE_LINK_H

#include "hal/hal.h"

#include "mctp/mctp.h"
#include "mctp/mctp_serial.h"
#include "spdm/spdm_messages.h"

/* Handles one message in place. OK: send what is in `response` with `*response_type`; anything
 * else: send nothing. The shape of spdm_responder_handle. */
typedef enum status device_link_handler(void *context, uint8_t type, uint8_t *message, size_t size,
                                        struct writer *response, uint8_t *response_type);

/* Called when an answer has left completely; may change the payload or reset the chip. */
typedef void device_link_sent(void *context);

struct device_link {
    const struct hal *hal;
    device_link_handler *handle;
    device_link_sent *sent;
    void *context;
    struct mctp_serial_deframer deframer;
    struct mctp_endpoint endpoint;
    uint8_t request[1 + SPDM_RECORD_MAX]; /* with MCTP's type byte */
    uint8_t response[SPDM_RECORD_MAX];
    uint32_t overruns; /* receive overruns seen; the frames they broke were dropped */
};

enum device_link_activity { DEVICE_LINK_IDLE, DEVICE_LINK_ACTIVE };

/* `sent` may be NULL. Everything given must outlive the link. */
void device_link_start(struct device_link *link, const struct hal *hal, device_link_handler *handle,
                       device_link_sent *sent, void *context);

/* Takes what the UART has now and answers any message it completes. */
enum device_link_activity device_link_poll(struct device_link *link);

/* Packet payload from the next answer on. */
void device_link_set_payload(struct device_link *link, uint16_t payload);

#endif
